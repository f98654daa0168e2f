"""What lies at a path: told by the first bytes, not by the name, and read as arrays that `layouts` gives a meaning.

An hdf5 file called `mine.h5` is one, and a parquet file called `mine.npz` is none. What is not read is named, with what
to do; "get it again" is said of damage alone. The trade-off of a look at the bytes is that a file has to be opened
before anything can be said of it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vgf.datasets import lerobot, minari, robomimic
from vgf.datasets.array_names import SEE, wanted
from vgf.datasets.files import read_members
from vgf.datasets.hdf5 import is_array, opened, whole_array
from vgf.support.errors import DataError

Arrays = dict[str, np.ndarray]

NPZ = "save the arrays of the layout as an npz, or give them as a mapping"
HDF5_MAGIC, PARQUET_MAGIC, ZIP_MAGIC = b"\x89HDF\r\n\x1a\n", b"PAR1", b"PK"
OTHER: dict[bytes, str] = {  # first bytes of what is not read, and what it is
    b"\x93NUMPY": f"a single array (npy); {NPZ}",
    b"\x1f\x8b": "packed with gzip; unpack it first",
    b"BZh": "packed with bzip2; unpack it first",
    b"\xfd7zXZ": "packed with xz; unpack it first",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it first",
    b"ARROW1": f"an Arrow file; {NPZ}",
    b"\xff\xff\xff\xff": f"an Arrow stream; {NPZ}",
    b"SQLite format 3": f"an SQLite database; {NPZ}",
    b"MATLAB 5.0": f"a MATLAB file; {NPZ}",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself; run git lfs pull",
    b"<!DOCTYPE": "a web page, not the file itself; get the file from the address it names",
    b"<html": "a web page, not the file itself; get the file from the address it names",
    **{b"\x80" + bytes([n]): f"a pickle, which is never loaded, as it can run any code; {NPZ}" for n in range(2, 6)},
}
ZIPPED = {  # names in a zip file that is no npz
    "data.pkl": f"a file of torch.save, which is never unpickled; {NPZ}",
    ".zarray": f"a zarr store; {NPZ}",
    ".zgroup": f"a zarr store; {NPZ}",
    "[Content_Types].xml": f"an office document; {NPZ}",
}
FOLDERS = {  # what a folder of another kind has in it
    "run.json": "a record of a run, not data; give the file that it was trained on",
    "dataset_info.json": f"a set of tensorflow-datasets or of the package datasets; {NPZ}",
    "state.json": f"a set of the package datasets; {NPZ}",
    ".zgroup": f"a zarr store; {NPZ}",
    "zarr.json": f"a zarr store; {NPZ}",
}


class RawArrays(NamedTuple):
    """Arrays as they lie in a file, before a layout gives them a meaning.

    Attributes:
        arrays: those that are read.
        kind: what the file is, in a word.
        notes: what should be known and is no fault, a line each.
    """

    arrays: Arrays
    kind: str
    notes: tuple[str, ...] = ()


def read_path(path: Path, ignore: Collection[str] = ()) -> RawArrays:
    """Return the arrays at a path.

    Args:
        path: a file, or the folder of a Minari or LeRobot dataset.
        ignore: names of arrays that are not read.

    Raises:
        DataError: naming the file, and what is wrong with it or what it is instead.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file; give the path of a file that is there")
    if path.is_dir():
        return _folder(path, ignore)
    if path.stat().st_size == 0:
        raise DataError(f"{path}: empty; get it again")
    with path.open("rb") as stream:
        first = stream.read(64)
    for magic, what in OTHER.items():
        if first.startswith(magic):
            raise DataError(f"{path}: this is {what}")
    if first.startswith(ZIP_MAGIC):
        return _npz(path, ignore)
    if first.startswith(PARQUET_MAGIC):
        return _parquet(path, ignore)
    if first.startswith(HDF5_MAGIC) or path.suffix in (".hdf5", ".h5"):
        return _hdf5(path, ignore)
    if path.suffix == ".npz":
        raise DataError(f"{path}: not a readable npz file (its first bytes are another format's); get it again")
    what = "a text file, perhaps a table" if _is_text(first) else "of a format that is not known"
    raise DataError(f"{path}: this is {what}; {NPZ}, hdf5, Minari, robomimic and LeRobot are read too")


