"""`vgf bench`: update, gains, transport, data, start and profile. What is timed stands in `cases`, how in `turns`."""

from __future__ import annotations

import itertools
import json
import statistics
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import tyro

from vgf.agents import fused
from vgf.agents.base import Precision
from vgf.bench.cases import PATHS, SIZES, AgentName, Case, PathName, PresetName, SizeName, check_path
from vgf.bench.gains import Gains
from vgf.bench.loading import time_data
from vgf.bench.profile import Profile
from vgf.bench.rows import release_row, update_row, update_table
from vgf.bench.start import start_row
from vgf.bench.turns import SLOW_SECONDS, python_worker, side_by_side, time_cases
from vgf.support.progress import Progress
from vgf.training.device import choose_device


@dataclass(frozen=True)
class Update:
    """Time an update: by default of value gradient flow, two presets, on every path this machine has, at two sizes."""

    agent: tuple[AgentName, ...] = ("vgf",)
    """Methods; those without presets of this command have their own defaults at the sizes asked for."""
    preset: tuple[PresetName, ...] = ("paper", "release")
    """Of vgf and best_of_n: those of the paper and of the authors' release; banked: the release's with a reference
    trained first and a bank of its actions; amortised: the same with a network in place of the gradient."""
    size: tuple[SizeName, ...] = ("paper", "small")
    path: tuple[PathName, ...] = ()
    """eager: the modules themselves; fast: one call an update, with vgf.agents.fast where nothing learns and, with
    a frozen reference, a bank; fused: whole updates in one C++ function, on a processor; graph: the fast path, several
    updates in one CUDA graph. By default the first two, and fused where this machine has it."""
    precision: tuple[Precision, ...] = ("bfloat16",)
    """Of the products, on every path but eager, which is float32; what a path does not have is left out."""
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
    all_cores: bool = True
    """Also time one single-threaded process a core, side by side, on the path that training takes on a processor."""
    release: tuple[Path, ...] = ()
    """Clones of what the authors published, timed in turns with ours: ryanxhr/vgf, seohongpark/fql."""
    release_python: Path | None = None
    """Their interpreter, with jax, flax and distrax."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Start every case, let them take turns, print medians."""
        if self.blocks < 1 or min(self.seeds, default=0) < 1:
            raise ValueError("--blocks and --seeds must be >= 1")
        if bool(self.release) != (self.release_python is not None):
            raise ValueError("--release and --release-python go together")
        device = choose_device(self.device).type
        cases = self.cases(device)
        named = [(f"{case.agent}, {case.preset}, {case.size}, {case.path}", case) for case in cases]
        pairs = dict.fromkeys((case.theirs, case.size) for case in cases if case.theirs) if self.release else ()
        given = (self.release, self.release_python)
        others = [(*given, name, SIZES[size]._asdict(), self.threads) for name, size in pairs]
        workers, theirs, rates = time_cases(named, self.threads, self.blocks, others)
        rows = [update_row(case, worker, rates) for case, worker in zip(cases, workers, strict=True)]
        rows += [release_row(str(name), size, worker) for (name, size), worker in zip(pairs, theirs, strict=True)]
        trained = "fused" if any(case.path == "fused" for case in cases) else "fast"
        for case, row in zip(cases, rows, strict=False):
            if self.all_cores and device == "cpu" and case.path == trained:
                row |= side_by_side(vars(case), case.path, self.blocks)
        print(json.dumps(rows, indent=2) if self.json else update_table(rows))

    def cases(self, device: str) -> list[Case]:
        """Return what is asked for as cases.

        Raises:
            ValueError: if a path does not run here, or no case is left.
        """
        paths = self.path or ("eager", "fast", *(("fused",) if device == "cpu" and fused.reason() is None else ()))
        for path in paths:
            check_path(path, device)
        grid = itertools.product(
            self.agent,
            self.size,
            self.preset,
            paths,
            self.seeds,
            self.particles or (None,),
            self.train_steps or (None,),
            self.precision,
        )
        cases = [
            Case(
                preset if agent in ("vgf", "best_of_n") else "default",
                size,
                path,
                seeds,
                n,
                steps,
                device,
                self.threads,
                agent=agent,
                precision=precision if PATHS[path].quick else "float32",
            )
            for agent, size, preset, path, seeds, n, steps, precision in grid
        ]
        found = [case for case in dict.fromkeys(cases) if case.exists]
        if not found:
            raise ValueError(f"--precision {' '.join(self.precision)}: not on the paths asked for; add --path fused")
        return found


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
        with closing(python_worker(facts, f"{n} particles in {d} dimensions")) as worker:
            worker.warm_up()
            for _ in range(1 if worker.seconds > SLOW_SECONDS else self.blocks):
                worker.turn()
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


@dataclass(frozen=True)
class Start:
    """Time what is paid once: the first build of the fused core, the import; and the memory of a whole process."""

    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Build, import, train a little."""
        check_path("fused", "cpu")
        row = start_row()
        print(json.dumps([row], indent=2) if self.json else pd.Series(row).to_string())


Subcommand = (
    Annotated[Update, tyro.conf.subcommand("update")]
    | Annotated[Gains, tyro.conf.subcommand("gains")]
    | Annotated[Transport, tyro.conf.subcommand("transport")]
    | Annotated[Data, tyro.conf.subcommand("data")]
    | Annotated[Start, tyro.conf.subcommand("start")]
    | Annotated[Profile, tyro.conf.subcommand("profile")]
)
