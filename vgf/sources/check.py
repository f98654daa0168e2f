"""Checking a dataset file, and saying what is in it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Collection
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from vgf.datasets.files import Arrays, content_digest, read_npz, sidecar, validation_path
from vgf.datasets.hdf5 import read_hdf5, transition_rows
from vgf.datasets.minari import main_file
from vgf.datasets.own_rows import read_own
from vgf.datasets.tasks import DATASETS, TASKS, Dataset, get_dataset
from vgf.support.content import content_of, files_of
from vgf.support.errors import DataError
from vgf.support.files import sha256
from vgf.support.given import place
from vgf.support.host import processor_kind
from vgf.support.json_text import read_facts
from vgf.support.paths import as_seen_from_here, data_folder

AVX512 = ("SkylakeX", "Cooperlake", "SapphireRapids")  # OpenBLAS's kernels for processors that have it
CHANGED = (3, 5)  # the version of MuJoCo from which on some robots move otherwise: data/README.md


def read_any(path: Path, dataset: Dataset | None = None, *, suffix: str | None = None) -> Arrays:
    """Return a file's arrays, checked, by the reader its suffix (or `suffix`) names.

    Raises:
        DataError: naming the file and what is wrong with it.
    """
    path = main_file(Path(path))
    kind = suffix or path.suffix
    if kind not in _READERS:
        raise DataError(f"{path}: a file ending in {kind or 'nothing'} is no dataset; known: {', '.join(_READERS)}")
    return _READERS[kind](path, dataset)


_READERS: dict[str, Callable[[Path, Dataset | None], Arrays]] = {
    ".npz": lambda path, dataset: read_npz(path, dataset, everything=True),
    ".hdf5": read_hdf5,
}


def named_after(path: Path) -> Dataset | None:
    """Return the row whose official file or regenerated files have a name like a file's, which may be anybody's."""
    named = [row for row in DATASETS.values() if path.name == row.file or path.name.startswith(f"{row.name}.")]
    named += [row for row in DATASETS.values() if row.validation and path.name == validation_path(Path(row.file)).name]
    return named[0] if named else None


def _is_ours(path: Path) -> bool:
    """Return whether a file is this project's own: it has a sidecar, or lies in the cache, where only such lie."""
    cache = (data_folder() / "cache").resolve()
    return sidecar(_training(path)).exists() or path.resolve().is_relative_to(cache)


def _as_own(path: Path, ignore: Collection[str], named: Dataset | None) -> dict[str, Any] | None:
    """Return the report of a file of somebody's own, None where it is to be read as a dataset's.

    A name alone says little: people call their files after what they were made from. So a file that is not this
    project's is read as `vgf.fit` reads it, but for what only a dataset's row gives a meaning (simulator state in the
    place of rewards) and for a good file under the official name.
    """
    if named is None:
        return None if _is_labelled_later(path) else _own_report(path, ignore)
    if _is_labelled_later(path):
        return None
    if path.name in (named.file, validation_path(Path(named.file)).name):
        with suppress(DataError):
            read_any(path, named)
            return None
    report = _own_report(path, ignore)
    note = (
        f"{path}: called after {named.name}, and read as a file of your own all the same, as vgf.fit reads it; "
        f"`vgf data get {named.name} --path FILE` checks it as that dataset"
    )
    return report | {"notes": [note, *report["notes"]]}


def check_file(path: Path, ignore: Collection[str] = ()) -> dict[str, Any]:
    """Return what is in a dataset file, after checking all of it; one of your own as `vgf.fit` would read it.

    Args:
        path: the file, or the folder of a Minari or LeRobot dataset.
        ignore: names of arrays in a file of your own that are not to be read.

    Returns:
        file, dataset, source, rows, trajectories, transitions, observation_size, action_size, action_range,
        observation_range, bytes, sha256, and `checksum`, which says what the sha256 was held to; for a file of your own
        also `layout`. `notes` of a file of your own and of an official one: what should be known of it.

    Raises:
        DataError: naming the file and what is wrong with it.
    """
    path = main_file(as_seen_from_here(place("data", path)))
    if path.is_dir():  # no dataset of ours is one; `.` and `/` have no name to ask
        return _own_report(path, ignore)
    dataset = named_after(path)
    if _is_ours(path):
        dataset = get_dataset(_facts(path)["dataset"]) if sidecar(_training(path)).exists() else dataset
        own = None if dataset else _own_report(path, ignore)
    else:
        own = _as_own(path, ignore, dataset)
    if own is not None:
        return own
    arrays = read_any(path, dataset)
    trajectories, transitions = _counts(arrays, dataset)
    digest = sha256(path)
    source, checksum = _held_to(path, dataset, digest, arrays)
    notes = {"notes": [line]} if source == "official" and (line := _later_simulator(path)) else {}
    return {
        "file": path.name,
        "dataset": dataset.name if dataset else None,
        "source": source,
        "rows": len(arrays["terminals"]),
        "trajectories": trajectories,
        "transitions": transitions,
        **_sizes(arrays),
        "bytes": path.stat().st_size,
        "sha256": digest,
        "checksum": checksum,
    } | notes


