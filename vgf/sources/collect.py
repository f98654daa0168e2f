"""Datasets collected by a trained policy, from finished episodes to the official file.

The episodes are parts on disk (`parts`), so a collection resumes after a kill and does not depend on the number of
workers. What comes out is OGBench's npz with its validation file (park2025ogbench), or D4RL's hdf5 (fu2020d4rl): an
array per key, gzip, `metadata/` beside them. HDF5 stores no time of writing here, so equal arrays give equal bytes.
"""

from __future__ import annotations

import json
import math
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from vgf.datasets.files import Arrays, content_digest, sidecar, validation_path
from vgf.sources.parts import Episode, EpisodeWork, alone, join_parts, joined_parts, make_parts, write_hdf5
from vgf.support.errors import DataError
from vgf.support.files import sha256, write_json
from vgf.support.json_text import read_facts
from vgf.support.paths import checkout_data, data_folder
from vgf.support.provenance import blas_kernel, fingerprint

PACKAGES = ("ogbench", "mujoco", "gymnasium", "numpy", "h5py")
BATCH = 64  # episodes before the first look at the number of rows


@dataclass(frozen=True)
class Collection:
    """What decides the bits of a collected file.

    Attributes:
        dataset: official name.
        recipe: the engine's own settings, a frozen dataclass.
        engine: module that runs it, see `parts.EpisodeWork`; its name alone is recorded, so that a module may move.
        seed: >= 0.
        episodes: per split; a second split is the validation file of an npz, or what follows in an hdf5.
        most_rows: where to cut each split; None for all rows of all episodes.
        recipe_version: raised when the same settings would give other bits.
    """

    dataset: str
    recipe: Any
    engine: str
    seed: int
    episodes: tuple[int, ...]
    most_rows: int | None = None
    recipe_version: int = 1

    @property
    def facts(self) -> dict[str, Any]:
        """The settings and the versions that matter, as JSON would give them back."""
        more = {"splits": self.episodes, "versions": {name: version(name) for name in PACKAGES}}
        return json.loads(json.dumps(asdict(self) | {"episodes": self.episodes[0]} | more))

    @property
    def key(self) -> str:
        """A short digest of everything an episode's bits depend on."""
        values = {k: value for k, value in self.facts.items() if k not in ("episodes", "splits", "most_rows")}
        return fingerprint(values | {"blas": blas_kernel()})


def policy_path(file: str) -> Path:
    """Return where a policy lies: in the data folder, which VGF_DATA may move, else where the checkout ships it."""
    places = [folder / "policies" / file for folder in (data_folder(), checkout_data())]
    return next(filter(Path.exists, places), places[0])


def collected_path(dataset: str, suite: str, seed: int, episodes: int | None) -> Path:
    """Return where a collected file goes by default."""
    suffix = {"ogbench": ".npz", "d4rl": ".hdf5"}[suite]
    return data_folder() / "cache" / suite / f"{dataset}.seed{seed}.{f'ep{episodes}' if episodes else 'full'}{suffix}"


def collect(
    collection: Collection,
    path: Path,
    workers: int = 1,
    metadata: Mapping[str, Any] | None = None,
    *,
    progress: bool = True,
) -> Path:
    """Make a collection's file and return its path; one that is there already is kept.

    Args:
        collection: what to make.
        path: the file, ending in .npz or .hdf5; OUT.json beside it says how it was made.
        workers: processes, each running one simulator.
        metadata: goes into an hdf5 file under `metadata/`.
        progress: whether to report on stderr.

    Raises:
        DataError: naming the argument or the place and the remedy.
    """
    check_arguments(collection.episodes[0], collection.seed, workers)
    if path.suffix not in (".npz", ".hdf5"):
        raise DataError(f"{path}: the file to write must end in .npz or .hdf5")

    def build(parts: Path) -> Arrays:
        work = EpisodeWork(collection.recipe, collection.seed, parts, collection.engine)
        splits = range(len(collection.episodes))
        made = [_make_split(work, collection, split, workers, path.stem, progress) for split in splits]
        return _write(parts, made, collection, path, metadata or {})

    return make(path, collection.facts, collection.key, build)


def make(path: Path, facts: Mapping[str, Any], key: str, build: Callable[[Path], Arrays]) -> Path:
    """Make a file from parts, unless it is there already; then its sidecar, and clear the parts away. Return its path.

    Args:
        path: the file.
        facts: the settings it is made with.
        key: digest of what the parts depend on, which names their folder.
        build: makes the parts in a folder and writes the file; what that leaves undone, another call goes on with.

    Raises:
        DataError: when something else is in the file's place, or what is there is damaged.
    """
    parts = path.with_name(f"{path.stem}.parts-{key}")
    if is_made(path, facts, parts):
        return path
    with alone(parts):
        if not is_made(path, facts, parts):
            started = time.monotonic()
            finish(path, facts, build(parts), started)
            shutil.rmtree(parts, ignore_errors=True)
    return path


