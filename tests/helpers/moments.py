"""Moments that a test can name: a process's n-th change of its files, at which it dies, and a state to wait for.

Of a process that is killed nothing stays but its files, and they are the same at every moment between two changes. So
a kill before the n-th change stands for all moments since the one before, and it hits on a busy machine as on an idle
one. Waiting has a limit only so that a test that can no longer pass fails.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Changes:
    """Counts how often this process changes files below a folder, and kills it just before one of them.

    A file opened for writing, a flush to the disk, a rename, a removal and a new folder are a change each. There is no
    way to stop the counting.

    Args:
        folder: whose files count.
        kill_at: the change before which the process dies, from 1; 0 for never.
        what: the kind of change that counts, for example "os.rename"; all kinds if empty.
    """

    def __init__(self, folder: Path, kill_at: int = 0, what: str = "") -> None:
        self.folder, self.kill_at, self.what, self.count = str(folder), kill_at, what, 0
        flush = os.fsync

        def counted_flush(file: int) -> None:
            self.note("fsync")
            flush(file)

        os.fsync = counted_flush
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an event of the interpreter for a change if it is one."""
        if (
            event in CHANGES
            and str(arguments[0]).startswith(self.folder)
            and (event != "open" or arguments[2] & WRITES)
        ):
            self.note(event)

    def note(self, event: str) -> None:
        """Count a change, or die of it."""
        self.count += self.what in ("", event)
        if self.count == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def until(holds: Callable[[], Any], seconds: float = 300.0) -> None:
    """Wait until something holds; fail when it does not within a time that no busy machine needs."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"still not so after {seconds:.0f} s"
        time.sleep(0.01)
