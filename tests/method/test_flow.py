"""The flow against what is known exactly: closed forms, symmetries, and refusal of bad input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.helpers.normal import draw
from vgf import flow, kernels
from vgf.flow import Budget, FlowState, stein_direction, transport

PROPERTY = settings(derandomize=True, deadline=None, max_examples=60)


def pull_to_one(a: Tensor) -> Tensor:
    """Score of the quadratic critic -|a - 1|^2 / 2."""
    return 1 - a


# Closed forms


@pytest.mark.parametrize("bandwidth", ["median", 0.3, 1e6])
def test_single_particle_is_plain_gradient_ascent(bandwidth: Any) -> None:
    """With N = 1 the kernel is 1 and repels nothing: a -> a + eps (1 - a) / alpha, a geometric sequence."""
    start = draw(7, 1, 3)
    end = transport(start, pull_to_one, Budget(5, 0.1, 0.5), bandwidth=bandwidth)
    assert torch.allclose(end, 1 + (start - 1) * (1 - 0.1 / 0.5) ** 5, rtol=0, atol=1e-14)


def test_coincident_particles_move_as_one() -> None:
    """A linear critic moves equal particles by exactly eps L c / alpha, and they stay equal."""
    slope = torch.tensor([3.0, -4.0], dtype=torch.float64)
    start = torch.full((6, 2), 0.25, dtype=torch.float64)
    end = transport(start, lambda a: slope.expand_as(a), Budget(4, 0.05, 2.0))
    assert torch.allclose(end, start + 4 * 0.05 * slope / 2, rtol=0, atol=1e-14)


def test_two_particles_repel_by_hand() -> None:
    """At distance r two particles separate by eps r exp(-r^2 / 2 sigma^2) / sigma^2 in a step."""
    r, sigma, eps = 0.7, 0.9, 0.2
    start = torch.tensor([[0.0], [r]], dtype=torch.float64)
    end = transport(start, torch.zeros_like, Budget(1, eps), bandwidth=sigma)
    push = eps * r * math.exp(-(r**2) / (2 * sigma**2)) / sigma**2 / 2
    assert end.flatten().tolist() == pytest.approx([-push, r + push], abs=1e-15)


def test_two_particles_share_their_scores_by_hand() -> None:
    """Attraction is the kernel-weighted mean of the scores, divided by alpha."""
    r, sigma, alpha = 0.7, 0.9, 0.4
    kernel = math.exp(-(r**2) / (2 * sigma**2))
    a = torch.tensor([[0.0], [r]], dtype=torch.float64)
    score = torch.tensor([[1.0], [5.0]], dtype=torch.float64)
    phi = stein_direction(a, score, alpha, sigma, repulsion=False)
    assert phi.flatten().tolist() == pytest.approx([(1 + 5 * kernel) / 2 / alpha, (5 + kernel) / 2 / alpha])


def test_wide_kernel_moves_by_the_mean_gradient() -> None:
    """As sigma grows every particle takes the mean score, and repulsion vanishes."""
    a, score = draw(8, 3), draw(8, 3, seed=1)
    phi = stein_direction(a, score, 0.5, 1e6)
    assert torch.allclose(phi, (score.mean(0) / 0.5).expand_as(phi), rtol=0, atol=1e-9)


def test_narrow_kernel_makes_particles_independent() -> None:
    """As sigma shrinks each particle sees only itself: phi_i = score_i / (N alpha)."""
    a, score = draw(8, 3), draw(8, 3, seed=1)
    assert torch.allclose(stein_direction(a, score, 0.5, 1e-3), score / 8 / 0.5, rtol=0, atol=1e-14)


def test_temperature_weighs_attraction_against_repulsion() -> None:
    """Direction is attraction / alpha + repulsion: hot is repulsion alone, and alpha phi tends to attraction alone."""
    a, score = draw(9, 2), draw(9, 2, seed=1)
    attraction = stein_direction(a, score, 1.0, 0.8, repulsion=False)
    repulsion = stein_direction(a, torch.zeros_like(a), 1.0, 0.8)
    for alpha in (0.01, 1.0, 30.0):
        assert torch.allclose(stein_direction(a, score, alpha, 0.8), attraction / alpha + repulsion, atol=1e-12)
    assert torch.allclose(stein_direction(a, score, 1e12, 0.8), repulsion, atol=1e-10)
    assert torch.allclose(1e-12 * stein_direction(a, score, 1e-12, 0.8), attraction, atol=1e-10)


def test_repulsion_alone_spreads() -> None:
    """Under no value the mean stays, and the mean and the smallest pairwise distance grow at every step."""
    path = transport(draw(4, 12, 3), torch.zeros_like, Budget(10, 0.05), trace=True).particles
    assert torch.allclose(path.mean(-2), path[0].mean(-2).expand(11, 4, 3), atol=1e-12)
    off_diagonal = kernels.squared_distances(path, path).sqrt()[..., ~torch.eye(12, dtype=torch.bool)]
    assert (off_diagonal.mean(-1).diff(dim=0) > 0).all()
    assert (off_diagonal.min(-1).values.diff(dim=0) > 0).all()


def test_first_adam_step_moves_every_coordinate_by_the_learning_rate() -> None:
    """Bias correction makes step one lr * sign(phi), whatever the size of phi (up to Adam's 1e-8)."""
    start, slope = draw(1, 5), torch.tensor([3.0, -0.01, 200.0, -1.0, 0.5], dtype=torch.float64)
    end = transport(start, lambda a: slope.expand_as(a), Budget(1, 0.1, optimizer="adam"))
    assert torch.allclose(end, start + 0.1 * slope.sign(), rtol=0, atol=1e-6)


def test_adam_flow_is_torch_adam_on_minus_phi() -> None:
    """Seven steps of the Adam flow equal `torch.optim.Adam` fed with the same directions."""
    start = draw(2, 6, 3)
    record = transport(start, pull_to_one, Budget(7, 0.07, 0.3, "adam"), trace=True)
    weight = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.Adam([weight], lr=0.07)
    for t, direction in enumerate(record.directions):
        weight.grad = -direction
        optimizer.step()
        assert torch.allclose(weight, record.particles[t + 1], rtol=0, atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 10, 11])
