"""JKO steps, the gradient flow they tend to, KL and W2: closed forms, an independent minimiser, and properties."""

from __future__ import annotations

import math
from itertools import pairwise, permutations
from statistics import NormalDist

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.helpers.normal import draw as draw_points
from vgf.theory import Gaussian, gaussian_flow, jko_step, kl_gaussian, w2, w2_gaussian

PROPERTY = settings(derandomize=True, deadline=None, max_examples=100)

MEANS = st.floats(-5, 5, width=32)
STDS = st.floats(0.0625, 4, width=32)
STEPS = st.floats(1e-3, 1e3)


@st.composite
def gaussians(draw: st.DrawFn, dimension: int = 3) -> Gaussian:
    """A float64 Gaussian with independent coordinates."""
    values = [(draw(MEANS), draw(STDS)) for _ in range(dimension)]
    mean, std = torch.tensor(values, dtype=torch.float64).unbind(-1)
    return Gaussian(mean, std)


def gaussian(mean: list[float], std: list[float], dtype: torch.dtype = torch.float64) -> Gaussian:
    """Shorthand for examples."""
    return Gaussian(torch.tensor(mean, dtype=dtype), torch.tensor(std, dtype=dtype))


START, TARGET = gaussian([-2.0, 0.5], [0.5, 2.0]), gaussian([1.0, 0.0], [1.0, 0.75])


def objective(q: Gaussian, current: Gaussian, target: Gaussian, step: float) -> Tensor:
    """What a JKO step minimises."""
    return kl_gaussian(q, target) + w2_gaussian(q, current) ** 2 / (2 * step)


# KL and W2 of Gaussians


def test_kl_by_hand() -> None:
    """KL(N(1, 2^2) || N(0, 1)) = (4 + 1 - 1 - log 4) / 2, and coordinates add up."""
    one = float(kl_gaussian(gaussian([1.0], [2.0]), gaussian([0.0], [1.0])))
    assert one == pytest.approx(2 - math.log(2), abs=1e-15)
    two = kl_gaussian(gaussian([1.0, 1.0], [2.0, 2.0]), gaussian([0.0, 0.0], [1.0, 1.0]))
    assert float(two) == pytest.approx(2 * one, abs=1e-14)


@PROPERTY
@given(gaussians(), gaussians())
def test_kl_agrees_with_torch_and_is_never_negative(p: Gaussian, q: Gaussian) -> None:
    """Against `torch.distributions`, and Gibbs' inequality with equality at p = q."""
    reference = torch.distributions.kl_divergence(torch.distributions.Normal(*p), torch.distributions.Normal(*q)).sum()
    assert torch.isclose(kl_gaussian(p, q), reference, rtol=1e-10, atol=1e-12)
    assert kl_gaussian(p, q) >= -1e-12
    assert abs(float(kl_gaussian(p, p))) < 1e-14


def test_w2_gaussian_by_hand() -> None:
    """Means 3 apart, standard deviations 4 apart: the distance is 5."""
    assert float(w2_gaussian(gaussian([0.0], [1.0]), gaussian([3.0], [5.0]))) == 5
    p, q = gaussian([0.0, 1.0], [1.0, 2.0]), gaussian([1.0, 3.0], [3.0, 6.0])
    assert float(w2_gaussian(p, q)) == 5  # 1 + 4 + 4 + 16


@PROPERTY
@given(gaussians(), gaussians(), gaussians())
def test_w2_gaussian_is_a_metric(p: Gaussian, q: Gaussian, r: Gaussian) -> None:
    """Zero on the diagonal, symmetric, triangle inequality."""
    assert float(w2_gaussian(p, p)) == 0
    assert torch.equal(w2_gaussian(p, q), w2_gaussian(q, p))
    assert w2_gaussian(p, r) <= w2_gaussian(p, q) + w2_gaussian(q, r) + 1e-12


# W2 of point sets


