"""`vgf bench`: update, gains, transport and data. What is timed stands in `cases`, how in `turns`."""

from __future__ import annotations

import itertools
import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import tyro

from vgf.bench.cases import PATHS, SIZES, Case, PathName
from vgf.bench.gains import Gains
from vgf.bench.loading import time_data
from vgf.bench.rows import release_row, update_row, update_table
from vgf.bench.turns import SLOW_SECONDS, Worker, python_worker, release_worker, take_turns
from vgf.checkpoints import choose_device
from vgf.datasets.progress import Progress


@dataclass(frozen=True)
class Update:
    """Time an update of value gradient flow: both presets, eager and fast, at the paper's size and a small one."""

    preset: tuple[Literal["paper", "release"], ...] = ("paper", "release")
    size: tuple[Literal["paper", "small"], ...] = ("paper", "small")
    path: tuple[PathName, ...] = ("eager", "fast")
    """eager: the modules themselves; fast: vgf.fast where nothing learns and, with a frozen reference, a bank; graph:
    the same, several updates in one CUDA graph."""
    precision: tuple[Literal["bfloat16", "float32"], ...] = ("bfloat16",)
    """Of what learns nothing, on every path but eager, which is float32."""
    seeds: tuple[int, ...] = (1,)
    """Seeds trained together; several numbers are timed one after the other."""
    particles: tuple[int, ...] = ()
    """N, where not the size's."""
    train_steps: tuple[int, ...] = ()
    """L_train, where not the size's."""
    blocks: int = 5
    """Blocks of each case; the median counts."""
    device: str = "auto"
    threads: int | None = None
    """Of the processor; all by default."""
    release: Path | None = None
    """A clone of the authors' release, timed in turns with ours."""
    release_python: Path | None = None
    """Its interpreter, with jax, flax and distrax."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Start every case, let them take turns, print medians."""
        if self.blocks < 1 or min(self.seeds, default=0) < 1:
            raise ValueError("--blocks and --seeds must be >= 1")
        if (self.release is None) != (self.release_python is None):
            raise ValueError("--release and --release-python go together")
        device = choose_device(self.device).type
        for path in self.path:
            if PATHS[path].device not in (None, device):
                raise ValueError(f"--path {path} needs {PATHS[path].device}, this is {device}; leave it out here")
        workers: list[Worker] = []
        peaks: dict[str, Worker] = {}
        grid = itertools.product(
            self.size, self.preset, self.path, self.seeds, self.particles or (None,), self.train_steps or (None,)
        )
        cases = [
            Case(
                preset, size, path, s, n, steps, device, self.threads, () if precision == "bfloat16" else ("bfloat16",)
            )
            for size, preset, path, s, n, steps in grid
            for precision in (self.precision if PATHS[path].quick else ("bfloat16",))
        ]
        try:
            for dtype in dict.fromkeys(case.config.precision for case in cases):
                facts = {"dtype": dtype, "device": device, "threads": self.threads}
                peaks[dtype] = python_worker(facts, "the peak")
            workers += [
                python_worker(vars(case), f"{case.preset}, {case.size}, {case.path}, {case.config.precision}")
                for case in cases
            ]
            for size in self.size if self.release and self.release_python else ():
                sizes = SIZES[size]._asdict()
                workers.append(release_worker(self.release, self.release_python, sizes, self.threads))  # type: ignore[arg-type]
            rates = take_turns(workers, peaks, self.blocks)
            rows = [update_row(case, worker, rates) for case, worker in zip(cases, workers, strict=False)]
            for size, worker in zip(self.size, workers[len(cases) :], strict=False):
                rows.append(release_row(size, worker))
        finally:
            for worker in (*workers, *peaks.values()):
                worker.stop()
        print(json.dumps(rows, indent=2) if self.json else update_table(rows))


@dataclass(frozen=True)
class Transport:
    """Time one step of the flow over particles N and dimensions d: the kernel, without a critic."""

    particles: tuple[int, ...] = (5, 16, 64, 256, 1024, 4096, 16384, 65536)
    dimension: tuple[int, ...] = (2, 8, 32, 128, 512)
    total: int = 4096
    """Small sets are moved many at once, together this many particles."""
    most: float = 2e12
    """Leave out cases of more than this many pairs times dimensions; they would take minutes."""
    least: float = 0.0
    """Leave out cases of fewer."""
    blocks: int = 5
    """Blocks of each case; the median counts. A step that takes over five seconds is timed once."""
    device: str = "auto"
    threads: int | None = None
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Time case after case and print medians."""
        device, rows = choose_device(self.device).type, []
        grid = list(itertools.product(self.particles, self.dimension))
        with Progress("bench", len(grid), "case") as progress:
            for n, d in grid:
                if self.least <= n * n * d <= self.most:
                    rows.append(self._case(n, d, device))
                progress.update()
        print(json.dumps(rows, indent=2) if self.json else pd.DataFrame(rows).to_string(index=False))

    def _case(self, n: int, d: int, device: str) -> dict[str, Any]:
        sets = max(1, self.total // n)
        facts = {"sets": sets, "particles": n, "dimension": d, "device": device, "threads": self.threads}
        worker = python_worker(facts, f"{n} particles in {d} dimensions")
        try:
            worker.warm_up()
            for _ in range(1 if worker.seconds > SLOW_SECONDS else self.blocks):
                worker.turn()
        finally:
            worker.stop()
        ms = statistics.median(worker.times)
        return {
            "particles": n,
            "dimension": d,
            "sets": sets,
            "ms_per_step": round(ms, 3),
            "particle_steps_per_s": round(1e3 * sets * n / ms),
            "peak_memory_bytes": worker.facts["memory"],
        }


@dataclass(frozen=True)
class Data:
    """Time loading a file of random transitions, and drawing batches from it."""

    transitions: int = 1_000_000
    task: str = "halfcheetah-medium-v2"
    """A D4RL task; the random file has its sizes."""
    batch: int = 256
    seeds: int = 1
    device: str = "auto"
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Write a file, load it, draw from it."""
        device = choose_device(self.device)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "random.hdf5"
            row = time_data(path, self.task, self.transitions, self.batch, self.seeds, device)
        print(json.dumps([row], indent=2) if self.json else pd.Series(row).to_string())


Subcommand = (
    Annotated[Update, tyro.conf.subcommand("update")]
    | Annotated[Gains, tyro.conf.subcommand("gains")]
    | Annotated[Transport, tyro.conf.subcommand("transport")]
    | Annotated[Data, tyro.conf.subcommand("data")]
)


def main(arguments: Sequence[str]) -> None:
    """Run `vgf bench` with its arguments."""
    tyro.cli(Subcommand, prog="vgf bench", args=list(arguments)).run()
