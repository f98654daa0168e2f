"""What something is made of: digests of content, which name every cache.

A cache that is named by a path or a word finds the work of yesterday's file under the same name. So keys are made of
bytes: of a file, or of all files of a folder with their names inside it; `vgf.support.provenance.fingerprint` makes one
key of several. The price is reading what goes in; within a process a file that has not changed is read once.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

FRESH = 2_000_000_000  # nanoseconds


def content_of(path: Path, patterns: Iterable[str] = ("*",)) -> str:
    """Return the SHA-256 of a file's bytes, or of a folder's files with their names inside it, in hex.

    Args:
        path: of either.
        patterns: of the names that count in a folder.
    """
    if not path.is_dir():
        return _digest(path)
    digest = hashlib.sha256()
    for file in files_of(path, patterns):
        digest.update(f"{file.relative_to(path).as_posix()} {_digest(file)}\n".encode())
    return digest.hexdigest()


def files_of(path: Path, patterns: Iterable[str] = ("*",)) -> list[Path]:
    """Return a file, or a folder's files whose names match one of the patterns, in order; hidden ones do not count."""
    if not path.is_dir():
        return [path]
    found = {file for pattern in patterns for file in path.rglob(pattern) if file.is_file()}
    return sorted(file for file in found if not any(p.startswith(".") for p in file.relative_to(path).parts))


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; read again only where the file is another or was written since."""
    state = path.stat()
    if time.time_ns() - state.st_ctime_ns < FRESH:  # a file this new may change again within one tick of its clock
        return _read.__wrapped__(path.resolve(), 0, 0, 0)
    return _read(path.resolve(), state.st_ino, state.st_size, state.st_ctime_ns)  # a time that nobody can set


@lru_cache(maxsize=256)
def _read(path: Path, inode: int, size: int, changed: int) -> str:
    """Return the SHA-256 of a file in the state that the other arguments name."""
    del inode, size, changed
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
