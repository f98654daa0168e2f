"""The constants are chosen as the rule file says, and those that are frozen are what its record gives."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.helpers.budget_parts import a_cell
from vgf.results import budget_cells, budget_constants
from vgf.results.budget_rules import CELL, ZERO
from vgf.training.budgets.ladder import Rung


def test_constants_are_of_least_regret_among_those_that_do_no_harm() -> None:
    cells = pd.concat(
        [a_cell({ZERO: 1.0, Rung(0.25, 10): 5.0, Rung(1.0, 10): -3.0}, seed=s) for s in range(2)], ignore_index=True
    )
    may: dict[str, list[Any]] = {"gate": [1.0, 0.5, 0.25, 0.0], "shrink": ["lower", "none"]}
    rows = []
    for seed in range(2):
        for gate in may["gate"]:
            for shrink in may["shrink"]:
                bold = -3.0 if seed and gate == 0.0 else 5.0  # the boldest gains and harms
                value = {1.0: 1.0, 0.5: 4.0, 0.25: 4.0, 0.0: bold}[gate]
                rows.append((seed, gate, shrink, "ours", value))
    grid = pd.DataFrame(rows, columns=["seed", "gate", "shrink", "rule", "value"])
    grid = grid.assign(task="drone-many", method="train2-500", error=0.5)
    before = {"gate": 1.0, "shrink": "lower"}
    found, table = budget_constants.chosen_constants(grid, cells, may, before, 0.05)
    assert found == {"gate": 0.5, "shrink": "lower"}  # a tie: fewest changes, then the order of the list
    assert len(table) == 8
    assert table.iloc[0]["regret"] == pytest.approx(1 / 8)
    loose, _ = budget_constants.chosen_constants(grid[grid["gate"].isin([0.0])], cells, may, before, 0.05)
    assert loose == {"gate": 0.0, "shrink": "lower"}  # all harm: the least of them


def test_the_frozen_constants_are_what_the_rule_gives_on_the_committed_tuning_part() -> None:
    plan, part = budget_cells.rules_file(), budget_cells.read("tuning")
    assert part.constants is not None
    may, before, frozen = (budget_cells.constants(plan, name) for name in ("may", "before", "value"))
    grid = part.constants
    fits = [grid[list(one)].isin(one).all(axis=1) for one in plan["keeps"]]
    kept = grid[pd.concat(fits, axis=1).any(axis=1)]
    found, table = budget_constants.chosen_constants(kept, part.cells, may, before, plan["success"]["harm"])
    assert found == frozen
    assert len(table) == 30  # of 60, as the log says
    every, _ = budget_constants.chosen_constants(part.constants, part.cells, may, before, plan["success"]["harm"])
    assert every == frozen | {"gate": 0}  # the first choice, as the log says


def test_the_rule_s_rows_of_the_tuning_part_are_those_of_the_constants_of_before() -> None:
    part, before = budget_cells.read("tuning"), budget_cells.constants(budget_cells.rules_file(), "before")
    assert part.constants is not None
    own = part.constants[part.constants["rule"] == "ours"]
    own = own[(own[list(before)] == pd.Series(before)).all(axis=1)].set_index(CELL)
    told = part.every[part.every["rule"] == "ours"].set_index(CELL)
    assert own["value"].to_dict() == told["value"].to_dict()
