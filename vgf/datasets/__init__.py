"""Every dataset of the paper: a table of tasks, files from three sources, transitions on the device.

`TASKS` and `get_task` say what there is, `regenerate` makes a file from the public simulators, `load` turns a file
into `Transitions` and `make_env` gives the environment they came from. The names below load on first use: a worker
that runs a simulator never imports torch, and a listing imports neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vgf.datasets.errors import DataError
    from vgf.datasets.loading import load, make_env
    from vgf.datasets.own import own_transitions
    from vgf.datasets.recipes import default_path, provenance, regenerate
    from vgf.datasets.tasks import DATASETS, TASKS, Dataset, Task, get_dataset, get_task
    from vgf.datasets.transitions import Batch, Transitions

_HOMES = {
    "errors": ("DataError",),
    "loading": ("load", "make_env"),
    "own": ("own_transitions",),
    "recipes": ("default_path", "provenance", "regenerate"),
    "tasks": ("DATASETS", "TASKS", "Dataset", "Task", "get_dataset", "get_task"),
    "transitions": ("Batch", "Transitions"),
}
__all__ = [
    "DATASETS",
    "TASKS",
    "Batch",
    "DataError",
    "Dataset",
    "Task",
    "Transitions",
    "default_path",
    "get_dataset",
    "get_task",
    "load",
    "make_env",
    "own_transitions",
    "provenance",
    "regenerate",
]


def __getattr__(name: str) -> object:
    """Load a public name from its module when it is first asked for (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"vgf.datasets.{home}"), name)
    raise AttributeError(f"module 'vgf.datasets' has no attribute {name!r}")
