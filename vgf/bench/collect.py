"""What the chapter on speed reads: every benchmark it draws, run one after the other, with the machine's facts.

    python -m vgf.bench.collect --out data/results/speed [--release CLONE --release-python PYTHON]

Each part is one `vgf bench ... --json` of at most about two minutes on two quiet cores and one file, written when it is
done, so a run that was interrupted goes on with the next part; a part is made anew by removing its file, or with
`--again`. A file holds the command, the machine, how busy it was before and after, and the rows. Times taken on a busy
machine are worth little and say so themselves.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from vgf.bench.machine import load, machine
from vgf.plots import write_atomically
from vgf.records import note

RELEASE = "official"  # the parts whose name starts so need a clone of the authors' release
LARGE = "1e11"  # pairs times dimensions of one transport that takes seconds
PARTS: dict[str, Sequence[str]] = {
    "update-paper": ("update", "--size", "paper"),
    "update-small": ("update", "--size", "small"),
    "official-paper": ("update", "--size", "paper", "--preset", "release", "--path", "fast"),
    "official-small": ("update", "--size", "small", "--preset", "release", "--path", "fast"),
    "gains-paper": ("gains", "--size", "paper"),
    "gains-small": ("gains", "--size", "small", "--compiled"),
    **{
        f"precision-{size}": ("update", "--size", size, "--preset", "release", "--precision", "float32", "bfloat16")
        for size in ("paper", "small")
    },
    "threads": ("update", "--size", "paper", "--path", "fast", "--threads", "1"),
    "particles": ("update", "--size", "small", "--preset", "release", "--particles", "1", "2", "5", "10", "20", "40"),
    "steps": ("update", "--size", "small", "--preset", "release", "--train-steps", "0", "1", "2", "4", "8"),
    "seeds": ("update", "--size", "small", "--preset", "release", "--seeds", "1", "2", "4", "8"),
    **{f"transport-{d}": ("transport", "--dimension", str(d), "--most", LARGE) for d in (2, 8, 32, 128, 512)},
    "transport-large-32": ("transport", "--particles", "65536", "--dimension", "32"),
    "transport-large-128": ("transport", "--particles", "65536", "--dimension", "128"),
    "transport-large-512": ("transport", "--particles", "16384", "--dimension", "512"),
    "data": ("data",),
    "data-seeds": ("data", "--seeds", "8"),
}


@dataclass(frozen=True)
class Collect:
    """Run every benchmark of the chapter on speed and keep what it says."""

    out: Path = Path("data/results/speed")
    only: tuple[str, ...] = ()
    """Parts, by name; all by default."""
    blocks: int | None = None
    """Fewer blocks of each case, for a trial; five by default."""
    again: bool = False
    """Make parts anew that are there."""
    release: Path | None = None
    """A clone of the authors' release; without it the parts that need one are left out."""
    release_python: Path | None = None
    """Its interpreter, with jax, flax and distrax."""

    def run(self) -> None:
        """Run part after part.

        Raises:
            ValueError: for an unknown part, or when a benchmark ends with an error.
        """
        if unknown := set(self.only) - set(PARTS):
            raise ValueError(f"unknown part {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
        for name in self.only or PARTS:
            path = self.out / f"{name}.json"
            if path.exists() and not self.again:
                note(f"{name}: there already")
            elif name.startswith(RELEASE) and not (self.release and self.release_python):
                note(f"{name}: left out, it needs --release and --release-python")
            else:
                record = self._measure(name)
                write_atomically(path, (json.dumps(record, indent=1) + "\n").encode())
                note(f"{name}: {record['seconds']:.0f} s")

    def _measure(self, name: str) -> dict[str, Any]:
        """Run one part and return what its file holds; paths of this machine are no part of it."""
        words = [*PARTS[name], "--json"]
        if self.blocks is not None and words[0] != "data":
            words += ["--blocks", str(self.blocks)]
        extra = (
            ["--release", str(self.release), "--release-python", str(self.release_python)]
            if name.startswith(RELEASE)
            else []
        )
        before, start = load(), time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "vgf.cli", "bench", *words, *extra], stdout=subprocess.PIPE, text=True
        )
        if done.returncode:
            raise ValueError(f"{name}: vgf bench {' '.join(words)} ended with status {done.returncode}")
        return {
            "command": " ".join(
                ["vgf bench", *words, *(["--release", "CLONE", "--release-python", "PYTHON"] if extra else [])]
            ),
            "machine": machine(),
            "load_before": before,
            "load_after": load(),
            "seconds": round(time.monotonic() - start, 1),
            "rows": json.loads(done.stdout),
        }


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the parts that are in a folder, by name.

    Raises:
        ValueError: if there are none.
    """
    parts = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    if not parts:
        raise ValueError(f"{folder}: no measurements; `python -m vgf.bench.collect --out {folder}` makes them")
    return parts


def main() -> int:
    """Run `python -m vgf.bench.collect`; return 2 for bad input."""
    try:
        tyro.cli(Collect, prog="python -m vgf.bench.collect").run()
    except (ValueError, OSError) as error:
        print(f"collect: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
