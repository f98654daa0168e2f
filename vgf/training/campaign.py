"""Several runs at once: one process a core, each of which trains one run, or some seeds of one, with one thread.

The networks of this package are too small to gain from a second thread, so that c cores are used best by c processes.
This process starts them, hands each the next run, draws one progress line for all, and joins seeds that were trained
in groups (`vgf.training.seed_groups`). It trains nothing itself. A run that is being trained is locked, so that two
commands at once share the runs of an experiment. When one process fails, the others finish what they do and no new run
starts, as with `make -j`. An interruption stops all of them; run the command again and they resume from their
checkpoints. The trade-off: each process needs some seconds to start and its own copy of data and simulators.
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

from vgf.support.files import locked
from vgf.support.progress import Progress
from vgf.training import seed_groups
from vgf.training.child_process import Job, exit_reason, start
from vgf.training.runs import Run, is_done, is_recorded

WAIT_SECONDS = 0.5  # between two checks whether another command has released a run
STOP_SECONDS = 5.0  # a process has this long to stop before it is killed


@dataclass
class _Claimed:
    """A run that this command has locked, in one part or several."""

    run: Run
    parts: list[Run]
    waiting: list[Run]
    lock: ExitStack
    trained: int


@dataclass
class _Child:
    """A child process and the part of a run that it trains."""

    process: SpawnProcess
    pipe: Connection
    part: Run
    claimed: _Claimed
    counted: int | None = None  # updates summed over seeds; None before its first message
    stage: str = ""  # what it does besides updates, and how far it is
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
        scheduler = _Scheduler(pending, job, progress, threads, replace, groups(len(pending), processes))
        stack.callback(scheduler.end)
        while scheduler.begin(processes) or scheduler.children:
            scheduler.wait_for_children()
    if scheduler.faults:
        raise ValueError(scheduler.faults[0])


class _Scheduler:
    """The running processes, and the runs that wait for one."""

    def __init__(
        self, runs: list[Run], job: Callable[[Run], Job], progress: Progress, threads: int, replace: bool, groups: int
    ) -> None:
        self.waiting, self.job, self.progress = runs, job, progress
        self.threads, self.replace, self.groups = threads, replace, groups
        self.claimed: list[_Claimed] = []
        self.children: list[_Child] = []
        self.faults: list[str] = []
        self.total, self.done = len(runs), 0

    def begin(self, processes: int) -> bool:
        """Start processes for what waits; return whether anything still waits."""
        while not self.faults and len(self.children) < processes:
            found = next((c for c in self.claimed if c.waiting), None) or self._claim()
            if found is None:
                break
            self._start(found)
        self._show()
        return not self.faults and bool(self.waiting or any(c.waiting for c in self.claimed))

    def wait_for_children(self) -> None:
        """Wait for a message of a process, for the end of one, or for `WAIT_SECONDS`."""
        ready = wait([end for child in self.children for end in (child.pipe, child.process.sentinel)], WAIT_SECONDS)
        if not self.children:
            time.sleep(WAIT_SECONDS)  # everything left is held by another command
        for child in list(self.children):
            if child.pipe in ready or child.process.sentinel in ready:
                self._receive(child)
            if child.process.sentinel in ready:
                child.process.join()
                self._receive(child)
                self._ended(child)
        self.progress.tick()

    def end(self) -> None:
        """End all processes; checkpoints and rows are written whole, so that nothing can be torn."""
        for child in self.children:
            child.process.terminate()
        for child in self.children:
            child.process.join(STOP_SECONDS)
            if child.process.exitcode is None:
                child.process.kill()
                child.process.join()
        for claimed in self.claimed:
            claimed.lock.close()

    def _claim(self) -> _Claimed | None:
        """Take the first waiting run that no other command holds; settle those that are recorded or trained by now."""
        for run in list(self.waiting):
            lock = ExitStack()
            try:
                lock.enter_context(locked(run.work.parent, run.work.name, wait=False))
            except BlockingIOError:
                continue
            self.waiting.remove(run)
            there = is_done(run, self.replace)
            parts = [run] if there else seed_groups.parts(run, self.groups)
            waiting = [part for part in parts if not (there or seed_groups.is_finished(part))]
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
        self.children.append(_Child(process, pipe, part, claimed))

    def _receive(self, child: _Child) -> None:
        """Read the messages of a process."""
        try:
            while child.pipe.poll():
                what, told = child.pipe.recv()
                if what == "count":
                    self._count(child, *told)
                elif what == "fault":
                    child.fault = told
                else:
                    self.progress.note(f"{label(child.part)}: {told}")
        except (EOFError, OSError):
            return  # the process has ended; `_ended` reads its exit status

    def _count(self, child: _Child, what: str, unit: str, done: int, total: int) -> None:
        """Count a process's updates for each of its seeds; those of before a checkpoint are no work of now."""
        child.stage = f"; {child.part.method.name}: {what} {done}/{total}" if unit != "update" and done < total else ""
        if unit != "update":
            return
        done *= len(child.part.experiment.scale.seeds)
        if child.counted is None:
            self.progress.skip(done)
        else:
            self.progress.update(done - child.counted)
        child.counted = done

    def _ended(self, child: _Child) -> None:
        """Handle the end of a process."""
        self.children.remove(child)
        child.pipe.close()
        code = child.process.exitcode
        if code == 0:
            self.progress.update(_size(child.part) - (child.counted or 0))
            child.claimed.trained += 1
            if child.claimed.trained == len(child.claimed.parts):
                self._finish(child.claimed)
            return
        told, name = child.fault or exit_reason(code), f"{child.part.method.name} on {child.part.plan.name}"
        self.faults.append(told if told.startswith(name) else f"{label(child.part)}: {told}")
        if self.children:
            self.progress.note(f"{self.faults[-1]}; what else is under way comes to its end, nothing new begins")

    def _finish(self, claimed: _Claimed) -> None:
        """Join the groups of a run, if it has several, and release its lock."""
        if claimed.parts[0] is not claimed.run:
            seed_groups.join(claimed.run, claimed.parts)
        self.done += 1
        self.claimed.remove(claimed)
        claimed.lock.close()

    def _show(self) -> None:
        """Show in the progress line how many runs are done and running, and what is under way besides updates."""
        failed = f", {len(self.faults)} failed" * bool(self.faults)
        stages = "".join(child.stage for child in self.children)
        words = f"train: {self.done} of {self.total} runs done, {len(self.children)} at work{failed}{stages}"
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