def _later_simulator(path: Path) -> str:
    """Return what should be known of an official file where the simulator is a later one, or nothing."""
    with suppress(PackageNotFoundError):
        installed = version("mujoco")
        if tuple(map(int, installed.split(".")[:2])) >= CHANGED:
            rules = ".".join(map(str, CHANGED))
            return (
                f"{path.name}: recorded before MuJoCo {rules} and scored in {installed}, in which the manipulation "
                "arm, hopper and ants move otherwise; data/README.md says how"
            )
    return ""


def _is_labelled_later(path: Path) -> bool:
    """Return whether an npz file has the simulator's state in the place of rewards, as OGBench's sets have."""
    if path.suffix != ".npz" or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return "qpos.npy" in names and "rewards.npy" not in names


def _own_report(path: Path, ignore: Collection[str]) -> dict[str, Any]:
    """Return what is in a file of somebody's own."""
    read, kind = read_own(path, ignore)
    columns = read.columns
    digest = content_of(path)
    return {
        "file": path.name,
        "dataset": None,
        "source": "local",
        "rows": read.rows,
        "trajectories": int(np.count_nonzero(columns["terminals"])),
        "transitions": len(columns["rewards"]),
        **_sizes(columns),
        "bytes": sum(file.stat().st_size for file in files_of(path)),
        "sha256": digest,
        "checksum": "none known for this file",
        "layout": f"{kind}: {read.layout}",
        "notes": list(read.notes),
    }


def _sizes(columns: Arrays) -> dict[str, Any]:
    """Return widths and ranges of observations and actions."""
    pairs = {name: columns[f"{name}s"] for name in ("observation", "action")}
    sizes = {f"{name}_size": values.shape[1] for name, values in pairs.items()}
    return sizes | {f"{name}_range": [float(v.min()), float(v.max())] for name, v in pairs.items()}


def _counts(arrays: Arrays, dataset: Dataset | None) -> tuple[int, int]:
    """Return the numbers of trajectories and of transitions."""
    if "timeouts" not in arrays:
        ends = int(np.count_nonzero(arrays["terminals"]))
        return ends, len(arrays["terminals"]) - ends
    goes_on = [
        not task.terminals_end_trajectories for task in TASKS.values() if dataset and task.dataset == dataset.name
    ]
    rows, ends_or_breaks = transition_rows(arrays, not any(goes_on))
    return int(np.count_nonzero(ends_or_breaks)), len(rows)


def _held_to(path: Path, dataset: Dataset | None, digest: str, arrays: Arrays) -> tuple[str, str]:
    """Return a file's source and what its checksum was compared with."""
    if dataset is not None and digest in dataset.sha256:
        return "official", "equal to the official file's"
    training = _training(path)
    if not sidecar(training).exists():
        return "local", "none known for this file"
    key = "sha256" if path == training else "sha256_validation"
    facts = _facts(path)
    if facts[key] != digest:
        raise DataError(f"{path}: its sha256 is not the one in {sidecar(training).name}; remove both and get it again")
    recorded = recorded_files().get(training.name)
    if recorded is None:
        return "regenerated", "equal to its sidecar's; no other on record"
    if recorded[key] == digest:
        return "regenerated", "equal to the one on record"
    if path == training and recorded["content"] == content_digest(arrays):
        return "regenerated", "arrays equal to those on record, packed otherwise"
    other = [name for name, version in recorded["versions"].items() if facts["versions"].get(name) != version]
    kernels = facts.get("blas"), recorded.get("blas")
    if not other and all(kernels) and len({*kernels}) > 1:
        made, known = kernels
        able = known not in AVX512 or processor_kind().startswith(("amx", "avx512"))
        remedy = f"; OPENBLAS_CORETYPE={known}" if able else ", which only a processor with AVX-512 can run"
        return "regenerated", f"not the one on record: numpy's kernel {made}, there {known}{remedy}"
    return "regenerated", f"not the one on record: other {', '.join(other) or 'processor'}"


def _training(path: Path) -> Path:
    """Return the training file a validation file belongs to, or the path itself."""
    return path.with_name(f"{path.stem.removesuffix('-val')}{path.suffix}")


def recorded_files() -> dict[str, dict[str, Any]]:
    """Return the regenerated files on record in data/datasets.json, by file name."""
    register = data_folder() / "datasets.json"
    if not register.exists():
        return {}
    return {entry["file"]: entry for entry in read_facts(register, regenerated=list)["regenerated"]}


def _facts(path: Path) -> dict[str, Any]:
    """Return a file's sidecar.

    Raises:
        DataError: when it is damaged.
    """
    beside = sidecar(_training(path))
    try:
        facts = read_facts(beside, dataset=str)
        get_dataset(facts["dataset"])
        return facts
    except ValueError as error:
        raise DataError(f"{beside}: damaged; remove it and {path.name}, and get them again") from error
