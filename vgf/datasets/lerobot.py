"""LeRobot's parquet files, as rows of steps.

    observation.state, action   list of numbers     episode_index, frame_index, index, task_index, timestamp
    next.reward, next.done, next.success            observation.images.*: not read

A row is a frame, and only a set made in simulation, or labelled, has `next.reward`. `next.done` marks the last frame of
an episode; it counts as the end of the task, unless `next.success` is there and says that nothing was reached. Several
flat observations are put side by side in alphabetical order, which is told, as a player must do the same.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vgf.support.errors import DataError
from vgf.support.json_text import read_facts

Arrays = dict[str, np.ndarray]
INDICES = ("timestamp", "frame_index", "episode_index", "index", "task_index", "seed", "subtask_index")
NEXT = ("next.reward", "next.done", "next.success")


def is_lerobot(folder: Path) -> bool:
    """Return whether a folder is a LeRobot dataset's."""
    return (folder / "meta" / "info.json").is_file() and any((folder / "data").rglob("*.parquet"))


def tables(path: Path) -> list[Any]:
    """Return the parquet tables of a file, or of a folder in the order of their names.

    Raises:
        DataError: without pyarrow, or naming the file that is damaged.
    """
    if find_spec("pyarrow") is None:
        raise DataError(f"{path}: a parquet file needs the package pyarrow; pip install pyarrow")
    import pyarrow
    from pyarrow import parquet

    found = []
    for file in sorted((path / "data").rglob("*.parquet")) if path.is_dir() else [path]:
        try:
            found.append(parquet.ParquetFile(file, page_checksum_verification=True).read())
            found[-1].schema.names  # noqa: B018  # decodes them
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            text = " ".join(str(error).split())[:120]
            raise DataError(f"{file}: not a readable parquet file ({text}); get it again") from None
    if len({tuple(table.schema.names) for table in found}) > 1:
        raise DataError(f"{path}: its parquet files have unequal columns; write them alike")
    return found


def arrays(path: Path, found: list[Any], ignore: Collection[str]) -> tuple[Arrays, tuple[str, ...]]:
    """Return the frames of tables as rows of steps, and what should be known of them.

    Raises:
        DataError: naming the file and the column that is missing, of another kind or not known.
    """
    names = found[0].schema.names
    seen = [name for name in names if name.startswith("observation.") and name not in ignore]
    for name in names:
        if name not in (*seen, "action", *INDICES, *NEXT) and name not in ignore:
            raise DataError(
                f"{path}: has a column {name!r}, which is not read; say ignore=({name!r},) if that is meant"
            )
    for name in ("action", "episode_index", "next.reward"):
        if name not in names:
            remedy = "label the frames with rewards" if name == "next.reward" else "see the layouts in data/README.md"
            raise DataError(f"{path}: has no column {name}, which training needs; {remedy}")
    if not seen:
        raise DataError(f"{path}: has no column observation.state; see the layouts in data/README.md")
    columns = {name: column(path, found, name) for name in (*seen, "action", "episode_index")}
    columns |= {name: column(path, found, name) for name in (*NEXT, "frame_index") if name in names}
    last = _last_rows(path, columns)
    done = columns.get("next.done", np.zeros(len(last))).reshape(-1) != 0
    if "next.success" in columns:
        done &= columns["next.success"].reshape(-1) != 0
    rows = {
        "observations": np.concatenate([columns[name].reshape(len(last), -1) for name in sorted(seen)], axis=1),
        "actions": columns["action"],
        "rewards": columns["next.reward"].reshape(-1),
        "terminals": done,
        "timeouts": last & ~done,
    }
    notes = [f"{path}: observations are {', '.join(sorted(seen))}, side by side in this order"] * (len(seen) > 1)
    if "task_index" in names and (tasks := len(np.unique(column(path, found, "task_index")))) > 1:
        notes.append(f"{path}: these are frames of {tasks} tasks (task_index), and which one is not read")
    features, frames = _described(path)
    if frames not in (None, len(last)):
        notes.append(f"{path}: meta/info.json tells of {frames} frames, and {len(last)} are there")
    if films := [name for name, row in features.items() if row.get("dtype") == "video" and name not in names]:
        notes.append(f"{path}: {', '.join(films)} are films beside the table, and are not read")
    return rows, tuple(notes)


def column(path: Path, found: list[Any], name: str) -> np.ndarray:
    """Return a column of all tables as one array: [R] of numbers, [R, size] of lists of one length.

    Raises:
        DataError: naming the column that holds something else or nothing in places.
    """
    parts = []
    for table in found:
        chunk = table.column(name).combine_chunks()
        if chunk.null_count:
            raise DataError(
                f"{path}: column {name!r} has nothing in {chunk.null_count} rows; fill them or leave them out"
            )
        rows = len(chunk)
        flat = chunk.flatten() if hasattr(chunk, "flatten") and "list" in str(chunk.type) else chunk
        values = flat.to_numpy(zero_copy_only=False)
        if values.dtype.kind not in "fiub" or (rows and len(values) % rows) or _is_ragged(chunk):
            kind = " ".join(str(chunk.type).split())[:60]
            raise DataError(
                f"{path}: column {name!r} is of type {kind}, expected numbers or lists of one length; say "
                f"ignore=({name!r},) if it is not to be read"
            )
        parts.append(values.reshape(rows, -1) if flat is not chunk else values)
    if len({part.shape[1:] for part in parts}) > 1:
        raise DataError(f"{path}: column {name!r} has other lengths in other files; write them alike")
    return np.concatenate(parts)


def _is_ragged(chunk: Any) -> bool:
    """Return whether the lists of a column are of unequal lengths."""
    if not hasattr(chunk, "value_lengths"):
        return False
    lengths = chunk.value_lengths().to_numpy(zero_copy_only=False)
    return bool((lengths != lengths[:1]).any())


def _last_rows(path: Path, columns: Arrays) -> np.ndarray:
    """Return where an episode ends [R], after checking that frames are in order."""
    episode = columns["episode_index"].reshape(-1)
    ends = np.append(episode[1:] != episode[:-1], True)
    if len(np.unique(episode)) != int(ends.sum()):
        raise DataError(f"{path}: an episode's frames are not together (episode_index); sort them")
    frame = columns.get("frame_index")
    if frame is not None and bool(((np.diff(frame.reshape(-1)) != 1) & ~ends[:-1]).any()):
        raise DataError(f"{path}: frames are missing or out of order (frame_index); sort them, or get it again")
    return ends


def _described(path: Path) -> tuple[dict[str, dict[str, Any]], Any]:
    """Return the features that meta/info.json describes, and how many frames it tells of, None where it does not."""
    try:
        facts = read_facts(path / "meta" / "info.json", features=dict)
    except (OSError, ValueError):
        return {}, None
    return {name: row for name, row in facts["features"].items() if isinstance(row, dict)}, facts.get("total_frames")
