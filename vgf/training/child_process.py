"""A child process of `vgf.training.campaign`: runs one job, reports through a pipe, and exits when its parent exits."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from vgf.sources.parts import end_with_parent
from vgf.support.progress import passed_on

Job = Callable[[], None]  #: picklable; ends normally, or raises what is wrong


class _ForwardedLines(io.TextIOBase):
    """A text stream that sends its lines through the pipe: only the parent writes to the terminal."""

    def __init__(self, say: Callable[[str, Any], None]) -> None:
        self.say, self.rest = say, ""

    def writable(self) -> bool:
        """Return that it is."""
        return True

    def write(self, text: str) -> int:
        """Send the complete lines."""
        *lines, self.rest = (self.rest + text).split("\n")
        for line in filter(str.strip, lines):
            self.say("note", line.rstrip())
        return len(text)


def start(job: Job, threads: int) -> tuple[SpawnProcess, Connection]:
    """Start a process for a job; return it and the pipe it reports through.

    Its messages are ("count", (what, unit, done, total)), ("note", line) and ("fault", line).
    """
    context = multiprocessing.get_context("spawn")
    pipe, far = context.Pipe(duplex=False)
    process = context.Process(target=_run_job, args=(job, far, threads))
    resource_tracker.ensure_running()  # starting it unblocks signals, so it comes before they are blocked
    # Ctrl-C reaches every process of a terminal; here the parent decides
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _environment(OMP_NUM_THREADS=str(threads)):  # libraries read it when they are loaded
            process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    far.close()
    return process, pipe


def exit_reason(code: int | None) -> str:
    """Return the message for a process that ended without reporting a fault."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return (
            f"its process was ended by {name}, perhaps for want of memory; run again to go on, with fewer --processes"
        )
    return f"its process ended with status {code}"


def _run_job(job: Job, pipe: Connection, threads: int) -> None:
    """Run a job; its progress, its lines on stderr and its fault go through the pipe."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    alone = threading.Lock()

    def say(what: str, told: Any) -> None:
        with alone:
            pipe.send((what, told))

    sys.stderr = _ForwardedLines(say)
    try:
        with passed_on(lambda *counts: say("count", counts)):
            job()
    except (ValueError, OSError) as error:
        if os.environ.get("VGF_DEBUG"):
            raise
        for line in getattr(error, "told", "").splitlines():  # what an environment raised
            say("note", line)
        say("fault", " ".join(str(error).split()))
        sys.exit(2)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set variables for processes that are started meanwhile."""
    before: dict[str, Any] = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
