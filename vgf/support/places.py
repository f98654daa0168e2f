"""Whether a folder can be written, asked before hours of work are to be saved in it.

The answer is found by doing it: permissions, a file in the place of a folder, a name that is too long and a read-only
disk look alike then. What was made for the question is removed again.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

MB = 1e6


def check_writable(folder: Path, needed: float = 0.0) -> None:
    """Do nothing if files can be written into a folder, which need not be there yet.

    Args:
        folder: where results are to go.
        needed: how many bytes.

    Raises:
        ValueError: naming it, what is wrong and what to do.
    """
    made: list[Path] = []
    try:
        made += [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".trial-"):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{folder}: cannot be written ({reason}); choose another place") from None
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()
    if free < needed:
        words = f"{needed / MB:.0f} MB are needed and {free / MB:.0f} MB are free"
        raise ValueError(f"{folder}: {words}; make room, or choose another place")
