"""The parent's side: start the processes, let them take turns, gather medians."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from vgf.bench.cases import Case
from vgf.release.process import WORKER, release_command
from vgf.support.host import cores
from vgf.support.progress import Progress

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
        self.send(line)
        return self._answer()

    def send(self, line: object) -> None:
        """Send a line whose answer is taken later."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def warm_up(self) -> None:
        """Choose how many updates make a block, by the second of two single updates."""
        self.seconds = self._single()
        if self.seconds <= SLOW_SECONDS:
            self.seconds = self._single()
        self.block = max(1, math.ceil(BLOCK_SECONDS / max(self.seconds, 1e-6)))

    def turn(self) -> None:
        """Run one block and keep its milliseconds per update."""
        self.send(self.block)
        self.take()

    def take(self) -> None:
        """Wait for a block that was asked for and keep its milliseconds per update."""
        answer = self._answer()
        self.facts |= answer
        self.times.append(1e3 * answer["seconds"] / answer.get("updates", self.block))

    def count(self) -> None:
        """Ask for the operations of an update, after the last turn."""
        self.facts |= self.ask("flop")

    def _single(self) -> float:
        """Ask for one update and return its seconds; a path of several at once does that many."""
        answer = self.ask(1)
        return answer["seconds"] / answer.get("updates", 1)

    def close(self) -> None:
        """End the process; `contextlib.closing` and an `ExitStack` call it."""
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


def side_by_side(facts: dict[str, Any], name: str, blocks: int) -> dict[str, Any]:
    """Time one single-threaded process a core, all at once.

    Args:
        facts: of the case.
        name: for messages.
        blocks: of each process; the median counts.

    Returns:
        `side_by_side_ms`: of an update in each process; `seconds_per_100k_updates_all_cores`: until all of them
        together have done that many.
    """
    with ExitStack() as stack:
        workers = [
            stack.enter_context(closing(python_worker(facts | {"threads": 1}, f"{name}, side by side")))
            for _ in range(cores())
        ]
        for worker in workers:
            worker.warm_up()
        for _ in range(blocks):
            for worker in workers:
                worker.send(worker.block)
            for worker in workers:
                worker.take()
    ms = [statistics.median(worker.times) for worker in workers]
    return {"side_by_side_ms": ms, "seconds_per_100k_updates_all_cores": 1e5 / sum(1e3 / one for one in ms)}


def release_worker(
    clones: Sequence[Path], python: Path, agent: str, size: dict[str, Any], threads: int | None
) -> Worker:
    """Start the authors' own agent in the first of the clones that has it, with its interpreter; see `release_command`.

    Args:
        clones: of the authors' releases.
        python: an interpreter with what they need.
        agent: the name of a file in their folder `agents`.
        size: a `Size` as a dictionary.
        threads: of the processor.

    Raises:
        ValueError: if no clone has the agent.
    """
    clone = next((one for one in clones if (one / "agents" / f"{agent}.py").exists()), None)
    if clone is None:
        hint = "https://github.com/ryanxhr/vgf has vgf and a_vgf, https://github.com/seohongpark/fql has the rivals"
        raise ValueError(f"--release: no clone given has agents/{agent}.py; {hint}")
    command = release_command(clone, python, WORKER, size | {"agent": agent}, threads)
    return Worker(command, f"the authors' {agent}", clone)


def time_cases(
    cases: Sequence[tuple[str, Case]], threads: int | None, blocks: int, others: Sequence[tuple[Any, ...]] = ()
) -> tuple[list[Worker], list[Worker], dict[str, float]]:
    """Time cases, each in a process of its own, block by block in turns.

    Args:
        cases: names for messages, and the cases, all on one device.
        threads: of the processor, for the matmul peaks.
        blocks: of each case.
        others: arguments of `release_worker`, for the authors' code that takes turns with them.

    Returns:
        The ended processes of the cases and of the others, and the matmul peak of each kind of number, FLOP/s.
    """
    facts = {"device": cases[0][1].device, "threads": threads}
    with ExitStack() as stack:

        def started(worker: Worker) -> Worker:
            return stack.enter_context(closing(worker))

        kinds = dict.fromkeys(case.dtype for _, case in cases)
        peaks = {dtype: started(python_worker({"dtype": dtype} | facts, "the peak")) for dtype in kinds}
        ours = [started(python_worker(vars(case), name)) for name, case in cases]
        theirs = [started(release_worker(*one)) for one in others]
        rates = take_turns([*ours, *theirs], peaks, blocks)
        for worker in ours:
            worker.count()
    return ours, theirs, rates


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
