"""Rules and scores on cells made by hand: who takes what, and regret, harm and capture to the digit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.helpers.budget_parts import a_cell
from vgf.results import budget_rules
from vgf.results.budget_rules import ZERO
from vgf.training.budgets.ladder import CLONE, Rung


def test_each_rule_takes_its_rung() -> None:
    table = a_cell({Rung(0.25, 1): 7.0})
    taken = budget_rules.simple_choices(table, 0.5)
    assert taken == {
        "zero": ZERO,
        "clone": CLONE,
        "promise": Rung(1.0, 1),  # the first of equals
        "heuristic": Rung(0.25, 10),  # 1.25 times, and at 1.0 twice
        "simulator": CLONE,
        "radius": Rung(0.25, 10),
        "mmd": Rung(0.1, 10),  # 2 - 2 exp(-x^2 / 2) is 0.0100 there and 0.0615 at 0.25
        "oracle": Rung(0.25, 1),
    }
    assert budget_rules.simple_choices(table, None)["radius"] == ZERO
    calm = budget_rules.simple_choices(table.assign(disagreement=1.0), None)
    assert calm["heuristic"] == Rung(1.0, 10)


def test_the_heuristic_stops_at_the_first_rung_that_is_too_far() -> None:
    table = a_cell({}).assign(disagreement=[9.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0])  # N = 1 four times, then N = 10
    assert budget_rules.simple_choices(table, None)["heuristic"] == ZERO


def scored() -> pd.DataFrame:
    first = a_cell({ZERO: 1.0, Rung(0.25, 10): 5.0, Rung(1.0, 10): -3.0})
    second = a_cell({ZERO: 2.0, Rung(0.25, 10): 2.5, Rung(1.0, 10): 1.0}, task="bandit-far-few")
    cells = pd.concat([first, second], ignore_index=True)
    rows = [
        ("drone-many", "ours", 3.0, 0.5),
        ("drone-many", "bold", -3.0, 0.5),
        ("bandit-far-few", "ours", 1.6, 0.5),
        ("bandit-far-few", "bold", 1.0, 0.5),
    ]
    choices = pd.DataFrame(rows, columns=["task", "rule", "value", "error"]).assign(method="train2-500", seed=0)
    fixed = budget_rules.fixed_choices(budget_rules.with_regret(cells))
    return budget_rules.scores(cells, pd.concat([choices, fixed])).set_index(["world", "rule"])


def test_regret_harm_and_capture_to_the_digit() -> None:
    table = scored()
    ours = table.loc[("all", "ours")]
    assert ours["regret"] == pytest.approx(np.mean([(5 - 3) / 8, (2.5 - 1.6) / 2.5]))
    assert ours["worst"] == pytest.approx(0.36)
    assert ours["harm"] == 0.0  # 0.4 below zero, within one standard error
    assert (ours["capture"], ours["gain_cells"]) == (0.5, 1)  # the bandit's best is one error above zero, not two
    assert table.loc[("all", "bold"), "harm"] == 1.0
    assert np.isnan(table.loc[("bandit", "ours"), "capture"])


def test_hindsight_is_the_best_fixed_rung_of_each_world() -> None:
    table = scored()
    assert table.loc[("drone", "hindsight"), "regret"] == table.loc[("drone", "fixed 0.25 sigma, 10"), "regret"] == 0.0
    assert table.loc[("all", "fixed 1 sigma, 10"), "regret"] == pytest.approx(np.mean([1.0, 1.5 / 2.5]))


def test_success_needs_all_three() -> None:
    table = scored().reset_index()
    assert budget_rules.verdict(table, {"harm": 0.05, "capture": 0.5}) == {
        "harm": True,
        "capture": True,
        "regret": False,
    }
    strict = budget_rules.verdict(table, {"harm": 0.05, "capture": 0.6})
    assert not strict["capture"]


def intervals_of(rows: list[tuple[str, int, float, bool]]) -> pd.Series:
    table = pd.DataFrame(rows, columns=["task", "seed", "regret", "harm"])
    world = [budget_rules.world_of(task) for task in table["task"]]
    table = table.assign(world=world, rule="ours", method="m", capture=[np.nan] * (len(rows) - 1) + [0.5])
    return budget_rules.intervals(table).iloc[0]


def test_intervals_come_from_clusters_that_share_no_data() -> None:
    found = intervals_of([("a", 0, 0.2, True), ("a", 1, 0.3, False), ("b", 0, 0.3, False), ("c", 0, 0.3, False)])
    assert found["regret"] == pytest.approx(0.275)
    error = (3 / 2 * (0.05**2 + 2 * 0.025**2)) ** 0.5 / 4  # the cells of a: 0.2 + 0.3 less twice the mean
    assert found["regret_high"] - found["regret"] == pytest.approx(4.302653 * error)
    assert (found["harm"], found["harm_low"]) == (0.25, pytest.approx(0.0063, abs=1e-4))  # exact, of 1 in 4
    assert found["capture"] == 0.5
    assert not found["capture_low"] > -np.inf


def test_the_wishes_of_a_seed_of_language_are_one_cluster() -> None:
    wishes = [("language-x", 0, 0.1, False), ("language-y", 0, 0.1, False), ("language-x", 1, 0.5, False)]
    alone = [("a-x", 0, 0.1, False), ("a-y", 0, 0.1, False), ("a-z", 1, 0.5, False)]
    assert intervals_of(wishes)["regret_high"] == 1.0  # two seeds: Student's quantile of one degree of freedom
    assert intervals_of(alone)["regret_high"] < 1.0


def test_rules_are_compared_on_cells_that_both_have() -> None:
    cells = pd.concat([a_cell({ZERO: 1.0, Rung(0.25, 10): 5.0}, seed=s) for s in range(2)], ignore_index=True)
    rows = [(0, "ours", 5.0, 0.25), (1, "ours", 1.0, 0.0), (0, "other", 1.0, 0.0)]
    choices = pd.DataFrame(rows, columns=["seed", "rule", "value", "displacement"])
    choices = choices.assign(task="drone-many", method="train2-500", error=0.5)
    table = budget_rules.shared(cells, choices, ["ours", "other"]).set_index(["world", "rule"])
    assert table.loc["all"][["cells", "regret"]].to_numpy().tolist() == [[1, 0.0], [1, pytest.approx(0.8)]]
    assert budget_rules.moved(choices) == (1, 2)


def test_the_default_judges_follow_the_rule_that_was_written_before() -> None:
    rows = [("all", "ours", 0.1, 0.0), ("all", "ours_seeds", 0.11, 0.0)]
    table = pd.DataFrame(rows, columns=["world", "rule", "regret", "harm"]).assign(cells=16)
    success, dear = {"harm": 0.05}, {"ours": 0.8, "ours_seeds": 0.05}
    assert budget_rules.default_judges(table, dear, success) == "auto"
    assert budget_rules.default_judges(table, {"ours": 0.08, "ours_seeds": 0.05}, success) == "ensemble"
    assert budget_rules.default_judges(table, {"ours": 0.8, "ours_seeds": 0.2}, success) == "ensemble"
    assert budget_rules.default_judges(table.assign(regret=[0.1, 0.13]), dear, success) == "ensemble"
    assert budget_rules.default_judges(table.assign(harm=[0.0, 0.1]), dear, success) == "ensemble"
    with pytest.raises(ValueError, match="cells that both have"):
        budget_rules.default_judges(table.assign(cells=[34, 16]), dear, success)