def check_arguments(episodes: int, seed: int, workers: int, rows: int | None = None) -> None:
    """Refuse what no collection can have.

    Raises:
        DataError: naming the argument.
    """
    for what, value, least in (
        ("episodes", episodes, 1),
        ("workers", workers, 1),
        ("seed", seed, 0),
        ("rows", rows, 2),
    ):
        if value is not None and value < least:
            raise DataError(f"{what} must be >= {least}, got {value}")


def is_made(path: Path, facts: Mapping[str, Any], parts: Path | None = None) -> bool:
    """Return whether the file is there, made with these settings (whatever the packages' versions) and undamaged.

    Raises:
        DataError: when something else is in its place, unless `parts` holds those of a run that had begun to write it.
    """
    if not path.exists():
        return False
    if not sidecar(path).exists():
        if parts and any(parts.glob("*.npz")):
            return False
        raise DataError(f"{path}: already there, and nothing says how it was made; choose another --out or remove it")
    there = read_facts(sidecar(path), f"remove it and {path.name}, and run again", sha256=str)
    there["engine"] = str(there.get("engine")).split(".")[-1]  # before modules moved it was a whole path
    unequal = [name for name in facts if name != "versions" and there.get(name) != facts[name]]
    if unequal:
        raise DataError(f"{path}: already there with other {', '.join(unequal)}; choose another --out or remove it")
    if there["sha256"] != sha256(path) or (path.suffix == ".npz" and not validation_path(path).exists()):
        raise DataError(f"{path}: does not match {sidecar(path).name} beside it; remove both and run again")
    return True


def finish(path: Path, facts: Mapping[str, Any], arrays: Arrays, started: float) -> None:
    """Write the sidecar: settings, size, digests, machine and the seconds since it was started."""
    own = {
        "rows": len(arrays["terminals"]),
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
        "content": content_digest(arrays),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "blas": blas_kernel(),
        "seconds": round(time.monotonic() - started, 1),
    }
    second = {"sha256_validation": sha256(validation_path(path))} if path.suffix == ".npz" else {}
    write_json(sidecar(path), dict(facts) | own | second)


def _make_split(
    work: EpisodeWork, collection: Collection, split: int, workers: int, what: str, progress: bool
) -> list[Episode]:
    """Make one split's parts and return them, only as many as `most_rows` needs."""
    count, most = collection.episodes[split], collection.most_rows
    if most is None:
        episodes = [Episode(split, i) for i in range(count)]
        make_parts(work, episodes, workers, what, progress)
        return episodes
    made: list[Episode] = []
    rows = 0
    while rows < most and len(made) < count:
        wanted = math.ceil((most - rows) * len(made) / rows * 1.02) if rows else BATCH
        batch = [Episode(split, len(made) + i) for i in range(min(wanted, count - len(made)))]
        make_parts(work, batch, workers, f"{what} ({rows:,} of {most:,} rows)", progress)
        rows += sum(_rows(work.folder / episode.file) for episode in batch)
        made += batch
    return made


def _rows(part: Path) -> int:
    """Return the number of rows of a part."""
    with np.load(part, allow_pickle=False) as arrays:
        return len(arrays["terminals"])


def _write(
    parts: Path, splits: Sequence[list[Episode]], collection: Collection, path: Path, metadata: Mapping[str, Any]
) -> Arrays:
    """Join the parts into the official file or files."""
    if path.suffix == ".npz":
        join_parts(parts, splits[1], validation_path(path))
        return join_parts(parts, splits[0], path)
    joined = [cut(joined_parts(parts, split), collection.most_rows) for split in splits]
    arrays = {name: np.concatenate([part[name] for part in joined]) for name in joined[0]}
    write_hdf5(path, arrays, metadata)
    return arrays


def cut(arrays: Arrays, most_rows: int | None) -> Arrays:
    """Return the first rows; a trajectory that is cut ends in a timeout, so that no reader joins it to the next."""
    if most_rows is None or len(arrays["terminals"]) <= most_rows:
        return arrays
    arrays = {name: values[:most_rows].copy() for name, values in arrays.items()}
    arrays["timeouts"][-1] = not arrays["terminals"][-1]
    return arrays
