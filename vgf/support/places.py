"""Whether a folder can be written, asked before hours of work are to be saved in it.

The answer is found by doing it: permissions, a file in the place of a folder, a name that is too long and a read-only
disk look alike then. What was made for the question is removed again.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from uuid import uuid4

LEAST = 24  # characters of a name that no other process takes
MB = 1e6


def check_writable(folder: Path, needed: float = 0.0) -> None:
    """Do nothing if files can be written into a folder, which need not be there yet.

    Args:
        folder: where results are to go.
        needed: how many bytes.

    Raises:
        ValueError: naming it, what is wrong and what to do.
    """
    trial: Path | None = None
    try:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        place = folder
        if missing:  # tried under a name of the same length, so that no process that makes the folder now is disturbed
            first = missing[-1]
            trial = first.with_name(f".trial-{uuid4().hex}"[: max(len(first.name), LEAST)].ljust(len(first.name), "x"))
            place = trial / folder.relative_to(first)
            place.mkdir(parents=True)
        with tempfile.NamedTemporaryFile(dir=place, prefix=".trial-"):
            free = shutil.disk_usage(place).free
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{folder}: cannot be written ({reason}); choose another place") from None
    finally:
        if trial is not None:
            shutil.rmtree(trial, ignore_errors=True)
    if free < needed:
        words = f"{needed / MB:.0f} MB are needed and {free / MB:.0f} MB are free"
        raise ValueError(f"{folder}: {words}; make room, or choose another place")