def test_w2_by_hand() -> None:
    """On the line, in the plane where the near pairing is crossed, and with masses that split."""
    line = w2(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [0.0]]))
    assert line == pytest.approx(math.sqrt((0 + 4) / 2), abs=1e-12)
    # 1 + 10 as listed, 5 + 2 crossed: pairing the nearest two first loses
    plane = w2(torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [-2.0, -1.0]]))
    assert plane == pytest.approx(math.sqrt(min(1 + 10, 5 + 2) / 2), abs=1e-12)
    assert w2(torch.tensor([[0.0]]), torch.tensor([[-1.0], [1.0], [2.0]])) == pytest.approx(math.sqrt(2), abs=1e-12)


def test_w2_against_every_pairing() -> None:
    """Six points a side in three dimensions: the cheapest of all 720 pairings (Birkhoff: splitting never helps)."""
    x, y = draw_points(6, 3, seed=1).numpy(), draw_points(6, 3, seed=2).numpy()
    cheapest = min(((x - y[list(order)]) ** 2).sum(-1).mean() for order in permutations(range(6)))
    assert w2(torch.tensor(x), torch.tensor(y)) == pytest.approx(math.sqrt(cheapest), abs=1e-12)


@PROPERTY
@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 10**6))
def test_w2_is_a_metric_blind_to_order(n: int, d: int, seed: int) -> None:
    """Zero between a set and its shuffle, symmetric, triangle inequality, |c| under a shift by c, scales."""
    x, y, z = draw_points(3, n, d, seed=seed)
    shift = draw_points(d, seed=seed + 1)
    assert w2(x, x.flip(0)) == 0
    assert w2(x, y) == pytest.approx(w2(y, x), abs=1e-12)
    assert w2(x, z) <= w2(x, y) + w2(y, z) + 1e-12
    assert w2(x, x + shift) == pytest.approx(float(shift.norm()), abs=1e-12)
    assert w2(3 * x, 3 * y) == pytest.approx(3 * w2(x, y), abs=1e-12)
    assert w2(x, y) >= float((x.mean(0) - y.mean(0)).norm()) - 1e-12  # Jensen


@PROPERTY
@given(gaussians(2), gaussians(2), st.integers(0, 10**6))
def test_w2_of_an_affine_image_is_the_gaussian_formula(p: Gaussian, q: Gaussian, seed: int) -> None:
    """The map between two Gaussians is optimal for any standardised sample too: no sampling error to allow for."""
    z = draw_points(15, 2, seed=seed)
    z = (z - z.mean(0)) / z.std(0, correction=0)
    exact = float(w2_gaussian(p, q))
    assert w2(p.mean + p.std * z, q.mean + q.std * z) == pytest.approx(exact, rel=1e-9, abs=1e-12)


def test_w2_of_samples_approaches_the_gaussian_distance() -> None:
    """Independent samples: the root-mean-square error over repeats falls with N, to a few per cent."""
    exact = float(w2_gaussian(START, TARGET))

    def error(n: int) -> float:
        pairs = [draw_points(2, n, 2, seed=seed) for seed in range(8)]
        found = [w2(START.mean + START.std * u, TARGET.mean + TARGET.std * v) for u, v in pairs]
        return math.sqrt(np.mean((np.array(found) - exact) ** 2))

    coarse, fine = error(25), error(400)
    assert fine < coarse / 2
    assert fine < 0.03 * exact


def test_w2_far_from_the_origin() -> None:
    """Squared distances come from the differences, so an offset costs no digits."""
    x, y = draw_points(40, 2, seed=3), draw_points(40, 2, seed=4)
    assert w2(x + 1e6, y + 1e6) == pytest.approx(w2(x, y), rel=1e-8)


