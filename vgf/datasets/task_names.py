"""Which tasks the names in an experiment file mean: a name means one, a pattern all it fits."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from vgf.datasets.tasks import TASKS, get_task
from vgf.support.errors import DataError


def rows_of(names: Iterable[str]) -> dict[str, str]:
    """Return the tasks that names mean, by full name, each with the name that means it.

    A name may be a pattern: `cube-single-play-singletask-task*-v0` means the five tasks of one environment. A task's
    own name counts before a pattern.

    Args:
        names: of tasks, full or short, or patterns of full names.

    Raises:
        DataError: for an unknown name, a pattern that fits no task, and a task that two names mean.
    """
    exact: dict[str, str] = {}
    loose: dict[str, str] = {}
    for name in names:
        pattern = "*" in name
        own = fnmatch.filter(TASKS, name) if pattern else [get_task(name).name]
        if not own:
            raise DataError(f"no task fits {name!r}; `vgf data list` shows all")
        found = loose if pattern else exact
        for task in own:
            if task in found:
                raise DataError(f"two names mean the task {task}: {found[task]} and {name}; leave one out")
            found[task] = name
    return {task: (loose | exact)[task] for task in dict.fromkeys([*loose, *exact])}
