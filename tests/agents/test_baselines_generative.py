"""The flow and diffusion baselines against what is known: schedules, samplers fed with exact denoisers, limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.baselines import DIMS, HIDDEN, make_agent, make_batch
from vgf.agents.bc import BC, BCConfig
from vgf.agents.diffusion import Diffusion, vp_schedule
from vgf.networks import SeedStreams

MODES, SHARES, SPREAD = (-0.6, 0.5), (0.3, 0.7), 0.05  # a mixture of two normals on a line


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# Diffusion: closed forms


@pytest.mark.parametrize("steps", [1, 5, 50, 1000])
def test_schedule_keeps_the_variance_and_ends_in_noise(steps: int) -> None:
    """Unit variance stays 1 at every step; the action's own share falls to exp(-0.1 - 9.9 / 2), whatever T."""
    betas = vp_schedule(steps)
    assert ((betas > 0) & (betas < 1)).all()
    assert (betas.diff() > 0).all()
    action, noise, unit = 1.0, 0.0, 1.0
    abar = (1 - betas).cumprod(0)
    for beta, share in zip(betas.tolist(), abar.tolist(), strict=True):
        action, noise, unit = (1 - beta) * action, (1 - beta) * noise + beta, (1 - beta) * unit + beta
        assert action == pytest.approx(share, rel=1e-12)
        assert noise == pytest.approx(1 - share, rel=1e-12)
        assert unit == pytest.approx(1, rel=1e-12)
    assert abar[-1].item() == pytest.approx(math.exp(-0.1 - 9.9 / 2), rel=1e-12)


def test_noised_actions_have_the_schedules_moments() -> None:
    """What the network is shown at a step: mean sqrt(abar) a and variance 1 - abar, within five standard errors."""
    rows = 40_000
    policy = Diffusion(1, 1, (4,), SeedStreams((0,), "test"), steps=5, sampler="posterior")
    shown: list[Tensor] = []

    def record(observations: Tensor, x: Tensor, step: Tensor) -> Tensor:
        shown.append(x)
        assert (step == 3).all()
        return torch.zeros_like(x)

    policy.predict = record
    noise = draw(1, rows, 1)
    loss = policy.loss(torch.zeros(1, rows, 1), torch.full((1, rows, 1), 0.8), noise, torch.full((1, rows), 0.7))
    abar = (1 - vp_schedule(5)).cumprod(0)[3].item()
    x = shown[0]
    assert x.mean().item() == pytest.approx(0.8 * math.sqrt(abar), abs=5 * math.sqrt((1 - abar) / rows))
    assert x.var().item() == pytest.approx(1 - abar, rel=5 * math.sqrt(2 / rows))
    assert loss.item() == pytest.approx(noise.square().mean().item(), rel=1e-5)


def exact_denoiser(policy: Diffusion) -> Callable[..., Tensor]:
    """The noise expected in x_t when actions come from the mixture: -sqrt(1 - abar) times the score of x_t."""

    def predict(observations: Tensor, x: Tensor, step: Tensor) -> Tensor:
        abar = policy.abar[step].unsqueeze(-1)
        variance = abar * SPREAD**2 + 1 - abar
        gap = torch.stack([abar.sqrt() * mode - x for mode in MODES])
        logits = -gap.square() / (2 * variance) + torch.tensor(SHARES).log().reshape(2, 1, 1, 1)
        return -(1 - abar).sqrt() * (logits.softmax(0) * gap / variance).sum(0)

    return predict


def mixture_of(samples: Tensor) -> tuple[list[float], list[float], list[float]]:
    """Share, mean and spread of the samples nearer to either mode."""
    right = samples > sum(MODES) / 2
    parts = [samples[~right], samples[right]]
    count = samples.numel()
    return ([len(p) / count for p in parts], [p.mean().item() for p in parts], [p.std().item() for p in parts])


@pytest.mark.parametrize("sampler", ["posterior", "step"])
def test_samplers_recover_a_mixture(sampler: Any) -> None:
    """Fed with the exact denoiser, 200 steps give shares, means and spreads of both modes."""
    policy = Diffusion(1, 1, (4,), SeedStreams((0,), "test"), steps=200, sampler=sampler)
    policy.predict = exact_denoiser(policy)
    samples = policy.sample(torch.zeros(1, 4000, 1), draw(1, 200, 4000, 1))
    shares, means, spreads = mixture_of(samples)
    assert shares == pytest.approx(SHARES, abs=0.05)
    assert means == pytest.approx(MODES, abs=0.02)
    assert spreads == pytest.approx([SPREAD, SPREAD], rel=0.3)


