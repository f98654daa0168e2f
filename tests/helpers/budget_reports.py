"""A small report of a chosen budget, made by hand."""

from __future__ import annotations

import math

from vgf.training.budgets.ladder import CLONE, Rung, Unit, mmd2_of
from vgf.training.budgets.report import BudgetReport
from vgf.training.budgets.rule import Decision, Line
from vgf.training.budgets.slopes import Slope

STILL, STEP, LEAP = Rung(0.0, 5), Rung(0.5, 5), Rung(1.0, 5)


def line(rung: Rung, bound: float, fault: str = "") -> Line:
    """Return a rung with a bound, its gain 0.1 above it."""
    return Line(rung, bound + 0.1, bound, 1.0, bound, mmd2_of(rung.displacement), fault)


def a_report(chosen: Rung = STEP, beyond: str = "bound", radius: float | None = 1.0) -> BudgetReport:
    """Return a report of a ladder of four rungs, the last one refused by `beyond`."""
    lines = (line(CLONE, 0.0), line(STILL, 0.2), line(STEP, 0.5), line(LEAP, -0.5, beyond))
    tails = (Slope(0.0, 1.0, 0.8, 100, 20), Slope(0.5, math.nan, math.nan, 3, 1))
    reach = None if radius is None else radius + 1
    decision = Decision(lines, chosen, reach, radius, 0.01, 2.0, tails, STILL)
    return BudgetReport("drone", "f00", Unit(0.2, 3.0, 2), decision, "5 critics", True, 20, 1.5)
