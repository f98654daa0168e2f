"""Rungs become budgets by the proved bound: never farther than asked, whatever the critic, and zero moves nothing."""

from __future__ import annotations

import math

import pytest
import torch

from vgf import theory
from vgf.flow import transport
from vgf.training.budgets.ladder import CLONE, LONGEST_STEP, Rung, Unit, budget_of, checked, ladder, mmd2_of, steps_of

UNIT = Unit(sigma=0.3, slope=2.0, dimension=4)


def test_the_ladder_begins_with_the_clone_and_holds_every_pair() -> None:
    rungs = ladder()
    assert rungs[0] == CLONE
    assert len(rungs) == len(set(rungs)) == 18
    assert ladder((0.5,), (10,)) == (CLONE, Rung(0.5, 10))


def test_a_ladder_of_ones_own_has_the_clone_and_the_order_of_the_usual_one() -> None:
    assert checked([(0.5, 3), Rung(0.1, 3)]) == (CLONE, Rung(0.1, 3), Rung(0.5, 3))  # type: ignore[list-item]
    assert checked(ladder()) == ladder()


@pytest.mark.parametrize(("far", "many"), [((-0.1,), (1,)), ((math.nan,), (1,)), ((0.1,), (0,))])
def test_rungs_without_meaning_are_refused(far: tuple[float, ...], many: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"displacements must|particles must"):
        ladder(far, many)


@pytest.mark.parametrize("x", [0.1, 0.25, 0.5, 1.0, 2.0])
def test_the_bound_of_a_rung_s_budget_is_its_displacement(x: float) -> None:
    budget = budget_of(Rung(x, 5), UNIT)
    delta = theory.displacement_bound_adam(budget.steps, budget.step_size, UNIT.dimension)
    assert delta == pytest.approx(x * UNIT.sigma)
    assert x / budget.steps <= LONGEST_STEP + 1e-12
    assert mmd2_of(x) == pytest.approx(theory.mmd2_bound_adam(budget.steps, budget.step_size, UNIT.dimension, 0.3))


def test_no_particle_moves_farther_even_along_a_wild_score() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(50, 6, 4, generator=generator)
    rung = Rung(1.0, 6)
    moved = transport(start, lambda a: 100 * torch.randn(a.shape, generator=generator), budget_of(rung, UNIT))
    length = (moved - start).norm(dim=-1)
    assert float(length.max()) <= UNIT.sigma * rung.displacement * (1 + 1e-5)
    assert float(length.max()) > 0.3 * UNIT.sigma  # the bound is of the flow's size


def test_a_constant_score_attains_the_bound_to_a_few_percent() -> None:
    start = torch.zeros(1, 1, 4)
    moved = transport(start, torch.ones_like, budget_of(Rung(2.0, 1), UNIT))
    assert float(moved.norm()) == pytest.approx(2.0 * UNIT.sigma, rel=0.05)


def test_zero_takes_no_step_and_sigma_units_know_no_sigma() -> None:
    assert steps_of(0.0) == budget_of(CLONE, UNIT).steps == 0
    inside = budget_of(Rung(0.5, 5), UNIT._replace(in_sigma=True))
    outside = budget_of(Rung(0.5, 5), UNIT)
    assert inside.step_size * UNIT.sigma / UNIT.dimension**0.5 == pytest.approx(outside.step_size)
    assert inside.temperature * UNIT.slope * UNIT.sigma == pytest.approx(outside.temperature)
