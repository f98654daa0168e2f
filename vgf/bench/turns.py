"""The parent's side: start the processes, let them take turns, gather medians."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vgf.datasets.progress import Progress

SLOW_SECONDS = 5.0  # what takes longer is not warmed up twice
BLOCK_SECONDS = 0.5  # a block of updates takes about this long, so that the clock's and the pipe's grain vanish


class Worker:
    """A process that answers JSON lines; see `vgf.bench.worker`.

    Args:
        command: what to start.
        folder: where.
        name: for messages.

    Raises:
        ValueError: if it ends before it is ready, with its last line.
    """

    def __init__(self, command: Sequence[str], name: str, folder: Path | None = None) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
        )
        self.facts = self._answer()
        self.block, self.seconds = 1, 0.0
        self.times: list[float] = []

    def ask(self, line: object) -> dict[str, Any]:
        """Send a line and return the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self._answer()

    def warm_up(self) -> None:
        """Choose how many updates make a block, by the second of two single updates."""
        self.seconds = self._single()
        if self.seconds <= SLOW_SECONDS:
            self.seconds = self._single()
        self.block = max(1, math.ceil(BLOCK_SECONDS / max(self.seconds, 1e-6)))

    def turn(self) -> None:
        """Run one block and keep its milliseconds per update."""
        answer = self.ask(self.block)
        self.facts |= answer
        self.times.append(1e3 * answer["seconds"] / answer.get("updates", self.block))

    def _single(self) -> float:
        """Ask for one update and return its seconds; a path of several at once does that many."""
        answer = self.ask(1)
        return answer["seconds"] / answer.get("updates", 1)

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            if line.startswith("{"):  # libraries print to stdout as well
                answer: dict[str, Any] = json.loads(line)
                return answer
        assert self.process.stderr is not None
        last = (self.process.stderr.read().strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"benchmark of {self.name} ended: {last}")


def python_worker(facts: dict[str, Any], name: str) -> Worker:
    """Start a worker of our own interpreter."""
    return Worker([sys.executable, "-m", "vgf.bench.worker", json.dumps(facts)], name)


def release_command(clone: Path, python: Path, script: Path, asked: dict[str, Any], threads: int | None) -> list[str]:
    """Return what starts a script of ours in the authors' release's interpreter; the clone is to be its folder.

    Raises:
        ValueError: if clone or interpreter are not there.
    """
    if not (clone / "agents" / "vgf.py").exists():
        raise ValueError(f"--release {clone}: no agents/vgf.py; give a clone of https://github.com/ryanxhr/vgf")
    if not os.access(python, os.X_OK):
        raise ValueError(f"--release-python {python}: no such interpreter; give one that has jax, flax and distrax")
    # made absolute, but not resolved: a virtual environment is known by its link
    command = [str(python.absolute()), str(script), json.dumps(asked)]
    if threads and sys.platform == "linux":
        command = ["taskset", "-c", f"0-{threads - 1}", *command]  # XLA has no setting for its threads
    return command


def release_worker(clone: Path, python: Path, size: dict[str, Any], threads: int | None) -> Worker:
    """Start the authors' release in its clone with its own interpreter; see `release_command`."""
    script = Path(__file__).with_name("release_worker.py")
    return Worker(release_command(clone, python, script, size, threads), "the release", clone)


def take_turns(workers: Sequence[Worker], peaks: dict[str, Worker], blocks: int) -> dict[str, float]:
    """Let every worker run a block in turn, `blocks` times, and return the matmul peak of each precision, FLOP/s."""
    rates = dict.fromkeys(peaks, 0.0)
    with Progress("bench", blocks + 1, "round") as progress:
        for worker in workers:
            worker.warm_up()
        progress.update()
        for _ in range(blocks):
            for precision, peak in peaks.items():
                rates[precision] = max(rates[precision], peak.ask(0.2)["flop_per_s"])
            for worker in workers:
                worker.turn()
            progress.update()
    return rates
