"""D4RL: from one of its files to `Transitions`, and the environments its tasks are evaluated in (fu2020d4rl).

The `d4rl` package itself is not needed: its import wants an old simulator that no longer installs, and its loader
walks a million rows in Python. Tests hold the transitions, the score constants and the addresses equal to the
package's where it is installed. Rewards follow the task's row: ant mazes minus 1; locomotion times 1000 over the
range of episode returns, as in the authors' release (xu2026vgf), which counts episodes by 1,000 transitions; here
they end where the file says.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path

import gymnasium
import numpy as np
import torch

from vgf.datasets.hdf5 import qlearning_arrays, read_hdf5
from vgf.datasets.mujoco import silence_simulators
from vgf.datasets.tasks import Task, get_dataset
from vgf.datasets.transitions import Transitions
from vgf.support.errors import DataError

RETURN_RANGE = 1000.0  # what the range of episode returns becomes


def load_d4rl(task: Task, path: Path, device: torch.device | str = "cpu") -> Transitions:
    """Return a D4RL file as transitions, rewarded as the task's row says.

    Args:
        task: a row of the D4RL suite.
        path: an hdf5 file in D4RL's layout, official or regenerated.
        device: where the tensors go.

    Raises:
        DataError: naming the file and what is wrong with it.
        ValueError: naming the field that holds what no transition can.
    """
    dataset = get_dataset(task.dataset)
    found = qlearning_arrays(read_hdf5(path, dataset), task.terminals_end_trajectories)
    scale = reward_scale(task, found["rewards"], found["ends"])
    values = {
        "observations": found["observations"],
        "actions": np.clip(found["actions"], -1, 1, out=found["actions"]) if dataset.clip_actions else found["actions"],
        "rewards": found["rewards"] * np.float32(scale) + np.float32(task.reward_offset),
        "masks": 1 - found["terminals"],
        "next_observations": found["next_observations"],
        "terminals": found["ends"] != 0,
    }
    del found
    return Transitions(
        **{name: torch.from_numpy(np.ascontiguousarray(v, dtype=np.float32)).to(device) for name, v in values.items()}
    )


def reward_scale(task: Task, rewards: np.ndarray, ends: np.ndarray) -> float:
    """Return what the task's row multiplies rewards by.

    Args:
        task: a row of the D4RL suite.
        rewards: of the transitions [T].
        ends: as `qlearning_arrays` gives them; a trajectory the file breaks off does not count.

    Raises:
        DataError: when returns have no range.
    """
    if task.reward_scale == "none":
        return 1.0
    starts = np.concatenate([[0], np.flatnonzero(ends[:-1]) + 1])
    returns = np.add.reduceat(rewards, starts, dtype=np.float64)[: int(np.count_nonzero(ends == 1))]
    if len(returns) < 2 or returns.max() <= returns.min():
        raise DataError(f"{task.name}: returns of {len(returns)} whole episodes have no range to scale rewards by")
    return float(RETURN_RANGE / (returns.max() - returns.min()))


def make_registered(task: Task) -> gymnasium.Env:
    """Return the task's environment as gymnasium has it: its port of the one the data was made with.

    Raises:
        DataError: when the package that has it is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gymnasium recommends later versions, whose rewards differ
        try:
            silence_simulators()
            if task.env_package is not None:
                gymnasium.register_envs(import_module(task.env_package))
            return gymnasium.make(task.env_id, max_episode_steps=task.episode_steps)
        except (ImportError, gymnasium.error.Error) as error:
            package = (task.env_package or "gymnasium[mujoco]").replace("_", "-")
            raise DataError(
                f"{task.name}: no environment {task.env_id} ({' '.join(str(error).split())}); pip install {package}"
            ) from error
