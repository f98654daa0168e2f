"""A process that forks a training for each folder it is told, so that a test can kill it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from tests.helpers.site import ROOT
from tests.helpers.toy_runs import CPU, a_run, toy_data, toy_envs
from vgf.training import loop
from vgf.training.inputs import TrainingInputs
from vgf.training.monitor import Monitor

SIZES = {  # both phases, so that kills fall into training, evaluation, acting, rows and checkpoints alike
    "updates": 60,
    "evaluate_every": 10,
    "checkpoint_every": 2,
    "online": {"steps": 40, "test_steps": 1},
}
END = 100


class Begun(Monitor):
    """Tells when the first row of the curve is there."""

    def curve(self, rows: Any) -> None:
        print("begun", flush=True)


def trained(folder: Path) -> None:
    """Train to the end; its last checkpoint stays."""
    run = a_run(folder, sizes=SIZES)
    loop.train(run, TrainingInputs(toy_data(), toy_envs(), CPU, toy_envs()), Begun(run), stop_at=END)


def serve_forks(folder: Path) -> None:
    """Fork a process that trains for each folder named on stdin, from one in which everything is warm."""
    torch.set_num_threads(1)
    trained(folder)
    for line in sys.stdin:
        if not (pid := os.fork()):
            trained(Path(line.strip()))
            os._exit(0)
        print(f"pid {pid}", flush=True)
        print(f"ended {os.waitpid(pid, 0)[1]}", flush=True)


class ForkServer:
    """The other end: starts a training, waits for words of it, kills it."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.helpers.fork_server", str(folder)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0, cwd=ROOT
        )
        self.await_word("begun", 300)

    def start(self, folder: Path) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{folder}\n".encode())
        return int(self.await_word("pid", 300) or 0)

    def await_word(self, word: str, seconds: float) -> str | None:
        """Return what follows a word that is said within some seconds, or None."""
        deadline = time.monotonic() + seconds
        stream = self.process.stdout
        assert stream is not None
        while select.select([stream], [], [], max(deadline - time.monotonic(), 0))[0]:
            said = stream.readline().decode().split()
            assert said, "the server is gone"
            if said[0] == word:
                return said[-1]
        return None


if __name__ == "__main__":
    serve_forks(Path(sys.argv[1]))
