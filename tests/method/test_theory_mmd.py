"""MMD and its bounds: values known by hand, Adam's constants, and the order of the bounds."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.helpers.normal import draw
from vgf import flow, theory
from vgf.flow import Budget, transport

PROPERTY = settings(derandomize=True, deadline=None, max_examples=200)


# MMD


def test_mmd_of_two_points_is_the_feature_distance() -> None:
    """One particle each: 2 - 2 k(x, y)."""
    x, y = torch.zeros(1, 2, dtype=torch.float64), torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    assert theory.mmd2(x, y, 5.0).item() == pytest.approx(2 - 2 * math.exp(-0.5), abs=1e-14)


def test_mmd_of_equal_sets_is_zero() -> None:
    """Order within a set does not matter, nor does a set written twice."""
    x = draw(7, 3)
    assert theory.mmd2(x, x.flip(0), 0.8).item() == pytest.approx(0, abs=1e-14)
    assert theory.mmd2(x, torch.cat([x, x]), 0.8).item() == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (4, 4), (4, 10)])
def test_mmd_of_far_sets(n: int, m: int) -> None:
    """All points far from each other: 1/N + 1/M. Two far clusters: 2, the largest value there is."""
    x = torch.arange(n, dtype=torch.float64)[:, None] * 1e3
    y = torch.arange(m, dtype=torch.float64)[:, None] * 1e3 - 1e6
    assert theory.mmd2(x, y, 1.0).item() == pytest.approx(1 / n + 1 / m, abs=1e-14)
    assert theory.mmd2(x * 0, y * 0 + 1e3, 1.0).item() == pytest.approx(2, abs=1e-14)


def test_mmd_is_symmetric_and_translation_invariant() -> None:
    x, y = draw(6, 3), draw(9, 3, seed=1)
    value = theory.mmd2(x, y, 0.8)
    assert torch.allclose(theory.mmd2(y, x, 0.8), value, atol=1e-14)
    assert torch.allclose(theory.mmd2(x + 7, y + 7, 0.8), value, atol=1e-12)


def test_mmd_batches_and_chunks_agree_with_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leading axes are independent pairs, one bandwidth each; chunking the rows changes nothing."""
    x, y = draw(2, 3, 7, 4), draw(2, 3, 5, 4, seed=1)
    sigma = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)[:, None, None]
    whole = theory.mmd2(x, y, sigma)
    assert whole.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            by_hand = sum(
                sign * math.exp(-((a - b) ** 2).sum().item() / (2 * sigma[j].item() ** 2)) / (len(p) * len(q))
                for sign, p, q in ((1, x[i, j], x[i, j]), (1, y[i, j], y[i, j]), (-2, x[i, j], y[i, j]))
                for a in p
                for b in q
            )
            assert whole[i, j].item() == pytest.approx(by_hand, abs=1e-14)
    monkeypatch.setattr(theory, "DENSE_ELEMENTS", 3)
    assert torch.allclose(theory.mmd2(x, y, sigma), whole, rtol=0, atol=1e-14)


# Formulas


def test_bounds_by_hand() -> None:
    """L = 3, eps = 0.1, alpha = 0.5, c = 2, sigma = 1 give B = 4 + e^(-1/2) and delta = 0.3 B."""
    root = math.exp(-0.5)
    assert theory.direction_bound(0.5, 2.0, 1.0) == pytest.approx(4.60653065971)
    assert theory.direction_bound(0.5, 2.0, 1.0, repulsion=False) == 4.0
    assert theory.displacement_bound(3, 0.1, 0.5, 2.0, 1.0) == pytest.approx(1.38195919791)
    assert theory.mmd2_bound_paper(3, 0.1, 0.5, 2.0, 1.0) == pytest.approx(0.6 * root * (4 + root))
    assert theory.mmd2_bound(3, 0.1, 0.5, 2.0, 1.0) == pytest.approx(2 - 2 * math.exp(-(1.38195919791**2) / 2))
    wide = 2 * 0.3 / (2 * math.sqrt(math.e)) * (4 + root / 2)  # sigma = 2 in both places
    assert theory.mmd2_bound_paper(3, 0.1, 0.5, 2.0, 2.0) == pytest.approx(wide)


def test_bounds_of_no_budget_are_zero_and_of_a_huge_one_two() -> None:
    """Zero steps or zero step size allow no change; ours levels off at the largest possible MMD^2."""
    for budget in ((0, 0.1), (5, 0.0)):
        assert theory.mmd2_bound(*budget, 1.0, 1.0, 1.0) == theory.mmd2_bound_paper(*budget, 1.0, 1.0, 1.0) == 0
        assert theory.mmd2_bound_adam(*budget, 3, 1.0) == 0
    assert theory.mmd2_bound(100, 1.0, 0.1, 1.0, 0.5) == 2


def test_small_budgets_are_quadratic_without_cancellation() -> None:
    """2 - 2 exp(-r^2 / 2) tends to r^2, and keeps its digits where 1 - exp would lose them all."""
    assert theory.mmd2_from_displacement(1e-9, 1.0) == pytest.approx(1e-18, rel=1e-12)


