"""Children that do a stage's work: forked from a process in which everything is warm, so that a kill costs little."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tests.soak.stages import Stage

REFUSED, RAISED = 3, 4  # exit status: one line for a user, or a traceback
PATIENCE = 240.0  # seconds after which a child hangs


class Ended(NamedTuple):
    """How a child ended: its exit status, minus the signal where one ended it, and what it said."""

    status: int
    said: str


class Child:
    """A forked process that does a stage's work in a folder."""

    def __init__(self, stage: Stage, folder: Path, said: Path, before: Callable[[], Any] = lambda: None) -> None:
        self.said = said
        said.unlink(missing_ok=True)
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            self._work(stage, folder, before)

    def _work(self, stage: Stage, folder: Path, before: Callable[[], Any]) -> None:
        """Do it, and say in a file what came of it; this process ends here."""
        status = RAISED
        try:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            os.environ.pop("VGF_DEBUG", None)
            torch.set_num_threads(
                1
            )  # before threads that load a model do it at once: a fork leaves torch's pool to renew
            before()
            stage.work(folder)
            status = 0
        except (ValueError, OSError) as error:
            status = REFUSED
            self.said.write_text(str(error))
        except BaseException:
            self.said.write_text(traceback.format_exc())
        finally:
            os._exit(status)

    def ended(self, seconds: float = PATIENCE) -> Ended | None:
        """Return how it ended, or None if it has not within some seconds."""
        deadline = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                return Ended(code, self.said.read_text() if self.said.exists() else "")
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(0.002, left))

    def kill(self) -> Ended:
        """Kill it, as the kernel does when memory runs out, and return how it ended."""
        os.kill(self.pid, signal.SIGKILL)
        ended = self.ended()
        assert ended is not None
        return ended


def warm(stage: Stage, home: Path) -> Path:
    """Do a stage's work once in this process, so that children find all of it loaded; return what it begins from."""
    torch.set_num_threads(1)
    prepared = home / "prepared"
    prepared.mkdir(parents=True)
    stage.prepare(prepared)
    return prepared
