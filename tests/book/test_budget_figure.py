"""The figure draws the ladder it is given: bounds where they are, the choice on its rung, radius and reach."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests.helpers.budget_reports import STEP, a_report
from vgf.book.budget_figure import draw_budget


def test_bounds_choice_radius_and_reach_are_where_the_report_says() -> None:
    report = a_report(radius=0.7)
    figure, drawn = draw_budget(report)
    left, right = figure.axes
    lines = {line.get_label(): line for line in left.lines}
    five = report.table[report.table["particles"] == 5]
    assert np.allclose(lines["best of 5"].get_xydata(), five[["displacement", "bound"]])  # type: ignore[arg-type]
    chosen = next(line for line in left.lines if line.get_markersize() == 8)
    assert chosen.get_xydata().tolist() == [[STEP.displacement, 0.5]]  # type: ignore[union-attr]
    dashed = [
        ax.lines[-1] if ax is left else next(x for x in ax.lines if x.get_linestyle() == "--") for ax in (left, right)
    ]
    assert [line.get_xdata()[0] for line in dashed] == pytest.approx([0.7, 1.7])  # type: ignore[index]
    assert list(drawn["panel"]) == ["ladder"] * 4 + ["slopes"] * 2
    plt.close(figure)


def test_without_a_radius_there_is_no_line_of_it() -> None:
    figure, _ = draw_budget(a_report(radius=None))
    assert all(line.get_linestyle() != "--" for ax in figure.axes for line in ax.lines)
    plt.close(figure)