@pytest.mark.parametrize("sampler", ["posterior", "step"])
def test_one_possible_action_is_found_from_any_noise(sampler: Any) -> None:
    """With a single action the exact denoiser knows it, and the last step returns it to rounding."""
    policy = Diffusion(1, 1, (4,), SeedStreams((0,), "test"), steps=5, sampler=sampler)

    def predict(observations: Tensor, x: Tensor, step: Tensor) -> Tensor:
        abar = policy.abar[step].unsqueeze(-1)
        return (x - abar.sqrt() * 0.37) / (1 - abar).sqrt()

    policy.predict = predict
    samples = policy.sample(torch.zeros(1, 50, 1), draw(1, 5, 50, 1))
    assert torch.allclose(samples, torch.full_like(samples, 0.37), atol=1e-5)


@pytest.mark.parametrize("sampler", ["posterior", "step"])
def test_training_comes_to_the_exact_denoiser(sampler: Any) -> None:
    """From the same noise a trained network makes nearly the exact one's samples; 5 steps blur the modes for both."""
    policy = Diffusion(1, 1, (64, 64), SeedStreams((0,), "test"), steps=5, sampler=sampler)
    adam = torch.optim.Adam(policy.parameters(), lr=3e-3)
    g = torch.Generator().manual_seed(0)
    for _ in range(600):
        mode = torch.where(torch.rand(1, 256, 1, generator=g) < SHARES[0], *MODES)
        actions = mode + SPREAD * torch.randn(1, 256, 1, generator=g)
        adam.zero_grad()
        noise, uniform = torch.randn(1, 256, 1, generator=g), torch.rand(1, 256, generator=g)
        policy.loss(torch.zeros(1, 256, 1), actions, noise, uniform).sum().backward()
        adam.step()
    noise = draw(1, 5, 2000, 1)
    with torch.no_grad():
        trained = policy.sample(torch.zeros(1, 2000, 1), noise)
        policy.predict = exact_denoiser(policy)
        exact = policy.sample(torch.zeros(1, 2000, 1), noise)
    assert (trained - exact).abs().median().item() < 0.1
    assert mixture_of(trained)[0] == pytest.approx(mixture_of(exact)[0], abs=0.1)
    assert mixture_of(trained)[1] == pytest.approx(mixture_of(exact)[1], abs=0.1)


# Diffusion-QL


def test_running_mean_waits_then_follows() -> None:
    """Nothing before the start; then 0.5 % of the way at every fifth update."""
    agent = make_agent("diffusion_ql", average_start=6, average_every=5)
    start = [p.clone() for p in agent.average.parameters()]
    for update in range(11):
        agent.update(make_batch(1, seed=update))
        same = all(torch.equal(x, y) for x, y in zip(start, agent.average.parameters(), strict=True))
        assert same == (update < 10), update  # updates are counted from 0: 10 is the first multiple of 5 from 6 on
    for old, new, trained in zip(start, agent.average.parameters(), agent.actor.parameters(), strict=True):
        assert torch.allclose(new, old + 0.005 * (trained - old), atol=1e-7)


def test_diffusion_ql_without_pull_clones() -> None:
    """With eta 0 the policy's gradient is that of cloning, and a large eta raises the value of its samples."""
    gained = {}
    for eta in (0.0, 30.0):
        agent = make_agent("diffusion_ql", eta=eta, learning_rate=3e-3, gradient_norm=10.0)
        batch, chain = make_batch(1, 32), draw(1, 5, 32, 3, seed=3)

        def value(agent: Any = agent, batch: Any = batch, chain: Tensor = chain) -> float:
            actions = agent.actor.sample(batch.observations, chain)
            return agent.critic(batch.observations, actions).mean().item()

        before, draws = value(), agent.streams["particles"]
        for _ in range(60):  # the critic stays as it is
            cloning, pull = agent.actor_losses(
                batch,
                noise=draws.normal(32, 3),
                uniform=draws.uniform(32),
                chain=draws.normal(5, 32, 3),
                first=draws.uniform() < 0.5,
            )
            agent._descend("actor", cloning + eta * pull)
        gained[eta] = value() - before
    assert gained[30.0] > gained[0.0] + 0.1


