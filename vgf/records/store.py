"""Records: what a run leaves behind, so that anyone can judge it and repeat it.

    data/results/<study>.<scale>/<task>/<method>/
        seed<k>.csv         one row an evaluation episode
        seed<k>.curve.csv   one row for every `log_every` updates
        seed<k>.ranking.csv one row an episode by the best, any or the worst of N unmoved actions, where a scale asks
        run.json            each run's settings, dataset, code, machine and time; the checksum of each csv
        policy.safetensors  the last networks

A file is written whole or not at all (`vgf.support.files`), under a lock of its folder, and only ever grows: appending
a row that is there already changes nothing, so a resumed run may repeat itself. A writer that is killed leaves at most
a temporary file, which the next one removes. The trade-off is a file read again at each append, so runs append seldom.
A csv changed by hand no longer matches its checksum in `run.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from vgf.support.files import locked, sha256, write_bytes, write_json
from vgf.support.given import place
from vgf.support.json_text import read_facts
from vgf.support.paths import data_folder

SCHEMA = 1  #: of run.json; raised when a field changes its meaning
EPISODE_KEYS = ("update", "test_steps", "episode")  #: columns that name a row of episodes
CURVE_KEYS = ("update",)  #: columns that name a row of the curve
RANKING_KEYS = ("update", "choice", "particles", "episode")  #: columns that name a row of the ranking
Kind = Literal["episodes", "curve", "ranking"]  #: of rows, each in a file of its own
#: The columns that name a row, for each kind.
KEYS: Mapping[Kind, tuple[str, ...]] = {"episodes": EPISODE_KEYS, "curve": CURVE_KEYS, "ranking": RANKING_KEYS}


@dataclass(frozen=True, repr=False)
class Record:
    """One method on one task, as read back.

    Attributes:
        folder: where it lies.
        runs: entries of run.json, oldest first.
        episodes: every evaluation episode of every seed; columns seed, update, test_steps, episode, ...; empty where
            there was no environment.
        curve: means of metrics over `log_every` updates, of every seed; columns seed, update, ...
        ranking: every episode by a choice among unmoved actions, of every seed; columns seed, update, choice,
            particles, episode, ...; empty where the scale did not ask for it.
    """

    folder: Path
    runs: list[dict[str, Any]]
    episodes: pd.DataFrame
    curve: pd.DataFrame
    ranking: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __fspath__(self) -> str:
        """Return the folder: what takes a record's path takes the record."""
        return str(self.folder)

    def __repr__(self) -> str:
        seeds = [seed for run in self.runs for seed in run.get("seeds", [])]
        return f"Record({self.folder}, method {self.folder.name}, seeds {seeds}, {len(self.episodes)} episodes)"


def results_folder() -> Path:
    """Return where records go by default."""
    return data_folder() / "results"


def record_folder(study: str, scale: str, task: str, method: str, root: Path | None = None) -> Path:
    """Return the folder of one record."""
    return (root or results_folder()) / f"{study}.{scale}" / task / method


def seed_file(folder: Path, seed: int, curve: bool = False) -> Path:
    """Return a seed's file of evaluation episodes, or of its training curve."""
    return kind_file(folder, seed, "curve" if curve else "episodes")


def kind_file(folder: Path, seed: int, kind: Kind) -> Path:
    """Return a seed's file of one kind of rows."""
    return folder / f"seed{seed}{'' if kind == 'episodes' else f'.{kind}'}.csv"


def append_rows(path: Path, rows: pd.DataFrame, keys: Sequence[str]) -> int:
    """Add rows to a csv; what is there stays byte for byte, and a row whose keys are there already is left out.

    Args:
        path: the csv file; made with its folder when missing.
        rows: rows to add; the columns of the file, in any order.
        keys: columns that name a row.

    Returns:
        How many rows were added.

    Raises:
        ValueError: if the file has other columns.
    """
    with locked(path.parent):
        _clear_leftovers(path)
        before = _text(path) if path.exists() else ""
        if before:
            old = _parsed(path, before)
            if set(old.columns) != set(rows.columns):
                raise ValueError(f"{path}: has columns {list(old.columns)}, not {list(rows.columns)}; remove it first")
            rows = rows[list(old.columns)]
            there = set(old[list(keys)].itertuples(index=False, name=None))
            rows = rows[[key not in there for key in rows[list(keys)].itertuples(index=False, name=None)]]
        if len(rows):
            text = before + rows.to_csv(index=False, header=not before, float_format="%.9g", lineterminator="\n")
            write_bytes(path, text.encode())
    return len(rows)


def merge_run(folder: Path, run: Mapping[str, Any]) -> None:
    """Put a run into run.json, in place of the entry of its `id` or after the others, and seal its seeds' files."""
    path = folder / "run.json"
    with locked(folder):
        _clear_leftovers(path)
        runs = read_runs(folder) if path.exists() else []
        ids = [entry["id"] for entry in runs]
        if run["id"] in ids:
            runs[ids.index(run["id"])] = dict(run)
        else:
            runs.append(dict(run))
        files = [kind_file(folder, seed, kind) for seed in run["seeds"] for kind in KEYS]
        sealed = checksums(folder) | {file.name: sha256(file) for file in files if file.exists()}
        write_json(path, {"schema": SCHEMA, "runs": runs, "sha256": sealed})