def test_w2_is_optimal_beyond_the_solvers_default_iterations() -> None:
    """At this size POT stops early unless told otherwise; on the line the optimum pairs sorted points."""
    x, y = draw_points(3000, 1, seed=0), 2 * draw_points(3000, 1, seed=1) + 1
    paired = (x.sort(0).values - y.sort(0).values).square().mean().sqrt()
    assert w2(x, y) == pytest.approx(float(paired), rel=1e-10)


# The JKO step


def test_jko_step_by_hand() -> None:
    """From N(0, 1) to N(3, 1) with h = 2: mean 6 / 3; std solves 3 s^2 - s - 2 = 0 (times two), that is s = 1."""
    q = jko_step(gaussian([0.0], [1.0]), gaussian([3.0], [1.0]), 2.0)
    assert float(q.mean) == pytest.approx(2, abs=1e-15)
    assert float(q.std) == pytest.approx(1, abs=1e-15)
    # std 2 -> 1 with h = 1: 2 s^2 - 2 s - 1 = 0
    q = jko_step(gaussian([0.0], [2.0]), gaussian([0.0], [1.0]), 1.0)
    assert float(q.std) == pytest.approx((1 + math.sqrt(3)) / 2, abs=1e-15)


@PROPERTY
@given(gaussians(), gaussians(), STEPS)
def test_jko_step_is_stationary(current: Gaussian, target: Gaussian, step: float) -> None:
    """The objective's gradient in mean and std vanishes at the step, relative to the terms that cancel."""
    q = jko_step(current, target, step)
    leaf = Gaussian(q.mean.clone().requires_grad_(), q.std.clone().requires_grad_())
    terms = kl_gaussian(leaf, target), w2_gaussian(leaf, current).square() / (2 * step)
    assume(all(bool(term > 1e-6) for term in terms))  # the square root has no gradient at zero distance
    first = torch.cat(torch.autograd.grad(terms[0], leaf))
    second = torch.cat(torch.autograd.grad(terms[1], leaf))
    assert (first + second).norm() <= 1e-6 * (1 + first.norm() + 1 / q.std.min())


@PROPERTY
@given(gaussians(), gaussians(), STEPS, st.integers(0, 10**6))
def test_no_perturbed_gaussian_does_better(current: Gaussian, target: Gaussian, step: float, seed: int) -> None:
    """Random Gaussians near and far have no smaller objective, and neither has staying or arriving."""
    q = jko_step(current, target, step)
    best = objective(q, current, target, step)
    slack = 1e-9 * (1 + best.abs())
    noise = draw_points(2, 20, 3, seed=seed)
    for size in (1e-3, 0.1, 1.0):
        for shift, scale in zip(*(size * noise), strict=True):
            other = Gaussian(q.mean + shift, q.std * scale.exp())
            assert objective(other, current, target, step) >= best - slack
    assert objective(current, current, target, step) >= best - slack
    assert objective(target, current, target, step) >= best - slack


@pytest.mark.parametrize("step", [0.01, 0.3, 5.0])
def test_jko_step_equals_numerical_minimisation(step: float) -> None:
    """Newton's method on the objective in (mean, log std), started elsewhere, ends at the closed form."""

    def loss(parameters: Tensor) -> Tensor:
        mean, log_std = parameters
        return objective(Gaussian(mean, log_std.exp()), START, TARGET, step)

    parameters = torch.stack([START.mean + 0.3, START.std.log() - 0.2])
    for _ in range(100):
        gradient = torch.func.grad(loss)(parameters).flatten()
        if gradient.norm() < 1e-11:
            break
        hessian = torch.func.hessian(loss)(parameters).reshape(4, 4)
        values, vectors = torch.linalg.eigh(hessian)
        direction = (vectors @ (vectors.T @ gradient / values.abs().clamp(min=1e-9))).reshape(2, 2)
        rate = 1.0
        while loss(parameters - rate * direction) > loss(parameters) and rate > 1e-12:
            rate /= 2
        parameters = parameters - rate * direction
    exact = jko_step(START, TARGET, step)
    assert torch.allclose(parameters[0], exact.mean, rtol=0, atol=1e-8)
    assert torch.allclose(parameters[1].exp(), exact.std, rtol=0, atol=1e-8)


