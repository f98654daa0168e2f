"""Progress of anything slow: a bar with rate and time left on a terminal, plain lines elsewhere.

Where several processes work for one command, each passes its counts on and the command draws one line of them all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

LINE_SECONDS = 10.0  # at most one plain line in this time
PASS_SECONDS = 0.5  # at most one count passed on in this time

Listener = Callable[[str, str, int, int], None]  #: takes what it is, the unit, how many are done and how many there are
_listener: Listener | None = None


@contextmanager
def passed_on(listener: Listener) -> Iterator[None]:
    """Tell a listener all progress of this process instead of writing it."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before


class _Bar(tqdm):
    """A bar without a thread of its own: processes may be forked while it is drawn."""

    monitor_interval = 0


class Progress:
    """Count items of a known total on stderr; a context manager."""

    def __init__(
        self, what: str, total: int, unit: str, done: int = 0, stream: TextIO | None = None, quiet: bool = False
    ) -> None:
        """Start counting.

        Args:
            what: a few words in front of the count.
            total: number of items.
            unit: one item's name.
            done: items that an earlier run finished; they do not count for the rate.
            stream: where to write; stderr by default.
            quiet: write nothing.
        """
        self.what, self.total, self.unit, self.done, self.earlier = what, total, unit, done, done
        self.stream = stream or sys.stderr
        self.started = self.last_line = time.monotonic()
        self.listener = None if quiet else _listener
        self.quiet = quiet or self.listener is not None
        drawn = self.stream.isatty() and not self.quiet
        self.bar = _Bar(total=total, initial=done, desc=what, unit=unit, file=self.stream) if drawn else None

    def __enter__(self) -> Progress:
        """Return itself."""
        if self.listener is not None:
            self.listener(self.what, self.unit, self.done, self.total)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close the bar, or write the last line."""
        if self.bar is not None:
            self.bar.close()
        elif kind is None and time.monotonic() - self.started >= 2.0:
            self._line()

    def update(self, items: int = 1) -> None:
        """Count items as done."""
        self.done += items
        if self.bar is not None:
            self.bar.update(items)
        elif self.listener is not None:
            if time.monotonic() - self.last_line >= PASS_SECONDS or self.done >= self.total:
                self.last_line = time.monotonic()
                self.listener(self.what, self.unit, self.done, self.total)
        else:
            self.tick()

    def skip(self, items: int) -> None:
        """Count items that an earlier run finished, found out only now."""
        self.done += items
        self.earlier += items
        if self.bar is not None:
            self.bar.initial += items
            self.bar.n += items

    def rename(self, what: str) -> None:
        """Change the words in front of the count."""
        self.what = what
        if self.bar is not None:
            self.bar.set_description(what)

    def note(self, text: str) -> None:
        """Write a line of its own, above the bar where there is one."""
        if self.bar is not None:
            self.bar.clear()
        print(text, file=self.stream, flush=True)
        if self.bar is not None:
            self.bar.refresh()

    def tick(self) -> None:
        """Write a plain line when it is time for one, also when nothing was counted."""
        if self.bar is None and time.monotonic() - self.last_line >= LINE_SECONDS and self.done < self.total:
            self._line()

    def _line(self) -> None:
        """Write one plain line with rate and time left."""
        if self.quiet:
            return
        self.last_line = time.monotonic()
        rate = (self.done - self.earlier) / max(self.last_line - self.started, 1e-9)
        left = f", {(self.total - self.done) / rate:.0f} s left" if rate and self.done < self.total else ""
        print(f"{self.what}: {self.done}/{self.total}, {rate:.2f} {self.unit}/s{left}", file=self.stream, flush=True)


def log(text: str) -> None:
    """Write one line for the person at the terminal, apart from what a machine reads on stdout."""
    print(text, file=sys.stderr, flush=True)
