"""Starting a script of ours in the interpreter of the authors' release, with a clone of it as its folder."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

AGENT = Path(__file__).with_name("agent.py")  # trains, then acts; see `vgf.results.release_check`
WORKER = Path(__file__).with_name("worker.py")  # is timed; see `vgf.bench.turns`


def release_command(clone: Path, python: Path, script: Path, asked: dict[str, Any], threads: int | None) -> list[str]:
    """Return what starts a script of ours in the authors' release's interpreter; the clone is to be its folder.

    Raises:
        ValueError: if clone or interpreter are not there.
    """
    agent = f"agents/{asked.get('agent', 'vgf')}.py"
    if not (clone / agent).exists():
        raise ValueError(f"--release {clone}: no {agent}; give a clone of https://github.com/ryanxhr/vgf")
    if not os.access(python, os.X_OK):
        raise ValueError(f"--release-python {python}: no such interpreter; give one that has jax, flax and distrax")
    # made absolute, but not resolved: a virtual environment is known by its link
    command = [str(python.absolute()), str(script), json.dumps(asked)]
    if threads and sys.platform == "linux":
        command = ["taskset", "-c", f"0-{threads - 1}", *command]  # XLA has no setting for its threads
    return command
