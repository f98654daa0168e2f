"""Reading and writing dataset files so that a bad one is refused in one line and a good one appears whole.

Reading an npz never executes what is in it and trusts nothing: every member is read to its end, straight into its
array, so that the archive's checksum covers it (numpy's own reader stops at the length the header claims), and is then
checked against the layout. Writing goes to a neighbouring temporary file, renamed when done.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vgf.datasets.layouts import trajectory_fault
from vgf.datasets.lean import number_fault
from vgf.datasets.minari import main_file
from vgf.datasets.tasks import DATASETS, Dataset
from vgf.support.errors import DataError
from vgf.support.files import sha256, written_whole
from vgf.support.json_text import read_facts

Arrays = dict[str, np.ndarray]

END, MOST = 22, 0xFFFF  # bytes of a zip archive's end, and most bytes of the comment behind it
PIECE = 1 << 20  # bytes of an archive unpacked at a time
REQUIRED = ("observations", "actions", "terminals", "qpos")
OPTIONAL = ("qvel", "button_states")
OWN = ("rewards", "masks")  # of a file that is no task's: with rewards of its own, `qpos` is not needed
_NPY_HEADERS: Mapping[tuple[int, int], Callable[..., tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(path: Path, dataset: Dataset | None = None, *, everything: bool = False) -> Arrays:
    """Return the arrays of an OGBench file, checked.

    Args:
        path: the npz file.
        dataset: row whose observation and action sizes the file must have; None checks only the layout.
        everything: read `qvel` too, which no reward needs.

    Returns:
        `observations` [R, observation], `actions` [R, action], `terminals` [R], `qpos` [R, q] and, where the
        environment has buttons, `button_states` [R, buttons]; R counts every row, the final observation of each
        trajectory included. A file that is no task's may have `rewards` [R] and `masks` [R] instead of `qpos`.

    Raises:
        DataError: naming the file, the array, and for a bad number its row and column.
    """
    wanted = REQUIRED + (OPTIONAL if everything else ("button_states",)) + (OWN if dataset is None else ())
    arrays = read_members(Path(path), lambda names: [name for name in wanted if name in names])
    fault = layout_fault(arrays, dataset)
    if fault:
        raise DataError(f"{path}: {fault}; {_remedy(dataset)}")
    return arrays


def layout_fault(arrays: Mapping[str, np.ndarray], dataset: Dataset | None) -> str | None:
    """Return what is wrong with a file's arrays, or None."""
    required = REQUIRED[:-1] if dataset is None and "rewards" in arrays else REQUIRED  # qpos is there for rewards
    missing = [name for name in required if name not in arrays]
    if missing:
        return f"has no array {' nor '.join(missing)}"
    rows = len(arrays["terminals"]) if arrays["terminals"].ndim else 0
    for name, values in arrays.items():
        rank = 1 if name in ("terminals", *OWN) else 2
        if values.ndim != rank or rows == 0 or values.shape[0] != rows:
            return f"{name} has shape {values.shape}, expected {rank} axes of which the first has {rows or 'some'} rows"
        if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool) or values.dtype.kind == "c":
            return f"{name} is of type {values.dtype}, expected real numbers"
    if dataset is not None:
        for name, size in (("observations", dataset.observation_size), ("actions", dataset.action_size)):
            if arrays[name].shape[1] != size:
                return f"{name} has {arrays[name].shape[1]} columns, {dataset.name} has {size}"
    checks = [(name, "not finite") for name, values in arrays.items() if values.dtype.kind == "f"]
    checks += [("actions", "outside [-1, 1]")]
    checks += [(name, "neither 0 nor 1") for name in ("masks", "terminals") if name in arrays]
    return number_fault(arrays, checks) or trajectory_fault(arrays["terminals"].astype(bool))


def _remedy(dataset: Dataset | None) -> str:
    """Return the second half of a refusal."""
    return f"`vgf data get {dataset.name}` makes a good one" if dataset else "see the layout in data/README.md"


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Make every error inside, where a file of a kind is read, one line that names the file.

    Raises:
        DataError: for no file or a damaged one, or what was raised inside.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file; `vgf data list` shows what is present")
    if path.is_dir() or path.stat().st_size == 0:
        remedy = "give the file in it" if path.is_dir() else "get it again"
        raise DataError(f"{path}: {'a folder' if path.is_dir() else 'empty'}, not an {kind} file; {remedy}")
    try:
        yield
    except DataError as error:
        text = str(error)
        raise DataError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    except Exception as error:  # zipfile, zlib and hdf5 raise many types for damaged bytes: all mean the same here
        text = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: not a readable {kind} file ({text}); get it again") from error


