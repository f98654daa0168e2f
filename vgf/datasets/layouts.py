"""What arrays mean: three layouts that people have, told apart by their names, and one rule for files and mappings.

    trajectories   observations actions rewards terminals [masks]          the last row holds the final observation
    rows           observations actions rewards terminals timeouts         a timeout's successor is not there (D4RL)
    transitions    observations actions rewards next_observations          OGBench's loader, replay buffers
                   terminals and masks, or terminals and timeouts

`terminals` means two things: with `masks` it marks the end of a trajectory for whatever reason and `masks` says whether
the task ended; with `timeouts` it says that the task ended. Where neither is there beside next observations, nothing
tells which is meant, and nothing is guessed. Every array is known, extra or refused by name. What is not read, such as
the action of a last row, is not judged. The price of so little tolerance is a name to write down now and then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from vgf.datasets.array_names import FLAGS, SEE, WIDE
from vgf.datasets.lean import number_fault
from vgf.support.errors import DataError

Arrays = dict[str, np.ndarray]

DIVIDE = "divide them by their bounds, and say rescale_actions=True where an environment is played"


class ReadTransitions(NamedTuple):
    """Transitions as they were read.

    Attributes:
        columns: `observations`, `actions`, `rewards`, `masks`, `next_observations`, `terminals`, float32, [T, ...].
        rows: R, of the arrays.
        layout: how the rows were read, in words.
        notes: what should be known and is no fault, a line each.
    """

    columns: Arrays
    rows: int
    layout: str
    notes: tuple[str, ...]


class _Rows(NamedTuple):
    """Which rows are transitions.

    Attributes:
        here: numbers of the rows of s [T].
        following: numbers of the rows of s' in `source` [T].
        source: "observations", or "next_observations" where the data has them.
        ends: 1 where a trajectory ends [T].
        masks: 0 where the task ends [T].
        layout: in words.
        notes: see `ReadTransitions`.
    """

    here: np.ndarray
    following: np.ndarray
    source: str
    ends: np.ndarray
    masks: np.ndarray
    layout: str
    notes: tuple[str, ...]


def read_layout(arrays: Arrays, where: str) -> ReadTransitions:
    """Return the transitions in arrays, checked.

    Args:
        arrays: by names that `wanted` returned.
        where: the file, for messages.

    Raises:
        DataError: naming the file, the array, and for a bad number its row and column.
    """
    arrays = _shaped(arrays, where)
    _refuse(arrays, where, [(name, "neither 0 nor 1") for name in FLAGS if name in arrays and name != "masks"])
    rows = _rows(arrays, where)
    read = np.zeros(len(arrays["rewards"]), bool)
    read[rows.here] = True
    used = read.copy()
    if rows.source == "observations":
        used[rows.following] = True
    for name, which in (("observations", used), ("actions", read), ("rewards", read), ("next_observations", read)):
        if name in arrays:
            _refuse(arrays, where, [(name, "not finite"), (name, "too large for float32")], which)
    _refuse(arrays, where, [("actions", "outside [-1, 1]")], read, DIVIDE)
    if "masks" in arrays:
        _refuse(arrays, where, [("masks", "neither 0 nor 1")], read)
    columns = {
        "observations": arrays["observations"][rows.here],
        "actions": arrays["actions"][rows.here],
        "rewards": arrays["rewards"][rows.here],
        "masks": rows.masks,
        "next_observations": arrays[rows.source][rows.following],
        "terminals": rows.ends,
    }
    notes = (*rows.notes, *_unread_rewards(arrays["rewards"], read), *_whole_actions(arrays["actions"][read], where))
    columns = {name: np.asarray(values, np.float32) for name, values in columns.items()}
    return ReadTransitions(columns, len(read), rows.layout, notes)


def _shaped(arrays: Arrays, where: str) -> Arrays:
    """Return the arrays as [R, size] and [R]; an axis of length one more or less has one meaning."""
    if "rewards" not in arrays and "observations" in arrays:
        raise DataError(f"{where}: has no array rewards, and no task says how to compute them; add one, [R]")
    missing = [name for name in ("observations", "actions", "terminals") if name not in arrays]
    if missing:
        raise DataError(f"{where}: has no array {' nor '.join(missing)}; {SEE}")
    count = len(arrays["observations"]) if arrays["observations"].ndim else 0
    return {name: _shape(name, values, count, where) for name, values in arrays.items()}


def _shape(name: str, values: np.ndarray, count: int, where: str) -> np.ndarray:
    """Return one array as [count, size] or [count]."""
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool) or values.dtype.kind == "c":
        raise DataError(f"{where}: {name} is of type {values.dtype}, expected real numbers")
    if name == "actions" and values.dtype.kind != "f":
        raise DataError(
            f"{where}: actions are of type {values.dtype}; discrete actions are not supported, and numbers in [-1, 1] "
            "must be floats"
        )
    rank, found = (2 if name in WIDE else 1), values
    if rank == 2 and values.ndim == 1:
        found = values[:, None]
    elif rank == 1 and values.ndim == 2 and values.shape[1] == 1:
        found = values[:, 0]
    if found.ndim != rank or count == 0 or len(found) != count or 0 in found.shape:
        axes = f"{rank} axes of which the first has {count or 'some'} rows"
        raise DataError(f"{where}: {name} has shape {values.shape}, expected {axes}; {SEE}")
    return found


def _rows(arrays: Arrays, where: str) -> _Rows:
    """Return which rows are transitions, by the layout that the names say."""
    if "next_observations" in arrays:
        return _of_transitions(arrays, where)
    if "timeouts" in arrays:
        if "masks" in arrays:
            raise DataError(
                f"{where}: has masks and timeouts, which belong to two layouts; leave masks out if terminals says that "
                "the task ended, timeouts if it says that the trajectory did"
            )
        return _of_steps(arrays, where)
    return _of_trajectories(arrays, where)


def _of_trajectories(arrays: Arrays, where: str) -> _Rows:
    """Return the transitions of trajectories whose last row holds the final observation."""
    last = arrays["terminals"].astype(bool)
    if fault := trajectory_fault(last):
        raise DataError(f"{where}: {fault}; if rows are steps, add timeouts (0: none), and else {SEE}")
    here = np.flatnonzero(~last)
    masks = arrays["masks"][here] if "masks" in arrays else np.ones(len(here))
    notes = () if "masks" in arrays else _last_rewards(arrays["rewards"], last, where)
    layout = "trajectories, the last row of each its final observation"
    return _Rows(here, here + 1, "observations", last[here + 1], masks, layout, notes)


def _last_rewards(rewards: np.ndarray, last: np.ndarray, where: str) -> tuple[str, ...]:
    """Return a word where last rows have rewards, which their actions may have earned; see `_unread_rewards` too."""
    some, others = rewards[~last], rewards[last][np.isfinite(rewards[last]) & (rewards[last] != 0)]
    if not len(others) or ((some == some[0]).all() and (others != some[0]).any()):
        return ()
    told = f"{where}: {int(last.sum())} rows marked by terminals are read as final observations, without their rewards"
    return (f"{told} ({others[0]:g}); if rows are steps and terminals ends the task, add an array timeouts (0: none)",)


def trajectory_fault(last: np.ndarray) -> str | None:
    """Return what is wrong with the marks [R] of trajectories' last rows, or None."""
    if not last[-1]:
        return "terminals does not end with 1: the last trajectory is cut short"
    if len(alone := np.flatnonzero(last & np.append(True, last[:-1]))):
        return f"terminals marks a trajectory of a single row, row {alone[0]}, which holds no transition"
    return None


