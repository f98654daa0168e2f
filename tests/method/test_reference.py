"""The reference policy: closed forms of loss and sampler, and distributions it must recover."""

from __future__ import annotations

import math

import pytest
import torch

from vgf.networks import SeedStreams
from vgf.reference import FlowReference, GaussianReference, Reference, make_reference


def flow(steps: int = 8, hidden: tuple[int, ...] = (64, 64), seeds: tuple[int, ...] = (0, 1)) -> FlowReference:
    return FlowReference(1, 1, hidden, SeedStreams(seeds, "weights"), steps=steps)


def silence(reference: FlowReference, velocity: float) -> None:
    """Make the velocity field constant."""
    with torch.no_grad():
        reference.velocity.net.weights[-1].zero_()
        reference.velocity.net.biases[-1].fill_(velocity)


def test_loss_of_a_constant_velocity_is_its_distance_to_the_path() -> None:
    reference, g = flow(), torch.Generator().manual_seed(0)
    silence(reference, 0.3)
    s, a, x0 = (torch.randn(2, 50, 1, generator=g) for _ in range(3))
    loss = reference.loss(s, a, x0, torch.rand(2, 50, 1, generator=g))
    torch.testing.assert_close(loss, (0.3 - (a - x0)).square().mean((1, 2)))


def test_the_path_runs_straight_from_noise_to_action(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, seen = flow(), []
    monkeypatch.setattr(reference.velocity, "forward", lambda s, x, t: seen.append(x) or torch.zeros_like(x))
    s, a, x0 = torch.zeros(2, 3, 1), torch.full((2, 3, 1), 2.0), torch.full((2, 3, 1), -1.0)
    for t in (0.0, 0.5, 1.0):
        reference.loss(s, a, x0, torch.full((2, 3, 1), t))
    for x, expected in zip(seen, (-1.0, 0.5, 2.0), strict=True):
        torch.testing.assert_close(x, torch.full((2, 3, 1), expected))


def test_euler_integrates_a_constant_velocity_exactly_and_stays_in_the_box() -> None:
    reference = flow(steps=7)
    silence(reference, 0.5)
    noise = torch.tensor([-2.0, -0.9, 0.0, 0.4, 3.0]).reshape(1, 5, 1).expand(2, -1, -1)
    out = reference.sample(torch.zeros(2, 5, 1), noise)
    torch.testing.assert_close(out[0, :, 0], torch.tensor([-1.0, -0.4, 0.5, 0.9, 1.0]))


def fit(reference: Reference, draw: torch.Tensor, updates: int) -> None:
    """Train on actions `draw` [T] in the only state there is."""
    g, adam = torch.Generator().manual_seed(1), torch.optim.Adam(reference.parameters(), lr=3e-3)
    for i in range(updates):
        adam.param_groups[0]["lr"] = 3e-3 if i < 0.7 * updates else 3e-4
        a = draw[torch.randint(len(draw), (2, 256, 1), generator=g)]
        noise, time = torch.randn(2, 256, 1, generator=g), torch.rand(2, 256, 1, generator=g)
        adam.zero_grad()
        reference.loss(torch.zeros(2, 256, 1), a, noise, time).sum().backward()
        adam.step()


@torch.no_grad()
def sampled(reference: Reference, count: int = 4000) -> torch.Tensor:
    return reference.sample(
        torch.zeros(2, 1, 1), torch.randn(2, 1, count, 1, generator=torch.Generator().manual_seed(2))
    ).flatten(1)


def test_flow_matching_recovers_a_gaussian() -> None:
    reference = flow(steps=16)
    fit(reference, 0.3 + 0.2 * torch.randn(4000, generator=torch.Generator().manual_seed(0)), 400)
    for x in sampled(reference):
        assert abs(x.mean() - 0.3) < 0.04
        assert abs(x.std() - 0.2) < 0.04


def test_flow_matching_keeps_both_modes_and_their_weights_where_a_gaussian_averages() -> None:
    g = torch.Generator().manual_seed(0)
    right = torch.rand(4000, generator=g) < 0.7
    draw = torch.where(right, 0.5, -0.5) + 0.05 * torch.randn(4000, generator=g)
    cloned, gaussian = flow(steps=16), GaussianReference(1, 1, (16,), SeedStreams((0, 1), "weights"))
    fit(cloned, draw, 600)
    fit(gaussian, draw, 600)
    for x in sampled(cloned):
        assert abs((x > 0).float().mean() - 0.7) < 0.06
        assert abs(x[x > 0].median() - 0.5) < 0.06
        assert abs(x[x < 0].median() + 0.5) < 0.06
        assert ((x.abs() - 0.5).abs() < 0.2).float().mean() > 0.8
    for x in sampled(gaussian):
        assert ((x.abs() - 0.5).abs() < 0.2).float().mean() < 0.7


def test_gaussian_loss_is_the_negative_log_likelihood() -> None:
    reference, g = GaussianReference(2, 3, (8,), SeedStreams((0, 1), "weights")), torch.Generator().manual_seed(0)
    with torch.no_grad():
        reference.log_std.copy_(torch.randn(2, 1, 3, generator=g))
    s, a = torch.randn(2, 20, 2, generator=g), torch.randn(2, 20, 3, generator=g)
    mean, std = reference.mean(s).squeeze(1), reference.log_std.exp()
    expected = -torch.distributions.Normal(mean, std).log_prob(a).sum(-1).mean(-1)
    torch.testing.assert_close(reference.loss(s, a, a, a), expected)


def test_gaussian_samples_are_mean_plus_scaled_noise_in_the_box() -> None:
    reference = GaussianReference(2, 1, (8,), SeedStreams((0,), "weights"))
    with torch.no_grad():
        reference.mean.weights[-1].zero_()
        reference.log_std.fill_(math.log(0.5))
    noise = torch.tensor([-4.0, -1.0, 0.0, 1.5]).reshape(1, 1, 4, 1)
    out = reference.sample(torch.zeros(1, 1, 2), noise)
    torch.testing.assert_close(out.flatten(), torch.tensor([-1.0, -0.5, 0.0, 0.75]))


def test_unknown_kinds_and_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="reference must be 'flow' or 'gaussian', got 'vae'"):
        make_reference("vae", 1, 1, (4,), SeedStreams((0,), "weights"), flow_steps=2)
    with pytest.raises(ValueError, match="flow_steps must be >= 1"):
        flow(steps=0)