def test_adam_constants_by_hand() -> None:
    """C_1 = 1, C_2 from its two weights, every C_t as the geometric sums of its squares, up to a known limit."""
    constants = theory.adam_step_bounds(300)
    c2 = math.sqrt((0.9**2 / 0.999 + 1) * 1.999) / 1.9
    assert constants[:2] == pytest.approx([1, c2], rel=1e-12)
    ratio = 0.9**2 / 0.999
    limit = 0.1 / math.sqrt(0.001 * (1 - ratio))
    for t, constant in enumerate(constants, 1):
        want = limit * math.sqrt((1 - ratio**t) * (1 - 0.999**t)) / (1 - 0.9**t)
        assert constant == pytest.approx(want, rel=1e-10)
        assert constant < limit
    assert theory.displacement_bound_adam(2, 0.1, 9) == pytest.approx(0.1 * 3 * (1 + c2))


def adam_moves(inputs: Tensor, optimizer_steps: int) -> Tensor:
    """Learning rates moved at the last step by Adam fed with inputs [t, cases]; [cases]."""
    zeros = torch.zeros_like(inputs[:1])
    state, budget = flow.FlowState(zeros, zeros, zeros, 0), Budget(optimizer_steps, 1.0, optimizer="adam")
    before = zeros
    for g in inputs:
        before = state.particles
        state = flow.flow_step(state, g[None], budget, None)
    return (state.particles - before)[0]


@pytest.mark.parametrize("steps", [2, 3, 5, 10])
def test_adam_constant_is_the_worst_case_of_a_search(steps: int) -> None:
    """Gradient ascent on the inputs themselves climbs to C_t and not beyond; nor do random inputs pass it."""
    worst = theory.adam_step_bounds(steps)[-1]
    random = adam_moves(1e3 * draw(steps, 2_000) * draw(steps, 2_000, seed=1).exp(), steps)
    assert random.abs().max().item() <= worst
    inputs = draw(steps, 8, seed=2).abs().requires_grad_(True)
    ascent = torch.optim.Adam([inputs], lr=0.03)
    for _ in range(400):
        ascent.zero_grad()
        (-adam_moves(inputs, steps).sum()).backward()
        ascent.step()
    found = adam_moves(1e6 * inputs.detach(), steps).max().item()
    assert worst * (1 - 1e-4) < found <= worst * (1 + 1e-12)


def test_adam_displacement_is_attained() -> None:
    """A gradient that grows by beta2 / beta1 at each step moves every coordinate by lr C_t at every step."""
    growth, seen = flow.ADAM_BETAS[1] / flow.ADAM_BETAS[0], iter(range(1, 100))
    start = torch.zeros(1, 4, dtype=torch.float64)
    end = transport(start, lambda a: torch.full_like(a, 1e6 * growth ** next(seen)), Budget(20, 0.05, optimizer="adam"))
    assert (end - start).norm().item() == pytest.approx(theory.displacement_bound_adam(20, 0.05, 4), rel=1e-9)


# Order and monotonicity

positive = st.floats(1e-3, 1e3)
step_numbers = st.integers(0, 100)
step_sizes = st.just(0.0) | st.floats(1e-6, 10)


@PROPERTY
@given(step_numbers, step_sizes, positive, st.floats(0, 1e3), positive)
def test_ours_is_never_above_the_papers(
    steps: int, step_size: float, temperature: float, lipschitz: float, bandwidth: float
) -> None:
    """And never above 2, nor above the squared displacement in bandwidths; at most 0.744 of the paper's."""
    budget = (steps, step_size, temperature, lipschitz, bandwidth)
    ours, paper = theory.mmd2_bound(*budget), theory.mmd2_bound_paper(*budget)
    assert 0 <= ours <= min(2, 0.744 * paper)
    assert ours <= (theory.displacement_bound(*budget) / bandwidth) ** 2 * (1 + 1e-12)


@PROPERTY
@given(step_numbers, step_sizes, positive, st.floats(0, 1e3), positive, st.floats(1, 10))
def test_bounds_grow_with_the_budget(
    steps: int, step_size: float, temperature: float, lipschitz: float, bandwidth: float, factor: float
) -> None:
    """More steps, longer steps, a steeper critic or a lower temperature never lower either bound."""
    larger = [
        (steps + 1, step_size, temperature, lipschitz, bandwidth),
        (steps, step_size * factor, temperature, lipschitz, bandwidth),
        (steps, step_size, temperature / factor, lipschitz, bandwidth),
        (steps, step_size, temperature, lipschitz * factor, bandwidth),
        (steps, step_size, temperature, lipschitz, bandwidth / factor),
    ]
    for bound in (theory.mmd2_bound, theory.mmd2_bound_paper):
        least = bound(steps, step_size, temperature, lipschitz, bandwidth) * (1 - 1e-12)
        assert all(bound(*budget) >= least for budget in larger)
    least = theory.mmd2_bound_adam(steps, step_size, 3, bandwidth)
    assert theory.mmd2_bound_adam(steps + 1, step_size, 3, bandwidth) >= least
    assert theory.mmd2_bound_adam(steps, step_size, 4, bandwidth) >= least
