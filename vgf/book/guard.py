"""Refuses what a chapter reads and does not declare, while the pipeline executes it.

`.ci/chapter.py` starts the chapter's kernel with a plan: the files of the project that the chapter may read, its
modules of the package among them. An audit hook (PEP 578) sees every file that Python opens in that process, modules
included; reading another file of the project ends the chapter with one line. What is read is noted, so that a test can
say what is declared in vain. The trade-off: libraries that open files without Python (HDF5, safetensors) and processes
that a chapter starts are not seen. Outside the project nothing is refused, and without a plan nothing is watched: a
reader's own run is free.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vgf.support.json_text import read_json

VARIABLE = "VGF_CHAPTER_PLAN"  # the environment variable that holds the plan's path
WATCHED = ("book", "data", "findings", "notebooks", "tests", "vgf")  # folders of the project, as declarations name them
WRITES = os.O_WRONLY | os.O_RDWR
_quiet = False


class UndeclaredReadError(RuntimeError):
    """A chapter reads what it does not declare. No OSError: nothing that tries another file may swallow it."""


class Guard:
    """The audit hook.

    Args:
        plan: `chapter`; `root` and `data`, the project's folders; `files`, paths from the root it may read; `makes`,
            beginnings of paths it writes and may read back; `log`, where reads are noted.
    """

    def __init__(self, plan: dict[str, Any]) -> None:
        self.chapter, self.files, self.makes = plan["chapter"], set(plan["files"]), tuple(plan["makes"])
        self.folders = [(plan["data"] + os.sep, "data/"), (plan["root"] + os.sep, "")]
        self.log = os.open(plan["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.noted: set[str] = set()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Look at one event of the interpreter."""
        if event == "open":
            self.opened(*arguments[:3])

    def opened(self, path: object, mode: str | None, flags: int) -> None:
        """Refuse a file of the project that is not in the plan; files that are written are not looked at."""
        writes = set("wax") & set(mode) if mode else flags & WRITES
        if writes or not isinstance(path, str | bytes | os.PathLike):
            return
        name = self.from_root(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100 - follows no link
        if name is None or name in self.noted or name.startswith(self.makes) or not Path(os.fsdecode(path)).is_file():
            return
        if name not in self.files:
            raise UndeclaredReadError(f"{self.chapter} {undeclared(name)} of it in notebooks/chapters.yaml")
        if not _quiet:
            self.noted.add(name)
            os.write(self.log, f"{name}\n".encode())

    def from_root(self, path: str) -> str | None:
        """Return a watched file's path as declarations name it, a compiled module's as its source; None for others."""
        for folder, prefix in self.folders:
            if path.startswith(folder):
                parts = (prefix + path[len(folder) :].replace(os.sep, "/")).split("/")
                if parts[-2:-1] == ["__pycache__"]:
                    parts[-2:] = [f"{parts[-1].partition('.')[0]}.py"]
                return "/".join(parts) if parts[0] in WATCHED and not any(p.startswith(".") for p in parts) else None
        return None


def undeclared(name: str) -> str:
    """Return what is wrong with reading a file, and the beginning of the remedy."""
    if name.startswith("vgf/") and name.endswith(".py"):
        module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return f"loads {name}, which no import of its cells leads to; add {module} to the modules"
    return f"reads {name}, which it does not declare; add it to the files, or its study to the studies,"


def start() -> None:
    """Watch this process from now on, if it was started with a plan."""
    if VARIABLE in os.environ:
        sys.addaudithook(Guard(read_json(Path(os.environ[VARIABLE]))))


@contextmanager
def unnoted() -> Iterator[None]:
    """Do not count what is read in this block as read by the chapter: its declaration is looked up, not used."""
    global _quiet
    before, _quiet = _quiet, True
    try:
        yield
    finally:
        _quiet = before
