"""D4RL: transitions, rewards, constants and addresses, held to the d4rl package where it is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from tests.helpers.dataset_files import write_hdf5
from vgf.datasets import DataError, d4rl, get_dataset, get_task, load
from vgf.datasets.hdf5 import qlearning_arrays
from vgf.datasets.tasks import DATASETS, TASKS
from vgf.sources.check import check_file, read_any

ROWS = 300


def episodes(seed: int, observation: int = 11, action: int = 3, end_marked: bool = True) -> dict[str, np.ndarray]:
    """Rows of a D4RL file: episodes that end in a terminal, a timeout, or both at once."""
    rng = np.random.default_rng(seed)
    terminals, timeouts = np.zeros((2, ROWS), bool)
    for row in np.cumsum(rng.integers(2, 12, ROWS)):
        if row < ROWS:
            kind = rng.integers(5)
            terminals[row], timeouts[row] = kind in (0, 2), kind != 0
    timeouts[-1] = end_marked
    return {
        "observations": rng.normal(size=(ROWS, observation)).astype(np.float32),
        "actions": rng.uniform(-1, 1, (ROWS, action)).astype(np.float32),
        "rewards": rng.normal(size=ROWS).astype(np.float32),
        "terminals": terminals,
        "timeouts": timeouts,
    }


def written(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    write_hdf5(path, arrays)
    return path


def by_hand(arrays: dict[str, np.ndarray]) -> dict[str, list[Any]]:
    """The definition, row by row."""
    out: dict[str, list[Any]] = {"observations": [], "next_observations": [], "rewards": [], "terminals": []}
    for row in range(ROWS - 1):
        if not arrays["timeouts"][row]:
            out["observations"].append(arrays["observations"][row])
            out["next_observations"].append(arrays["observations"][row + 1])
            out["rewards"].append(arrays["rewards"][row])
            out["terminals"].append(float(arrays["terminals"][row]))
    return out


def transitions(arrays: dict[str, np.ndarray], terminals_end: bool = True) -> dict[str, np.ndarray]:
    """Transitions of arrays that are still wanted: `qlearning_arrays` uses up its own."""
    return qlearning_arrays({name: values.copy() for name, values in arrays.items()}, terminals_end)


@pytest.mark.parametrize("seed", range(5))
def test_transitions_follow_their_definition(seed: int) -> None:
    arrays = episodes(seed)
    found = transitions(arrays)
    for name, values in by_hand(arrays).items():
        assert np.array_equal(found[name], np.array(values)), name


@pytest.mark.parametrize("seed", range(5))
def test_trajectories_end_where_observations_jump_or_the_task_ends(seed: int) -> None:
    arrays = episodes(seed)
    for terminals_end in (True, False):
        found = transitions(arrays, terminals_end)
        jumps = np.append((found["observations"][1:] != found["next_observations"][:-1]).any(1), True)
        assert np.array_equal(found["ends"] != 0, jumps | (terminals_end & (found["terminals"] == 1)))


def test_rewards_follow_the_row(tmp_path: Path) -> None:
    arrays = episodes(0)
    path = written(tmp_path / "hopper.hdf5", arrays)
    data = load("hopper-medium", path, "cpu")
    found = transitions(arrays)
    ends = np.flatnonzero(found["ends"])
    returns = [part.sum() for part in np.split(found["rewards"], ends[:-1] + 1)]
    scale = 1000 / (max(returns) - min(returns))
    assert torch.allclose(data.rewards, torch.tensor(found["rewards"] * scale), rtol=1e-5)
    assert torch.equal(data.masks, 1 - torch.tensor(found["terminals"]))
    assert torch.equal(data.terminals, torch.tensor(found["ends"] != 0).float())
    maze = written(tmp_path / "maze.hdf5", episodes(1, 29, 8))
    offset = load("antmaze-umaze", maze, "cpu").rewards - torch.tensor(qlearning_arrays(episodes(1, 29, 8))["rewards"])
    assert torch.allclose(offset, torch.tensor(-1.0))


def test_a_trajectory_the_file_breaks_off_does_not_set_the_scale() -> None:
    task = get_task("hopper-medium")
    rewards = np.array([1.0, 2, 3, -50])
    assert d4rl.reward_scale(task, rewards, np.array([1, 1, 1, 2])) == pytest.approx(1000 / 2)
    assert d4rl.reward_scale(task, rewards, np.array([1, 1, 1, 1])) == pytest.approx(1000 / 53)
    with pytest.raises(DataError, match="no range"):
        d4rl.reward_scale(task, rewards, np.array([0, 0, 0, 1]))
    assert d4rl.reward_scale(replace(task, reward_scale="none"), rewards, np.array([0, 0, 0, 1])) == 1


def test_actions_are_refused_or_clipped_as_the_row_says(tmp_path: Path) -> None:
    arrays = episodes(0, 45, 24)
    arrays["actions"][3, 2] = 1.25
    path = written(tmp_path / "pen.hdf5", arrays)
    assert load("pen-human", path, "cpu").actions.max() == 1
    arrays = episodes(0)
    arrays["actions"][3, 2] = 1.25
    with pytest.raises(DataError, match=r"actions is outside \[-1, 1\] at row 3, column 2"):
        load("hopper-medium", written(tmp_path / "hopper.hdf5", arrays), "cpu")


def test_a_million_transitions_take_little_more_than_their_size(tmp_path: Path) -> None:
    rows = 200_000
    rng = np.random.default_rng(0)
    ends = np.arange(rows) % 1000 == 999
    arrays = {"observations": rng.normal(size=(rows, 17)).astype(np.float32), "terminals": np.zeros(rows, bool)}
    arrays |= {"actions": rng.uniform(-1, 1, (rows, 6)).astype(np.float32), "timeouts": ends}
    arrays["rewards"] = rng.normal(size=rows).astype(np.float32)
    path = written(tmp_path / "walker.hdf5", arrays)
    tracemalloc.start()
    data = load("walker2d-medium", path, "cpu")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.1 * data.nbytes
    assert len(data) == rows - rows // 1000
    assert data.nbytes == len(data) * 4 * (17 + 6 + 1 + 1 + 17 + 1)


def write_minari(
    folder: Path, lengths: tuple[int, ...], change: tuple[str, Any] | None = None
) -> dict[str, np.ndarray]:
    """Write a Minari dataset and return its transitions, episode after episode."""
    rng = np.random.default_rng(0)
    (folder / "data").mkdir(parents=True)
    kept: dict[str, list[np.ndarray]] = {"observations": [], "next_observations": [], "rewards": [], "terminals": []}
    with h5py.File(folder / "data" / "main_data.hdf5", "w") as file:
        for number, length in enumerate(lengths):
            states = rng.normal(size=(length + 1, 11))
            ended = np.arange(length) == (length - 1 if number % 2 else length)
            values = {"observations": states, "actions": rng.uniform(-1, 1, (length, 3)).astype(np.float32)}
            values |= {"rewards": rng.normal(size=length), "terminations": ended, "truncations": ~ended}
            parts = (states[:-1], states[1:], values["rewards"], ended)
            if change and number == 1:
                values[change[0]] = change[1]
            for name, array in values.items():
                if array is not None:
                    file[f"episode_{number}/{name}"] = array
            for name, part in zip(kept, parts, strict=True):
                kept[name].append(part)
    return {name: np.concatenate(parts).astype(np.float32) for name, parts in kept.items()}


def test_a_minari_dataset_keeps_every_step_and_its_successor(tmp_path: Path) -> None:
    kept = write_minari(tmp_path / "set", (4, 1, 7, 12, 3, 2, 2, 2, 2, 2, 5))
    for path in (tmp_path / "set", tmp_path / "set" / "data" / "main_data.hdf5"):
        found = qlearning_arrays(read_any(path, get_dataset("hopper-medium")))
        for name, values in kept.items():
            assert np.array_equal(found[name], values), name
        assert np.count_nonzero(found["ends"]) == 11
        assert len(load("hopper-medium", path, "cpu")) == 42
    report = check_file(tmp_path / "set")
    assert (report["transitions"], report["trajectories"], report["rows"]) == (42, 11, 53)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("rewards", None), "episode_1 has no array rewards"),
        (("actions", np.zeros((3, 3))), r"episode_1/actions has shape \(3, 3\), expected 5 rows"),
        (("observations", np.zeros((5, 11))), r"episode_1/observations has shape \(5, 11\), expected 6 rows"),
        (("observations/achieved_goal", np.zeros((6, 2))), "episode_1/observations is in parts"),
        (("actions", np.full((5, 3), np.nan)), "actions is not finite at row 5, column 0"),
    ],
)
def test_a_bad_minari_dataset_is_one_line(change: tuple[str, Any], message: str, tmp_path: Path) -> None:
    if "/" in change[0]:
        write_minari(tmp_path / "set", (4, 5), ("observations", None))
        with h5py.File(tmp_path / "set" / "data" / "main_data.hdf5", "a") as file:
            file[f"episode_1/{change[0]}"] = change[1]
    else:
        write_minari(tmp_path / "set", (4, 5), change)
    with pytest.raises(DataError, match=message) as caught:
        load("hopper-medium", tmp_path / "set", "cpu")
    assert "\n" not in str(caught.value)


PROGRAM = """
import json, os, sys
sys.modules["mujoco_py"] = None  # else its own failure ends the import
import warnings; warnings.simplefilter("ignore")
import d4rl, h5py, numpy as np
from d4rl import infos
with h5py.File(sys.argv[1]) as file:
    found = d4rl.qlearning_dataset(None, dataset={name: file[name][()] for name in file})
