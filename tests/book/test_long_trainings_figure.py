"""The figure of the long trainings: a panel a task, a line a row, and what is drawn is what is returned."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from vgf.book import long_trainings_figure, marks, plots
from vgf.results import stats

ROWS = (("bc", 0), ("best_of_n", 0), ("vgf", 0), ("vgf", 1), ("vgf", 3))


@pytest.fixture
def aged() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        (task, study, method, steps, age, seed, float(rng.normal(50, 9)))
        for task in ("hopper-medium-v2", "halfcheetah-medium-v2")
        for study, ages, seeds in (("d4rl", (10_000,), 3), ("campaign", (50_000, 100_000), 5))
        for method, steps in ROWS
        for age in ages
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows, columns=["task", "study", "method", "steps", "age", "seed", "score"])


def test_every_task_has_its_panel_and_every_row_its_line(aged: pd.DataFrame) -> None:
    figure, drawn = long_trainings_figure.draw_ages(aged, "campaign")
    assert [ax.get_title("left") or ax.get_title() for ax in figure.axes] == ["hopper-medium", "halfcheetah-medium"]
    for ax in figure.axes:
        joined = [len(line.get_xdata()) for line in ax.lines if line.get_linestyle() != "None"]
        assert joined.count(2) == len(ROWS)  # a line for each row of the study of two ages; the clone's lies across
        assert 3 not in joined  # and none from one study to the other
    assert len(drawn) == 2 * 3 * len(ROWS)
    one = drawn[(drawn["task"] == "hopper-medium-v2") & (drawn["method"] == "vgf") & (drawn["test_steps"] == 3)]
    last = one[one["age"] == 100_000].iloc[0]
    scores = aged.query("task == 'hopper-medium-v2' and method == 'vgf' and steps == 3 and age == 100000")["score"]
    assert last["mean"] == pytest.approx(scores.mean())
    assert (last["low"], last["high"]) == pytest.approx(stats.student([scores.to_numpy()]).interval())
    plt.close(figure)


def test_marks_of_the_young_tables_are_open_and_the_others_filled(aged: pd.DataFrame) -> None:
    figure, _ = long_trainings_figure.draw_ages(aged[aged["method"] == "vgf"], "campaign")
    marks = [line for line in figure.axes[0].lines if line.get_marker() not in ("None", "", None, "_", "|")]
    inside = {line.get_markerfacecolor(): max(line.get_xdata()) for line in marks}  # type: ignore[arg-type]
    assert inside["none"] < 20_000 < inside[plots.method_colour("vgf")]
    plt.close(figure)


def test_intervals_of_a_share_of_episodes_end_at_none_and_all() -> None:
    task = "antmaze-umaze-v2"
    scores = {("vgf", 0): [0.0, 0, 0, 50, 10], ("best_of_n", 0): [100.0, 90, 100, 60, 100]}
    rows = [
        (task, "campaign", method, steps, 50_000, seed, score)
        for (method, steps), own in scores.items()
        for seed, score in enumerate(own)
    ]
    aged = pd.DataFrame(rows, columns=["task", "study", "method", "steps", "age", "seed", "score"])
    figure, drawn = long_trainings_figure.draw_ages(aged, "campaign")
    assert drawn.set_index("method")["low"]["vgf"] == 0.0
    assert drawn.set_index("method")["high"]["best_of_n"] == 100.0
    plt.close(figure)


def test_a_row_of_one_age_has_its_mark_and_no_line(aged: pd.DataFrame) -> None:
    one = aged[(aged["method"] == "best_of_n") & (aged["age"] == 50_000)]
    figure, drawn = long_trainings_figure.draw_ages(one, "campaign")
    vertices = marks.drawn_marks(figure)
    assert set(vertices["kind"]) == {"points", "segments"}
    assert len(drawn) == len(figure.axes) == 2
    plt.close(figure)


def test_the_legend_names_what_any_panel_has(aged: pd.DataFrame) -> None:
    few = aged[(aged["task"] != "hopper-medium-v2") | (aged["method"] != "best_of_n")]
    figure, _ = long_trainings_figure.draw_ages(few, "campaign")
    (legend,) = figure.legends
    assert len(legend.get_texts()) == len(ROWS)
    plt.close(figure)
