"""What the chapter on speed reads: every benchmark it shows, run one after the other, with the machine's facts.

    python -m vgf.bench.collect [--release CLONE [CLONE] --release-python PYTHON]

The measurements of each kind of processor have a folder of their own, such as `data/results/speed/avx512-bf16`, which
this finds out (`vgf.support.host.processor_kind`); a machine with CUDA fills `gpu`. So another machine adds a column
to the chapter's tables by this one command. Each part is one command of some two or three minutes on two quiet cores
and one file, written when it is done: a run that was interrupted goes on with the next part, and a part is made anew by
removing its file, or with `--again`. A file holds the command, the machine, how busy it was before and after, and the
rows. Times taken on a busy machine are worth little and say so themselves.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from vgf.agents.hardware import FUSED
from vgf.bench.machine import load, machine, runnable
from vgf.support.errors import status_of
from vgf.support.files import write_bytes
from vgf.support.given import expanded
from vgf.support.host import processor_kind
from vgf.support.json_text import read_facts
from vgf.support.progress import log

HOME = Path("data/results/speed")
LARGE = "1e11"  # pairs times dimensions of one transport that takes seconds
ALL = ("--precision", "float32", "bfloat16", "bfloat16_all")
# Without what a processor only emulates, which takes many times as long; one part shows how long.
NATIVE = ALL if FUSED else ALL[:2]
BOTH = ("--path", "fast", "fused", "--threads", "1")
SWEEP = ("update", "--size", "small", "--preset", "release", *BOTH, "--no-all-cores")
#: Parts whose methods the authors' own code has, which is timed beside them where a clone is given.
RELEASED = (
    *("update-tiny", "update-small", "update-small-amortised", "update-paper", "update-paper-release"),
    *("rivals", "rivals-more"),
)
PARTS: dict[str, Sequence[str]] = {
    "update-tiny": ("update", "--size", "tiny", "--preset", "banked", *BOTH, *ALL),
    "update-small": ("update", "--size", "small", "--preset", "banked", *BOTH, *NATIVE),
    "update-small-amortised": ("update", "--size", "small", "--preset", "amortised", *BOTH, *NATIVE),
    "update-paper": ("update", "--size", "paper", "--preset", "banked", *BOTH, *NATIVE),
    "update-paper-release": ("update", "--size", "paper", "--preset", "release", *BOTH, *NATIVE),
    "rivals": ("update", "--size", "small", "--agent", "fql", "iql", *BOTH, *NATIVE),
    "rivals-more": (
        *("update", "--size", "small", "--preset", "banked", "--agent", "rebrac", "best_of_n", "bc"),
        *(*BOTH, *NATIVE),
    ),
    "start": ("start",),
    "profile": ("profile",),
    "profile-rivals": ("profile", "--agent", "fql", "iql", "rebrac", "--size", "small"),
    "gains-small": ("gains", "--size", "small", "--threads", "1"),
    "gains-paper": ("gains", "--size", "paper", "--threads", "1"),
    "particles": (*SWEEP, "--particles", "1", "5", "10", "20", "40"),
    "steps": (*SWEEP, "--train-steps", "0", "1", "2", "4", "8"),
    "seeds": (*SWEEP, "--seeds", "1", "2", "4", "8"),
    **{f"transport-{d}": ("transport", "--dimension", str(d), "--most", LARGE) for d in (2, 8, 32, 128, 512)},
    "transport-large-32": ("transport", "--particles", "65536", "--dimension", "32"),
    "transport-large-128": ("transport", "--particles", "65536", "--dimension", "128"),
    "transport-large-512": ("transport", "--particles", "16384", "--dimension", "512"),
    "data": ("data",),
    "data-seeds": ("data", "--seeds", "8"),
}
GPU = "gpu"  # the one part of a machine with CUDA, which `vgf.bench.gpu` makes


class ProcessCounter:
    """Counts the processes that want a core, once a second while entered; what is measured is one or two of them."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> ProcessCounter:
        """Begin."""
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.over.set()
        self.thread.join()

    def median(self) -> float | None:
        """Return the median count, None where the system does not tell."""
        return statistics.median(self.seen) if self.seen else None

    def _look(self) -> None:
        while not self.over.wait(1.0):
            count = runnable()
            if count is not None:
                self.seen.append(count - 1)  # without this thread


