"""The study in small: every setting once, tables of equal cells, a second run that has nothing to do."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vgf import records
from vgf.book import budget_study
from vgf.results import policy_tables

RULES = budget_study.rules_file


def small(part: str = "tuning") -> dict[str, Any]:
    plan = copy.deepcopy(RULES(part))
    cells = plan["cells"]
    cells["config"] |= {"hidden": [8], "pretrain": 2, "bank": 6, "flow_steps": 1}
    cells["drone"] |= {"data": {"few": {"episodes": 6, "seed": 0}}, "train_steps": [0], "updates": [4]}
    cells["drone"]["starts"] |= {"tuning": 2, "reporting": 3}
    cells["bandit"] |= {"worlds": {"far": {"coverage": 0.1, "gap": 1.5}}, "updates": [4]}
    cells["bandit"] |= {"data": {"few": {"actions": 60, "seed": 0}}, "draws": {"tuning": 2, "reporting": 6}}
    cells["movers"], cells["batch_size"], cells["ensemble"]["members"] = cells["movers"][-1:], 8, 2
    if part == "reporting":
        cells["fitted_q"] = {"members": 2, "updates": 3}
    plan["ladder"] = {"displacements": [0, 0.25], "particles": [1, 10]}
    return plan


def test_the_whole_study_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_study, "rules_file", small)
    budget_study.run("tuning", tmp_path)
    folder = tmp_path / "budget.tuning"
    tables = {name: records.read_csv(folder / f"{name}.csv") for name in ("cells", "choices", "constants", "scores")}
    assert list(policy_tables.faults(folder)) == []
    assert set(tables["cells"]["task"]) == {"drone-few", "bandit-far-few"}
    assert len(tables["cells"]) == 2 * 4  # two cells, four rungs
    assert set(tables["choices"]["rule"]) | {"fixed", "hindsight"} == set(small()["rules"])
    grid = 2 * 2 * 5 * 3  # level, miss, gate, shrink
    assert len(tables["constants"]) == 2 * 2 * grid
    rungs = tables["cells"].set_index(["task", "displacement", "particles"])["value"]
    for row in tables["choices"][tables["choices"]["rule"] != "ours_state"].itertuples():
        assert row.value == pytest.approx(rungs[row.task, row.displacement, row.particles])
    oracle = tables["scores"].set_index(["task", "method"]).loc[("all", "oracle")]
    assert oracle["regret"] == 0.0
    before = {path: path.read_bytes() for path in folder.glob("c*.csv")}
    monkeypatch.setattr(budget_study.vgf, "fit", lambda *args, **kwargs: pytest.fail("trained again"))
    budget_study.run("tuning", tmp_path)
    assert {path: path.read_bytes() for path in folder.glob("c*.csv")} == before
    pd.testing.assert_frame_equal(records.read_csv(folder / "scores.csv"), tables["scores"])


def test_the_reporting_part_leaves_costs_and_what_train_steps_are_chosen_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget_study, "rules_file", small)
    budget_study.run("reporting", tmp_path)
    folder = tmp_path / "budget.reporting"
    assert {path.stem for path in folder.glob("*.csv")} == {"cells", "choices", "scores", "train_steps"}
    cells, steps = (records.read_csv(folder / f"{name}.csv") for name in ("cells", "train_steps"))
    assert (cells[["training", "judging", "judging_seeds"]] > 0).to_numpy().all()
    assert set(cells["seed"]) == {RULES("reporting")["cells"]["movers"][-1]}
    assert steps["network"].tolist() == [0, 1]
    assert steps["train_steps"].tolist() == [0, 0]
    assert np.isfinite(steps[["fitted_q", "value", "asymptote"]].to_numpy()).all()


@pytest.mark.parametrize("words", [[], ["foo"], ["language"], ["tuning", "reporting"]])
def test_a_word_that_is_no_part_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert budget_study.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"budget_study: give one part, tuning or reporting, got {' '.join(words)!r}")
