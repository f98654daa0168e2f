"""What is paid once: building the fused core, importing the package, and the memory of a whole process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from typing import Any

from vgf.bench.cases import Case
from vgf.bench.turns import python_worker

BUILD = "from vgf.agents import fused; import sys; sys.exit(fused.reason())"
UPDATES = 20  # after which a process holds all it needs


def build_seconds() -> float:
    """Return how long the first use of the fused core takes on this machine, import of the package included.

    Raises:
        ValueError: if it cannot be built here.
    """
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", BUILD], env=os.environ | {"VGF_CACHE": folder}, capture_output=True, text=True
        )
    if done.returncode:
        raise ValueError(f"the fused core cannot be built: {done.stderr.strip().splitlines()[-1]}")
    return time.perf_counter() - start


def import_seconds(times: int = 3) -> float:
    """Return the least seconds of `import vgf`, everything it imports included, as Python itself times it."""
    command = [sys.executable, "-X", "importtime", "-c", "import vgf"]
    told = (subprocess.run(command, capture_output=True, text=True, check=True).stderr for _ in range(times))
    lines = (re.findall(r"^import time:\s*\d+ \|\s*(\d+) \| vgf$", text, re.MULTILINE) for text in told)
    return min(int(found[-1]) for found in lines) / 1e6


def process_bytes(case: Case) -> int:
    """Return the largest resident size of a process that has trained a case for some updates."""
    with closing(python_worker(vars(case), "memory")) as worker:
        return int(worker.ask(UPDATES)["process_memory"])


def start_row() -> dict[str, Any]:
    """Return all of it."""
    case = Case("banked", "paper", "fused", threads=1)
    case = case if case.exists else replace(case, precision="float32")
    return {
        "build_seconds": round(build_seconds(), 1),
        "import_seconds": round(import_seconds(), 3),
        "process_memory_bytes": process_bytes(case),
        "process": f"{case.preset}, {case.size}, {case.path}, {case.config.precision}",
    }
