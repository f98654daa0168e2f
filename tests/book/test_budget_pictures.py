"""What the chapter shows of the study: numbers where tables and drawing say they are."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tests.helpers.budget_parts import a_part
from vgf.book import budget_pictures
from vgf.results import budget_rules

PART = a_part()
TABLE = budget_rules.scores(PART.cells, PART.every).set_index(["world", "rule"])


def test_a_rule_stands_at_its_mean_in_each_panel() -> None:
    means = budget_rules.intervals(budget_rules.judged(PART.cells, PART.every)).set_index("rule")
    figure, drawn = budget_pictures.draw_rules(means)
    own = drawn.set_index(["rule", "score"])["value"]
    assert own["the rule", "capture"] == 0.0
    assert own["highest promise", "regret"] == 1.0
    assert own["best fixed rung, afterwards", "capture"] == 1.0
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[-1] == "the rule"
    plt.close(figure)


def test_tables_have_a_row_a_rule_and_every_world() -> None:
    table = budget_pictures.rules_table(TABLE, ["drone", "bandit"])
    assert table.loc["highest promise", "harm, %"] == "100"
    assert table.loc["the rule", "on drone"] == "0.25"
    steps = budget_pictures.steps_table(TABLE, TABLE)
    assert steps.loc["without the gate", "capture, %, reported"] == "100"
    text = budget_pictures.steps_text(TABLE)
    assert "Without the bound nothing changes." in text
    assert "Without the radius regret is 1.00" in text
    assert "With the radius alone" in text


def test_promises_are_held_to_what_came_of_the_same_particles() -> None:
    rows = budget_pictures.promises(PART)
    assert rows["displacement"].tolist() == [0.5, 2.0] * 2
    assert rows["promised"].tolist() == [0.25, 1.0] * 2
    assert rows["came"].tolist() == pytest.approx([2 / 6, -1.0, 1.0, -0.5])
    assert rows["is_trusted"].tolist() == [True, False] * 2
    assert budget_pictures.kept(rows, True) == (2, 2)
    assert budget_pictures.kept(rows, False) == (0, 2)
    figure, drawn = budget_pictures.draw_promises(rows)
    filled, hollow = figure.axes[0].lines[2:4]
    assert filled.get_xydata().tolist() == [[0.25, pytest.approx(2 / 6)]]  # type: ignore[union-attr]
    assert hollow.get_markerfacecolor() == "none"
    assert len(drawn) == 4
    plt.close(figure)


def test_what_refused_the_best_rung_where_little_was_captured_is_counted() -> None:
    assert budget_pictures.missed(PART).to_dict() == {"gate": 2}


def test_the_radius_stands_beside_the_best_rung() -> None:
    table = budget_pictures.reaches(PART._replace(cells=PART.cells.assign(radius=np.nan)))
    assert table.loc["drone"].tolist() == [0.0, 0.5]


def test_costs_are_shares_of_the_training_of_one_seed() -> None:
    table = budget_pictures.costs(PART.cells)
    assert table.index.tolist() == ["bandit", "drone", "all"]
    assert table.loc["all", ["ours", "ours_seeds"]].tolist() == [0.5, 0.05]


def test_the_constant_that_matters_most_is_named_with_both_ends() -> None:
    rows = [
        {"task": task, "gate": gate, "level": level, "value": value, "rule": "ours"}
        for task in ("drone-many", "bandit-far-few")
        for gate, value in ((1.0, 0.0), (0.25, 2.0))
        for level in (0.05, 0.1)
    ]
    grid = pd.DataFrame(rows).assign(method="train2-500", seed=0, error=0.1)
    plan = {"constants": {"level": {"may": [0.05, 0.1]}, "gate": {"may": [0.25, 1.0]}}}
    text = budget_pictures.constants_text(PART._replace(constants=grid), plan)
    assert text.startswith("The gate: at 0.25")
    assert f"{np.mean([0.25, 2 / 3]):.2f}" in text
