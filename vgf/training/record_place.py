"""What lies where a record is to go: which files are a record's own, and which record a run may put itself in place of.

A user's notes may lie beside a record, so a replacement removes the names that records have and no other. Which record
may be replaced is written down in the run's work folder, as the digest of its run.json: a replacement that was
interrupted goes on when it is called again, and a record that came there meanwhile is left alone.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from vgf import records
from vgf.support.files import sha256, write_bytes
from vgf.support.places import check_writable
from vgf.training.checkpoints import POLICY

REPLACES = "replaces"  # in a work folder: the digest of the run.json that may be replaced
UNFINISHED = ".unfinished"  # in a record's folder: which settings' record is being written
_KINDS = "|".join("" if kind == "episodes" else rf"\.{kind}" for kind in records.KEYS)
_OWN = re.compile(rf"run\.json|{re.escape(POLICY)}|{re.escape(UNFINISHED)}|seed\d+({_KINDS})\.csv")
_NAMED = 3  # foreign files that a message names


def seal(folder: Path) -> str | None:
    """Return the digest of a record's run.json, None where there is no record."""
    record = folder / "run.json"
    return sha256(record) if record.exists() else None


def allow(folder: Path, work: Path) -> None:
    """Write down that the record which is in a folder now may be replaced by the run of a work folder."""
    if (found := seal(folder)) is not None:
        write_bytes(work / REPLACES, found.encode())


def is_allowed(folder: Path, work: Path) -> bool:
    """Say whether the record in a folder is the one that the run of a work folder was allowed to replace."""
    mark, found = work / REPLACES, seal(folder)
    return found is not None and mark.exists() and mark.read_text(encoding="utf-8") == found


def refuse_foreign(folder: Path) -> None:
    """Refuse to replace a record beside which something else lies; hidden files are left alone.

    Raises:
        ValueError: naming what is there that no record has.
    """
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [path.name for path in paths if not (path.name.startswith(".") or _is_own(path))]
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise ValueError(
            f"{folder}: to be replaced, but beside its record it holds {', '.join(found[:_NAMED])}{more}; move that "
            "away, or name another folder"
        )


def remove_record(folder: Path) -> None:
    """Remove the files that a record has, run.json last: until then whoever was killed here does it again."""
    for path in sorted(filter(_is_own, folder.iterdir()), key=lambda path: path.name == "run.json"):
        path.unlink(missing_ok=True)


def begin_anew(work: Path) -> None:
    """Clear a work folder but of locks, which who calls holds, and of what the run was allowed to replace."""
    for path in work.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != REPLACES and not path.name.endswith(".lock"):
            path.unlink()


def leave_nothing(work: Path) -> None:
    """Remove a work folder without a checkpoint: what failed before it kept anything leaves no trace."""
    if not any(work.glob("checkpoint-*.json")):
        shutil.rmtree(work, ignore_errors=True)


def empty_or_record(out: Path) -> Path:
    """Return the folder to write a record to, unless something else is in it.

    Raises:
        ValueError: naming it.
    """
    if not out.name or os.path.isfile(out):  # noqa: PTH113  # pathlib's raises for a name that is too long
        raise ValueError(f"{out}: not a folder a record can have; name a new one")
    check_writable(out)
    there = [path.name for path in out.iterdir()] if out.exists() else []
    if not {"run.json", UNFINISHED} & set(there) and any(not name.startswith(".") for name in there):
        raise ValueError(f"{out}: there already, and not a record; name another folder")
    return out


def _is_own(path: Path) -> bool:
    """Say whether a file is one that a record has."""
    return bool(_OWN.fullmatch(path.name)) and not path.is_dir()