def _of_steps(arrays: Arrays, where: str) -> _Rows:
    """Return the transitions of rows that are steps; one that ends by time has no successor, unless the task ended."""
    done = arrays["terminals"].astype(bool)
    kept = done | ~arrays["timeouts"].astype(bool)
    kept[-1] = done[-1]
    here = np.flatnonzero(kept)
    if not len(here):
        raise DataError(f"{where}: timeouts marks every row, which leaves no transition")
    following = np.where(done[here], here, here + 1)  # where the task ended, nothing of what follows is used
    ends = done[here] | ~kept[np.minimum(here + 1, len(kept) - 1)]
    ends[-1] = True
    left = len(kept) - len(here)
    notes = (f"{where}: {left} of {len(kept)} rows end by time without a successor, and are no transitions",) * bool(
        left
    )
    return _Rows(here, following, "observations", ends, ~done[here], "rows of steps, as D4RL has them", notes)


def _of_transitions(arrays: Arrays, where: str) -> _Rows:
    """Return the rows themselves."""
    marks = arrays["terminals"].astype(bool)
    if "masks" in arrays:
        ends, masks, by = marks, arrays["masks"], "masks"
    elif "timeouts" in arrays:
        ends, masks, by = marks | arrays["timeouts"].astype(bool), ~marks, "timeouts"
    else:
        raise DataError(
            f"{where}: these are transitions (next_observations), and terminals alone does not say whether the task "
            "ended or only the trajectory; add masks, 0 where the task ended and 1 elsewhere (1 - terminals in what "
            "D4RL's qlearning_dataset returns)"
        )
    if arrays["next_observations"].shape != arrays["observations"].shape:
        shapes = f"{arrays['next_observations'].shape}, observations {arrays['observations'].shape}"
        raise DataError(f"{where}: next_observations has shape {shapes}; they must be alike")
    ends = ends.copy()
    apart = (arrays["next_observations"][:-1] != arrays["observations"][1:]).any(axis=1) & ~ends[:-1]
    ends[:-1] |= apart
    ends[-1] = True
    every = np.arange(len(ends))
    notes = (
        f"{where}: after {int(apart.sum())} of {len(ends)} rows the next row is not where the transition led; a "
        "trajectory is taken to end there",
    ) * bool(apart.any())
    return _Rows(every, every, "next_observations", ends, masks, f"transitions, ends by {by}", notes)


def _unread_rewards(rewards: np.ndarray, read: np.ndarray) -> tuple[str, ...]:
    """Return a word where every reward that is read is the same and those that are not are others."""
    some, others = rewards[read], rewards[~read]
    others = others[np.isfinite(others) & (others != 0)]
    if not len(others) or (some != some[0]).any() or (others == some[0]).all():
        return ()
    return (
        f"every reward that is read is {some[0]:g}; rows without a transition hold others, such as {others[0]:g}. If "
        "those belong to actions, the rows are transitions: give next_observations",
    )


def _whole_actions(actions: np.ndarray, where: str) -> tuple[str, ...]:
    """Return a word where actions [T, d] look like numbers of choices."""
    if bool((actions != np.rint(actions)).any()) or not bool((actions == 1).any()):
        return ()
    return (f"{where}: every action is a whole number; if they number choices, they mean nothing here",)


def _refuse(
    arrays: Arrays, where: str, checks: Iterable[tuple[str, str]], read: np.ndarray | None = None, remedy: str = SEE
) -> None:
    """Raise a DataError with the first place, in rows of the file, at which a number that is read has a fault."""
    if fault := number_fault(arrays, checks, read):
        raise DataError(f"{where}: {fault}; {remedy}")
