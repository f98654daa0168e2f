"""Networks and streams: a seed is the same alone and in company; the batched arithmetic is plain arithmetic."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from vgf.networks import LAYER_NORM_EPS, MLP, Critic, SeedStreams, VectorField, join


def streams(*seeds: int, purpose: str = "weights") -> SeedStreams:
    return SeedStreams(seeds, purpose)


def test_a_seeds_weights_do_not_depend_on_its_company() -> None:
    together = MLP((7, 16, 3), streams(4, 0, 9), members=2, layer_norm=True)
    for slot, seed in enumerate((4, 0, 9)):
        alone = MLP((7, 16, 3), streams(seed), members=2, layer_norm=True)
        for (name, a), b in zip(alone.named_parameters(), together.parameters(), strict=True):
            assert torch.equal(a[0], b[slot]), name


def test_seeds_and_members_and_purposes_differ() -> None:
    net = MLP((5, 8, 1), streams(0, 1), members=2)
    w = net.weights[0]
    assert not torch.equal(w[0, 0], w[0, 1])
    assert not torch.equal(w[0], w[1])
    assert not torch.equal(streams(0, purpose="a").normal(3), streams(0, purpose="b").normal(3))


def test_initial_weights_are_uniform_with_the_release_variance_and_zero_bias() -> None:
    net = MLP((300, 500, 1), streams(0))
    w, bound = net.weights[0], math.sqrt(6 / 800)
    assert w.abs().max() <= bound
    assert w.abs().max() > 0.999 * bound
    assert torch.isclose(w.var(), torch.tensor(2 / 800), rtol=0.02)
    assert all(not b.any() for b in net.biases)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_the_batched_forward_is_a_plain_perceptron_for_each_slice(layer_norm: bool) -> None:
    net = MLP((6, 10, 9, 4), streams(1, 2, 3), members=2, layer_norm=layer_norm).double()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(0)))
    x = torch.randn(3, 5, 8, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    out = net(x)
    assert out.shape == (3, 2, 5, 8, 4)
    for s in range(3):
        for e in range(2):
            h = x[s]
            for i in range(3):
                h = h @ net.weights[i][s, e] + net.biases[i][s, e]
                if i < 2:
                    if layer_norm:  # before the activation
                        h = (h - h.mean(-1, keepdim=True)) / (h.var(-1, correction=0, keepdim=True) + 1e-6).sqrt()
                        h = h * net.gains[i][s, e] + net.offsets[i][s, e]
                    h = F.relu(h)
            torch.testing.assert_close(out[s, e], h)


def test_layer_norm_uses_the_releases_epsilon() -> None:
    assert LAYER_NORM_EPS == 1e-6


def test_gradients_of_one_seed_do_not_reach_another() -> None:
    critic = Critic(3, 2, (8,), streams(0, 1))
    critic(torch.randn(2, 4, 3), torch.randn(2, 4, 2))[0].sum().backward()
    for name, p in critic.named_parameters():
        assert p.grad is not None
        assert p.grad[0].any() or "biases.0" in name or "offsets" in name or "gains" in name
        assert not p.grad[1].any()


def test_critic_and_vector_field_shapes_with_and_without_particles() -> None:
    critic = Critic(3, 2, (8,), streams(0, 1), members=2)
    field = VectorField(3, 2, (8,), streams(0, 1), timed=True)
    s = torch.randn(2, 4, 3)
    assert critic(s, torch.randn(2, 4, 2)).shape == (2, 2, 4)
    assert critic(s, torch.randn(2, 4, 6, 2)).shape == (2, 2, 4, 6)
    assert field(s, torch.randn(2, 4, 6, 2), torch.rand(2, 4, 6, 1)).shape == (2, 4, 6, 2)


def test_join_repeats_a_state_for_its_particles() -> None:
    s, a = torch.randn(2, 4, 3), torch.randn(2, 4, 6, 2)
    joined = join(s, a)
    assert joined.shape == (2, 4, 6, 5)
    for i in range(6):
        assert torch.equal(joined[:, :, i], torch.cat([s, a[:, :, i]], -1))


def test_streams_go_on_from_a_saved_state() -> None:
    source = streams(3, 5)
    source.normal(7)
    state = source.state()
    expected = source.normal(4), source.uniform(2, 2)
    other = streams(3, 5, purpose="something else")
    other.set_state(state)
    assert torch.equal(other.normal(4), expected[0])
    assert torch.equal(other.uniform(2, 2), expected[1])


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1,)])
def test_seeds_that_mean_nothing_are_refused(seeds: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="distinct integers >= 0"):
        SeedStreams(seeds, "x")
