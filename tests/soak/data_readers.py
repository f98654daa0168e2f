"""Readers of datasets, of preferences and of experiment files."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import yaml
from pyarrow import parquet

from tests.helpers import layouts
from tests.helpers.dataset_files import d4rl_arrays, ogbench_arrays, read_hdf5, write_hdf5
from tests.helpers.toy_runs import EXPERIMENT
from tests.soak.readers import Content, Reader, Unsure, plain
from vgf.datasets.own import read_own
from vgf.rlhf.parts.preferences import read_jsonl
from vgf.sources.check import read_any
from vgf.training.experiments import read_experiment

ROWS = [{"prompt": f"what is {k}?", "chosen": f"it is café {k}", "rejected": "no\n"} for k in range(8)]


def own(name: str) -> Callable[[Path], Content]:
    """Return a function that reads what lies under a name as somebody's own data."""
    return lambda folder: dict(read_own(folder / name)[0].columns)


def stored(path: Path) -> dict[str, tuple[int, np.ndarray]]:
    """Return where in an hdf5 file the numbers of each array lie, and the numbers."""
    found: dict[str, tuple[int, np.ndarray]] = {}

    def visit(name: str, one: Any) -> None:
        if isinstance(one, h5py.Dataset) and one.id.get_offset() is not None:
            found[name] = (int(one.id.get_offset()), one[()])

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def as_stored(read: Callable[[Path], Content]) -> Callable[[Path, Path, bytes], Content]:
    """Return what an hdf5 file says: the bytes where the good file's numbers lie, in a file whose structure is good."""

    def told(good: Path, name: Path, content: bytes) -> Content:
        twin = good.with_name(f"{good.name}-twin")
        shutil.rmtree(twin, ignore_errors=True)
        shutil.copytree(good, twin)
        if len(content) != (good / name).stat().st_size:
            raise Unsure
        with h5py.File(twin / name, "r+") as file:
            for key, (at, values) in stored(good / name).items():
                file[key][...] = np.frombuffer(content[at : at + values.nbytes], values.dtype).reshape(values.shape)
        return read(twin)

    return told


def as_addressed(read: Callable[[Path], Content]) -> Callable[[Path, Path, bytes], Content]:
    """Return what hdf5's own library finds where a file without checksums says that its arrays lie."""

    def told(good: Path, name: Path, content: bytes) -> Content:
        twin = good.with_name(f"{good.name}-twin")
        shutil.rmtree(twin, ignore_errors=True)
        shutil.copytree(good, twin)
        (twin / name).write_bytes(content)
        write_hdf5(twin / name, read_hdf5(twin / name))
        return read(twin)

    return told


def as_columns(read: Callable[[Path], Content]) -> Callable[[Path, Path, bytes], Content]:
    """Return what a parquet file of plain pages says, in the same way."""

    def told(good: Path, name: Path, content: bytes) -> Content:
        whole, table = (good / name).read_bytes(), parquet.read_table(good / name)
        columns = {}
        for key in table.schema.names:
            values = np.array(table.column(key).to_pylist(), np.float32)
            at = whole.find(values.tobytes())
            columns[key] = np.frombuffer(content[at : at + values.nbytes], np.float32).reshape(values.shape)
        twin = good.with_name(f"{good.name}-twin")
        twin.mkdir(exist_ok=True)
        write_parquet(twin / name, columns)
        return read(twin)

    return told


def write_parquet(path: Path, arrays: dict[str, np.ndarray], **how: Any) -> None:
    """Write columns as float32, in plain pages, so that it is known where each number lies."""
    rows = {name: values.astype(np.float32) for name, values in arrays.items()}
    table = pa.table({name: list(v) if v.ndim == 2 else v for name, v in rows.items()})
    parquet.write_table(table, path, compression="NONE", use_dictionary=False, **how)


def lerobot(path: Path) -> None:
    """Write LeRobot's folder, its pages with checksums."""
    layouts.lerobot(path)
    for file in path.rglob("*.parquet"):
        parquet.write_table(parquet.read_table(file), file, write_page_checksum=True)


def as_lines(good: Path, name: Path, content: bytes) -> Content:
    """Return what lines of JSON say."""
    try:
        text = content.decode("utf-8-sig")
        is_list = text.lstrip().startswith("[") and not text.lstrip().startswith("[]")
        rows = json.loads(text) if is_list else [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError):
        raise Unsure from None
    found = [{key: row[key] for key in ("prompt", "chosen", "rejected")} for row in rows]
    return [row for row in found if row["chosen"] and row["rejected"]]  # empty ones are left out, with a word


