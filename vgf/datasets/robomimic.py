"""robomimic's hdf5 files, as rows of steps or as transitions.

    data/demo_0/obs/NAME [L, ...], actions [L, size], rewards, dones [L], perhaps next_obs/NAME and states

Observations come as named parts; those that are vectors are put side by side in alphabetical order, which is told, as
whoever plays the policy must do the same. `dones` is read as robomimic's own methods read it: nothing is bootstrapped
there. A demonstration that stops without it loses its last step unless `next_obs` says where it led.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from vgf.support.errors import DataError

Arrays = dict[str, np.ndarray]
NEEDED = ("actions", "rewards", "dones")
KNOWN = ("obs", "next_obs", "states", *NEEDED)


def is_robomimic(file: Any) -> bool:
    """Return whether an open hdf5 file holds demonstrations of robomimic's kind."""
    data = file.get("data")
    return hasattr(data, "keys") and any(name.startswith("demo") for name in data)


def arrays(file: Any, read: Callable[[Any], np.ndarray], ignore: Collection[str]) -> tuple[Arrays, tuple[str, ...]]:
    """Return a file's demonstrations, one after the other, and what should be known of them.

    Args:
        file: the open hdf5 file.
        read: returns one stored array, whole.
        ignore: names of arrays that are not read.

    Returns:
        `observations`, `actions`, `rewards`, `terminals`, `timeouts` and, where every demonstration has them,
        `next_observations`.

    Raises:
        DataError: naming the demonstration and the array that is missing or does not fit, or what is neither.
    """
    demos = sorted((name for name in file["data"] if name.startswith("demo")), key=lambda name: (len(name), name))
    if not demos:
        raise DataError("data holds no demonstration demo_0; see the layouts in data/README.md")
    for name in file["data"]:
        if name not in demos and name not in ignore:
            raise DataError(f"data has {name!r}, which is no demonstration; say ignore=({name!r},) if that is meant")
    keys = _keys(file["data"][demos[0]], demos[0], ignore)
    follow = all("next_obs" in file["data"][name] and "next_obs" not in ignore for name in demos)
    parts = [_demo(file["data"][name], name, keys, follow, read, ignore) for name in demos]
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    notes = [f"observations are {', '.join(keys)}, side by side in this order"]
    if held := sorted(file["mask"]) if hasattr(file.get("mask"), "keys") else []:
        notes.append(f"all {len(demos)} demonstrations are read, whatever mask says ({', '.join(held)})")
    if (count := _samples(file["data"])) not in (None, rows := len(found["rewards"])):
        notes.append(f"data tells of {count} samples in all, and {rows} are there")
    return found, tuple(notes)


def _samples(data: Any) -> int | None:
    """Return how many rows a file says it has; robomimic's own writers say so."""
    told = np.asarray(data.attrs.get("total", ""))
    return int(told) if told.size == 1 and told.dtype.kind in "iu" else None


def _keys(demo: Any, name: str, ignore: Collection[str]) -> list[str]:
    """Return the observations' parts that are read, in alphabetical order."""
    if "obs" not in demo or not hasattr(demo["obs"], "keys"):
        raise DataError(f"data/{name} has no group obs; make it with robomimic's dataset_states_to_obs")
    keys = [key for key in sorted(demo["obs"]) if key not in ignore]
    for key in keys:
        shape = getattr(demo["obs"][key], "shape", None)
        if shape is None or len(shape) not in (1, 2):
            what = f"of shape {shape}" if shape is not None else "in parts"
            raise DataError(
                f"data/{name}/obs/{key} is {what}, and only vectors are read; say ignore=({key!r},) if it is not to be"
            )
    if not keys:
        raise DataError(f"data/{name}/obs has no part that is read; leave one out of ignore")
    return keys


def _demo(
    demo: Any, name: str, keys: list[str], follow: bool, read: Callable[[Any], np.ndarray], ignore: Collection[str]
) -> Arrays:
    """Return one demonstration's rows."""
    for field in demo:
        if field not in KNOWN and field not in ignore:
            raise DataError(f"data/{name} has {field!r}, which is not read; say ignore=({field!r},) if that is meant")
    for field in NEEDED:
        if field not in demo:
            raise DataError(
                f"data/{name} has no array {field}; robomimic's dataset_states_to_obs makes rewards and dones"
            )
    count = len(demo["actions"])
    done = read(demo["dones"]).reshape(-1) != 0
    found = {
        "observations": _side_by_side(demo, name, "obs", keys, count, read),
        "actions": read(demo["actions"]),
        "rewards": read(demo["rewards"]).reshape(-1),
        "terminals": done,
        "timeouts": (np.arange(len(done)) == len(done) - 1) & ~done,
    }
    if follow:
        found["next_observations"] = _side_by_side(demo, name, "next_obs", keys, count, read)
    for field, values in found.items():
        if len(values) != count or not count:
            raise DataError(
                f"data/{name} has {len(values)} rows of {field} and {count} of actions; they must be as many"
            )
    return found


def _side_by_side(
    demo: Any, name: str, group: str, keys: list[str], count: int, read: Callable[[Any], np.ndarray]
) -> np.ndarray:
    """Return the named parts of observations as one array [count, size]."""
    found = []
    for key in keys:
        if key not in demo[group] or len(demo[group][key]) != count:
            rows = len(demo[group][key]) if key in demo[group] else "no"
            raise DataError(f"data/{name}/{group}/{key} has {rows} rows, expected {count}")
        found.append(read(demo[group][key]).reshape(count, -1))
    return np.concatenate(found, axis=1)
