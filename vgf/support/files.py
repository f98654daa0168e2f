"""Writing files so that a reader never sees half of one, and locking a folder against other processes.

A file is written to a temporary neighbour, flushed to the disk and renamed. The trade-off of waiting for the disk is
a few milliseconds for each file. What a killed writer left is removed by the next one. The lock is released when its
process exits, even if it is killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from glob import escape
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from vgf.support.errors import DataError
from vgf.support.progress import log


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary neighbour of `path` for writing and rename it to `path` when the block ends well.

    Raises:
        DataError: when the folder cannot be written or the disk is full; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{_machine()}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(path)
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}); choose another place") from error
    finally:
        if temporary.exists():
            temporary.unlink()


@cache
def _machine() -> str:
    """Return a short digest of where process numbers mean what they mean here: machine, start and namespace."""
    told = [platform.node()]
    with suppress(OSError):
        told.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8"))
        told.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:8]


def _clear_leftovers(path: Path) -> None:
    """Remove what writers of a path that were killed on this machine left half-written; those at work keep theirs."""
    for leftover in path.parent.glob(f".{escape(path.name)}.{_machine()}.*.tmp"):
        with suppress(OSError, ValueError):
            pid = int(leftover.name.split(".")[-2])
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                leftover.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, making its folder; see `written_whole`."""
    with written_whole(path) as stream:
        stream.write(content)


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON, whole or not at all."""
    write_bytes(path, (json.dumps(value, indent=2, sort_keys=True) + "\n").encode())


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def locked(folder: Path, name: str = "files", wait: bool = True) -> Iterator[None]:
    """Hold `.NAME.lock` in a folder for this process, making the folder; others wait.

    Raises:
        BlockingIOError: if another process holds it and this one does not want to `wait`.
    """
    lock = FileLock(folder / f".{name}.lock", timeout=-1 if wait else 0, thread_local=False)
    while not lock.is_locked:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with suppress(FileNotFoundError):  # the process before removed the folder: make it again
                lock.acquire()
        except Timeout:
            raise BlockingIOError(f"{folder}: another process holds {name}") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def held(folder: Path, name: str, waiting: str) -> Iterator[None]:
    """Hold a lock as `locked` does; where another process has it, log the line `waiting`, and wait."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder, name, wait=False))
        except BlockingIOError:
            log(waiting)
            stack.enter_context(locked(folder, name))
        yield