def read_members(path: Path, choose: Callable[[list[str]], list[str]]) -> Arrays:
    """Return the arrays of an npz file that are chosen.

    Args:
        path: the file.
        choose: takes the names of all arrays and returns those to read; the others are never unpacked.

    Raises:
        DataError: as `reading` does, or what `choose` raises.
    """
    with reading(path, "npz"), zipfile.ZipFile(path) as archive:
        return {name: _read_npy(archive, name) for name in choose(_names(archive, path))}


def _names(archive: zipfile.ZipFile, path: Path) -> list[str]:
    """Return the names of an archive's arrays, after comparing the two places in which each stands.

    Raises:
        DataError: naming what is no array, or if one is missing: damage to the directory would leave an array out.
    """
    if (count := _told_members(path)) != len(archive.infolist()):
        raise DataError(f"its directory has {len(archive.infolist())} members where {count} are told of; get it again")
    for member in archive.infolist():
        archive.open(member).close()  # raises where the name before the numbers is not that of the directory
        if not member.filename.endswith(".npy"):
            raise DataError(f"has {member.filename!r}, which is no array of numpy; take it out, or get the file again")
    return [name.removesuffix(".npy") for name in archive.namelist()]


def _told_members(path: Path) -> int:
    """Return how many members the end of a zip archive tells of; Python's reader does not compare it."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - END - MOST))
        tail = stream.read()
    return int.from_bytes(tail[(at := tail.rindex(b"PK\x05\x06") + 10) : at + 2], "little")


def _read_npy(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Return the array in a whole npy member; nothing pickled, nothing left over."""
    length = archive.getinfo(f"{name}.npy").file_size
    with archive.open(f"{name}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        if version not in _NPY_HEADERS:
            raise DataError(f"{name} has npy version {version}, expected 1.0 or 2.0; get it again")
        shape, fortran, dtype = _NPY_HEADERS[version](stream)
        if dtype.hasobject:
            raise DataError(f"{name} holds pickled objects, which are never loaded; save numbers in their place")
        count = int(np.prod(shape, dtype=object)) if shape else 1
        if stream.tell() + count * dtype.itemsize != length:
            has, says = length - stream.tell(), f"{shape} of {dtype}"
            raise DataError(f"{name} is {has} bytes long where its header says {says}; get it again")
        values = np.empty(count, dtype)
        room, filled = values.view(np.uint8), 0
        while piece := stream.read(PIECE):  # to the very end, where the archive compares its checksum
            room[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
            filled += len(piece)
        if filled != values.nbytes:
            raise DataError(f"{name} ends {values.nbytes - filled} bytes early; get it again")
    return values.reshape(shape, order="F" if fortran else "C")


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as a compressed npz, whole or not at all; equal arrays give equal bytes."""
    with written_whole(path) as stream:
        np.savez_compressed(stream, **dict(arrays))  # type: ignore[arg-type]  # numpy's stub takes no mapping


def sidecar(path: Path) -> Path:
    """Return the JSON file that says how a regenerated file was made."""
    return path.with_suffix(".json")


def validation_path(path: Path) -> Path:
    """Return the validation file beside a training file."""
    return path.with_name(f"{path.stem}-val.npz")


def content_digest(arrays: Arrays) -> str:
    """Return a SHA-256 of names, types, shapes and values: unlike a file's, it does not depend on the compressor."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape} ".encode() + values.tobytes())
    return digest.hexdigest()


def provenance(path: Path) -> dict[str, Any]:
    """Return where a file comes from, for a record.

    Returns:
        `file`, `sha256` and `source`: "official" (its checksum is that of an official file), "regenerated" (then with
        all its sidecar says) or "local".

    Raises:
        DataError: when the file is not the one its sidecar tells of.
    """
    path = main_file(Path(path))
    digest = sha256(path)
    facts: dict[str, Any] = {"file": path.name, "sha256": digest, "source": "local"}
    if any(digest in row.sha256 for row in DATASETS.values()):
        return facts | {"source": "official"}
    if sidecar(path).exists():
        told = read_facts(sidecar(path), f"remove it and {path.name}, and get them again", sha256=str)
        if told["sha256"] != digest:
            raise DataError(f"{path}: not the file {sidecar(path).name} tells of; remove both and get it again")
        return facts | told | {"source": "regenerated"}
    return facts
