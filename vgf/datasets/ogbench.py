"""OGBench: from one of its files to `Transitions`, and its environments (park2025ogbench).

A file holds no rewards: each single task labels the same trajectories anew from the simulator state stored beside
them, through the package's own relabelling. That labelling has always rewarded the state s of (s, a, s') it happens
in. The *environment* rewarded s' up to ogbench 1.1 and rewards s since 1.2; `success_timing` chooses, for both, "pre"
(s) or "post" (s'). The task's row says what a result used. The trade-off: arrays are read here, not by
`ogbench.load_dataset`, so that a bad file is refused in one line; a test holds the two equal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import gymnasium
import numpy as np
import torch

from vgf.datasets.files import Arrays, read_npz
from vgf.datasets.lean import before_and_after, moved_up, slices
from vgf.datasets.mujoco import compiled_without_looks, silence_simulators
from vgf.datasets.tasks import Task, get_dataset
from vgf.datasets.transitions import Transitions

Timing = Literal["pre", "post"]


def make_env(task: Task, success_timing: Timing | None = None) -> gymnasium.Env:
    """Return the task's environment.

    Args:
        task: a row of the OGBench suite.
        success_timing: overrides the row's; see the module.
    """
    silence_simulators()
    import ogbench  # noqa: F401  # registers the environments; loads MuJoCo, so only when asked for

    return gymnasium.make(task.env_id, success_timing=success_timing or task.success_timing)


def load_ogbench(
    task: Task, path: Path, device: torch.device | str = "cpu", success_timing: Timing | None = None
) -> Transitions:
    """Return an OGBench file as transitions rewarded for one task.

    Args:
        task: a row of the OGBench suite.
        path: an npz file in OGBench's layout, official or regenerated.
        device: where the tensors go.
        success_timing: overrides the row's; see the module.

    Returns:
        float32 transitions. Rewards are minus the number of goals not met, masks 0 where all are.

    Raises:
        DataError: naming the file and what is wrong with it.
        ValueError: naming the field that holds what no transition can.
    """
    arrays = read_npz(path, get_dataset(task.dataset))
    rewards, masks = label(task, arrays, success_timing or task.success_timing or "pre")
    for used in ("qpos", "button_states"):
        arrays.pop(used, None)
    last = arrays["terminals"].astype(bool)
    here, there = (np.flatnonzero(rows).astype(np.int32) for rows in _transitions(last))
    states, following = before_and_after(arrays.pop("observations"), here, there)
    return Transitions(
        observations=_tensor(states, device),
        actions=_tensor(moved_up(arrays.pop("actions"), here), device),
        rewards=_tensor(rewards, device),
        masks=_tensor(masks, device),
        next_observations=_tensor(following, device),
        terminals=_tensor(last[there], device),
    )


def label(task: Task, arrays: Arrays, success_timing: Timing) -> tuple[np.ndarray, np.ndarray]:
    """Return the task's rewards and masks [T] for the transitions in a file's arrays, by the package's relabelling.

    Args:
        task: a row of the OGBench suite.
        arrays: of the whole file; `qpos`, `terminals` and, where there are buttons, `button_states` are used.
        success_timing: "pre" labels s, "post" labels s'.
    """
    from ogbench.relabel_utils import relabel_dataset

    rows = _transitions(arrays["terminals"].astype(bool))[("pre", "post").index(success_timing)]
    with compiled_without_looks():
        env = make_env(task)
        env.reset()
    parts: list[Arrays] = []
    for some in slices(len(rows), 1 << 17):  # the package's temporaries are larger than the data
        labels: Arrays = {name: arrays[name][some] for name in ("qpos", "button_states") if name in arrays}
        relabel_dataset(task.env_id, env, labels)
        parts.append({name: labels[name][rows[some]] for name in ("rewards", "masks")})
    env.close()
    return np.concatenate([part["rewards"] for part in parts]), np.concatenate([part["masks"] for part in parts])


def _transitions(last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows are some transition's s, and which its s', from the marks of last rows [R]."""
    return ~last, np.concatenate([[False], ~last[:-1]])


def _tensor(values: np.ndarray, device: torch.device | str) -> torch.Tensor:
    """Return values as float32 on the device."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device)