def test_jko_step_equals_a_minimiser_that_does_not_assume_a_gaussian() -> None:
    """Minimise over sorted particles in numpy: W2 by quantile coupling, entropy by spacings; more particles, closer.

    The particles' means agree exactly (their forces add up to the linear equation), the standard deviation to O(1/N).
    """
    current, target, step = (-1.5, 0.5), (1.0, 1.0), 0.4
    q = jko_step(gaussian([current[0]], [current[1]]), gaussian([target[0]], [target[1]]), step)

    def solve(n: int) -> tuple[float, float]:
        quantiles = np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)])
        start = current[0] + current[1] * quantiles

        def energy(x: np.ndarray) -> float:
            gaps = np.diff(x)
            if gaps.min() <= 0:
                return math.inf
            inside = ((x - target[0]) ** 2 / (2 * target[1] ** 2)).sum() + ((x - start) ** 2).sum() / (2 * step)
            return float(inside - np.log(n * gaps).sum())

        x = start
        for _ in range(50):
            inverse = 1 / np.diff(x)
            gradient = (x - target[0]) / target[1] ** 2 + (x - start) / step
            gradient[:-1] += inverse
            gradient[1:] -= inverse
            hessian = np.eye(n) * (1 / target[1] ** 2 + 1 / step)
            difference = np.diff(np.eye(n), axis=0)
            direction = np.linalg.solve(hessian + difference.T @ (inverse[:, None] ** 2 * difference), gradient)
            rate = 1.0
            while energy(x - rate * direction) > energy(x) + 1e-9:  # rounding is no reason to stop short
                rate /= 2
            x = x - rate * direction
        return float(x.mean()), float(x.std())

    (mean, coarse), (_, fine) = solve(40), solve(160)
    assert mean == pytest.approx(float(q.mean), abs=1e-9)
    assert abs(fine - float(q.std)) < abs(coarse - float(q.std)) / 3
    assert fine == pytest.approx(float(q.std), abs=5e-3)


@PROPERTY
@given(gaussians(), gaussians())
def test_small_steps_stay_and_large_steps_arrive(current: Gaussian, target: Gaussian) -> None:
    """As h -> 0 the policy moves at the flow's velocity; as h -> infinity it is the target."""
    h = 1e-7
    q = jko_step(current, target, h)
    velocity_mean = (target.mean - current.mean) / target.std**2
    velocity_std = 1 / current.std - current.std / target.std**2
    assert torch.allclose((q.mean - current.mean) / h, velocity_mean, rtol=1e-3, atol=1e-3)
    assert torch.allclose((q.std - current.std) / h, velocity_std, rtol=1e-3, atol=1e-3)
    far = jko_step(current, target, 1e12)
    assert torch.allclose(far.mean, target.mean, rtol=0, atol=1e-8)
    assert torch.allclose(far.std, target.std, rtol=0, atol=1e-8)


@PROPERTY
@given(gaussians(), STEPS)
def test_the_target_is_a_fixed_point(target: Gaussian, step: float) -> None:
    """Nothing moves once the policy is the Boltzmann distribution."""
    q = jko_step(target, target, step)
    assert torch.allclose(q.mean, target.mean, rtol=1e-12, atol=1e-12)
    assert torch.allclose(q.std, target.std, rtol=1e-12, atol=0)


@PROPERTY
@given(gaussians(), gaussians(), gaussians(), STEPS)
def test_jko_step_dissipates_and_contracts(p: Gaussian, q: Gaussian, target: Gaussian, step: float) -> None:
    """F(next) + W2^2 / 2h <= F(now) for any h; two policies approach by 1 / (1 + h / max std^2) at least."""
    after = jko_step(p, target, step)
    fallen = kl_gaussian(p, target) - kl_gaussian(after, target)
    spent = w2_gaussian(after, p).square() / (2 * step)
    assert spent <= fallen + 1e-9 * (1 + kl_gaussian(p, target))
    factor = 1 / (1 + step / target.std.max() ** 2)
    assert w2_gaussian(after, jko_step(q, target, step)) <= factor * w2_gaussian(p, q) + 1e-9


