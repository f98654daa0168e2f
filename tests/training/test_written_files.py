"""`fit` on files of five projects, as their own writers leave them: it trains, or says in a line what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vgf
from tests.helpers import written_files as files
from tests.helpers.layouts import COUNT, STEPS, WIDTH, D, whole
from tests.helpers.own_runs import CONFIG, SIZES
from vgf.datasets import own_transitions

EVERY = COUNT * STEPS
TRAINED: dict[str, tuple[Callable[[Path], Path], int]] = {  # of twelve transitions; one that ends by time may be lost
    "Minari 0.5.4": (lambda p: files.minari(p / "set"), EVERY),
    "its file": (lambda p: files.minari(p / "set") / "data" / "main_data.hdf5", EVERY),
    "the folder of its file": (lambda p: files.minari(p / "set", infos=False) / "data", EVERY),
    "D4RL": (lambda p: files.d4rl(p / "walker.hdf5"), EVERY),
    "OGBench 1.2.2": (lambda p: files.ogbench(p / "cube.npz"), EVERY),
    "robomimic 0.3.0": (lambda p: files.robomimic(p / "low_dim.hdf5"), EVERY),
    "robomimic 0.3.0, --exclude-next-obs": (lambda p: files.robomimic(p / "low_dim.hdf5", follow=False), EVERY - 1),
    "LeRobot 0.3.3, v2.1": (lambda p: files.lerobot(p / "set", "v2.1"), EVERY - 1),
    "LeRobot 0.4.4, v3.0": (lambda p: files.lerobot(p / "set"), EVERY - 1),
    "a file of v3.0": (lambda p: files.lerobot(p / "set") / "data" / "chunk-000" / "file-000.parquet", EVERY - 1),
}


@pytest.mark.parametrize("kind", TRAINED)
def test_fit_trains_on_what_five_projects_write(kind: str, tmp_path: Path) -> None:
    make, count = TRAINED[kind]
    path = make(tmp_path)
    record = vgf.fit(path, tmp_path / "mine", CONFIG, **SIZES)
    assert record.runs[0]["dataset"]["transitions"] == count
    policy = vgf.load_policy(record.folder)
    assert (policy.observation_size, policy.action_size) == (WIDTH, D)
    data, found = whole(), own_transitions(path)
    kept = np.arange(EVERY) if count == EVERY else np.flatnonzero((data["ends"] == 0) | (data["done"] == 1))
    for name, values in {"observations": data["observations"], "actions": data["actions"]}.items():
        assert np.array_equal(getattr(found, name).numpy(), values[kept]), name
    assert found.rewards.tolist() == data["rewards"][kept].tolist()
    assert found.masks.tolist() == (1 - data["done"][kept]).tolist()


MISSING: dict[str, tuple[Callable[[Path], Path], str]] = {
    "Minari of choices": (
        lambda p: files.minari(p / "set", {"type": "Discrete", "start": 0, "n": 2}),
        "its actions are of kind Discrete; only vectors of real numbers are supported",
    ),
    "Minari's parquet": (
        lambda p: files.minari_parquet(p / "set"),
        "a Minari set stored as parquet; make it anew with data_format='hdf5'",
    ),
    "Minari's root": (
        lambda p: files.minari(p / "root" / "mujoco" / "set").parents[1],
        "a folder of several Minari sets; give one of them, such as ",
    ),
    "D4RL of the first version": (
        lambda p: files.d4rl(p / "maze.hdf5", timeouts=False),
        "has terminals and no array timeouts, so nothing says which trajectories end by time",
    ),
    "OGBench without labels": (lambda p: files.ogbench(p / "cube.npz", labelled=False), "has no array rewards"),
    "robomimic before its observations": (
        lambda p: files.robomimic(p / "demo.hdf5", observed=False),
        "data/demo_1 has no group obs; make it with robomimic's dataset_states_to_obs",
    ),
    "LeRobot without rewards": (lambda p: files.lerobot(p / "set", rewarded=False), "has no column next.reward"),
    "LeRobot's data": (lambda p: files.lerobot(p / "set") / "data", "a part of a LeRobot set; give its folder"),
    "LeRobot's root": (lambda p: files.lerobot(p / "root" / "set").parent, "a folder of several LeRobot sets"),
    "LeRobot's tasks": (lambda p: files.lerobot(p / "set") / "meta" / "tasks.parquet", "has 'task_index'"),
}


@pytest.mark.parametrize("kind", MISSING)
def test_fit_says_in_one_line_what_is_missing(kind: str, tmp_path: Path) -> None:
    make, fault = MISSING[kind]
    path = make(tmp_path)
    with pytest.raises(ValueError, match=re.escape(fault)) as told:
        vgf.fit(path, tmp_path / "mine", CONFIG, **SIZES)
    assert str(told.value).startswith(str(path))
    assert "\n" not in str(told.value)
    assert not (tmp_path / "mine").exists()


TOLD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "Minari of narrow actions": (
        lambda p: files.minari(p / "set", files.BOX | {"low": [-0.4, -0.4], "high": [0.4, 0.4]}),
        "its action space is [-0.4, 0.4] and actions are read as they are",
    ),
    "Minari in part": (
        lambda p: files.minari(p / "set", steps=20),
        "metadata.json tells of 20 steps, and 12 are there",
    ),
    "robomimic's validation": (
        lambda p: files.robomimic(p / "low_dim.hdf5"),
        "all 3 demonstrations are read, whatever mask says (train, valid)",
    ),
    "LeRobot of two tasks": (lambda p: files.lerobot(p / "set", tasks=2), "these are frames of 2 tasks"),
    "LeRobot in part": (
        lambda p: files.lerobot(p / "set", "v2.1", lost=1),
        "meta/info.json tells of 12 frames, and 8 are there",
    ),
}


@pytest.mark.parametrize("kind", TOLD)
def test_what_a_sets_own_description_says_is_told(kind: str, tmp_path: Path, capsys: Any) -> None:
    make, words = TOLD[kind]
    own_transitions(make(tmp_path))
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("description", ["", "{}", "[1]", '{"action_space": "x"}', '{"action_space": {"low": "a"}}'])
def test_a_description_that_says_nothing_does_no_harm(description: str, tmp_path: Path) -> None:
    path = files.minari(tmp_path / "set")
    (path / "data" / "metadata.json").write_text(description)
    assert len(own_transitions(path)) == EVERY
    path = files.lerobot(tmp_path / "other")
    (path / "meta" / "info.json").write_text(description)
    assert len(own_transitions(path)) == EVERY - 1
