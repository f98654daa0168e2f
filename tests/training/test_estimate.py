"""What an experiment will cost: counted by hand where an update and a step take a known time, and run once for real."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.toy_runs import EXPERIMENT, TASK, write
from vgf import cli, records
from vgf.datasets import get_task
from vgf.training import estimate
from vgf.training.experiments import read_experiment
from vgf.training.sizes import DatasetSource

UPDATE, STEP = 0.25, 0.5  # seconds
SIZES = EXPERIMENT["scales"]["quick"] | {"episodes": 4, "episodes_at_once": 2, "evaluate_every": 3}


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let updates and steps take known times; return the evaluations that were timed."""
    clock, calls = [0.0], list[Any]()

    def evaluate(agent: Any, envs: int, *, test_steps: Any, episodes: int, episode_steps: int) -> None:
        calls.append((agent.name, envs, tuple(test_steps), episodes))
        clock[0] += STEP * episode_steps

    monkeypatch.setattr(estimate, "evaluate", evaluate)
    monkeypatch.setattr(estimate, "make_envs", lambda task, count: count)
    monkeypatch.setattr(estimate, "close", lambda envs: None)
    monkeypatch.setattr(estimate, "_updates", lambda *_: UPDATE)
    monkeypatch.setattr(estimate.time, "monotonic", lambda: clock[0])
    return calls


def costs(folder: Path, **sizes: Any) -> dict[str, estimate.Cost]:
    experiment = read_experiment(write(folder, scales={"quick": SIZES | sizes}))
    own = estimate.Estimates(experiment, torch.device("cpu"), folder / "results")
    plan = experiment.task()
    return {method.name: own.run(plan, method) for method in plan.methods}


def test_updates_and_whole_episodes_are_counted_by_hand(tmp_path: Path, timed: list[Any]) -> None:
    found, most = costs(tmp_path), get_task(TASK).episode_steps
    assert found["bc"].updates == found["mine"].updates == 10 * 2  # of two seeds
    assert found["bc"].training == pytest.approx(10 * UPDATE / 3600)
    # two rounds of episodes; untrained, then after 3, 6, 9 and 10 updates, all budgets within the time of a step
    assert found["bc"].evaluation == pytest.approx(STEP * most * 2 * (1 + 4) / 3600)
    # the reference is trained alone for 3 updates, so none is evaluated after them; untrained, one budget of two
    assert found["mine"].evaluation == pytest.approx(STEP * most * 2 * (1 / 2 + 3) / 3600)
    assert {call[1:] for call in timed} == {(2 * 2, (0, 2), 2)}
    assert len(timed) == 4  # once to start the simulators, once for the time


def test_a_ranking_is_counted_for_methods_that_rank(tmp_path: Path, timed: list[Any]) -> None:
    without, ranked = costs(tmp_path / "a"), costs(tmp_path / "b", ranking_episodes=4)
    assert ranked["bc"] == without["bc"]
    more = STEP * get_task(TASK).episode_steps * 5 * (4 / 2) / 2 * 3 / 3600  # a choice is one budget of two
    assert ranked["mine"].evaluation - without["mine"].evaluation == pytest.approx(more)


def test_a_record_costs_what_it_took_and_nothing_more(tmp_path: Path, timed: list[Any]) -> None:
    folder = records.record_folder("study", "quick", TASK, "bc", tmp_path / "results")
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"runs": [{"seconds": {"training": 7200.0, "evaluation": 1800.0}}]}))
    found = costs(tmp_path)
    assert (found["bc"].recorded, found["bc"].training, found["bc"].evaluation) == (True, 2.0, 0.5)
    lines = "\n".join(estimate.in_words(list(found.values()), [], processes=2))
    assert "1 of 2 runs to train" in lines
    assert "on record: 2.5 hours of one process" in lines


def test_a_methods_own_updates_count(tmp_path: Path, timed: list[Any]) -> None:
    experiment = read_experiment(write(tmp_path, scales={"quick": SIZES}))
    plan = experiment.task()
    own = estimate.Estimates(experiment, torch.device("cpu"), tmp_path)
    method = replace(plan.methods[0], updates=40)
    assert own.run(plan, method).training == pytest.approx(40 * UPDATE / 3600)


def test_data_are_scaled_from_files_and_records_of_the_same_dataset(tmp_path: Path) -> None:
    known = estimate.recorded_files()["cube-single-play-v0.seed0.ep100.npz"]
    found = estimate.data_cost("cube-single-play-v0", DatasetSource(episodes=1000), tmp_path)
    assert found.megabytes == pytest.approx(known["bytes"] / 1e6 * 10, rel=0.01)
    assert found.hours != found.hours  # no record here says how long it took
    folder = records.record_folder("study", "cpu", TASK, "bc", tmp_path)
    folder.mkdir(parents=True)
    facts = {"dataset": "cube-single-play-v0", "seconds": 720.0, "episodes": 100}
    (folder / "run.json").write_text(json.dumps({"runs": [{"dataset": facts}]}))
    assert estimate.data_cost("cube-single-play-v0", DatasetSource(episodes=1000), tmp_path).hours == pytest.approx(2)


def test_the_command_times_a_small_experiment_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(estimate, "SECONDS", 0.0)
    path = write(tmp_path)
    assert (
        cli.main(["estimate", str(path), "--scale", "quick", "--method", "mine", "--results", str(tmp_path / "r")]) == 0
    )
    told = capsys.readouterr().out
    assert "1 of 1 runs to train" in told
    assert "disk:" in told
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert cli.main(["estimate", str(path), "--scale", "quick", "--method", "min"]) == 2
    assert "nearest: mine" in capsys.readouterr().err
