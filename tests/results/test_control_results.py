"""Controls judged: every word of the rule can come about, and only where its condition holds; and they can be drawn."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tests.helpers.drawn_numbers import not_in
from vgf.book import control_figures, marks, plots
from vgf.datasets import get_task
from vgf.results.control_results import LEVEL, chance, scored, summary, verdict
from vgf.results.control_steps import KINDS, MOVING, RUNGS

HOPPER, CUBE = "hopper-medium-v2", "cube-double-play-singletask-v0"
Score = Callable[[str, float, int], float]  # kind, rung, seed to a normalised score


def rows(score: Score, seeds: int = 6, episodes: int = 4, noise: float = 3.0, task: str = HOPPER) -> pd.DataFrame:
    """Rows as the controls leave them: an episode is its seed's score, and noise that all kinds share."""
    row, rng, found = get_task(task), np.random.default_rng(0), []
    luck = rng.normal(0, noise, (seeds, episodes))
    ladder = [("any", 0.0), ("best_of_n", 0.0), *product((k.name for k in MOVING), RUNGS)]
    for (kind, rung), seed, episode in product(ladder, range(seeds), range(episodes)):
        own = score(kind, rung, seed) + luck[seed, episode] + rng.normal(0, noise / 10)
        place = {"task": task, "method": "vgf", "seed": seed, "kind": kind, "rung": rung, "displacement": rung * 1.001}
        facts = {"acted": rung, "sigma": 0.3, "step_size": rung / 10, "steps": 3 * (rung > 0), "promised": rung}
        raw = row.score_min + own / 100 * (row.score_max - row.score_min)
        ends = {"episode": episode, "env_seed": 500_000 + episode, "return": raw, "success": int(own > 50), "length": 9}
        found.append({**place, **facts, **ends})
    return pd.DataFrame(found)


def loses(**share: float) -> Score:
    """A score of 60 that falls by 20 a sigma, times a kind's share."""
    return lambda kind, rung, seed: 60 + seed - 20 * rung * share.get(kind, 1.0)


def word(table: pd.DataFrame) -> str:
    return verdict(table).word


def test_where_phi_gains_and_random_ones_do_not_the_gradient_helps() -> None:
    found = verdict(rows(loses(phi=-1.0)))
    assert found.word == "the gradient helps"
    assert (found.rungs, found.clusters) == (RUNGS, 6)
    assert "phi scores above no step and above a random direction" in found.reason


def test_a_gain_of_short_steps_counts_though_long_ones_lose() -> None:
    def score(kind: str, rung: float, seed: int) -> float:
        return 60 + (10 if kind == "phi" and rung in (0.25, 0.5) else -30 * rung)

    found = verdict(rows(score))
    assert found.word == "the gradient helps"
    assert "At 0.25, 0.5 sigma phi" in found.reason


def test_where_every_direction_gains_alike_it_is_not_the_gradient() -> None:
    assert word(rows(loses(phi=-1.0, random=-1.0, minus_phi=-1.0))) == "undecided"


def test_where_all_directions_lose_alike_it_is_any_step_that_long() -> None:
    found = verdict(rows(loses(), noise=0.0))
    assert found.word == "any step that long"
    assert (
        "points of score lost are 15.4 along phi, 15.4 along minus phi, 15.4 along a random direction" in found.reason
    )
    assert word(rows(loses(random=0.8, minus_phi=1.2))) == "any step that long"


@pytest.mark.parametrize("share", [{"random": 0.1}, {"minus_phi": 0.1}, {"random": 0.1, "minus_phi": 2.0}])
def test_where_another_direction_loses_less_the_gradient_is_wrong(share: dict[str, float]) -> None:
    assert word(rows(loses(**share))) == "wrong gradient"


def test_where_random_ones_are_as_good_and_minus_phi_worse_the_gradient_is_no_guide() -> None:
    assert word(rows(loses(minus_phi=3.0))) == "wrong gradient"


def test_where_minus_phi_gains_and_phi_is_level_the_gradient_is_wrong() -> None:
    assert word(rows(loses(phi=0.0, random=0.0, minus_phi=-1.0))) == "wrong gradient"


def test_a_phi_that_loses_less_than_the_others_is_none_of_the_three() -> None:
    assert word(rows(loses(random=3.0, minus_phi=3.0))) == "undecided"


def test_a_level_ladder_decides_nothing() -> None:
    assert word(rows(lambda kind, rung, seed: 60.0)) == "undecided"


def test_few_seeds_decide_nothing_and_say_why_and_several_tasks_together_may() -> None:
    few = verdict(rows(loses(), seeds=4))
    assert few.word == "undecided"
    assert "chances of at least 0.062: nothing can be decided" in few.reason
    assert word(rows(loses(), seeds=5)) == "any step that long"
    cube = rows(lambda kind, rung, seed: 60 - 30 * (rung > 0), seeds=3, task=CUBE)
    assert verdict(pd.concat([rows(loses(), seeds=3), cube])).clusters == 6
    assert word(pd.concat([rows(loses(), seeds=3), cube])) == "any step that long"


