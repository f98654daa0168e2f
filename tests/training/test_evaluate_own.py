"""Playing a trained policy once more: the rows of `fit` again, other budgets, and one line for what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pandas as pd
import pytest

import vgf
from vgf import records
from vgf.agents import VGFConfig
from vgf.book import practice
from vgf.training.starts import FIRST_SEEDS

SMALL = VGFConfig(hidden=(8,), particles=3, flow_steps=2, train_steps=1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> records.Record:
    """A record of two seeds, played for two episodes of five steps."""
    out = tmp_path_factory.mktemp("own") / "drone"
    flights = practice.flights(3, seed=1)
    sizes: dict[str, Any] = {"updates": 6, "batch_size": 4, "episodes": 2, "episode_steps": 5, "test_steps": (0, 2)}
    return vgf.fit(flights, out, SMALL, make_env=practice.Drone, seeds=(0, 1), **sizes)


def test_from_the_same_starts_it_plays_the_episodes_of_the_record(trained: records.Record) -> None:
    rows = vgf.evaluate(trained, practice.Drone, test_steps=(0, 2), episodes=2, starts="shared")
    own = trained.episodes[trained.episodes["update"] == 6].sort_values(["seed", "test_steps", "episode"])
    assert rows["length"].max() == 5  # the record's own limit
    for column in ("seed", "test_steps", "env_seed", "length"):
        assert rows[column].tolist() == own[column].tolist()
    np.testing.assert_allclose(rows["return"], own["return"], rtol=1e-5)


def test_other_budgets_and_starts_need_no_training(trained: records.Record) -> None:
    before = {path.name: path.read_bytes() for path in trained.folder.iterdir() if path.is_file()}
    rows = vgf.evaluate(str(trained.folder), practice.Drone, test_steps=(1,), episodes=3, episode_steps=2)
    assert set(rows["test_steps"]) == {1}
    assert rows["env_seed"].min() == FIRST_SEEDS["reporting"]
    assert rows.groupby("seed").size().tolist() == [3, 3]
    assert {path.name: path.read_bytes() for path in trained.folder.iterdir() if path.is_file()} == before


class Wide(practice.Drone):
    """A drone that says one number more than the policy knows."""

    def __init__(self) -> None:
        super().__init__()
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)

    def reset(self, **options: Any) -> Any:
        seen, info = super().reset(**options)
        return np.append(seen, 0).astype(np.float32), info

    def step(self, action: Any) -> Any:
        seen, *rest = super().step(action)
        return np.append(seen, 0).astype(np.float32), *rest


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"make_env": Wide}, ("the policy has observations of 2", "of 3 and 2", "trained for")),
        ({"make_env": 3}, ("make_env", "3")),
        ({"episodes": 0}, ("episodes", "0")),
        ({"test_steps": ()}, ("test_steps",)),
        ({"test_steps": (-1,)}, ("test_steps", "-1")),
        ({"episode_steps": 0}, ("episode_steps", "0")),
        ({"starts": "repor"}, ("repor", "reporting")),
        ({"rescale_actions": "no"}, ("rescale_actions", "no")),
    ],
)
def test_what_does_not_fit_is_one_line(
    trained: records.Record, options: dict[str, Any], parts: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011  # the parts say which
        vgf.evaluate(trained, **{"make_env": practice.Drone, "episodes": 2, **options})
    assert all(part in str(told.value) for part in parts), told.value
    assert "\n" not in str(told.value)


def test_a_folder_without_a_policy_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no policy at"):
        vgf.evaluate(tmp_path, practice.Drone)


def test_the_rows_are_a_table(trained: records.Record) -> None:
    rows = vgf.evaluate(trained, practice.Drone, episodes=2)
    assert isinstance(rows, pd.DataFrame)
    assert list(rows.columns) == ["seed", "test_steps", "episode", "env_seed", "return", "success", "length"]
    assert set(rows["test_steps"]) == {0, 1, 2, 3}
