"""Figures of the study on critics: what is drawn is what they return, and every panel has its way to train."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from vgf.book import critic_figures
from vgf.datasets.maze_layouts import EVALUATION_GOALS, U_MAZE
from vgf.results import collapse, tables
from vgf.results.value_map import SQUARE

WORDS = {"vgf": "a step in the target", "best_of_n": "none"}


def _study() -> Any:
    rng = np.random.default_rng(0)
    sources = []
    for method, budgets in (("vgf", (0, 1, 3)), ("best_of_n", (0,))):
        rows = [
            (seed, 50 + update, steps, float(rng.integers(0, 101)))
            for seed in range(5)
            for update in (-50, 10, 20, 30)
            for steps in budgets
        ]
        scores = pd.DataFrame(rows, columns=["seed", "update", "test_steps", "score"])
        record = SimpleNamespace(runs=[{"settings": {"config": {"pretrain": 50}}}])
        sources.append(SimpleNamespace(method=method, scores=scores, record=record))
    return SimpleNamespace(sources=sources)


def test_ages_have_a_line_for_each_budget_and_the_clone_s() -> None:
    study = _study()
    figure, drawn = critic_figures.draw_ages(study, WORDS, 70.0)
    assert [ax.get_title("left") for ax in figure.axes] == list(WORDS.values())
    assert [len(ax.lines) for ax in figure.axes] == [1 + 3, 1 + 1]
    assert sorted(drawn["update"].unique()) == [10, 20, 30]
    own = study.sources[0].scores.query("update == 60 and test_steps == 1")["score"]
    row = drawn.query("method == 'vgf' and update == 10 and test_steps == 1").iloc[0]
    assert row["mean"] == pytest.approx(own.mean())
    assert row["low"] <= row["mean"] <= row["high"]
    plt.close(figure)


def test_orders_have_a_line_for_each_choice_at_every_age() -> None:
    study = tables.read_study("critic", "cpu")
    figure, drawn = critic_figures.draw_orders(study, {"best_of_n": "none"})
    (ax,) = figure.axes
    assert len(ax.lines) == len(critic_figures.CHOICES)
    (source,) = (s for s in study.sources if s.method == "best_of_n")
    rows = source.record.ranking
    for row in drawn.itertuples():
        own = rows[(rows["choice"] == row.choice) & (rows["particles"] == row.particles)]
        own = own[own["update"] == row.update + source.record.runs[-1]["settings"]["config"]["pretrain"]]
        assert row.mean == pytest.approx(100 * own.groupby("seed")["success"].mean().mean())
    assert sorted(drawn["update"].unique()) == sorted(collapse.ages(source)["update"].unique())
    plt.close(figure)


def test_the_floor_shows_each_square_where_it_is() -> None:
    places = [(-0.75, 0.25), (0.25, 0.25), (8.25, 8.25)]
    rows = [
        {"method": method, "x": x, "y": y, "rows": 10 ** (k + 1), "value": level - k}
        for method, level in (("vgf", 5.0), ("best_of_n", -80.0))
        for k, (x, y) in enumerate(places)
    ]
    figure, drawn = critic_figures.draw_floor(pd.DataFrame(rows), U_MAZE, EVALUATION_GOALS[U_MAZE], WORDS, SQUARE)
    panels = [ax for ax in figure.axes if ax.get_title("left")]
    assert [ax.get_title("left") for ax in panels] == ["the data", *WORDS.values()]
    assert drawn.groupby("method")["below"].apply(list).tolist() == [[0, 1, 2]] * 2
    for ax, expected in zip(panels, ([1, 2, 3], [0, 1, 2], [0, 1, 2]), strict=True):
        picture, (left, right, low, high) = ax.images[0].get_array(), ax.images[0].get_extent()
        assert (right - left, high - low) == (9.5, 8.5)
        for (x, y), value in zip(places, expected, strict=True):
            assert picture[int((y - low) / SQUARE), int((x - left) / SQUARE)] == pytest.approx(value)
        assert np.isfinite(np.ma.filled(picture, np.nan)).sum() == len(places)
    plt.close(figure)
