"""Little files as other projects' own writers leave them: types, chunks, attributes and what lies beside the numbers.

Each follows what was written by the release it names, run once on valid input; the writers themselves are too heavy to
install for a test. OGBench's own loader is installed, and is called.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
from ogbench.utils import load_dataset
from pyarrow import parquet

from tests.helpers.layouts import COUNT, STEPS, D, whole, with_last_rows

PARTS = [slice(k * STEPS, (k + 1) * STEPS) for k in range(COUNT)]
BOX = {"type": "Box", "dtype": "float32", "shape": [D], "low": [-1.0] * D, "high": [1.0] * D}


def minari(path: Path, space: dict[str, Any] = BOX, steps: int = COUNT * STEPS, infos: bool = True) -> Path:
    """As Minari 0.5.4 writes a set of flat observations: arrays that can grow, facts in attributes and beside them."""
    data, folder = whole(), path / "data"
    folder.mkdir(parents=True)
    with h5py.File(folder / "main_data.hdf5", "w", track_order=True) as file:
        for k, part in enumerate(PARTS):
            group = file.create_group(f"episode_{k}")
            group.attrs.update({"id": k, "seed": k, "total_steps": STEPS, "rewards_sum": data["rewards"][part].sum()})
            arrays = {
                "observations": data["states"][k],
                "actions": data["actions"][part],
                "rewards": data["rewards"][part].astype(np.float64),
                "terminations": data["done"][part] > 0,
                "truncations": (data["ends"] - data["done"])[part] > 0,
            }
            for name, values in arrays.items():
                group.create_dataset(name, data=values, chunks=True, maxshape=(None, *values.shape[1:]))
            if infos:
                group.create_group("infos")
    facts = {"total_episodes": COUNT, "total_steps": steps, "data_format": "hdf5", "minari_version": "0.5.4"}
    (folder / "metadata.json").write_text(json.dumps(facts | {"action_space": json.dumps(space)}))
    return path


def minari_parquet(path: Path) -> Path:
    """As Minari 0.5.4 writes a set with data_format="parquet": a folder an episode."""
    (path / "data" / "0").mkdir(parents=True)
    (path / "data" / "metadata.json").write_text(json.dumps({"data_format": "parquet"}))
    parquet.write_table(pa.table({"rewards": [0.0]}), path / "data" / "0" / "part-0.parquet")
    return path


def d4rl(path: Path, timeouts: bool = True) -> Path:
    """As D4RL's scripts/generation/mujoco/collect_data.py writes one: packed, with infos and the policy's facts."""
    data = whole()
    arrays: dict[str, Any] = {name: data[name] for name in ("observations", "actions", "next_observations", "rewards")}
    arrays |= {"terminals": data["done"] > 0, "timeouts": (data["ends"] - data["done"]) > 0}
    arrays |= {"infos/qpos": np.zeros((COUNT * STEPS, 4), np.float32), "infos/action_log_probs": data["rewards"]}
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            if timeouts or name != "timeouts":
                file.create_dataset(name, data=values, compression="gzip")
        file["metadata/algorithm"] = np.bytes_("SAC")
        file["metadata/iteration"] = np.int32(3)
        file["metadata/policy/fc0/weight"] = np.zeros((2, 2), np.float32)
    return path


def ogbench(path: Path, labelled: bool = True) -> Path:
    """As OGBench's scripts write a file, or what the loader of OGBench 1.2.2 makes of it, labelled and saved."""
    data, rows = whole(), with_last_rows()
    raw = {
        "observations": rows["observations"],
        "actions": np.nan_to_num(rows["actions"]).clip(-1, 1),
        "terminals": rows["terminals"],
        "qpos": np.zeros((COUNT * (STEPS + 1), 5), np.float32),
        "qvel": np.zeros((COUNT * (STEPS + 1), 5), np.float32),
    }
    np.savez_compressed(path, **raw)
    if labelled:
        loaded = load_dataset(str(path), add_info=True)
        np.savez(path, **loaded, rewards=data["rewards"], masks=1 - data["done"])
    return path


def robomimic(path: Path, observed: bool = True, follow: bool = True) -> Path:
    """As robomimic 0.3.0 writes one: convert_robosuite where not observed, then dataset_states_to_obs."""
    data = whole()
    with h5py.File(path, "w") as file:
        for k, part in enumerate(PARTS):
            demo = file.create_group(f"data/demo_{k + 1}")
            demo.attrs.update({"num_samples": STEPS, "model_file": "<mujoco/>"})
            demo["actions"], demo["states"] = data["actions"][part].astype(np.float64), np.zeros((STEPS, 32))
            if not observed:
                continue
            demo["rewards"] = data["rewards"][part].astype(np.float64)
            demo["dones"] = data["done"][part].astype(np.int64)
            for group, name in (("obs", "observations"), *((("next_obs", "next_observations"),) if follow else ())):
                demo.create_dataset(f"{group}/object", data=data[name][part, :1].astype(np.float64), compression="gzip")
                demo[f"{group}/robot0_eef_pos"] = data[name][part, 1:].astype(np.float64)
        file["data"].attrs.update({"total": COUNT * STEPS, "env_args": json.dumps({"env_name": "Lift"})})
        file["mask/train"], file["mask/valid"] = np.array([b"demo_1", b"demo_2"]), np.array([b"demo_3"])
    return path


def lerobot(path: Path, version: str = "v3.0", rewarded: bool = True, tasks: int = 1, lost: int = 0) -> Path:
    """As LeRobot 0.3.3 (v2.1, a file an episode) and 0.4.4 (v3.0, a row group an episode) write a set of vectors."""
    data, folder = whole(), path / "data" / "chunk-000"
    folder.mkdir(parents=True)
    (path / "meta" / "episodes" / "chunk-000").mkdir(parents=True)
    tables = []
    for k, part in enumerate(PARTS):
        columns: dict[str, Any] = {
            "observation.state": _lists(data["observations"][part]),
            "action": _lists(data["actions"][part]),
        }
        if rewarded:
            columns["next.reward"] = data["rewards"][part]
            columns["next.done"], columns["next.success"] = data["ends"][part] > 0, data["done"][part] > 0
        columns["timestamp"] = (np.arange(STEPS) / 10).astype(np.float32)
        numbers = np.arange(k * STEPS, (k + 1) * STEPS)
        columns |= {"frame_index": np.arange(STEPS), "episode_index": np.full(STEPS, k), "index": numbers}
        tables.append(pa.table(columns | {"task_index": np.full(STEPS, k % tasks)}))
    kept = tables[: COUNT - lost]
    if version == "v3.0":
        with parquet.ParquetWriter(folder / "file-000.parquet", tables[0].schema) as writer:
            for table in kept:
                writer.write_table(table)
        about = pa.table({"task_index": [0], "__index_level_0__": ["lift"]})
        parquet.write_table(about, path / "meta" / "tasks.parquet")
        parquet.write_table(about, path / "meta" / "episodes" / "chunk-000" / "file-000.parquet")
    else:
        for k, table in enumerate(kept):
            parquet.write_table(table, folder / f"episode_{k:06d}.parquet")
        (path / "meta" / "tasks.jsonl").write_text('{"task_index": 0, "task": "lift"}\n')
    features = {name: {"dtype": "float32"} for name in tables[0].schema.names}
    facts = {"codebase_version": version, "total_episodes": COUNT, "total_frames": COUNT * STEPS, "features": features}
    (path / "meta" / "info.json").write_text(json.dumps(facts))
    return path


def _lists(values: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
