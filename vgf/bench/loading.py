"""How fast and in how much memory a file becomes transitions, and how fast batches are drawn from them."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from vgf.bench.memory import Memory
from vgf.datasets import get_task, load
from vgf.datasets.tasks import get_dataset
from vgf.networks import SeedStreams

EPISODE = 1000  # steps of the made-up episodes


def write_random(path: Path, task: str, rows: int) -> None:
    """Write `rows` random transitions in D4RL's layout, of the sizes of one of its tasks."""
    dataset, rng = get_dataset(get_task(task).dataset), np.random.default_rng(0)
    ends = np.arange(1, rows + 1) % EPISODE == 0
    with h5py.File(path, "w") as file:
        file["observations"] = rng.normal(size=(rows, dataset.observation_size)).astype(np.float32)
        file["actions"] = rng.uniform(-0.99, 0.99, size=(rows, dataset.action_size)).astype(np.float32)
        file["rewards"] = rng.normal(size=rows).astype(np.float32)
        file["terminals"] = np.zeros(rows, dtype=bool)
        file["timeouts"] = ends


def time_data(path: Path, task: str, rows: int, batch: int, seeds: int, device: torch.device) -> dict[str, Any]:
    """Return the seconds and the memory of loading, and the microseconds of drawing a batch.

    Args:
        path: where a file of random transitions is written.
        task: a D4RL task, whose sizes they have.
        rows: how many.
        batch: rows of a batch.
        seeds: batches drawn together.
        device: where the transitions live.
    """
    write_random(path, task, rows)
    load(task, path, device)  # opens the library's own caches, so that what follows is the file alone
    memory, start = Memory(str(device)), time.perf_counter()
    transitions = load(task, path, device)
    seconds = time.perf_counter() - start
    streams = SeedStreams(range(seeds), "batches", device)
    times = []
    for _ in range(201):
        start = time.perf_counter()
        numbers = [torch.randint(len(transitions), (batch,), generator=g, device=device) for g in streams.generators]
        transitions.rows(torch.stack(numbers))
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return {
        "task": task,
        "transitions": len(transitions),
        "load_seconds": round(seconds, 3),
        "bytes": transitions.nbytes,
        "peak_memory_bytes": memory.peak(),
        "batch": batch,
        "seeds": seeds,
        "us_per_batch": round(1e6 * statistics.median(times), 1),
    }
