"""Every dataset of the paper: a table of tasks, files from three sources, transitions on the device.

`TASKS` and `get_task` say what there is, `load` turns a file into `Transitions` and `make_env` gives the environment
they came from; where a file comes from is in `vgf.sources`. The names below load on first use: a process that runs a
simulator never imports torch, and a listing imports neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vgf.datasets.files import provenance
    from vgf.datasets.loading import load, make_env
    from vgf.datasets.own import own_transitions
    from vgf.datasets.tasks import DATASETS, TASKS, Dataset, Task, get_dataset, get_task
    from vgf.datasets.transitions import Batch, Transitions
    from vgf.support.errors import DataError

_HOMES = {
    "vgf.datasets.files": ("provenance",),
    "vgf.datasets.loading": ("load", "make_env"),
    "vgf.datasets.own": ("own_transitions",),
    "vgf.datasets.tasks": ("DATASETS", "TASKS", "Dataset", "Task", "get_dataset", "get_task"),
    "vgf.datasets.transitions": ("Batch", "Transitions"),
    "vgf.support.errors": ("DataError",),
}
__all__ = [
    "DATASETS",
    "TASKS",
    "Batch",
    "DataError",
    "Dataset",
    "Task",
    "Transitions",
    "get_dataset",
    "get_task",
    "load",
    "make_env",
    "own_transitions",
    "provenance",
]


def __getattr__(name: str) -> object:
    """Load a public name from its module when it is first asked for (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'vgf.datasets' has no attribute {name!r}")
