"""The command `vgf` in processes that need not import torch and the simulators anew: forks of one that has.

A process of its own takes seconds to import what a training needs, and `vgf train --processes 2` starts three. Here a
server imports it once and forks a process for each command; the processes that a command starts are forks too, in
place of new interpreters. What is tested with it is what processes do to each other: signals, kills, locks, pipes and
records. That jobs survive pickling and that a new interpreter finds all it needs is tested with real ones.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.helpers.moments import until
from tests.helpers.site import ROOT

POLL_SECONDS = 0.02
IMPORTED = (
    "ogbench",
    "gymnasium.envs.mujoco.hopper_v5",
    "torch._dynamo",  # torch's Adam imports it when it is made
    "vgf.datasets.loading",
    "vgf.training.campaign",
    "vgf.training.commands",
    "vgf.training.loop",
    "vgf.training.monitor",
)


def run(words: list[str], environment: dict[str, str], told: str, hold: str) -> None:
    """Run a command in a process just forked; what it says on stderr goes to a file. Does not return."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDWR)
    err = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for target, source in enumerate((nothing, nothing, err)):
        os.dup2(source, target)
    os.environ.update(environment)
    context = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda kind=None: context  # type: ignore[assignment]
    if hold:
        hold_at_checkpoints(Path(hold))
    from vgf import cli

    sys.exit(cli.main(words))


def hold_at_checkpoints(go: Path) -> None:
    """Let every training wait at its checkpoints until a file is there, so that a test can step in."""
    from vgf.training import saving

    save = saving.save_checkpoint

    def held(*arguments: Any) -> None:
        save(*arguments)
        until(go.exists, 3600)

    saving.save_checkpoint = held


def serve() -> None:
    """Fork a process for each request on stdin; say its id, and leave its exit status beside what it said."""
    for name in IMPORTED:
        import_module(name)
    import torch

    torch.set_num_threads(1)
    running: dict[int, str] = {}
    while True:
        if select.select([sys.stdin], [], [], POLL_SECONDS if running else None)[0]:
            if not (line := sys.stdin.readline()):
                return
            request = json.loads(line)
            if not (pid := os.fork()):
                run(**request)
            running[pid] = request["told"]
            print(pid, flush=True)
        while running and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            note = Path(f"{running.pop(ended[0])}.status")
            note.with_suffix(".part").write_text(str(os.waitstatus_to_exitcode(ended[1])))
            note.with_suffix(".part").replace(note)


class Command:
    """A command that runs, with the verbs of `subprocess.Popen` that the tests use."""

    def __init__(self, pid: int, told: Path) -> None:
        self.pid, self.told, self.returncode = pid, told, None

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        note = Path(f"{self.told}.status")
        if self.returncode is None and note.exists():
            self.returncode = int(note.read_text())
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 600) -> tuple[None, str]:
        """Wait for its end; return what it said on stderr."""
        until(lambda: self.poll() is not None, timeout)
        return None, self.told.read_text()


class WarmCommands:
    """The other end of the server."""

    def __init__(self, folder: Path) -> None:
        words = [sys.executable, "-m", "tests.helpers.warm_command"]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.folder, self.started = folder, 0

    def start(self, words: list[str], environment: dict[str, str], hold: Path | None = None) -> Command:
        """Start a command, whose trainings wait at their checkpoints until `hold` is there, if that is given."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.started += 1
        told = self.folder / f"told{self.started}"
        request = {"words": words, "environment": environment, "told": str(told), "hold": str(hold or "")}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return Command(int(self.process.stdout.readline()), told)

    def end(self) -> None:
        """End the server."""
        self.process.communicate()


if __name__ == "__main__":
    serve()
