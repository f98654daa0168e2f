"""The report says what to do and why no more, survives a file, and a damaged one is told in one line."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.budget_reports import LEAP, STEP, STILL, a_report
from vgf.training.budgets.ladder import CLONE, budget_of
from vgf.training.budgets.report import read_report, report_path


def test_the_sentence_says_what_to_do_and_why_no_more() -> None:
    told = a_report().sentence
    assert told.startswith("move 0.5 sigma, 2 steps of 0.035, and take the best of 5; beyond that")
    assert told.endswith("the critics disagree about the sign")
    assert "below their own noise" in a_report(beyond="gate").sentence
    assert "no action of the data" in a_report(beyond="radius").sentence
    assert a_report(chosen=LEAP).sentence.endswith("the ladder ends there")
    assert a_report(chosen=STILL, radius=None).sentence.startswith("take the best of 5 actions and move none")
    assert "the opposite came" in a_report(chosen=CLONE, radius=None).sentence


def test_the_table_has_the_ladder_and_marks_the_choice() -> None:
    report = a_report()
    assert report.table["chosen"].tolist() == [False, False, True, False]
    assert report.table.loc[2, "step_size"] == report.budget.step_size == budget_of(STEP, report.unit).step_size
    assert (report.particles, report.slopes["slope"][0]) == (5, 1.0)


def test_a_report_survives_a_file(tmp_path: Path) -> None:
    path, report = tmp_path / "policy.seed3.budget.json", a_report()
    report.save(path)
    again = read_report(path)
    assert repr(again) == repr(report)
    assert again.table.equals(report.table)
    assert math.isnan(again.decision.tails[1].slope)
    assert replace(again, decision=report.decision) == report
    assert report_path(tmp_path / "policy.safetensors", 3) == path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"schema": 1', '"schema": 2'),
        ('"sigma": 0.2', '"sigma": -0.2'),
        ('"judges"', '"jury"'),
        ('"displacement": 0.5', '"displacement": 0.7'),
        ('"lines": [', '"lines": 3, "rows": ['),
        ("{", ""),
    ],
)
def test_a_damaged_report_is_told_in_one_line(old: str, new: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.seed0.budget.json"
    a_report().save(path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match="choose the budget anew") as caught:
        read_report(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