def read_runs(folder: Path) -> list[dict[str, Any]]:
    """Return the runs of a record, oldest first.

    Raises:
        ValueError: if the record is missing or unreadable, naming it.
    """
    if not (folder / "run.json").exists():
        raise ValueError(f"no record at {folder}; `vgf train` makes it")
    runs: list[dict[str, Any]] = _content(folder)["runs"]
    return runs


def checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each csv as its run left it, by file name; empty where nothing is recorded."""
    return dict(_content(folder)["sha256"]) if (folder / "run.json").exists() else {}


def faults(folder: Path) -> list[str]:
    """Return, a line each, the files of a record that are missing or not as their run left them."""
    sealed, runs, found = checksums(folder), read_runs(folder), []
    for path in sorted(path for kind in KEYS for path in _named(folder, runs, kind).values()):
        if not path.exists():
            found.append(f"{path}: missing, though run.json names the seed")
        elif path.name not in sealed:
            found.append(f"{path}: run.json has no checksum of it")
        elif sha256(path) != sealed[path.name]:
            found.append(f"{path}: changed since its run wrote it (its checksum is not the one in run.json)")
    return found


def _named(folder: Path, runs: Sequence[Mapping[str, Any]], kind: Kind) -> dict[int, Path]:
    """Return each seed's file that run.json names; without an environment a run has no episodes, few have a ranking."""
    there = {"episodes": ("evaluated", True), "curve": ("", True), "ranking": ("ranked", False)}[kind]
    seeds = {seed for run in runs for seed in run["seeds"] if run.get(*there)}
    return {seed: kind_file(folder, seed, kind) for seed in sorted(seeds)}


def _content(folder: Path) -> dict[str, Any]:
    """Return what run.json holds.

    Raises:
        ValueError: if it cannot be read, naming it.
    """
    path = folder / "run.json"
    content = read_facts(path, schema=int, runs=list)
    if content["schema"] != SCHEMA:
        raise ValueError(f"{path}: schema {content['schema']}, this version reads {SCHEMA}")
    for at, run in enumerate(content["runs"]):
        fine = isinstance(run, dict) and isinstance(run.get("id"), str) and isinstance(run.get("seeds"), list)
        if not fine or not all(type(seed) is int for seed in run["seeds"]):
            raise ValueError(f"{path}: not a run.json (run {at} has no id or no list of seeds)")
    sealed = content.setdefault("sha256", {})
    if not isinstance(sealed, dict) or not all(isinstance(digest, str) for digest in sealed.values()):
        raise ValueError(f"{path}: not a run.json (sha256 is no mapping of checksums)")
    return content


def read_record(folder: Path | str) -> Record:
    """Return a record with all its seeds.

    Raises:
        ValueError: if it is missing or unreadable, or a csv is not as its run left it, naming it.
    """
    folder = place("folder", folder)
    runs, sealed = read_runs(folder), checksums(folder)
    frames = []
    for kind, keys in KEYS.items():
        files = _named(folder, runs, kind)
        missing = [path.name for path in files.values() if not path.exists()]
        if missing:
            raise ValueError(f"{folder}: {', '.join(missing)} missing, though run.json names the seed")
        parts = [read_csv(path, sealed.get(path.name)).assign(seed=seed) for seed, path in files.items()]
        frames.append(pd.concat(parts) if parts else pd.DataFrame(columns=[*keys, "seed"]))
    return Record(folder, runs, *(frame.reset_index(drop=True) for frame in frames))


def read_csv(path: Path, sealed: str | None = None, **options: Any) -> pd.DataFrame:
    """Return a table.

    Args:
        path: of the csv.
        sealed: SHA-256 that it must have, if known.
        options: of pandas' reader.

    Raises:
        ValueError: if it is damaged or changed, naming it.
    """
    if sealed is not None and sha256(path) != sealed:
        raise ValueError(f"{path}: changed since its run wrote it (its checksum is not the one in run.json)")
    return _parsed(path, _text(path), **options)


def _text(path: Path) -> str:
    """Return a csv's text; ValueError naming it where it is none."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a csv of this package ({error.reason} at byte {error.start})") from None


def _parsed(path: Path, text: str, **options: Any) -> pd.DataFrame:
    """Return the table in a csv's text; ValueError naming it where there is none."""
    try:
        return pd.read_csv(StringIO(text), **options)
    except (ValueError, OverflowError) as error:  # pandas' own errors are of these kinds
        raise ValueError(f"{path}: not a csv of this package ({' '.join(str(error).split())})") from None


def _clear_leftovers(path: Path) -> None:
    """Remove what a killed writer of `path` left half-written; only for who holds the folder."""
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        leftover.unlink()