@dataclass(frozen=True)
class Collect:
    """Run every benchmark of the chapter on speed and keep what it says."""

    out: Path | None = None
    """The folder; by default the one of this machine's kind."""
    only: tuple[str, ...] = ()
    """Parts, by name; all by default."""
    blocks: int | None = None
    """Fewer blocks of each case, for a trial; five by default."""
    again: bool = False
    """Make parts anew that are there."""
    release: tuple[Path, ...] = ()
    """Clones of what the authors published, ryanxhr/vgf and seohongpark/fql; without them ours is timed alone."""
    release_python: Path | None = None
    """Their interpreter, with jax, flax and distrax."""

    def run(self) -> None:
        """Run part after part.

        Raises:
            ValueError: for an unknown part, or when a benchmark ends with an error.
        """
        parts = (GPU,) if torch.cuda.is_available() else tuple(PARTS)
        if unknown := set(self.only) - set(parts):
            raise ValueError(f"unknown part {', '.join(sorted(unknown))}; known: {', '.join(parts)}")
        if bool(self.release) != (self.release_python is not None):
            raise ValueError("--release and --release-python go together")
        folder = self.out or HOME / (GPU if parts == (GPU,) else processor_kind())
        for name in self.only or parts:
            path = folder / f"{name}.json"
            if path.exists() and not self.again and read_facts(path)["command"] == self._command(name):
                log(f"{name}: there already")
            elif name.startswith("profile") and shutil.which("perf") is None:
                log(f"{name}: left out, perf is not installed")
            else:
                record = self._measure(name)
                write_bytes(path, (json.dumps(record, indent=1) + "\n").encode())
                log(f"{name}: {record['seconds']:.0f} s")

    def _words(self, name: str) -> list[str]:
        """Return the words of a part's command behind `vgf`."""
        words = [] if name == GPU else ["bench", *PARTS[name], "--json"]
        if self.blocks is not None and words and words[1] not in ("data", "start", "profile"):
            words += ["--blocks", str(self.blocks)]
        return words

    def _command(self, name: str) -> str:
        """Return a part's command as its file tells it; paths of this machine are no part of it."""
        told = "python -m vgf.bench.gpu" if name == GPU else f"vgf {' '.join(self._words(name))}"
        theirs = bool(self.release) and name in RELEASED
        return told + " --release CLONE CLONE --release-python PYTHON" * theirs

    def _measure(self, name: str) -> dict[str, Any]:
        """Run one part and return what its file holds."""
        words = self._words(name)
        theirs = bool(self.release) and name in RELEASED
        clones = [*map(str, self.release), "--release-python", str(self.release_python)]
        extra = ["--release", *clones] if theirs else []
        module = "vgf.bench.gpu" if name == GPU else "vgf.cli"
        before, ready, start = load(), runnable(), time.monotonic()
        with ProcessCounter() as counter:
            done = subprocess.run([sys.executable, "-m", module, *words, *extra], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise ValueError(f"{name}: {self._command(name)} ended with status {done.returncode}")
        return {
            "command": self._command(name),
            "machine": machine(),
            "load_before": before,
            "runnable_before": ready,
            "runnable_meanwhile": counter.median(),
            "load_after": load(),
            "seconds": round(time.monotonic() - start, 1),
            "rows": json.loads(done.stdout),
        }


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the parts that are in a folder, by name.

    Raises:
        ValueError: if there are none.
    """
    parts = {path.stem: read_facts(path) for path in sorted(folder.glob("*.json"))}
    if not parts:
        raise ValueError(f"{folder}: no measurements; `python -m vgf.bench.collect` makes them")
    return parts


def main() -> int:
    """Run `python -m vgf.bench.collect`; return 2 for bad input."""
    words = expanded(sys.argv[1:])
    return status_of("collect", lambda: tyro.cli(Collect, prog="python -m vgf.bench.collect", args=words).run())


if __name__ == "__main__":
    sys.exit(main())