def test_median_bandwidth_is_numpys(n: int) -> None:
    """The median of all N x N squared distances, diagonal included, is the mean of the two middle values."""
    a = draw(3, n, 4)
    for one, sigma in zip(a.numpy(), kernels.median_bandwidth(a).flatten(), strict=True):
        d2 = [float(((x - y) ** 2).sum()) for x in one for y in one]
        assert float(2 * sigma**2) == pytest.approx(np.median(d2) / math.log(n + 1) + 1e-6, rel=1e-12)


def test_median_bandwidth_by_hand() -> None:
    """One particle and coincident particles fall back to the release's constant; two give half their distance."""
    assert kernels.median_bandwidth(torch.zeros(1, 3)).item() == pytest.approx(math.sqrt(5e-7))
    assert kernels.median_bandwidth(torch.ones(4, 3)).item() == pytest.approx(math.sqrt(5e-7))
    two = torch.tensor([[0.0], [2.0]], dtype=torch.float64)  # squared distances 0, 0, 4, 4: median 2
    assert kernels.median_bandwidth(two).item() == pytest.approx(math.sqrt(2 / (2 * math.log(3)) + 5e-7))


def test_median_of_many_particles_is_taken_over_a_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the pairs of all sets pass the memory limit, a strided subset keeps sigma within sampling error."""
    a = draw(2, 3000, 2)
    exact = kernels.median_bandwidth(a)
    monkeypatch.setattr(kernels, "DENSE_ELEMENTS", 2 * 1000**2)
    subset = kernels.median_bandwidth(a)
    assert not torch.equal(subset, exact)
    by_hand = kernels.median_bandwidth(a[:, ::3]) * math.sqrt(math.log(1001) / math.log(3001))
    assert torch.allclose(subset, by_hand, rtol=1e-5)
    assert torch.allclose(subset, exact, rtol=0.05)


def test_the_median_of_a_set_depends_on_no_other_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets are worked through in chunks; company must not thin them."""
    a = draw(9, 128, 2)
    alone = torch.cat([kernels.median_bandwidth(one[None]) for one in a])
    for most in (2**24, 3 * 128**2):
        monkeypatch.setattr(kernels, "DENSE_ELEMENTS", most)
        assert torch.equal(kernels.median_bandwidth(a), alone)
    assert torch.equal(kernels.median_bandwidth(a.reshape(3, 3, 128, 2)).flatten(), alone.flatten())


def test_box_projection() -> None:
    """Each step ends inside the box: a particle pushed outwards stops at the wall, an inner one does not notice."""
    start = torch.tensor([[[0.9]], [[-0.9]]], dtype=torch.float64)
    end = transport(start, torch.ones_like, Budget(3, 0.2), bounds=(-1.0, 1.0))
    assert end.flatten().tolist() == pytest.approx([1.0, -0.3])