def test_diffusion_ql_acts_by_softmax() -> None:
    """Two samples whose values differ by log 3 are taken three times to one, within five standard errors."""
    rows = 20_000
    agent = make_agent("diffusion_ql", particles=2)
    agent.actor.sample = lambda observations, noise: torch.tensor([-0.5, 0.5]).reshape(1, 1, 2, 1).expand(1, rows, 2, 3)
    agent.target = lambda observations, actions: (math.log(3) * actions[..., 0]).unsqueeze(1).expand(1, 2, rows, 2)
    taken = agent.act(torch.zeros(1, rows, 5), agent.budget(0))
    share = (taken[..., 0] > 0).float().mean().item()
    assert share == pytest.approx(0.75, abs=5 * math.sqrt(0.75 * 0.25 / rows))


# FQL and IDQL


def test_fql_with_a_huge_alpha_distils_the_flow() -> None:
    """The one-step policy comes to the flow's own actions, noise for noise; with alpha 0 it does not."""
    distance = {}
    for alpha in (1e6, 0.0):
        agent = make_agent("fql", alpha=alpha, learning_rate=3e-3)
        for step in range(200):
            agent.update(make_batch(1, 32, seed=step % 8))
        observations, noise = make_batch(1, 64, seed=3).observations, draw(1, 64, 3, seed=9)
        flowed = agent.reference.sample(observations, noise)
        distance[alpha] = (agent.one_step(observations, noise) - flowed).norm(dim=-1).mean().item()
        spread = flowed.std(1).norm().item()
    assert distance[1e6] < 0.3 * spread
    assert distance[0.0] > 2 * distance[1e6]


def test_fql_flow_is_the_one_cloning_trains() -> None:
    """With the same seed and batches FQL and IFQL train, to the bit, the flow that `bc` trains."""
    cloned = BC.create(BCConfig(hidden=HIDDEN), DIMS, [4])
    others = [make_agent("fql", [4]), make_agent("idql flow", [4])]
    for step in range(3):
        for agent in (cloned, *others):
            agent.update(make_batch(1, seed=step))
    for agent in others:
        for ours, theirs in zip(agent.reference.parameters(), cloned.reference.parameters(), strict=True):
            assert torch.equal(ours, theirs)


def test_idql_samples_a_running_mean() -> None:
    agent = make_agent("idql", average_rate=0.25)
    start = [p.clone() for p in agent.average.parameters()]
    agent.update(make_batch(1))
    for old, new, trained in zip(start, agent.average.parameters(), agent.reference.parameters(), strict=True):
        assert torch.allclose(new, 0.75 * old + 0.25 * trained, atol=1e-7)
        assert not torch.equal(new, trained)


def test_idql_may_clone_first_and_then_leave_its_flow_alone() -> None:
    """The flow of the first updates is `bc`'s to the bit and stays; values begin after it and act by that flow."""
    cloned, agent = BC.create(BCConfig(hidden=HIDDEN), DIMS, [4]), make_agent("idql flow", [4], pretrain=3)
    value = [p.clone() for p in agent.value.parameters()]
    for step in range(3):
        assert set(agent.update(make_batch(1, seed=step))) == {"reference/loss"}
        cloned.update(make_batch(1, seed=step))
    assert all(torch.equal(a, b) for a, b in zip(agent.value.parameters(), value, strict=True))
    for step in range(3, 5):
        assert "reference/loss" not in agent.update(make_batch(1, seed=step))
    assert not all(torch.equal(a, b) for a, b in zip(agent.value.parameters(), value, strict=True))
    for network in (agent.reference, agent.average):
        assert all(torch.equal(a, b) for a, b in zip(network.parameters(), cloned.reference.parameters(), strict=True))


@pytest.mark.parametrize(
    ("method", "changes", "words"),
    [
        ("idql", {"pretrain": 3}, "pretrain needs behaviour flow and average_rate 1"),
        ("idql flow", {"pretrain": 3, "average_rate": 0.5}, "pretrain needs behaviour flow and average_rate 1"),
        ("idql flow", {"pretrain": -1}, "pretrain must be >= 0, got -1"),
    ],
)
def test_idql_refuses_to_freeze_what_is_not_a_flow(method: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make_agent(method, **changes)
