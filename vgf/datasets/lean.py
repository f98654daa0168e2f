"""Arrays of a million rows without a second copy of them.

A check that builds a mask, or an index that builds a copy, doubles what a dataset takes while it is loaded. Here checks
run over some rows at a time and rows move forward within the memory they are in. The price: the array given is used up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

ROWS_AT_ONCE = 1 << 14
ACTION_TOLERANCE = 1e-5  # float32 rounding of an action at the edge of [-1, 1]
FAULTS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {  # of numbers, in words, and where they are
    "not finite": lambda x: ~np.isfinite(x),
    "too large for float32": lambda x: np.abs(x) > np.finfo(np.float32).max,
    "outside [-1, 1]": lambda x: np.abs(x) > 1 + ACTION_TOLERANCE,
    "neither 0 nor 1": lambda x: (x != 0) & (x != 1),
}


def slices(rows: int, at_once: int = ROWS_AT_ONCE) -> Iterator[slice]:
    """Yield slices that cover `rows` rows in order."""
    for start in range(0, rows, at_once):
        yield slice(start, min(start + at_once, rows))


def first_place(
    values: np.ndarray, bad: Callable[[np.ndarray], np.ndarray], read: np.ndarray | None = None
) -> str | None:
    """Return "row i, column j" of the first element for which `bad` is true, or None.

    Args:
        values: [R, ...].
        bad: of some rows.
        read: which rows count [R]; all when None.
    """
    for some in slices(len(values)):
        found = bad(values[some])
        if read is not None:
            found = found & read[some].reshape(-1, *[1] * (values.ndim - 1))
        if found.any():
            row, *column = np.argwhere(found)[0].tolist()
            place = (some.start + row, *column)
            return ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), place, strict=False))
    return None


def number_fault(
    arrays: Mapping[str, np.ndarray], checks: Iterable[tuple[str, str]], read: np.ndarray | None = None
) -> str | None:
    """Return the first fault of numbers with its array and place, or None.

    Args:
        arrays: by name, [R, ...].
        checks: names of an array and of one of `FAULTS`, in the order in which they are looked for.
        read: which rows count [R]; all when None.
    """
    for name, fault in checks:
        if place := first_place(arrays[name], FAULTS[fault], read):
            return f"{name} is {fault} at {place}"
    return None


def before_and_after(states: np.ndarray, before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of `states` [R, size] that are some transition's s, and those that are its s', as float32.

    Args:
        states: used up: s comes back in its memory.
        before: numbers of the rows of s [T], increasing.
        after: of s' [T].
    """
    following = np.empty((len(after), *states.shape[1:]), np.float32)
    for some in slices(len(after)):
        following[some] = states[after[some]]
    return moved_up(states, before), following


def moved_up(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the rows of `values` [R, ...] as float32 in its own memory, where that is float32.

    Args:
        values: used up.
        rows: numbers of the rows [T], increasing, so that none is overwritten before it has moved.
    """
    own = np.require(values, np.float32, ["C", "W"])
    for some in slices(len(rows)):
        own[some] = own[rows[some]]
    return own[: len(rows)]
