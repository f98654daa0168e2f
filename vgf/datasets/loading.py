"""One way in for every suite: a task's file as transitions, and its environment."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import gymnasium
import torch

from vgf.datasets import d4rl, ogbench
from vgf.datasets.tasks import get_task
from vgf.datasets.transitions import Transitions

_LOADERS = {"ogbench": ogbench.load_ogbench, "d4rl": d4rl.load_d4rl}


def load(task_name: str, path: Path, device: torch.device | str = "cpu") -> Transitions:
    """Return the transitions in a task's file, rewarded as the task's row says, on the device.

    Raises:
        DataError: for an unknown task, or naming the file and what is wrong with it.
        ValueError: naming the field that holds what no transition can.
    """
    task = get_task(task_name)
    return _LOADERS[task.suite](task, Path(path), device)


def make_env(task_name: str) -> gymnasium.Env:
    """Return the environment a task is evaluated in; where it has a goal, `info["success"]` says whether it is met.

    Raises:
        DataError: for an unknown task, or one whose environment's package is not installed.
    """
    task = get_task(task_name)
    module, function = task.env_maker.split(":")
    env: gymnasium.Env = getattr(import_module(module), function)(task)
    return env
