"""A search for flows that break their MMD bounds, the case that attains them, and the one they do not cover."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.normal import draw
from vgf import flow, theory
from vgf.flow import Budget, transport

PROPERTY = settings(derandomize=True, deadline=None, max_examples=1_000)
ROUNDING = 1e-12  # MMD^2 is a difference of float64 numbers near 1


@pytest.mark.parametrize("n", [1, 6])
def test_our_bound_is_attained_by_a_translation(n: int) -> None:
    """Particles that start together under a linear critic reach the bound exactly (no repulsion acts on them)."""
    slope = torch.tensor([0.6, -0.8], dtype=torch.float64)
    start = torch.full((n, 2), 0.3, dtype=torch.float64)
    end = transport(start, lambda a: 3 * slope.expand_as(a), Budget(4, 0.05, 0.5), bandwidth=0.9)
    delta = theory.displacement_bound(4, 0.05, 0.5, 3.0, 0.9, repulsion=False)
    reached = theory.mmd2(start, end, 0.9).item()
    assert reached == pytest.approx(theory.mmd2_from_displacement(delta, 0.9), abs=1e-13)


def score_field(kind: str, lipschitz: float, d: int, seed: int) -> flow.ScoreFn:
    """A score of length at most `lipschitz`: a slope, a wave along a line, a cone, or a field that is no gradient."""
    unit = torch.nn.functional.normalize(draw(d, seed=seed), dim=0)
    frequency = 5 * draw(d, d, seed=seed + 1)
    return {
        "slope": lambda a: lipschitz * unit.expand_as(a),
        "wave": lambda a: lipschitz * torch.cos(4 * a @ unit)[..., None] * unit,
        "cone": lambda a: lipschitz * torch.nn.functional.normalize(unit - a, dim=-1),
        "field": lambda a: lipschitz * torch.nn.functional.normalize(torch.sin(a @ frequency + 1), dim=-1),
    }[kind]


cases = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["slope", "wave", "cone", "field"]),
        "n": st.integers(1, 8),
        "d": st.integers(1, 6),
        "steps": st.integers(0, 8),
        "step_size": st.floats(1e-3, 1),
        "temperature": st.floats(0.05, 5),
        "lipschitz": st.floats(0, 5),
        "bandwidth": st.floats(0.1, 3),
        "spread": st.floats(1e-3, 3),
        "repulsion": st.booleans(),
        "box": st.booleans(),
        "seed": st.integers(0, 10_000),
    }
)


@PROPERTY
@given(cases, st.sampled_from(["none", "adam"]), st.booleans())
def test_no_flow_violates_its_bounds(case: dict[str, Any], optimizer: Any, median: bool) -> None:
    """Fixed step and Adam, with and without repulsion and clipping: distance, posterior, ours and the paper's hold.

    A median bandwidth is allowed for Adam only, whose budget does not involve the kernel.
    """
    start = case["spread"] * draw(case["n"], case["d"], seed=case["seed"])
    box = (-1.0, 1.0) if case["box"] else None
    start = start.clamp(*box) if box else start
    score_fn = score_field(case["kind"], case["lipschitz"], case["d"], case["seed"])
    budget = Budget(case["steps"], case["step_size"], case["temperature"], optimizer)
    sigma: Any = "median" if median and optimizer == "adam" else case["bandwidth"]
    end = transport(start, score_fn, budget, bandwidth=sigma, repulsion=case["repulsion"], bounds=box)
    if optimizer == "adam":
        delta = theory.displacement_bound_adam(budget.steps, budget.step_size, case["d"])
    else:
        constants = (budget.temperature, case["lipschitz"], case["bandwidth"], case["repulsion"])
        delta = theory.displacement_bound(budget.steps, budget.step_size, *constants)
    moved = (end - start).norm(dim=-1)
    assert moved.max().item() <= delta * (1 + 1e-12) + 1e-14
    measured = theory.mmd2(start, end, case["bandwidth"]).item()
    ours = theory.mmd2_from_displacement(delta, case["bandwidth"])
    each = [math.sqrt(theory.mmd2_from_displacement(m, case["bandwidth"])) for m in moved.tolist()]
    assert -ROUNDING <= measured <= (sum(each) / len(each)) ** 2 + ROUNDING
    assert measured <= ours + ROUNDING
    assert ours <= 2 * delta / (case["bandwidth"] * math.sqrt(math.e))


def test_first_median_bandwidth_is_not_a_budget() -> None:
    """Two particles drawn together shrink their median bandwidth and are thrown beyond the naive distance."""
    pair = torch.tensor([[-0.5], [0.5]], dtype=torch.float64)
    budget = Budget(2, 0.768, 0.5)
    record = transport(pair, lambda a: -a / (a**2 + 1e-4).sqrt(), budget, trace=True)
    moved = (record.particles[-1] - pair).abs().max().item()
    sigmas = record.bandwidths.flatten().tolist()
    assert moved > 3 * theory.displacement_bound(2, 0.768, 0.5, 1.0, sigmas[0])
    assert moved <= sum(theory.displacement_bound(1, 0.768, 0.5, 1.0, sigma) for sigma in sigmas)