# Budget of zero, traces, shapes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_steps_return_the_reference_bit_for_bit(dtype: torch.dtype) -> None:
    """L = 0 touches nothing, not even particles outside the box, and never asks for a score."""
    start = 3 * draw(2, 5, 3, dtype=dtype)
    before = start.numpy().tobytes()

    def never(_: Tensor) -> Tensor:
        raise AssertionError("a flow of no steps asked for a score")

    end = transport(start, never, Budget(0, 0.1), bounds=(-1.0, 1.0))
    record = transport(start, never, Budget(0, 0.1), bounds=(-1.0, 1.0), trace=True)
    assert end.numpy().tobytes() == before == record.particles[0].numpy().tobytes()
    assert record.particles.shape == (1, 2, 5, 3)
    assert record.scores.shape == record.directions.shape == (0, 2, 5, 3)
    assert record.bandwidths.shape == (0, 2, 1, 1)


@pytest.mark.parametrize("optimizer", ["none", "adam"])
def test_trace_is_repeated_flow_step(optimizer: Any) -> None:
    """The record holds what a reader gets by calling the pure step, and ends where the plain call ends."""
    start, budget, box = draw(2, 6, 3), Budget(4, 0.2, 0.5, optimizer), (-1.5, 1.5)
    before = start.clone()
    record = transport(start, pull_to_one, budget, bounds=box, trace=True)
    state = FlowState(start, torch.zeros_like(start), torch.zeros_like(start), 0)
    for t in range(budget.steps):
        score = pull_to_one(state.particles)
        phi = stein_direction(state.particles, score, budget.temperature)
        assert torch.equal(record.scores[t], score)
        assert torch.equal(record.directions[t], phi)
        assert torch.equal(record.bandwidths[t], kernels.median_bandwidth(state.particles))
        state = flow.flow_step(state, phi, budget, box)
        assert torch.equal(record.particles[t + 1], state.particles)
    assert torch.equal(transport(start, pull_to_one, budget, bounds=box), state.particles)
    assert torch.equal(start, before), "the caller's particles were changed in place"


@pytest.mark.parametrize("shape", [(1, 1), (5, 2), (3, 5, 2), (2, 3, 5, 2), (2, 1, 3, 5, 2)])
@pytest.mark.parametrize("optimizer", ["none", "adam"])
def test_leading_axes_are_independent_particle_sets(shape: tuple[int, ...], optimizer: Any) -> None:
    """Any batch shape gives what each set gives alone."""
    start, budget = draw(*shape), Budget(3, 0.1, 0.5, optimizer)
    end = transport(start, pull_to_one, budget)
    for one, moved in zip(start.reshape(-1, *shape[-2:]), end.reshape(-1, *shape[-2:]), strict=True):
        assert torch.allclose(transport(one, pull_to_one, budget), moved, rtol=0, atol=1e-13)


# Symmetries

shapes = st.tuples(st.integers(1, 12), st.integers(1, 6), st.integers(0, 10_000))


@PROPERTY
@given(shapes, st.sampled_from(["median", 0.7]), st.sampled_from(["none", "adam"]))
def test_permutation_equivariance(shape: tuple[int, int, int], bandwidth: Any, optimizer: Any) -> None:
    """Renaming the particles renames the result."""
    n, d, seed = shape
    start, budget = draw(n, d, seed=seed), Budget(3, 0.05, 0.5, optimizer)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    end = transport(start, pull_to_one, budget, bandwidth=bandwidth)
    assert torch.allclose(
        transport(start[order], pull_to_one, budget, bandwidth=bandwidth), end[order], rtol=0, atol=1e-9
    )


@PROPERTY
@given(shapes, st.floats(-50, 50), st.sampled_from(["median", 0.7]), st.sampled_from(["none", "adam"]))
def test_translation_equivariance(shape: tuple[int, int, int], by: float, bandwidth: Any, optimizer: Any) -> None:
    """Moving particles and critic together moves the result."""
    n, d, seed = shape
    start, budget = draw(n, d, seed=seed), Budget(3, 0.05, 0.5, optimizer)
    end = transport(start, pull_to_one, budget, bandwidth=bandwidth)
    shifted = transport(start + by, lambda a: pull_to_one(a - by), budget, bandwidth=bandwidth)
    assert torch.allclose(shifted, end + by, rtol=0, atol=1e-8)


@PROPERTY
@given(shapes, st.sampled_from(["median", 0.7]))
def test_rotation_equivariance(shape: tuple[int, int, int], bandwidth: Any) -> None:
    """Rotating particles and scores rotates the direction (not so for Adam, which works by coordinate)."""
    n, d, seed = shape
    a, score = draw(n, d, seed=seed), draw(n, d, seed=seed + 1)
    rotation = torch.linalg.qr(draw(d, d, seed=seed + 2)).Q
    phi = stein_direction(a, score, 0.5, bandwidth)
    assert torch.allclose(stein_direction(a @ rotation, score @ rotation, 0.5, bandwidth), phi @ rotation, atol=1e-10)
