"""A process that forks a training for each folder it is told, which kills itself where a test wants it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

from tests.helpers.moments import Changes
from tests.helpers.site import ROOT
from tests.helpers.toy_runs import CPU, a_run, toy_data, toy_envs
from vgf.training import loop
from vgf.training.inputs import TrainingInputs

SIZES = {  # both phases, so that kills fall into training, evaluation, acting, rows and checkpoints alike
    "updates": 60,
    "evaluate_every": 10,
    "checkpoint_every": 2,
    "online": {"steps": 40, "test_steps": 1},
}
END = 100


def trained(folder: Path) -> None:
    """Train to the end; its last checkpoint stays."""
    run = a_run(folder, sizes=SIZES)
    loop.train(run, TrainingInputs(toy_data(), toy_envs(), CPU, toy_envs()), stop_at=END)


def serve_forks(folder: Path) -> None:
    """Fork a process that trains for each line `kill_at folder` of stdin, from one in which everything is warm."""
    torch.set_num_threads(1)
    trained(folder)
    for line in sys.stdin:
        kill_at, _, name = line.strip().partition(" ")
        if not (pid := os.fork()):
            changes = Changes(Path(name), int(kill_at))
            trained(Path(name))
            print(f"changes {changes.count}", flush=True)
            os._exit(0)
        print(f"ended {os.waitpid(pid, 0)[1]}", flush=True)


class ForkServer:
    """The other end: has trainings run, to their end or to their n-th change of a file."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.helpers.fork_server", str(folder)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
        )

    def train(self, folder: Path, kill_at: int = 0) -> tuple[int, int]:
        """Train in a folder; return how the process ended and how many changes of files it counted, if it could."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(kill_at, folder, file=self.process.stdin, flush=True)
        changes = 0
        for line in self.process.stdout:
            word, number = line.split()
            if word == "ended":
                return int(number), changes
            changes = int(number)
        raise AssertionError("the server is gone")


if __name__ == "__main__":
    serve_forks(Path(sys.argv[1]))
