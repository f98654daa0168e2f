"""One little set of trajectories in the layouts that people have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
from pyarrow import parquet

COUNT, STEPS, WIDTH, D = 3, 4, 3, 2  # trajectories, transitions of each, widths
Arrays = dict[str, Any]


def whole() -> Arrays:
    """Return every transition of three trajectories; the first and the last end with the task, the second by time."""
    rng = np.random.default_rng(0)
    states = rng.normal(size=(COUNT, STEPS + 1, WIDTH)).astype(np.float32)
    ends = np.tile(np.arange(STEPS) == STEPS - 1, COUNT)
    done = ends & np.repeat([True, False, True], STEPS)
    return {
        "observations": states[:, :-1].reshape(-1, WIDTH),
        "next_observations": states[:, 1:].reshape(-1, WIDTH),
        "actions": rng.uniform(-1, 1, (COUNT * STEPS, D)).astype(np.float32),
        "rewards": done.astype(np.float32),
        "ends": ends.astype(np.float32),
        "done": done.astype(np.float32),
        "states": states,
    }


def with_last_rows() -> Arrays:
    """Return the same in our layout: a last row a trajectory, with an action and a reward that nobody reads."""
    data = whole()

    def longer(values: np.ndarray, last: float) -> np.ndarray:
        by = values.reshape(COUNT, STEPS, -1)
        return np.concatenate([by, np.full((COUNT, 1, by.shape[2]), last, by.dtype)], 1).reshape(
            COUNT * (STEPS + 1), -1
        )

    return {
        "observations": data["states"].reshape(-1, WIDTH),
        "actions": longer(data["actions"], 7.0),
        "rewards": longer(data["rewards"], np.nan)[:, 0],
        "terminals": np.tile(np.arange(STEPS + 1) == STEPS, COUNT),
        "masks": longer(1 - data["done"], 0.5)[:, 0],
    }


def as_ogbench_loads() -> Arrays:
    data = whole()
    kept = {name: data[name] for name in ("observations", "next_observations", "actions", "rewards")}
    return kept | {"terminals": data["ends"], "masks": 1 - data["done"]}


def as_d4rl_has_it(follow: bool = True) -> Arrays:
    data = whole()
    names = ("observations", "actions", "rewards", *(("next_observations",) if follow else ()))
    return {name: data[name] for name in names} | {"terminals": data["done"], "timeouts": data["ends"] - data["done"]}


def npz(path: Path, arrays: Arrays) -> Path:
    np.savez(path, **arrays)
    return path


def hdf5(path: Path, arrays: Arrays) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path


def minari(path: Path) -> Path:
    data, folder = whole(), path / "data"
    folder.mkdir(parents=True)
    with h5py.File(folder / "main_data.hdf5", "w") as file:
        for k in range(COUNT):
            part = slice(k * STEPS, (k + 1) * STEPS)
            group = file.create_group(f"episode_{k}")
            group["observations"], group["actions"] = data["states"][k], data["actions"][part]
            group["rewards"], group["terminations"] = data["rewards"][part], data["done"][part] > 0
            group["truncations"] = (data["ends"] - data["done"])[part] > 0
    return path


def robomimic(path: Path, follow: bool = True, more: Callable[[Any], None] = lambda demo: None) -> Path:
    data = whole()
    with h5py.File(path, "w") as file:
        for k in range(COUNT):
            part = slice(k * STEPS, (k + 1) * STEPS)
            demo = file.create_group(f"data/demo_{k}")
            for group, name in (("obs", "observations"), ("next_obs", "next_observations")):
                if group == "obs" or follow:
                    demo[f"{group}/object"] = data[name][part, :1]
                    demo[f"{group}/robot0_eef_pos"] = data[name][part, 1:]
            demo["actions"], demo["rewards"] = data["actions"][part], data["rewards"][part]
            demo["dones"], demo["states"] = data["done"][part].astype(np.int64), np.zeros((STEPS, 9))
            more(demo)
        file["mask/train"] = np.array([b"demo_0"])
    return path


def lerobot(path: Path, drop: tuple[str, ...] = (), **more: Any) -> Path:
    data = whole()
    (path / "data" / "chunk-000").mkdir(parents=True)
    (path / "meta").mkdir()
    features = {"observation.images.top": {"dtype": "video"}, "action": {"dtype": "float32"}}
    (path / "meta" / "info.json").write_text(json.dumps({"codebase_version": "v2.1", "features": features}))
    for k in range(COUNT):
        part = slice(k * STEPS, (k + 1) * STEPS)
        columns = {
            "observation.state": list(data["observations"][part]),
            "action": list(data["actions"][part]),
            "episode_index": np.full(STEPS, k),
            "frame_index": np.arange(STEPS),
            "timestamp": np.arange(STEPS) / 10,
            "index": np.arange(k * STEPS, (k + 1) * STEPS),
            "task_index": np.zeros(STEPS, int),
            "next.reward": data["rewards"][part],
            "next.done": data["ends"][part] > 0,
            "next.success": data["done"][part] > 0,
            **more,
        }
        table = pa.table({name: values for name, values in columns.items() if name not in drop})
        parquet.write_table(table, path / "data" / "chunk-000" / f"episode_{k:06d}.parquet")
    return path


def columns(path: Path) -> Path:
    arrays = {name: list(v) if v.ndim == 2 else v for name, v in as_ogbench_loads().items()}
    parquet.write_table(pa.table(arrays), path)
    return path


def one_table(path: Path) -> Path:
    files = sorted((lerobot(path / "set") / "data").rglob("*.parquet"))
    parquet.write_table(pa.concat_tables([parquet.read_table(file) for file in files]), path / "all.parquet")
    return path / "all.parquet"
