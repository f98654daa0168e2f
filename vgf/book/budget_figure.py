"""The figure of a chosen budget: what moving promises, what of it is sure, and how far promises were kept."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vgf.book import plots
from vgf.training.budgets.report import BudgetReport

LOOKS = (
    ("sky", "s"),
    ("blue", "o"),
    ("green", "^"),
    ("purple", "D"),
)  # by rank of N; no line hangs on its colour alone


def draw_budget(report: BudgetReport) -> tuple[Figure, pd.DataFrame]:
    """Draw gain and lower bound over displacement, a line a number of particles, and kept promises over distance.

    A band reaches from a rung's lower bound up to its gain; rungs that were refused are hollow; the diamond in orange
    is the choice. Right, the dashed line is the reach.

    Args:
        report: of `vgf.choose_budget`.

    Returns:
        The figure, and what is drawn: rows of the ladder, then of the slopes.
    """
    with plots.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(6.6, 2.9), layout="constrained")
        _ladder(left, report)
        _slopes(right, report)
    drawn = pd.concat([report.table.assign(panel="ladder"), report.slopes.assign(panel="slopes")], ignore_index=True)
    return figure, drawn


def _ladder(ax: Axes, report: BudgetReport) -> None:
    """Draw the left panel."""
    table = report.table
    ax.axhline(0, color=plots.MUTED, lw=0.8)
    for (count, own), (name, marker) in zip(table.groupby("particles"), LOOKS, strict=False):
        colour, x = plots.PALETTE[name], own["displacement"]
        bound = own["bound"].where(np.isfinite(own["bound"]))
        ax.fill_between(x, bound, own["gain"], color=colour, alpha=0.12, lw=0)
        ax.plot(x, bound, color=colour, lw=1.4, label=f"best of {count}" if count != 1 else "one particle")
        for is_left, face in ((True, colour), (False, "none")):
            rows = own["refused_by"].eq("") == is_left
            ax.plot(x[rows], bound[rows], marker, color=colour, mfc=face, ms=4, lw=0)
    chosen = table[table["chosen"]]
    ax.plot(chosen["displacement"], chosen["bound"], "D", color=plots.PALETTE["orange"], ms=8, mec=plots.INK)
    if report.decision.radius is not None:
        ax.axvline(report.decision.radius, color=plots.MUTED, lw=1, ls="--")
    ax.set(xlabel="displacement, sigma of the reference", ylabel="gain over one reference action")
    ax.legend(loc="best", fontsize=7)


def _slopes(ax: Axes, report: BudgetReport) -> None:
    """Draw the right panel."""
    rows = report.slopes.dropna()
    ax.axhline(0, color=plots.MUTED, lw=0.8)
    ax.axhline(1, color=plots.MUTED, lw=0.8, ls=":")
    error = rows["slope"] - rows["lower"]
    ax.errorbar(rows["distance"], rows["slope"], [error, 0 * error], fmt="o", color=plots.PALETTE["blue"], ms=4, lw=1.2)
    if report.decision.reach is not None:
        ax.axvline(report.decision.reach, color=plots.MUTED, lw=1, ls="--")
    ax.set(xlabel="actions at least so far, sigma", ylabel="came of a promise of 1")
