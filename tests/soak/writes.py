"""Every write denied once: by a full disk or a read-only one, at the one door of writes and on a real small disk."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.soak.children import RAISED, REFUSED, Child, Ended, warm
from tests.soak.kills import EXAMPLES, compare, fresh
from tests.soak.stages import Stage

FAULTS = {"disk full": errno.ENOSPC, "read-only": errno.EROFS}
DISK = "64m"  # of the small disk once there is room
SIZES = (0.02, 0.2, 0.5, 0.8, 0.95)  # of what a finished run takes, at which the disk is full


def denied(stage: Stage, each: int, seed: int, home: Path) -> dict[str, Any]:
    """Deny writes of a stage's work, so many of each kind; return what came of it."""
    shutil.rmtree(home, ignore_errors=True)
    prepared, said = warm(stage, home), home / "said"
    counted = home / "counted"
    ended = Child(stage, fresh(prepared, home / "whole"), said, lambda: count_writes(counted)).ended()
    assert ended is not None
    assert ended.status == 0, ended
    writes, whole = len(counted.read_bytes()), stage.end(home / "whole")
    rng, faults, outcomes = np.random.default_rng(seed), list[str](), Counter[str]()
    for kind, number in FAULTS.items():
        for at in sorted(rng.choice(writes, min(each, writes), replace=False).tolist()):
            folder = fresh(prepared, home / "denied")
            ended = Child(stage, folder, said, lambda at=at, number=number: deny_write(at, number)).ended()
            outcomes[_first(kind, at, ended, folder, faults)] += 1
            _then(stage, folder, said, whole, f"{kind} at write {at}", faults)
    if mountable(home):
        _on_a_small_disk(stage, prepared, home, said, whole, outcomes, faults)
    return {
        "stage": stage.name, "writes": writes, "outcomes": dict(outcomes), "faults": len(faults),
        "examples": faults[:EXAMPLES],
    }  # fmt: skip


def _first(kind: str, at: int, ended: Ended | None, folder: Path, faults: list[str]) -> str:
    """Judge the call whose write was denied; return the outcome."""
    if ended is None or ended.status not in (0, REFUSED, RAISED):
        faults.append(f"{kind} at write {at}: {ended}")
        return f"{kind}: hung or died"
    if ended.status == RAISED:
        faults.append(f"{kind} at write {at}: {ended.said.splitlines()[-1][:200]}")
        return f"{kind}: a traceback"
    if ended.status == REFUSED and "\n" in ended.said.strip():
        faults.append(f"{kind} at write {at}: several lines: {ended.said[:200]}")
    return f"{kind}: {'one line' if ended.status == REFUSED else 'done without it'}"


def _then(stage: Stage, folder: Path, said: Path, whole: dict[str, str], when: str, faults: list[str]) -> None:
    """Judge the same call made again, with room to write."""
    ended = Child(stage, folder, said).ended()
    if ended is None or ended.status:
        faults.append(f"after {when}: {ended}"[:400])
        return
    compare(stage, folder, whole, f"after {when}", faults)


def wrap_writes(before: Callable[[], None]) -> None:
    """Call a function before every opening for writing, flush to the disk and renaming in this process."""
    opens, fsync, replace = Path.open, os.fsync, Path.replace

    def opened(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if set(mode) & set("wxa+"):
            before()
        return opens(self, mode, *args, **kwargs)

    def flushed(descriptor: Any) -> None:
        before()
        fsync(descriptor)

    def replaced(self: Path, target: Any) -> Path:
        before()
        return replace(self, target)

    Path.open, os.fsync, Path.replace = opened, flushed, replaced  # type: ignore[method-assign, assignment]


def count_writes(into: Path) -> None:
    """Add a byte to a file for every write."""
    into.unlink(missing_ok=True)
    stream = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    wrap_writes(lambda: os.write(stream, b".") and None)


def deny_write(at: int, number: int) -> None:
    """Let one write fail with an error of the system, and all the others pass."""
    done = [0]

    def before() -> None:
        done[0] += 1
        if done[0] == at + 1:
            raise OSError(number, os.strerror(number))

    wrap_writes(before)


def mountable(home: Path) -> bool:
    """Return whether this process may mount a small disk."""
    place = home / "disk"
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True)
    if done.returncode == 0:
        subprocess.run(["umount", place], check=True)
    return done.returncode == 0


def _on_a_small_disk(
    stage: Stage,
    prepared: Path,
    home: Path,
    said: Path,
    whole: dict[str, str],
    outcomes: Counter[str],
    faults: list[str],
) -> None:
    """Do the work on a disk that is full at several points, then has room; and on one that is read-only."""
    place = home / "disk"
    begun, all_of = used(prepared), used(home / "whole")
    for share in (*SIZES, None):
        size = DISK if share is None else f"{int(begun + share * max(all_of - begun, 1) + 4096)}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
        try:
            folder = place / "work"
            kind = "small disk full" if share is not None else "small disk read-only"
            try:
                shutil.copytree(prepared, folder)
            except (OSError, shutil.Error):
                continue  # not even what is there before fits
            if share is None:
                subprocess.run(["mount", "-o", "remount,ro", place], check=True)
            ended = Child(stage, folder, said).ended()
            outcomes[_first(kind, 0, ended, folder, faults)] += 1
            subprocess.run(["mount", "-o", f"remount,rw,size={DISK}", place], check=True)
            _then(stage, folder, said, whole, f"{kind} of {size} bytes", faults)
        finally:
            subprocess.run(["umount", "-l", place], check=True)


def used(folder: Path) -> int:
    """Return what a folder takes of a disk of pages."""
    return sum(-(-path.stat().st_size // 4096) * 4096 if path.is_file() else 4096 for path in folder.rglob("*"))
