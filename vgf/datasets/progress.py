"""Progress of anything slow: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

LINE_SECONDS = 10.0  # at most one plain line in this time


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
        self.quiet = quiet
        drawn = self.stream.isatty() and not quiet
        self.bar = _Bar(total=total, initial=done, desc=what, unit=unit, file=self.stream) if drawn else None

    def __enter__(self) -> Progress:
        """Return itself."""
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
        elif time.monotonic() - self.last_line >= LINE_SECONDS and self.done < self.total:
            self._line()

    def _line(self) -> None:
        """Write one plain line with rate and time left."""
        if self.quiet:
            return
        self.last_line = time.monotonic()
        rate = (self.done - self.earlier) / max(self.last_line - self.started, 1e-9)
        left = f", {(self.total - self.done) / rate:.0f} s left" if rate and self.done < self.total else ""
        print(f"{self.what}: {self.done}/{self.total}, {rate:.2f} {self.unit}/s{left}", file=self.stream, flush=True)
