"""The figure of steps in the target: what it draws, and the numbers it leaves."""

from __future__ import annotations

import pytest

from tests.helpers.study_records import target_study
from vgf.book.target_figure import COLUMNS, draw_target_steps
from vgf.results import target_steps


def test_the_drawing_has_a_line_a_task_in_each_panel_and_its_numbers() -> None:
    found = target_steps.target_steps(target_study(-20.0, [60.0, 75.0]))
    figure, drawn = draw_target_steps(found)
    assert list(drawn.columns) == list(COLUMNS)
    assert drawn[["panel", "without", "within"]].to_numpy().tolist() == [
        ["value", pytest.approx(60.0), pytest.approx(75.0)],
        ["moved", pytest.approx(50.0), pytest.approx(30.0)],
    ]
    assert [len(ax.lines) for ax in figure.axes] == [3, 3]  # a line and its two ends
    assert [ax.lines[0].get_linestyle() for ax in figure.axes] == ["-", "-"]


def test_what_is_not_clearly_apart_is_dotted_and_what_was_not_run_is_left_out() -> None:
    figure, _ = draw_target_steps(target_steps.target_steps(target_study(0.0, [60.0, 60.1])))
    assert [ax.lines[0].get_linestyle() for ax in figure.axes] == [":", ":"]
    figure, drawn = draw_target_steps(target_steps.target_steps(target_study(0.0, [60.0, 75.0], without="bc")))
    assert [len(ax.lines) for ax in figure.axes] == [3, 0]
    assert drawn["panel"].tolist() == ["value"]
