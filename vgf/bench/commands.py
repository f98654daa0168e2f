"""`vgf bench`: update, transport and data. Parsing and printing; what is timed stands in `cases`, how in `turns`."""

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

from vgf.bench.cases import SIZES, Case
from vgf.bench.loading import time_data
from vgf.bench.turns import Worker, python_worker, release_worker
from vgf.checkpoints import choose_device
from vgf.datasets.progress import Progress

DTYPES = {"eager": "float32", "fast": "bfloat16"}  # whose peak a path is held against


@dataclass(frozen=True)
class Update:
    """Time an update of value gradient flow: both presets, eager and fast, at the paper's size and a small one."""

    preset: tuple[Literal["paper", "release"], ...] = ("paper", "release")
    size: tuple[Literal["paper", "small"], ...] = ("paper", "small")
    path: tuple[Literal["eager", "fast"], ...] = ("eager", "fast")
    """eager: float32; fast: the gradient-free part in bfloat16 and, with a frozen reference, a bank of its actions."""
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
        workers: list[Worker] = []
        peaks: dict[str, Worker] = {}
        grid = itertools.product(
            self.size, self.preset, self.path, self.seeds, self.particles or (None,), self.train_steps or (None,)
        )
        cases = [
            Case(preset, size, path, s, n, steps, device, self.threads) for size, preset, path, s, n, steps in grid
        ]
        try:
            for path in self.path:
                facts = {"dtype": DTYPES[path], "device": device, "threads": self.threads}
                peaks[path] = python_worker(facts, "the peak")
            workers += [python_worker(vars(case), f"{case.preset}, {case.size}, {case.path}") for case in cases]
            for size in self.size if self.release and self.release_python else ():
                sizes = SIZES[size]._asdict()
                workers.append(release_worker(self.release, self.release_python, sizes, self.threads))  # type: ignore[arg-type]
            rates = take_turns(workers, peaks, self.blocks)
            rows = [_update_row(case, worker, rates) for case, worker in zip(cases, workers, strict=False)]
            for size, worker in zip(self.size, workers[len(cases) :], strict=False):
                rows.append(_release_row(size, worker))
        finally:
            for worker in (*workers, *peaks.values()):
                worker.stop()
        print(json.dumps(rows, indent=2) if self.json else _update_table(rows))


def take_turns(workers: Sequence[Worker], peaks: dict[str, Worker], blocks: int) -> dict[str, float]:
    """Let every worker run a block in turn, `blocks` times, and return the matmul peak of each path, FLOP/s."""
    rates = dict.fromkeys(peaks, 0.0)
    with Progress("bench", blocks + 1, "round") as progress:
        for worker in workers:
            worker.warm_up()
        progress.update()
        for _ in range(blocks):
            for path, peak in peaks.items():
                rates[path] = max(rates[path], peak.ask(0.2)["flop_per_s"])
            for worker in workers:
                worker.turn()
            progress.update()
    return rates


def _timing(worker: Worker) -> dict[str, float]:
    """Return the median of a worker's blocks and their quartiles, in ms."""
    low, median, high = (
        statistics.quantiles(worker.times, n=4, method="inclusive") if len(worker.times) > 1 else (worker.times * 3)
    )
    return {"ms_per_update": median, "ms_low": low, "ms_high": high}


def _update_row(case: Case, worker: Worker, rates: dict[str, float]) -> dict[str, Any]:
    """Return one line of `vgf bench update`."""
    timing, flop, peak = _timing(worker), worker.facts["flop"], rates[case.path]
    rate = flop / timing["ms_per_update"] * 1e3
    return (
        case.facts()
        | timing
        | {
            "ms_per_seed": timing["ms_per_update"] / case.seeds,
            "flop_per_update": flop,
            "flop_per_s": rate,
            "matmul_peak_flop_per_s": peak,
            "share_of_peak": rate / peak,
            "peak_memory_bytes": worker.facts["memory"],
            "threads": worker.facts["threads"],
        }
    )


def _release_row(size: str, worker: Worker) -> dict[str, Any]:
    """Return the line of the authors' release."""
    return {"preset": "release", "size": size, "path": "official", "seeds": 1} | _timing(worker) | worker.facts


def _update_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the lines as a table, and the ratios to the official release where it was timed."""
    official = {row["size"]: row["ms_per_update"] for row in rows if row["path"] == "official"}
    shown = [
        {
            "size": row["size"],
            "preset": row["preset"],
            "path": row["path"],
            "seeds": row["seeds"],
            "N": row.get("particles", ""),
            "L": row.get("train_steps", ""),
            "ms/update": f"{row['ms_per_update']:.1f}",
            "quartiles": f"{row['ms_low']:.1f} to {row['ms_high']:.1f}",
            "GFLOP": f"{row['flop_per_update'] / 1e9:.1f}" if "flop_per_update" in row else "",
            "GFLOP/s": f"{row['flop_per_s'] / 1e9:.0f}" if "flop_per_s" in row else "",
            "of peak": f"{row['share_of_peak']:.0%}" if "share_of_peak" in row else "",
            "MB": f"{row['peak_memory_bytes'] / 1e6:.0f}" if "peak_memory_bytes" in row else "",
            "official / this": f"{official[row['size']] / row['ms_per_update']:.2f}" if row["size"] in official else "",
        }
        for row in rows
    ]
    return pd.DataFrame(shown).to_string(index=False)


@dataclass(frozen=True)
class Transport:
    """Time one step of the flow over particles N and dimensions d: the kernel, without a critic."""

    particles: tuple[int, ...] = (5, 16, 64, 256, 1024, 4096, 16384, 65536)
    dimension: tuple[int, ...] = (2, 8, 32, 128, 512)
    total: int = 4096
    """Small sets are moved many at once, together this many particles."""
    most: float = 2e12
    """Leave out cases of more than this many pairs times dimensions; they would take minutes."""
    blocks: int = 5
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
                if n * n * d <= self.most:
                    rows.append(self._case(n, d, device))
                progress.update()
        print(json.dumps(rows, indent=2) if self.json else pd.DataFrame(rows).to_string(index=False))

    def _case(self, n: int, d: int, device: str) -> dict[str, Any]:
        sets = max(1, self.total // n)
        facts = {"sets": sets, "particles": n, "dimension": d, "device": device, "threads": self.threads}
        worker = python_worker(facts, f"{n} particles in {d} dimensions")
        try:
            worker.warm_up()
            for _ in range(self.blocks):
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
    | Annotated[Transport, tyro.conf.subcommand("transport")]
    | Annotated[Data, tyro.conf.subcommand("data")]
)


def main(arguments: Sequence[str]) -> None:
    """Run `vgf bench` with its arguments."""
    tyro.cli(Subcommand, prog="vgf bench", args=list(arguments)).run()
