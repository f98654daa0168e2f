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


@pytest.fixture(scope="module")
def d4rl() -> tables.Study:
    """Return the committed study that the page draws."""
    return tables.read_study("d4rl", "cpu")


@pytest.fixture(scope="module")
def learnt(d4rl: tables.Study) -> pd.DataFrame:
    """Return what the figure of learning curves draws."""
    return curves.learning(d4rl)


@pytest.fixture(scope="module")
def beside(d4rl: tables.Study) -> pd.DataFrame:
    """Return what the figure beside the paper's numbers draws."""
    return curves.side(d4rl)


def test_only_tasks_on_which_somebody_scores_are_drawn(d4rl: tables.Study, learnt: pd.DataFrame) -> None:
    table = pd.read_csv(ROOT / "data" / "tables" / "d4rl.cpu.csv")
    last = table[(table["checkpoint"] == "last") & (table["statistic"] == "mean") & (table["task"] != "all-tasks")]
    scoring = {task.removesuffix("-v2") for task, most in last.groupby("task")["value"].max().items() if most >= 5}
    assert set(learnt["task"]) == scoring
    assert "antmaze-umaze-diverse-v2" in silent(d4rl)


def test_a_curve_ends_at_the_tables_mean(learnt: pd.DataFrame) -> None:
    table = pd.read_csv(ROOT / "data" / "tables" / "d4rl.cpu.csv", dtype={"test_steps": str})
    own = table[(table["checkpoint"] == "last") & (table["statistic"] == "mean") & (table["method"] == "iql")]
    for task, line in learnt[learnt["name"] == "iql"].groupby("task"):
        wanted = own.loc[own["task"] == f"{task}-v2", "value"].item()
        assert line.sort_values("update")["score"].iloc[-1] == pytest.approx(wanted, rel=1e-4)


def test_the_papers_numbers_stand_at_the_paper_scales_updates(beside: pd.DataFrame) -> None:
    scales = yaml.safe_load((ROOT / "data" / "experiments" / "d4rl.yaml").read_text())["scales"]
    paper = pd.read_csv(ROOT / "data" / "paper" / "d4rl.csv")
    theirs = beside[beside["whose"] == "paper"]
    assert set(theirs["updates"]) == {scales["paper"]["updates"]}
    assert set(beside.loc[beside["whose"] == "ours", "updates"]) == {scales["cpu"]["updates"]}
    for row in theirs.itertuples():
        same = paper[(paper["dataset"] == f"{row.task}-v2") & (paper["agent"] == row.name)]
        assert row.score == same["score"].item()


def test_a_method_has_its_colour_and_a_mark_of_its_own(learnt: pd.DataFrame, beside: pd.DataFrame) -> None:
    figure = curves.draw_learning(learnt)
    for ax in figure.axes:
        for line in ax.get_lines():
            name = next(key for key, words in NAMES.items() if words == line.get_label())
            assert line.get_color() == plots.method_colour(name)
            assert line.get_marker() == curves.MARKERS[NAMES[name]]
    plt.close(figure)
    assert len(set(curves.MARKERS.values())) == len(NAMES)
    drawn = curves.draw_beside(beside)
    colours = {str(line.get_color()) for ax in drawn.axes for line in ax.get_lines()}
    assert plots.METHODS["vgf"] in colours
    plt.close(drawn)


def test_a_method_without_a_title_is_drawn_last(learnt: pd.DataFrame) -> None:
    ours = learnt[learnt["name"] == "iql"].assign(method="ours", name="ours")
    figure = curves.draw_learning(pd.concat([ours, learnt]))
    drawn = [[line.get_label() for line in ax.get_lines()] for ax in figure.axes if ax.get_lines()]
    plt.close(figure)
    assert {labels[-1] for labels in drawn} == {"ours"}
