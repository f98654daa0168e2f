"""Several runs at once: one process a core, each of which trains one run, or some seeds of one, with one thread.

The networks of this package are too small to gain from a second thread, so that c cores are used best by c processes.
This process starts them, gives each what is next, draws one line of progress for all, and joins what was trained apart
(`vgf.apart`). It trains nothing itself. What is given out is held by a lock, so that two commands at once share the
runs of an experiment. A process that fails lets the others come to the end of what they do, as `make -j` does, and
nothing new begins; an interruption ends all at once, and they go on from their checkpoints when run again. The price
is a start of some seconds, the data and the simulators once for each process.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from vgf import apart, records
from vgf.crew import Job, last_words, start
from vgf.datasets.progress import Progress
from vgf.runs import Run, is_done, is_recorded

WAIT_SECONDS = 0.5  # between two looks at what is held by others
LAST_WORDS = 5.0  # seconds a process has to end in before it is killed


@dataclass
class _Claimed:
    """A run this process holds, in one part or several."""

    run: Run
    parts: list[Run]
    waiting: list[Run]
    lock: ExitStack
    trained: int


@dataclass
class _Hand:
    """A process and what it does."""

    process: SpawnProcess
    pipe: Connection
    part: Run
    claimed: _Claimed
    counted: int | None = None  # updates, each seed's; None before its first word
    fault: str | None = None


def groups(runs: int, processes: int) -> int:
    """Return in how many groups the seeds of a run are trained: more than one where there are fewer runs than cores."""
    return math.ceil(processes / max(runs, 1))


def train_at_once(runs: Sequence[Run], job: Callable[[Run], Job], processes: int, threads: int, replace: bool) -> None:
    """Train runs in several processes and leave a record of each.

    Args:
        runs: what to train, in this order; what is recorded is left alone.
        job: what a process is told of a part of a run.
        processes: most of them at once.
        threads: of each.
        replace: remove records made with other settings.

    Raises:
        ValueError: the first fault of a process, when all have ended, or before any starts that a record is in the way.
    """
    pending = [run for run in runs if not is_recorded(run, replace)]
    for run in runs:
        if run not in pending:
            is_done(run, replace)  # says so
    total = sum(_size(run) for run in pending)
    with Progress("train", total, "update") as progress, _terminable(), ExitStack() as stack:
        crew = _Crew(pending, job, progress, threads, replace, groups(len(pending), processes))
        stack.callback(crew.end)
        while crew.begin(processes) or crew.hands:
            crew.listen()
    if crew.faults:
        raise ValueError(crew.faults[0])


class _Crew:
    """The processes at work, and the runs that wait for one."""

    def __init__(
        self,
        runs: list[Run],
        job: Callable[[Run], Job],
        progress: Progress,
        threads: int,
        replace: bool,
        groups: int,
    ) -> None:
        self.waiting, self.job, self.progress = runs, job, progress
        self.threads, self.replace, self.groups = threads, replace, groups
        self.claimed: list[_Claimed] = []
        self.hands: list[_Hand] = []
        self.faults: list[str] = []
        self.total, self.done = len(runs), 0

    def begin(self, processes: int) -> bool:
        """Start processes for what waits; return whether anything still waits."""
        while not self.faults and len(self.hands) < processes:
            found = next((c for c in self.claimed if c.waiting), None) or self._claim()
            if found is None:
                break
            self._start(found)
        self._say()
        return not self.faults and bool(self.waiting or any(c.waiting for c in self.claimed))

    def listen(self) -> None:
        """Wait for words of the processes, for their ends, or for some time."""
        ready = wait([end for hand in self.hands for end in (hand.pipe, hand.process.sentinel)], WAIT_SECONDS)
        if not self.hands:
            time.sleep(WAIT_SECONDS)  # everything left is held by another command
        for hand in list(self.hands):
            if hand.pipe in ready or hand.process.sentinel in ready:
                self._hear(hand)
            if hand.process.sentinel in ready:
                hand.process.join()
                self._hear(hand)
                self._ended(hand)
        self.progress.tick()

    def end(self) -> None:
        """End all processes; checkpoints and rows are written whole, so that nothing can be torn."""
        for hand in self.hands:
            hand.process.terminate()
        for hand in self.hands:
            hand.process.join(LAST_WORDS)
            if hand.process.exitcode is None:
                hand.process.kill()
                hand.process.join()
        for claimed in self.claimed:
            claimed.lock.close()

    def _claim(self) -> _Claimed | None:
        """Take the first waiting run that no other command holds; settle those that are recorded or trained by now."""
        for run in list(self.waiting):
            lock = ExitStack()
            try:
                lock.enter_context(records.locked(run.work.parent, run.work.name, wait=False))
            except BlockingIOError:
                continue
            self.waiting.remove(run)
            there = is_done(run, self.replace)
            parts = [run] if there else apart.parts(run, self.groups)
            waiting = [part for part in parts if not (there or apart.is_finished(part))]
            claimed = _Claimed(run, parts, waiting, lock, len(parts) - len(waiting))
            self.claimed.append(claimed)
            self.progress.skip(_size(run) - sum(map(_size, waiting)))
            if waiting:
                return claimed
            self._finish(claimed)
        return None

    def _start(self, claimed: _Claimed) -> None:
        """Start a process for the next part of a run."""
        part = claimed.waiting.pop(0)
        process, pipe = start(self.job(part), self.threads)
        self.hands.append(_Hand(process, pipe, part, claimed))

    def _hear(self, hand: _Hand) -> None:
        """Take in what a process has said."""
        try:
            while hand.pipe.poll():
                what, told = hand.pipe.recv()
                if what == "count":
                    self._count(hand, *told)
                elif what == "fault":
                    hand.fault = told
                else:
                    self.progress.note(f"{label(hand.part)}: {told}")
        except (EOFError, OSError):
            pass  # it is gone; its exit status says how

    def _count(self, hand: _Hand, unit: str, done: int, total: int) -> None:
        """Count a process's updates for each of its seeds; those of before a checkpoint are no work of now."""
        if unit != "update":
            return
        done *= len(hand.part.experiment.scale.seeds)
        if hand.counted is None:
            self.progress.skip(done)
        else:
            self.progress.update(done - hand.counted)
        hand.counted = done

    def _ended(self, hand: _Hand) -> None:
        """Take in how a process ended."""
        self.hands.remove(hand)
        hand.pipe.close()
        code = hand.process.exitcode
        if code == 0:
            self.progress.update(_size(hand.part) - (hand.counted or 0))
            hand.claimed.trained += 1
            if hand.claimed.trained == len(hand.claimed.parts):
                self._finish(hand.claimed)
            return
        told, name = hand.fault or last_words(code), f"{hand.part.method.name} on {hand.part.plan.name}"
        self.faults.append(told if told.startswith(name) else f"{label(hand.part)}: {told}")
        if self.hands:
            self.progress.note(f"{self.faults[-1]}; what else is under way comes to its end, nothing new begins")

    def _finish(self, claimed: _Claimed) -> None:
        """Join what was trained apart and let go of the run."""
        if claimed.parts[0] is not claimed.run:
            apart.join(claimed.run, claimed.parts)
        self.done += 1
        self.claimed.remove(claimed)
        claimed.lock.close()

    def _say(self) -> None:
        """Say in front of the count what is done and what is under way."""
        failed = f", {len(self.faults)} failed" * bool(self.faults)
        words = f"train: {self.done} of {self.total} runs done, {len(self.hands)} at work{failed}"
        if words != self.progress.what:
            self.progress.rename(words)


def label(part: Run) -> str:
    """Return what a part of a run is called in messages."""
    seeds = part.experiment.scale.seeds
    return f"{part.method.name} on {part.plan.name}, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _size(run: Run) -> int:
    """Return a run's updates, counted for each seed."""
    return run.scale.all_updates * len(run.experiment.scale.seeds)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM interrupt this process as Ctrl-C does, so that it ends its processes first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
