"""The page of learning curves: every method, tasks on which somebody scores, the paper at its updates."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import yaml

from tests.helpers.site import ROOT
from vgf.book import curves, plots
from vgf.results import tables
from vgf.results.study_text import NAMES, silent

D4RL = tables.read_study("d4rl", "cpu")
LEARNT, BESIDE = curves.learning(D4RL), curves.side(D4RL)


def test_only_tasks_on_which_somebody_scores_are_drawn() -> None:
    table = pd.read_csv(ROOT / "data" / "tables" / "d4rl.cpu.csv")
    last = table[(table["checkpoint"] == "last") & (table["statistic"] == "mean") & (table["task"] != "all-tasks")]
    scoring = {task.removesuffix("-v2") for task, most in last.groupby("task")["value"].max().items() if most >= 5}
    assert set(LEARNT["task"]) == scoring
    assert "antmaze-umaze-diverse-v2" in silent(D4RL)


def test_a_curve_ends_at_the_tables_mean() -> None:
    table = pd.read_csv(ROOT / "data" / "tables" / "d4rl.cpu.csv", dtype={"test_steps": str})
    own = table[(table["checkpoint"] == "last") & (table["statistic"] == "mean") & (table["method"] == "iql")]
    for task, line in LEARNT[LEARNT["name"] == "iql"].groupby("task"):
        wanted = own.loc[own["task"] == f"{task}-v2", "value"].item()
        assert line.sort_values("update")["score"].iloc[-1] == pytest.approx(wanted, rel=1e-4)


def test_the_papers_numbers_stand_at_the_paper_scales_updates() -> None:
    scales = yaml.safe_load((ROOT / "data" / "experiments" / "d4rl.yaml").read_text())["scales"]
    paper = pd.read_csv(ROOT / "data" / "paper" / "d4rl.csv")
    theirs = BESIDE[BESIDE["whose"] == "paper"]
    assert set(theirs["updates"]) == {scales["paper"]["updates"]}
    assert set(BESIDE.loc[BESIDE["whose"] == "ours", "updates"]) == {scales["cpu"]["updates"]}
    for row in theirs.itertuples():
        same = paper[(paper["dataset"] == f"{row.task}-v2") & (paper["agent"] == row.name)]
        assert row.score == same["score"].item()


def test_a_method_has_its_colour_and_a_mark_of_its_own() -> None:
    figure = curves.draw_learning(LEARNT)
    for ax in figure.axes:
        for line in ax.get_lines():
            name = next(key for key, words in NAMES.items() if words == line.get_label())
            assert line.get_color() == plots.method_colour(name)
            assert line.get_marker() == curves.MARKERS[NAMES[name]]
    plt.close(figure)
    assert len(set(curves.MARKERS.values())) == len(NAMES)
    beside = curves.draw_beside(BESIDE)
    colours = {str(line.get_color()) for ax in beside.axes for line in ax.get_lines()}
    assert plots.METHODS["vgf"] in colours
    plt.close(beside)
