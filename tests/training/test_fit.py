"""Your own data: from arrays or a file to a record and a policy, by the one loop; a fault in them is one line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import vgf
from vgf import cli, records
from vgf.agents import AGENTS, CONFIGS, VGFConfig
from vgf.book import practice
from vgf.datasets import Transitions, own_transitions
from vgf.datasets.files import read_npz
from vgf.training import publishing
from vgf.training.loop import train as the_loop
from vgf.training.policy import load_policy

SMALL = VGFConfig(hidden=(8,), particles=3, flow_steps=2, train_steps=1)
SIZES: dict[str, Any] = {"updates": 6, "batch_size": 4}
EPISODES: dict[str, Any] = {"make_env": practice.Drone, "episodes": 2, "episode_steps": 5, "test_steps": (0, 2)}


@pytest.fixture
def flights() -> dict[str, np.ndarray]:
    return practice.flights(3, seed=1)


def test_rows_become_transitions_and_the_last_row_of_a_trajectory_starts_none() -> None:
    found = own_transitions(
        {
            "observations": [[0.0], [1.0], [2.0], [10.0], [11.0]],
            "actions": [[0.1], [0.2], [9.0 / 10], [0.4], [-1.0]],
            "rewards": [1, 2, 777, 4, 777],
            "terminals": [0, 0, 1, 0, 1],
            "masks": [1, 0, 1, 1, 1],
        }
    )
    assert found.observations.tolist() == [[0], [1], [10]]
    assert found.next_observations.tolist() == [[1], [2], [11]]
    torch.testing.assert_close(found.actions, torch.tensor([[0.1], [0.2], [0.4]]))
    assert found.rewards.tolist() == [1, 2, 4]
    assert found.masks.tolist() == [1, 0, 1]
    assert found.terminals.tolist() == [0, 1, 1]


def test_a_file_an_array_and_transitions_are_the_same_data(tmp_path: Path, flights: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "mine.npz", **flights)  # type: ignore[arg-type]
    ways = [
        own_transitions(flights),
        own_transitions(tmp_path / "mine.npz"),
        own_transitions(str(tmp_path / "mine.npz")),
    ]
    ways.append(own_transitions(ways[0]))
    for name in ("observations", "actions", "rewards", "masks", "next_observations", "terminals"):
        assert all(torch.equal(getattr(ways[0], name), getattr(other, name)) for other in ways[1:]), name
    assert ways[0].masks.tolist() == [1] * 3 * practice.HORIZON  # left out: the task never ends


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"rewards": None}, "has no array rewards, and no task says how to compute them"),
        ({"rewards": None, "qpos": np.zeros((78, 1))}, "has no array rewards, and no task says how to compute them"),
        ({"observations": None}, "has no array observations"),
        ({"reward": np.zeros(78)}, "the data has 'reward', which no layout has; nearest: rewards"),
        ({"rewards": np.zeros(77)}, "rewards has shape (77,), expected 1 axes of which the first has 78 rows"),
        ({"rewards": np.full(78, np.nan)}, "rewards is not finite at row 0"),
        ({"masks": np.full(78, 0.5)}, "masks is neither 0 nor 1 at row 0"),
        ({"actions": np.full((78, 2), 1.5)}, "actions is outside [-1, 1] at row 0, column 0"),
        ({"terminals": np.zeros(78)}, "terminals does not end with 1"),
    ],
)
def test_bad_arrays_are_refused_in_one_line(
    change: dict[str, Any], fault: str, flights: dict[str, np.ndarray], tmp_path: Path
) -> None:
    spoilt = {name: values for name, values in (flights | change).items() if values is not None}
    with pytest.raises(ValueError, match=re.escape(fault)) as told:
        vgf.fit(spoilt, tmp_path / "out", SMALL, **SIZES)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()


def test_an_official_layout_still_needs_what_its_rewards_are_computed_from(
    tmp_path: Path, flights: dict[str, np.ndarray]
) -> None:
    np.savez(tmp_path / "mine.npz", **flights)  # type: ignore[arg-type]
    assert set(read_npz(tmp_path / "mine.npz")) == {"observations", "actions", "rewards", "terminals"}
    from vgf.datasets import get_dataset

    with pytest.raises(ValueError, match="has no array qpos"):
        read_npz(tmp_path / "mine.npz", get_dataset("cube-single-play-v0"))


def test_fit_leaves_a_record_and_a_policy_for_every_seed(tmp_path: Path, flights: dict[str, np.ndarray]) -> None:
    out = tmp_path / "mine"
    record = vgf.fit(flights, out, SMALL, seeds=(3, 5), **SIZES, **EPISODES)
    assert record.folder == out
    assert record.episodes.groupby(["update", "test_steps", "seed"]).size().to_dict() == {
        (update, steps, seed): 2 for update, steps in ((0, 0), (6, 0), (6, 2)) for seed in (3, 5)
    }
    assert record.episodes["length"].unique().tolist() == [5]
    assert record.curve["update"].max() == 6
    (run,) = record.runs
    assert (run["method"], run["seeds"], run["dataset"]["source"]) == ("vgf", [3, 5], "own")
    assert run["settings"]["config"]["hidden"] == [8]
    policy = load_policy(out, seed=5)
    assert (policy.task, policy.updates, policy.observation_size, policy.action_size) == ("mine", 6, 2, 2)
    assert records.faults(out) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine"]  # nothing is left beside it


def test_the_returns_are_those_of_the_policy_in_the_environment(tmp_path: Path, flights: dict[str, np.ndarray]) -> None:
    record = vgf.fit(flights, tmp_path / "mine", replace(SMALL, particles=1), method="vgf", **SIZES, **EPISODES)
    row = record.episodes.query("update == 6 and test_steps == 2").iloc[0]
    env = practice.Drone()
    place, _ = env.reset(seed=int(row["env_seed"]))
    from vgf.networks import SeedStreams
    from vgf.training.checkpoints import load_agent

    agent, _ = load_agent(record.folder)
    noise = SeedStreams((0,), "evaluation, round 0")
    others, _ = practice.Drone().reset(seed=int(row["env_seed"]) + 1)
    places, total = np.stack([place, others]), 0.0
    for _ in range(5):
        actions = agent.act(torch.tensor(places)[None], agent.budget(2), noise)[0].numpy()
        places = practice.fly(places, actions)
        total -= float(np.linalg.norm(places[0]))
    assert row["return"] == pytest.approx(total, rel=1e-5)


def test_without_an_environment_there_is_a_curve_and_a_policy_and_no_episodes(
    tmp_path: Path, flights: dict[str, np.ndarray]
) -> None:
    record = vgf.fit(flights, tmp_path / "mine", SMALL, **SIZES)
    assert len(record.episodes) == 0
    assert list(record.episodes.columns) == ["update", "test_steps", "episode", "seed"]
    assert record.curve["update"].tolist() == [1, 2, 3, 4, 5, 6]
    assert records.faults(record.folder) == []
    (tmp_path / "mine" / "seed0.curve.csv").write_text("update\n1\n")
    assert ["changed since" in fault for fault in records.faults(record.folder)] == [True]
    assert load_policy(record.folder).act([0.1, 0.2]).shape == (2,)


def test_a_finished_fit_is_not_done_twice_and_another_does_not_overwrite_it(
    tmp_path: Path, flights: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    vgf.fit(flights, out, SMALL, **SIZES)
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    vgf.fit(flights, out, SMALL, **SIZES)
    assert "there already, made with these settings" in capsys.readouterr().err
    assert {p.name: p.stat().st_mtime_ns for p in out.iterdir()} == before
    for change in ({"step_size": 0.5}, {"discount": 0.5}):
        with pytest.raises(ValueError, match="made with other settings"):
            vgf.fit(flights, out, replace(SMALL, **change), **SIZES)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="made with other settings"):
        vgf.fit(practice.flights(3, seed=2), out, SMALL, **SIZES)
    again = vgf.fit(flights, out, replace(SMALL, step_size=0.5), replace=True, **SIZES)
    assert again.runs[0]["settings"]["config"]["step_size"] == 0.5


def test_what_a_kill_after_the_record_leaves_goes_with_the_next_call(
    tmp_path: Path, flights: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between its record and the tidying, a run leaves its checkpoints; nobody else would ever remove them."""

    def killed(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    shutil = publishing.shutil
    monkeypatch.setattr(publishing, "shutil", SimpleNamespace(rmtree=killed))
    with pytest.raises(KeyboardInterrupt):
        vgf.fit(flights, tmp_path / "mine", SMALL, **SIZES)
    monkeypatch.setattr(publishing, "shutil", shutil)
    (left,) = (path for path in tmp_path.glob(".mine-*") if path.is_dir())
    assert list(left.glob("checkpoint-*"))
    vgf.fit(flights, tmp_path / "mine", SMALL, **SIZES)
    assert not left.exists()


def test_a_folder_that_is_no_record_is_left_alone(tmp_path: Path, flights: dict[str, np.ndarray]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all of it")
    with pytest.raises(ValueError, match="there already, and not a record"):
        vgf.fit(flights, tmp_path / "mine", SMALL, replace=True, **SIZES)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "all of it"
    with pytest.raises(ValueError, match="not a folder"):
        vgf.fit(flights, tmp_path / "mine" / "thesis.tex", SMALL, **SIZES)


def test_an_interrupted_fit_goes_on_where_it_was(
    tmp_path: Path, flights: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"updates": 40, "batch_size": 4, "seeds": (1, 2)}
    whole = vgf.fit(flights, tmp_path / "whole" / "mine", SMALL, **sizes, **EPISODES)
    monkeypatch.setattr("vgf.training.fit.LOGS_PER_CHECKPOINT", 5)
    monkeypatch.setattr("vgf.training.fit.train", lambda run, place: the_loop(run, place, stop_at=23))
    with pytest.raises(ValueError, match="no record at"):
        vgf.fit(flights, tmp_path / "cut" / "mine", SMALL, **sizes, **EPISODES)
    monkeypatch.setattr("vgf.training.fit.train", the_loop)
    again = vgf.fit(flights, tmp_path / "cut" / "mine", SMALL, **sizes, **EPISODES)
    for name in ("seed1.csv", "seed2.curve.csv", "policy.safetensors"):
        assert (whole.folder / name).read_bytes() == (again.folder / name).read_bytes(), name


@pytest.mark.parametrize("method", sorted(AGENTS))
def test_every_method_can_be_fitted(method: str, tmp_path: Path, flights: dict[str, np.ndarray]) -> None:
    default: Any = CONFIGS[method]["default"]
    config = replace(default, hidden=(8,))
    vgf.fit(flights, tmp_path / "mine", config, method=method, updates=2, batch_size=4)
    assert load_policy(tmp_path / "mine").method == method


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"method": "vgff"}, "vgf.agents has no 'vgff'; nearest: vgf"),
        ({"method": "iql"}, "must be of IQLConfig, got VGFConfig; from vgf.agents.iql import IQLConfig"),
        ({"updates": 0}, "updates must be >= 1, got 0"),
        ({"seeds": (1, 1)}, "seeds must be distinct integers"),
        ({"device": "tpu"}, "device must be auto, cpu or cuda"),
        ({"test_steps": (-1,)}, "test_steps must be integers >= 0"),
        ({"config": replace(SMALL, pretrain=6)}, "vgf: the reference alone takes 6 of 6 updates (pretrain)"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(
    change: dict[str, Any], fault: str, tmp_path: Path, flights: dict[str, np.ndarray]
) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        vgf.fit(flights, tmp_path / "mine", **({"config": SMALL} | SIZES | change))
    assert list(tmp_path.iterdir()) == []


def test_an_environment_of_other_sizes_is_refused(tmp_path: Path, flights: dict[str, np.ndarray]) -> None:
    wide = flights | {"observations": np.hstack([flights["observations"]] * 2)}
    told = "observations of 4 and actions of 2, the environment of 2 and 2; give the environment that the data are from"
    with pytest.raises(ValueError, match=told):
        vgf.fit(wide, tmp_path / "mine", SMALL, **SIZES, **EPISODES)
    assert list(tmp_path.iterdir()) == []  # no work folder either


class Tells(practice.Drone):
    """A drone whose info says whether it is home, under a name of its own."""

    def step(self, action: Any) -> Any:
        *found, _ = super().step(action)
        return *found, {"is_success": False, "speed": 1.0}


def test_a_success_key_that_no_info_has_is_told_with_those_there_are(
    tmp_path: Path, flights: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    play = EPISODES | {"make_env": Tells}
    vgf.fit(flights, tmp_path / "a", SMALL, success_key="sucess", **SIZES, **play)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "success_key" in line]
    assert "had 'sucess', which success_key names, but is_success, speed" in line
    vgf.fit(flights, tmp_path / "b", SMALL, success_key="is_success", **SIZES, **play)
    assert "success_key" not in capsys.readouterr().err


def test_evaluate_says_that_a_policy_was_trained_on_own_data(
    tmp_path: Path, flights: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    vgf.fit(flights, tmp_path / "mine", SMALL, **SIZES)
    capsys.readouterr()
    assert cli.main(["evaluate", str(tmp_path / "mine")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "mine: trained on data of your own" in line
    assert "vgf.evaluate" in line


def test_data_that_make_the_loss_overflow_are_named(tmp_path: Path, flights: dict[str, np.ndarray]) -> None:
    huge = flights | {"rewards": np.full(78, 1e38)}
    with pytest.raises(ValueError, match=r"^vgf on mine: critic/loss is not finite at update 1") as told:
        vgf.fit(huge, tmp_path / "mine", SMALL, **SIZES)
    assert str(told.value).endswith("; give a smaller learning_rate, or scale rewards and observations to about 1")
    assert list(tmp_path.iterdir()) == []


def test_transitions_are_taken_as_they_are(tmp_path: Path, flights: dict[str, np.ndarray]) -> None:
    data = own_transitions(flights)
    assert isinstance(data, Transitions)
    a = vgf.fit(data, tmp_path / "a" / "mine", SMALL, **SIZES)
    b = vgf.fit(flights, tmp_path / "b" / "mine", SMALL, **SIZES)
    assert (a.folder / "policy.safetensors").read_bytes() == (b.folder / "policy.safetensors").read_bytes()
    assert a.runs[0]["dataset"] == b.runs[0]["dataset"]


@pytest.mark.parametrize(("gain", "told"), [(0.5, True), (2.0, False)])
def test_who_asks_for_bfloat16_where_it_is_slower_is_told(
    flights: dict[str, np.ndarray], gain: float, told: bool, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr("vgf.training.loop.bfloat16_speedup", lambda device: gain)
    vgf.fit(flights, tmp_path / "mine", replace(SMALL, precision="bfloat16"), **SIZES)
    assert ("2.0 times as long as in float32" in capsys.readouterr().err) == told
