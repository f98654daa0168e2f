"""What judging costs, in small: a row a mover and kind of judges, and a second run that has nothing to do."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

import vgf
from vgf import records
from vgf.book import budget_cost
from vgf.results import policy_tables
from vgf.results.budget_cells import rules_file


def small() -> dict[str, Any]:
    plan = copy.deepcopy(rules_file())
    plan["cost"]["sizes"] = {"wide": {"hidden": [8, 8], "updates": [8]}, "thin": {"hidden": [4, 4], "updates": [8]}}
    plan["cost"]["data"] |= {"episodes": 24}
    plan["cost"] |= {"movers": [21], "short": {"share": 0.5, "fewest": 2}}
    plan["cells"]["config"] |= {"hidden": [8], "pretrain": 2, "bank": 6, "flow_steps": 1}
    plan["cells"]["ensemble"]["members"] = 3
    plan["ladder"] = {"displacements": [0, 0.1, 0.25, 0.5, 1, 2], "particles": [1, 5, 10]}
    return plan


def test_costs_stand_beside_what_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_cost, "rules_file", small)
    budget_cost.run(tmp_path)
    path = tmp_path / "budget.cost" / "costs.csv"
    assert list(policy_tables.faults(path.parent)) == []
    rows = records.read_csv(path)
    assert rows["task"].tolist() == ["drone-wide"] * 3 + ["drone-thin"] * 3
    assert rows["judges"].tolist() == ["seeds", "short", "whole"] * 2
    assert rows["updates"].tolist() == [0, 2, 6] * 2
    assert (rows[["training", "judging", "gains", "promises"]] > 0).to_numpy().all()
    assert (rows["judging"] >= rows["gains"] + rows["promises"]).all()
    assert (rows["members"].astype(float).fillna(0) > 0).tolist() == [False, True, True] * 2
    assert rows["regret"].between(0, 1).all()
    policy_tables.write(
        path, rows[rows["judges"] != "whole"], {f"drone-{name}/updates8": {} for name in ("wide", "thin")}
    )
    budget_cost.run(tmp_path)
    again = records.read_csv(path, keep_default_na=True)
    assert again["judges"].tolist() == ["seeds", "short", "whole"] * 2  # what was cut short goes on
    assert again["regret"].tolist() == rows["regret"].astype(float).tolist()
    before = path.read_bytes()
    monkeypatch.setattr(vgf, "fit", lambda *args, **kwargs: pytest.fail("trained again"))
    budget_cost.run(tmp_path)
    assert path.read_bytes() == before


def test_a_word_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert budget_cost.main(["foo"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("budget_cost: no word is taken, got 'foo'")