def _npz(path: Path, ignore: Collection[str]) -> RawArrays:
    """Return an npz file's arrays; extra ones are not even unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # of a damaged one; `read_members` says so
        names = []
    if names:
        for end, what in ZIPPED.items():
            if any(name.rpartition("/")[2] == end for name in names):
                raise DataError(f"{path}: this is {what}")
        if not any(name.endswith(".npy") for name in names):
            raise DataError(f"{path}: a zip file without an array in it; {NPZ}")
    return RawArrays(read_members(path, lambda names: wanted(names, ignore, str(path))), "npz")


def _hdf5(path: Path, ignore: Collection[str]) -> RawArrays:
    """Return an hdf5 file's arrays: Minari's, robomimic's, or those that lie at its root."""
    size = path.stat().st_size
    with opened(path) as file:
        if minari.is_minari(file):
            rows = minari.rows(file, size, whole_array, ignore)
            marks = {"terminals": rows["timeouts"], "masks": 1.0 - (rows["terminals"] != 0)}
            notes = minari.metadata_notes(path, int((rows["timeouts"] == 0).sum()))
            return RawArrays(
                {name: rows[name] for name in ("observations", "actions", "rewards")} | marks, "Minari", notes
            )
        if robomimic.is_robomimic(file):
            found, notes = robomimic.arrays(file, lambda stored: whole_array(stored, size), ignore)
            return RawArrays(found, "robomimic", tuple(f"{path}: {line}" for line in notes))
        if "observations_0" in file or "episode_terminals" in file:
            raise DataError(f"this is d3rlpy's own layout; {NPZ}, one trajectory after the other")
        names = wanted(file, ignore, str(path))
        for name in names:
            if not is_array(file[name]):
                raise DataError(
                    f"{name} is in parts ({', '.join(list(file[name])[:5])}); put them side by side in one array"
                )
        if "terminals" in names and not {"timeouts", "masks"} & set(names):
            raise DataError(
                "has terminals and no array timeouts, so nothing says which trajectories end by time; add timeouts, or "
                "masks if terminals marks every end"
            )
        return RawArrays({name: whole_array(file[name], size) for name in names}, "hdf5")


def _parquet(path: Path, ignore: Collection[str]) -> RawArrays:
    """Return a parquet file's columns: LeRobot's, or those of a layout."""
    found = lerobot.tables(path)
    names: list[str] = found[0].schema.names
    if "episode_index" in names or any(name.startswith("observation.") for name in names):
        rows, notes = lerobot.arrays(path, found, ignore)
        return RawArrays(rows, "LeRobot", notes)
    chosen = wanted(names, ignore, str(path))
    return RawArrays({name: lerobot.column(path, found, name) for name in chosen}, "parquet")


def _folder(path: Path, ignore: Collection[str]) -> RawArrays:
    """Return the arrays of a dataset that is a folder."""
    main = minari.main_file(path)
    if main != path:
        return _hdf5(main, ignore)
    if lerobot.is_lerobot(path):
        rows, notes = lerobot.arrays(path, lerobot.tables(path), ignore)
        return RawArrays(rows, "LeRobot", notes)
    for kind in ("arrow", "parquet"):
        if any(path.glob(f"data/*/part-*.{kind}")):
            raise DataError(f"{path}: a Minari set stored as {kind}; make it anew with data_format='hdf5'")
    for name, what in FOLDERS.items():
        if (path / name).exists():
            raise DataError(f"{path}: a folder, {what}")
    for kind, inside in (("Minari", minari.MAIN_FILE.as_posix()), ("LeRobot", "meta/info.json")):
        if found := sorted(path.glob(f"*/{inside}")) or sorted(path.glob(f"*/*/{inside}")):
            one = found[0].parents[1]
            raise DataError(f"{path}: a folder of several {kind} sets; give one of them, such as {one}")
    if path.name in ("data", "meta") and lerobot.is_lerobot(path.parent):
        raise DataError(f"{path}: a part of a LeRobot set; give its folder, {path.parent}")
    names = sorted(one.name for one in path.iterdir())[:3]
    raise DataError(f"{path}: a folder (with {', '.join(names) or 'nothing'} in it); give a file, or {SEE}")


def _is_text(first: bytes) -> bool:
    """Return whether a file's first bytes are readable."""
    try:
        first[:32].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > 28
    return not any(byte < 9 for byte in first)


def as_array(name: str, values: Any, where: str) -> np.ndarray:
    """Return what a mapping holds under a name as an array: numpy's, torch's, pandas', a list or an hdf5 dataset.

    Raises:
        DataError: if it is none, or has masked numbers.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise DataError(
            f"{where}: {name} has masked numbers, which an array would show as if they were there; fill them"
        )
    try:
        if hasattr(values, "detach"):
            values = values.detach().cpu()
            values = values.float() if "bfloat16" in str(values.dtype) else values
        return np.asarray(values)
    except Exception as error:  # whatever a list of unequal rows, a lazy array or a tensor elsewhere raises
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"{where}: {name} cannot be read as an array ({text}); give one of numbers") from None
