"""D4RL's hdf5 files: read so that a bad one is refused in one line, and cut into transitions (fu2020d4rl).

    file rows       s0 a0 r0 | s1 a1 r1 | s2 a2 r2 (timeout) | s0' a0' r0' ...
    transitions     (s0 a0 r0 s1) (s1 a1 r1 s2)                (s0' a0' r0' s1') ...

A timeout's row is dropped, as its successor is not in the file; a terminal's is kept: its next observation is never
used. hdf5 keeps no checksum over plain numbers, so a bit that flips inside an array shows only where the official
file's sha256 is known (`vgf data check`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vgf.datasets import minari
from vgf.datasets.files import Arrays, reading
from vgf.datasets.lean import before_and_after, moved_up, number_fault
from vgf.datasets.tasks import Dataset
from vgf.support.errors import DataError

KEYS = ("observations", "actions", "rewards", "terminals", "timeouts")


def read_hdf5(path: Path, dataset: Dataset | None = None) -> Arrays:
    """Return the arrays of a D4RL file, checked.

    Args:
        path: the hdf5 file; or a Minari dataset's folder or file, whose episodes come as rows of the same layout.
        dataset: row whose observation and action sizes the file must have; None checks only the layout.

    Returns:
        `observations`, `actions` [R, size], `rewards`, `terminals`, `timeouts` [R].

    Raises:
        DataError: naming the file, the array, and for a bad number its row and column.
    """
    path = minari.main_file(Path(path))
    arrays = _read(path)
    fault = _fault(arrays, dataset)
    if fault:
        raise DataError(f"{path}: {fault}; {'get it again' if dataset else 'see the layout in data/README.md'}")
    return arrays


def _read(path: Path) -> Arrays:
    """Return a file's five arrays."""
    with opened(path) as file:
        if minari.is_minari(file):
            return minari.rows(file, path.stat().st_size, whole_array)
        missing = [key for key in KEYS if not is_array(file.get(key))]
        if missing:
            raise DataError(f"has no array {' nor '.join(missing)}; see the layout in data/README.md")
        return {key: whole_array(file[key], path.stat().st_size) for key in KEYS}


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an hdf5 file for reading; every error inside becomes a DataError, as `vgf.datasets.files.reading` says."""
    import h5py

    with reading(path, "hdf5"), h5py.File(path, "r") as file:
        _check_apart(file)
        yield file


def _check_apart(file: Any) -> None:
    """Refuse a file in which two arrays lie on the same bytes: an address is damaged, and has no checksum of its own.

    Raises:
        DataError: naming both.
    """
    from h5py import h5d, h5o

    places = list[tuple[int, int, str]]()

    def visit(name: bytes, info: Any) -> None:
        if info.type == h5o.TYPE_DATASET and (at := (stored := h5d.open(file.id, name)).get_offset()) is not None:
            places.append((at, at + stored.get_storage_size(), name.decode(errors="replace")))

    h5o.visit(file.id, visit, info=True)
    for (_, end, name), (begin, _, other) in itertools.pairwise(sorted(places)):
        if begin < end:
            raise DataError(f"{name} and {other} lie on the same bytes; the file is damaged, get it again")


def is_array(stored: Any) -> bool:
    """Return whether something in an hdf5 file is an array, not a group of them, nor missing."""
    return hasattr(stored, "dtype") and hasattr(stored, "shape")


def whole_array(stored: Any, file_bytes: int) -> np.ndarray:
    """Return an array all of which lies in the file; the library would fill what is missing with zeros.

    Raises:
        DataError: without the file's name, which `opened` adds.
    """
    if stored.dtype.kind not in "fiub" or stored.dtype.hasobject:
        raise DataError(f"{stored.name[1:]} is of type {stored.dtype}, expected real numbers")
    if not _is_standard(stored):
        raise DataError(f"{stored.name[1:]} is of no usual type of numbers; the file is damaged, get it again")
    kept, packed = stored.id.get_storage_size(), stored.chunks is not None
    if kept > file_bytes or (kept != stored.nbytes and not packed) or (kept == 0 and stored.size):
        raise DataError(f"{stored.name[1:]} is not whole: {kept} bytes for {stored.nbytes}; get it again")
    if packed and not _has_every_chunk(stored):
        raise DataError(f"{stored.name[1:]} lacks pieces; get it again")
    values = np.asarray(stored[()])
    if values.dtype == bool and bool((values.view(np.uint8) > 1).any()):
        raise DataError(f"{stored.name[1:]} holds bytes that are neither true nor false; get it again")
    return values


def _is_standard(stored: Any) -> bool:
    """Return whether numbers are laid out as usual; a type of other fields, which hdf5 allows, is a sign of damage."""
    from h5py import h5t

    kind = stored.id.get_type()
    return not isinstance(kind, h5t.TypeFloatID | h5t.TypeIntegerID) or kind.equal(h5t.py_create(stored.dtype))


def _has_every_chunk(stored: Any) -> bool:
    """Return whether each piece of an array in pieces is found where it is looked for; others are read as zeros."""
    starts = itertools.product(*(range(0, size, step) for size, step in zip(stored.shape, stored.chunks, strict=True)))
    try:
        return all(len(stored.id.read_direct_chunk(start)[1]) for start in starts)
    except Exception:  # the library's word for a piece that it does not find
        return False


def _fault(arrays: Arrays, dataset: Dataset | None) -> str | None:
    """Return what is wrong with a file's arrays, or None."""
    rows = arrays["rewards"].shape[0] if arrays["rewards"].ndim else 0
    for name, values in arrays.items():
        rank = 2 if name in ("observations", "actions") else 1
        if values.ndim != rank or rows < 2 or values.shape[0] != rows:
            return f"{name} has shape {values.shape}, expected {rank} axes of which the first has {max(rows, 2)} rows"
    if dataset is not None:
        for name, size in (("observations", dataset.observation_size), ("actions", dataset.action_size)):
            if arrays[name].shape[1] != size:
                return f"{name} has {arrays[name].shape[1]} columns, {dataset.name} has {size}"
    checks = [(name, "not finite") for name in ("observations", "actions", "rewards")]
    checks += [(name, "neither 0 nor 1") for name in ("terminals", "timeouts")]
    checks += [("actions", "outside [-1, 1]")] * (dataset is None or not dataset.clip_actions)
    empty = "timeouts marks every row, which leaves no transition" if arrays["timeouts"][:-1].all() else None
    return number_fault(arrays, checks) or empty


