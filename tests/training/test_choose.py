"""From a record and its data to a budget, to a file and back to a policy that acts by it; refusals in one line."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vgf
from tests.helpers.own_runs import CONFIG, trajectories
from vgf import cli
from vgf.agents import VGF, Dims
from vgf.budgets.acting import act_by, act_by_state, policy_digest
from vgf.budgets.ladder import CLONE, Rung
from vgf.budgets.report import read_report, report_path
from vgf.networks import SeedStreams
from vgf.training.checkpoints import POLICY, load_agent, one_seed, save_policy
from vgf.training.choose import choose_budget, judges_path

DATA = trajectories(count=16, action=2)
SETTINGS: dict[str, Any] = {"updates": 3, "batch_size": 8}
STATES = np.random.default_rng(0).normal(size=(7, 3))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "task"
    return vgf.fit(DATA, folder, CONFIG, seeds=(0, 1, 2, 5), updates=4, batch_size=8).folder


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
    again = choose_budget(record, DATA, seed=1, save=False, **SETTINGS)
    assert again.table.equals(report.table)


def test_the_rung_decides_how_many_particles_and_how_far(record: Path) -> None:
    report = choose_budget(record, DATA, seed=0, save=False, **SETTINGS)
    agent, rows = one_seed(load_agent(record)[0], 0), torch.as_tensor(STATES, dtype=torch.float32)[None]
    acts = {}
    for rung in (CLONE, Rung(0.0, 10), Rung(1.0, 10)):
        chosen = replace(report, decision=replace(report.decision, chosen=rung))
        acts[rung] = act_by(agent, chosen, rows, SeedStreams((0,), "test"))  # type: ignore[arg-type]
        assert acts[rung].shape == (1, 7, 2)
    values = [float(agent.value(rows, a, "mean").mean()) for a in acts.values()]  # type: ignore[attr-defined]
    assert values[0] < values[1] < values[2]  # by the critic that moves


def test_other_seeds_may_judge_and_say_that_they_have_seen_the_data(record: Path) -> None:
    report = choose_budget(record, DATA, seed=5, judges="auto")
    assert not report.held_out
    assert "3 other seeds" in report.judges
    assert not judges_path(report_path(record / POLICY, 5)).exists()


def test_by_state_each_state_has_a_rung_that_the_report_left(record: Path) -> None:
    report = choose_budget(record, DATA, seed=0, **SETTINGS)
    policy, judges = one_seed(load_agent(record)[0], 0), load_agent(judges_path(report_path(record / POLICY, 0)))[0]
    rows = torch.as_tensor(STATES, dtype=torch.float32)[None]
    actions, number = act_by_state(policy, judges, report, rows, SeedStreams((0,), "test"))  # type: ignore[arg-type]
    assert (actions.shape, number.shape) == ((1, 7, 2), (7,))
    lines = [report.decision.lines[int(n)] for n in number]
    assert all(line.fault in ("", "bound") or line.rung == report.decision.fallback for line in lines)


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


def test_the_command_says_one_sentence_or_one_line(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "data.npz", **DATA)  # type: ignore[arg-type]
    words = ["budget", str(record), "--seed", "0", "--updates", "3", "--device", "cpu"]
    assert cli.main([*words, "--data", str(tmp_path / "data.npz")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"task: {read_report(report_path(record / POLICY, 0)).sentence}"
    assert len(said) == 18 + 2
    assert cli.main(words) == 2
    assert capsys.readouterr().err.strip().endswith("say which with --data")