np.savez(sys.argv[2], **found)
tables = (infos.REF_MIN_SCORE, infos.REF_MAX_SCORE, infos.DATASET_URLS)
facts = {name: [table[name] for table in tables] for name in sys.argv[3:]}
with open(sys.argv[2] + ".json", "w") as stream:
    json.dump(facts, stream)
"""


def test_the_package_agrees_where_it_is_installed(tmp_path: Path) -> None:
    names = [name for name, row in DATASETS.items() if row.suite == "d4rl"]
    arrays = episodes(7)
    path = written(tmp_path / "rows.hdf5", arrays)
    arguments = [sys.executable, "-c", PROGRAM, str(path), str(tmp_path / "theirs.npz"), *names]
    environment = os.environ | {"D4RL_SUPPRESS_IMPORT_ERROR": "1"}
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment)
    if find_spec("d4rl") is None:
        assert "No module named 'd4rl'" in done.stderr
        return
    assert done.returncode == 0, done.stderr[-2000:]
    ours = transitions(arrays)
    with np.load(tmp_path / "theirs.npz") as theirs:
        for name in theirs:
            assert np.array_equal(ours[name], theirs[name]), name
    facts = json.loads((tmp_path / "theirs.npz.json").read_text(encoding="utf-8"))
    for name in names:
        task = TASKS[name]
        assert [task.score_min, task.score_max, DATASETS[name].url] == facts[name], name
