"""From a record and its data to a budget, to a file and back to a policy that acts by it; refusals in one line."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vgf
from tests.helpers.budget_records import DATA, SETTINGS, a_record
from tests.helpers.own_runs import CONFIG, trajectories
from vgf.agents import VGF, Dims
from vgf.results.budget_cells import rules_file
from vgf.training import choose
from vgf.training.budgets.acting import policy_digest
from vgf.training.budgets.ladder import Rung
from vgf.training.budgets.report import judges_path, read_report, report_path
from vgf.training.checkpoints import POLICY, load_agent, one_seed, save_policy
from vgf.training.choose import choose_budget

STATES = np.random.default_rng(0).normal(size=(7, 3))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_record(tmp_path_factory.mktemp("own"))


@pytest.fixture
def record(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "task")
    return tmp_path / "task"


def test_a_budget_is_chosen_saved_and_acted_by(record: Path) -> None:
    report = choose_budget(record, DATA, seed=1, **SETTINGS)
    assert report.task == "task"
    assert report.held_out
    assert report.trajectories == 4
    assert len(report.table) == 18
    path = report_path(record / POLICY, 1)
    assert repr(read_report(path)) == repr(report)
    policy = vgf.load_policy(record, seed=1)
    assert policy.chosen.rung == report.rung
    actions = policy.act(STATES, "auto", seed=3)
    assert actions.shape == (7, 2)
    assert np.array_equal(actions, policy.act(STATES, report, seed=3))
    assert policy.act(STATES[0], "auto", seed=3).shape == (2,)
    assert policy.act(STATES, "auto-state", seed=3).shape == (7, 2)
    again = choose_budget(record, DATA, seed=1, save=False, **SETTINGS)
    assert again.table.equals(report.table)


def test_an_ensemble_is_as_short_as_the_rule_file_says(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules_file()["cost"]["short"] == choose.SHORT
    monkeypatch.setattr(choose, "SHORT", {"share": 1.0, "fewest": 1})
    report = choose_budget(record, DATA, seed=1, batch_size=8, members=2, save=False)
    assert report.judges.startswith("2 critics of 2 updates")  # half of the critic's four


def test_other_seeds_may_judge_and_say_that_they_have_seen_the_data(record: Path) -> None:
    report = choose_budget(record, DATA, seed=5, judges="auto")
    assert not report.held_out
    assert "3 other seeds" in report.judges
    assert not judges_path(report_path(record / POLICY, 5)).exists()
    with pytest.raises(ValueError, match="no ensemble at"):
        vgf.load_policy(record, seed=5).act(STATES, "auto-state")


def test_a_report_of_another_policy_is_refused(record: Path) -> None:
    report = choose_budget(record, DATA, seed=0, **SETTINGS)
    other = vgf.load_policy(record, seed=1)
    with pytest.raises(ValueError, match="another policy's"):
        other.act(STATES, report)
    shutil.copy(report_path(record / POLICY, 0), report_path(record / POLICY, 1))
    with pytest.raises(ValueError, match="another policy's"):
        other.act(STATES, "auto")
    agent = one_seed(load_agent(record)[0], 0)
    assert policy_digest(agent) == report.policy  # type: ignore[arg-type]


def test_auto_without_a_report_and_other_words_are_refused(record: Path) -> None:
    policy = vgf.load_policy(record, seed=0)
    with pytest.raises(ValueError, match="no budget was chosen for"):
        policy.act(STATES, "auto")
    with pytest.raises(ValueError, match="'auto'"):
        policy.act(STATES, "best")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 9}, "it has seeds 0, 1, 2, 5"),
        ({}, "name one of them"),
        ({"seed": 0, "judges": "people"}, "judges must be one of"),
        ({"seed": 0, "members": 1}, "members must be"),
        ({"seed": 0, "updates": 0}, "updates must be"),
        ({"seed": 0, "batch_size": 0}, "batch_size must be"),
        ({"seed": 0, "rungs": (Rung(-0.5, 3),)}, "displacements must be finite numbers"),
        ({"seed": 0, "rule": {"a": 1}}, "rule must be a .*Rule, got {'a': 1}"),
        ({"seed": 0, "rungs": (0.5,)}, "rungs must be pairs"),
        ({"seed": 0, "data": trajectories(count=16)}, "gives 2; the data have 3 and 1"),
        ({"seed": 0, "data": trajectories(count=3, action=2)}, "4 or more are needed"),
    ],
)
def test_what_cannot_be_chosen_by_is_told(changes: dict[str, Any], message: str, record: Path) -> None:
    before = sorted(path.name for path in record.iterdir())
    with pytest.raises(ValueError, match=message) as caught:
        choose_budget(record, **{"data": DATA, **SETTINGS, **changes})
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in record.iterdir()) == before


def test_methods_that_move_nothing_and_too_few_seeds_are_refused(tmp_path: Path) -> None:
    still = vgf.fit(DATA, tmp_path / "still", replace(CONFIG, train_steps=0), method="best_of_n", **SETTINGS)
    with pytest.raises(ValueError, match="best_of_n moves no particles"):
        choose_budget(still, DATA)
    save_policy(tmp_path / "young.safetensors", VGF.create(CONFIG, Dims(3, 2), (0,)), "task")
    with pytest.raises(ValueError, match="learnt nothing yet"):
        choose_budget(tmp_path / "young.safetensors", DATA)
    alone = vgf.fit(DATA, tmp_path / "lone", CONFIG, **SETTINGS)
    with pytest.raises(ValueError, match="0 other seeds cannot judge one, 3 can"):
        choose_budget(alone, DATA, judges="seeds")


def test_a_report_that_cannot_lie_beside_its_policy_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path) -> None:
        raise ValueError(f"{folder}: cannot be written (Permission denied); choose another place")

    monkeypatch.setattr(choose, "check_writable", full)
    monkeypatch.setattr(choose, "load_agent", None)
    told = r"cannot be written \(Permission denied\); make room there, or say save=False and keep the report"
    with pytest.raises(ValueError, match=told):
        choose.choose_budget(tmp_path / "policy.safetensors", {})