def transition_rows(arrays: Arrays, terminals_end_trajectories: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows are transitions, and where trajectories end.

    Args:
        arrays: `terminals`, `timeouts` [R].
        terminals_end_trajectories: false where the behaviour goes on after reaching the goal.

    Returns:
        Numbers of the rows [T], and `ends` [T]: 1 where a trajectory ends, 2 where the file breaks one off, else 0.
    """
    rows = np.flatnonzero(arrays["timeouts"][:-1] == 0).astype(np.int32)
    terminals = (arrays["terminals"] != 0) & terminals_end_trajectories
    ends = (terminals[rows] | (arrays["timeouts"][rows + 1] != 0)).astype(np.int8)
    if not ends[-1]:
        ends[-1] = 1 if terminals[-1] else 2
    return rows, ends


def qlearning_arrays(arrays: Arrays, terminals_end_trajectories: bool = True) -> Arrays:
    """Return the transitions in a file's rows, as `d4rl.qlearning_dataset` does, but from whole arrays.

    Args:
        arrays: `observations` [R, observation], `actions` [R, action], `rewards`, `terminals`, `timeouts` [R]; used up:
            the result lies in their memory.
        terminals_end_trajectories: false where the behaviour goes on after reaching the goal.

    Returns:
        `observations`, `next_observations` [T, observation], `actions` [T, action], `rewards`, `terminals` [T], all
        float32, and `ends` [T] as `transition_rows` gives them.
    """
    rows, ends = transition_rows(arrays, terminals_end_trajectories)
    found = {name: moved_up(arrays.pop(name), rows) for name in ("actions", "rewards", "terminals")}
    states, following = before_and_after(arrays.pop("observations"), rows, rows + 1)
    return found | {"observations": states, "next_observations": following, "ends": ends}