def test_coordinates_do_not_mix() -> None:
    """A step in two dimensions is two steps in one."""
    both = jko_step(START, TARGET, 0.3)
    for i in range(2):
        alone = jko_step(Gaussian(*(v[i : i + 1] for v in START)), Gaussian(*(v[i : i + 1] for v in TARGET)), 0.3)
        assert torch.equal(both.mean[i : i + 1], alone.mean)
        assert torch.equal(both.std[i : i + 1], alone.std)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    """Float32 in, float32 out, and close to the float64 result."""
    start, target = gaussian([0.0], [2.0], dtype), gaussian([1.0], [1.0], dtype)
    for q in (jko_step(start, target, 0.5), gaussian_flow(start, target, 0.5)):
        assert q.mean.dtype == q.std.dtype == dtype
    exact = jko_step(gaussian([0.0], [2.0]), gaussian([1.0], [1.0]), 0.5)
    assert torch.allclose(jko_step(start, target, 0.5).std.double(), exact.std, rtol=1e-6)


# The flow the steps tend to


@PROPERTY
@given(gaussians(), gaussians(), st.floats(0, 2), st.floats(0, 2))
def test_flow_is_a_semigroup_from_start_to_target(start: Gaussian, target: Gaussian, s: float, t: float) -> None:
    """Time 0 is the start, times add up, infinity is the target."""
    now = gaussian_flow(start, target, 0.0)
    assert torch.allclose(now.mean, start.mean, rtol=1e-12, atol=1e-12)
    assert torch.allclose(now.std, start.std, rtol=1e-12, atol=1e-12)
    direct, twice = gaussian_flow(start, target, s + t), gaussian_flow(gaussian_flow(start, target, s), target, t)
    assert torch.allclose(direct.mean, twice.mean, rtol=1e-9, atol=1e-9)
    assert torch.allclose(direct.std, twice.std, rtol=1e-9, atol=1e-9)
    late = gaussian_flow(start, target, 1e4)
    assert torch.equal(late.mean, target.mean)
    assert torch.allclose(late.std, target.std, rtol=1e-15)


@PROPERTY
@given(gaussians(), gaussians(), st.floats(0.05, 2))
def test_flow_dissipates_fisher_information(start: Gaussian, target: Gaussian, time: float) -> None:
    """dF/dt = -E_q |grad log target - grad log q|^2; the velocity is affine, slope A and value b at the mean."""
    q = gaussian_flow(start, target, time)
    leaf = torch.tensor(time, dtype=torch.float64, requires_grad=True)
    (rate,) = torch.autograd.grad(kl_gaussian(gaussian_flow(start, target, leaf), target), leaf)
    slope, value = 1 / q.std**2 - 1 / target.std**2, (target.mean - q.mean) / target.std**2
    information = (slope.square() * q.std**2 + value.square()).sum()
    assert torch.isclose(rate, -information, rtol=1e-6, atol=1e-9)


def test_jko_steps_tend_to_the_flow_at_rate_h() -> None:
    """Halving h halves the W2 error at a fixed time: a first-order scheme, and no better."""
    exact = gaussian_flow(START, TARGET, 1.0)
    errors = []
    for steps in (20, 40, 80, 160):
        q = START
        for _ in range(steps):
            q = jko_step(q, TARGET, 1 / steps)
        errors.append(float(w2_gaussian(q, exact)))
    ratios = [a / b for a, b in pairwise(errors)]
    assert errors[-1] < 0.01
    assert all(1.9 < ratio < 2.1 for ratio in ratios), ratios
