"""When a run's checkpoint is due by the clock, and what an interruption still saves.

A checkpoint can be taken where a row of the curve has just been logged: no mean is half summed then. A run saves where
its sizes say so, and also where `SAVE_SECONDS` have passed, because a method may take hours between two of those. A
copy of the state of the last logged update is kept in memory, so that Ctrl-C at any line saves that: what an update
has half changed is no state to go on from. No number of a training depends on any of it. The price is one more copy of
weights and Adam's moments.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import pandas as pd
from torch import Tensor

from vgf.support.progress import log
from vgf.training.checkpoints import save_checkpoint
from vgf.training.clock import Clock
from vgf.training.metrics import check_finite
from vgf.training.runs import Run, append

SAVE_SECONDS = 600.0  # of wall time; what a kill costs at most, where updates are logged as often


class _State(NamedTuple):
    """What a checkpoint is written from."""

    update: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]
    curve: list[pd.DataFrame]


class Saver:
    """Writes a run's checkpoints."""

    def __init__(self, run: Run) -> None:
        """Begin to count the time."""
        self.run = run
        self.last: _State | None = None  # that is not written yet
        self.since = time.monotonic()

    def is_late(self) -> bool:
        """Say whether the last checkpoint is so long ago that the next logged update is to be saved."""
        return time.monotonic() - self.since >= SAVE_SECONDS

    def save(self, update: int, tensors: Mapping[str, Tensor], clock: Clock, curve: list[pd.DataFrame]) -> None:
        """Write a checkpoint, the rows of the curve first: a row that is there twice is kept once.

        Raises:
            NotFinite: if a number of the state is not finite; nothing is written.
        """
        check_finite(tensors, update)
        clock.stop("training")
        self._write(_State(update, tensors, self._facts(clock), curve))

    def keep(self, update: int, tensors: Mapping[str, Tensor], clock: Clock, curve: list[pd.DataFrame]) -> None:
        """Copy a state, to be written if the run is interrupted before its next checkpoint."""
        clock.stop("training")
        copied = {name: value.clone() for name, value in tensors.items()}
        self.last = _State(update, copied, self._facts(clock), list(curve))

    @contextmanager
    def on_interruption(self) -> Iterator[None]:
        """Write the state that was kept last when Ctrl-C comes within, and let it pass on."""
        try:
            yield
        except KeyboardInterrupt:
            if self.last is not None:
                self._rescue(self.last)
            raise

    def _rescue(self, state: _State) -> None:
        """Write a state, or say why not: the interruption is what its caller has to hear of."""
        try:
            check_finite(state.tensors, state.update)
            self._write(state)
        except (ValueError, OSError) as error:
            log(f"update {state.update} is not saved: {error}")

    def _facts(self, clock: Clock) -> dict[str, Any]:
        """Return what stands beside the tensors."""
        return {"clock": clock.facts(), "method": self.run.method.name, "ident": self.run.ident}

    def _write(self, state: _State) -> None:
        if state.curve:
            append(self.run, pd.concat(state.curve), "curve")
        save_checkpoint(self.run.work, state.update, state.tensors, state.facts)
        self.last, self.since = None, time.monotonic()