def experiment(folder: Path) -> Content:
    """Return an experiment file's content."""
    return plain(asdict(read_experiment(folder / "study.yaml")))


def read_yaml_plainly(text: str) -> Any:
    """Return what YAML's own reader, in C as here, finds in a text."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def experiment_told(good: Path, name: Path, content: bytes) -> Content:
    """Return the experiment of the plain data that a YAML reader finds, written anew."""
    try:
        data = read_yaml_plainly(content.decode())
        twin = good.with_name(f"{good.name}-twin")
        twin.mkdir(exist_ok=True)
        (twin / name).write_text(yaml.safe_dump(data, sort_keys=False))
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Unsure from None
    return experiment(twin)


def into(name: str, write: Callable[[Path], Any]) -> Callable[[Path], None]:
    """Return a maker that writes one thing under a name."""
    return lambda folder: write(folder / name) and None


def hdf5_of(arrays: dict[str, Any], **how: Any) -> Callable[[Path], None]:
    """Return a maker of an hdf5 file whose arrays are stored in a certain way."""

    def make(folder: Path) -> None:
        with h5py.File(folder / "mine.hdf5", "w") as file:
            for name, values in arrays.items():
                file.create_dataset(name, data=values, **how)

    return make


def jsonl(folder: Path) -> Content:
    """Return the rows of preferences."""
    return list(read_jsonl(next(folder.iterdir())))


LINES = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
OWN, D4RL = own("mine.npz"), own("mine.hdf5")
READERS = (
    Reader(
        "npz, trajectories", "binary", 700, into("mine.npz", lambda p: layouts.npz(p, layouts.with_last_rows())), OWN,
    ),
    Reader(
        "npz, transitions, compressed", "binary", 700,
        into("mine.npz", lambda p: np.savez_compressed(p, **layouts.as_ogbench_loads())), OWN,
    ),
    Reader(
        "npz, OGBench's own", "binary", 700, into("mine.npz", lambda p: np.savez_compressed(p, **ogbench_arrays())),
        lambda folder: read_any(folder / "mine.npz"),
    ),
    Reader(
        "hdf5, D4RL", "binary", 1000, into("mine.hdf5", lambda p: write_hdf5(p, d4rl_arrays())), D4RL,
        told=as_stored(D4RL), unprovable=as_addressed(D4RL),
    ),
    Reader(
        "hdf5, packed, with checksums", "binary", 500,
        hdf5_of(layouts.as_d4rl_has_it(), chunks=True, compression="gzip", fletcher32=True), D4RL, told=as_stored(D4RL),
    ),
    Reader(
        "hdf5, Minari", "binary", 700, into("set", layouts.minari), own("set"), ("set/data/*",), as_stored(own("set")),
        as_addressed(own("set")),
    ),
    Reader(
        "hdf5, robomimic", "binary", 700, into("mine.hdf5", layouts.robomimic), D4RL, told=as_stored(D4RL),
        unprovable=as_addressed(D4RL),
    ),
    Reader(
        "parquet, plain", "binary", 500,
        into("mine.parquet", lambda p: write_parquet(p, layouts.as_ogbench_loads())), own("mine.parquet"),
        told=as_columns(own("mine.parquet")),
    ),
    Reader(
        "parquet, LeRobot", "binary", 300, into("set", lerobot), own("set"), ("set/data/**/*",),
    ),
    Reader("jsonl", "json", 900, into("p.jsonl", lambda p: p.write_text(LINES)), jsonl, told=as_lines),
    Reader(
        "jsonl, gzip", "binary", 200, into("p.jsonl.gz", lambda p: p.write_bytes(gzip.compress(LINES.encode()))), jsonl,
    ),
    Reader(
        "JSON list", "json", 200, into("p.json", lambda p: p.write_text(json.dumps(ROWS, indent=1))), jsonl,
        told=as_lines,
    ),
    Reader(
        "yaml, experiments", "text", 1000, into("study.yaml", lambda p: p.write_text(yaml.safe_dump(EXPERIMENT))),
        experiment, told=experiment_told,
    ),
)  # fmt: skip