def test_a_seed_that_disagrees_keeps_chance_above_the_level() -> None:
    def score(kind: str, rung: float, seed: int) -> float:
        return 60 - 20 * rung * (-3 if seed == 0 else 1)

    assert word(rows(score, seeds=6)) == "undecided"


def test_a_chance_is_the_share_of_flips() -> None:
    ones = np.ones((1, 5))
    assert chance(ones)[0] == pytest.approx(1 / 32)
    assert chance(-ones)[0] == 1
    assert chance(np.array([[3.0, 2.0, -1.0]]))[0] == pytest.approx(2 / 8)  # +++ and the one observed
    assert chance(np.zeros((1, 5)))[0] == 1
    both = chance(np.stack([np.array([3.0, 2.0, -1.0]), np.zeros(3)]))
    assert both.tolist() == [2 / 8, 1.0]
    sunk = chance(np.stack([ones[0], -9 * ones[0]]))  # what is clearly below hides no gain
    assert sunk.tolist() == [1 / 32, 1.0]
    assert chance(np.ones((1, 20)))[0] == pytest.approx(1e-4)  # drawn, the observed among them


def test_chances_of_nothing_are_below_the_level_as_rarely_as_they_say() -> None:
    rng = np.random.default_rng(1)
    low = [chance(rng.normal(size=(5, 6))).min() < LEVEL for _ in range(1000)]
    assert np.mean(low) < LEVEL + 0.02


def test_a_rung_out_of_reach_is_left_out() -> None:
    table = rows(loses())
    far = (table["rung"] == 2.0) & (table["kind"] == "minus_phi") & (table["seed"] == 2)
    table.loc[far, "displacement"] = 1.7
    assert verdict(table).rungs == RUNGS[:-1]
    own = summary(table).set_index(["kind", "rung"])
    assert not own.loc[("minus_phi", 2.0), "reached"]
    assert own.loc[("phi", 2.0), "reached"]
    table.loc[table["kind"] == "phi", "displacement"] = 0.0
    with pytest.raises(ValueError, match="no rung was reached"):
        verdict(table)


def test_kinds_that_are_missing_or_played_elsewhere_are_refused() -> None:
    table = rows(loses())
    with pytest.raises(ValueError, match="no rows of random"):
        verdict(table[table["kind"] != "random"])
    other = table.assign(env_seed=table["env_seed"] + 10 * (table["kind"] == "phi"))
    with pytest.raises(ValueError, match="phi was not played on the episodes of best_of_n"):
        verdict(other)


def test_a_summary_has_each_mean_with_an_interval_over_seeds() -> None:
    table = rows(loses(), noise=0.0)
    own = summary(table).set_index(["kind", "rung"])
    assert len(own) == 2 + len(MOVING) * len(RUNGS)
    row = own.loc[("phi", 0.5)]
    assert row["mean"] == pytest.approx(60 + 2.5 - 10)
    assert 50 <= row["low"] < row["mean"] < row["high"] <= 55
    assert (row["seeds"], row["episodes"], row["steps"]) == (6, 4, 3)
    assert row["step_size"] == pytest.approx(0.05)
    successes = rows(lambda kind, rung, seed: 100.0 * (rung < 0.2), task=CUBE)
    assert set(scored(successes)["score"]) == {0.0, 100.0}


def test_the_figure_draws_what_the_summary_has() -> None:
    table = pd.concat([rows(loses(random=0.5)), rows(loses(), task=CUBE)])
    table.loc[table["rung"] == 2.0, "displacement"] = 1.6  # drawn where it ended
    for kinds in (tuple(k.name for k in MOVING), ("phi", "minus_phi", "random")):
        figure, drawn = control_figures.draw_controls(table, kinds)
        assert len(figure.axes) == 2
        assert drawn["displacement"].max() == pytest.approx(1.6)
        vertices, bands = marks.drawn_marks(figure), len(set(kinds) & set(control_figures.DIRECTIONS))
        assert not_in(drawn, vertices, marks.panels(figure)).empty
        assert vertices[vertices["kind"] == "area"].groupby("panel")["mark"].nunique().tolist() == [bands] * 2
        colours = {line.get_color() for line in figure.axes[0].lines[1:]}
        assert colours == {plots.PALETTE[control_figures.LOOKS[k][0]] for k in kinds}
        assert len({line.get_marker() for line in figure.axes[0].lines[1:]}) == len(kinds)
        (legend,) = figure.legends
        assert {text.get_text() for text in legend.get_texts()} == {KINDS[k].words for k in ("any", *kinds)}
        plt.close(figure)
    with pytest.raises(ValueError, match="no rows of cold"):
        control_figures.draw_controls(table[table["kind"] != "cold"])


def test_the_table_says_how_far_a_rung_out_of_reach_went() -> None:
    table = rows(loses(), noise=0.0)
    table.loc[(table["rung"] == 2.0) & (table["kind"] == "cold"), "displacement"] = 1.6
    lines = {line.split("|")[1].strip(): line for line in control_figures.table_lines(table, HOPPER)}
    assert "not moved" in lines["hopper-medium"]
    assert lines["along phi"].split("|")[2].strip() == "3"
    assert lines["at a tenth of the temperature"].rstrip(" |").endswith("at 1.60")
    assert "–" in lines["one action, not chosen"]
