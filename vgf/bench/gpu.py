"""Every path of an update on one GPU, in a few minutes: `python -m vgf.bench.gpu`.

`vgf bench update` gives each case a process of its own, which on a GPU takes longer to start than to time. Here all
cases of one preset, size and number of seeds are built in one process, take turns block by block, and make way for the
next ones. The time is budgeted: each group gets its share of what is left, after which it begins no block, and what no
time is left for is named. It needs torch, numpy, pandas and tqdm alone, and prints rows as `vgf bench update --json`.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import sys
import time
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from vgf.agents.base import Precision
from vgf.bench.cases import PATHS, SIZES, Case, PathName, check_path
from vgf.bench.memory import Memory
from vgf.bench.rows import update_row
from vgf.bench.turns import BLOCK_SECONDS
from vgf.bench.updates import Updates, matmul_flop_per_s

SECONDS = 200.0  # under four minutes with the start of torch and what a last group takes to build
BLOCKS = 5
PRECISIONS: tuple[Precision, ...] = ("bfloat16", "float32")
PEAK_SECONDS = 0.6
Failures = list[str]


class Turn:
    """One case in this process: what `vgf.bench.turns.Worker` is to one in a process of its own."""

    def __init__(self, case: Case) -> None:
        memory = Memory(case.device)
        self.case, self.updates = case, Updates(case)
        self.updates.warm_up()
        self.facts: dict[str, Any] = {"flop": self.updates.flop(), "threads": torch.get_num_threads()}
        self.times: list[float] = []
        self._timed(1)
        self.block = max(1, round(BLOCK_SECONDS / self._timed(1)))
        self.facts["memory"] = memory.peak()  # of its first updates: later ones take no more, and others are built then

    def turn(self) -> None:
        """Run one block and keep its milliseconds per update."""
        self.times.append(1e3 * self._timed(self.block))

    def _timed(self, updates: int) -> float:
        """Return the seconds of one of some updates."""
        start = time.perf_counter()
        done = self.updates.run(updates)
        return (time.perf_counter() - start) / done


def cases(asked: argparse.Namespace, preset: str, size: str, seeds: int) -> list[Case]:
    """Return the cases of one group; a path without precisions of its own comes once."""
    return [
        Case(preset, size, path, seeds, device=asked.device, precision=low if PATHS[path].quick else "float32")
        for path in asked.path
        for low in (asked.precision if PATHS[path].quick else PRECISIONS[:1])
    ]


def time_group(
    group: Sequence[Case], rates: dict[str, float], until: float, last: float, failures: Failures
) -> list[dict[str, Any]]:
    """Build a group's cases, let them take turns, and return their rows.

    Args:
        group: the cases.
        rates: matmul peaks of the precisions, FLOP/s.
        until: when no block is begun any more but the first.
        last: when no case is built any more.
        failures: is told what went wrong, a line each.
    """
    turns: list[Turn] = []
    for case in group:
        if time.monotonic() > last:
            failures.append(f"{name(case)}: left out, the time is up")
            continue
        try:
            turns.append(Turn(case))
        except (RuntimeError, ValueError) as error:
            failures.append(f"{name(case)}: {str(error).strip().splitlines()[0]}")
    for _ in range(BLOCKS):
        for turn in turns:
            turn.turn()
        if time.monotonic() > until:
            break
    return [update_row(turn.case, turn, rates) | {"blocks": len(turn.times)} for turn in turns]


def name(case: Case) -> str:
    """Return a case in words."""
    return f"{case.preset}, {case.size}, {case.path}, {case.config.precision}, seeds {case.seeds}"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m vgf.bench.gpu", description=__doc__)
    parser.add_argument("--preset", nargs="+", choices=("release", "paper"), default=("release", "paper"))
    parser.add_argument("--size", nargs="+", choices=tuple(SIZES), default=("small", "paper"))
    parser.add_argument("--path", nargs="+", choices=typing.get_args(PathName), default=("eager", "fast", "graph"))
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--seeds", nargs="+", type=int, default=(1, 8))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="begin no block after these")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu is for a trial")
    parser.add_argument("--out", type=Path, help="also written here, after every group")
    asked = parser.parse_args(arguments)
    if asked.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("this torch finds no CUDA device")
    for path in asked.path:
        check_path(path, asked.device)
    if min(asked.seeds) < 1 or asked.seconds <= 0:
        raise ValueError("--seeds and --seconds must be > 0")
    return asked


def measure(asked: argparse.Namespace) -> tuple[list[dict[str, Any]], Failures]:
    """Time every group within the budget and return all rows, and what failed or was left out."""
    start, device = time.monotonic(), torch.device(asked.device)
    rates: dict[str, float] = {low: matmul_flop_per_s(getattr(torch, low), device, PEAK_SECONDS) for low in PRECISIONS}
    where = {"gpu": torch.cuda.get_device_name() if device.type == "cuda" else None, "torch": torch.__version__}
    rows: list[dict[str, Any]] = []
    failures: Failures = []
    groups = list(itertools.product(asked.size, asked.preset, asked.seeds))
    for i, (size, preset, seeds) in enumerate(groups):
        now, label = time.monotonic(), f"{preset}, {size}, seeds {seeds}"
        last = start + asked.seconds
        until = now + (last - now) / (len(groups) - i)
        found = time_group(cases(asked, preset, size, seeds), rates, until, last, failures)
        rows += [row | where for row in found]
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        if asked.out:
            part = asked.out.with_name(asked.out.name + ".part")
            part.write_text(json.dumps(rows, indent=1) + "\n")
            part.replace(asked.out)
        print(f"gpu: {label}: {time.monotonic() - now:.0f} s", file=sys.stderr, flush=True)
    return rows, failures


def main(arguments: Sequence[str] | None = None) -> int:
    """Print rows; return 1 if a case failed or was left out, 2 for bad input."""
    try:
        rows, failures = measure(parse(sys.argv[1:] if arguments is None else arguments))
    except ValueError as error:
        print(f"gpu: {error}", file=sys.stderr)
        return 2
    print(json.dumps(rows, indent=2))
    for failure in failures:
        print(f"gpu: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
