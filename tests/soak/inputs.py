"""Mangled files for every reader. Each is read in a process that was forked for it and some others: a crash is seen."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import shutil
import signal
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.soak import data_readers, work_readers
from tests.soak.mangle import mangle
from tests.soak.readers import Content, Reader, Unsure, same
from vgf.support.paths import as_seen_from_here

READERS = (*data_readers.READERS, *work_readers.READERS)
PATIENCE = 600  # seconds for a batch; a reader that takes longer hangs
BATCH = 50  # mangled files that one process reads
MEMORY = 24 * 2**30  # bytes of address space, so that a length of nonsense is a refusal and not an eaten machine
MOVED = "read as its addresses say"
EXAMPLES = 12  # faults that are told in full


def tried(reader: Reader, count: int, seed: int, home: Path) -> dict[str, Any]:
    """Return what came of the mangled files of a reader: how many of each kind and outcome, and the faults."""
    torch.set_num_threads(1)
    good = home / "good"
    shutil.rmtree(home, ignore_errors=True)
    good.mkdir(parents=True)
    reader.make(good)
    whole = {path.relative_to(good): path.read_bytes() for path in sorted(good.rglob("*")) if path.is_file()}
    targets = sorted(
        {path.relative_to(good) for pattern in reader.files for path in good.glob(pattern) if path.is_file()}
    )
    assert targets, reader.name
    content = reader.read(good)
    assert same(reader.read(good), content), f"{reader.name} reads one file in two ways"
    outcomes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    faults: list[str] = []
    at = 0
    while at < count:
        end = min(count, at + BATCH)
        lines = _in_a_process(reader, seed, (at, end), home, whole, targets, content)
        for line in lines:
            kinds[line["kind"]] += 1
            outcomes[line["outcome"]] += 1
            if line["outcome"] == "fault":
                faults.append(f"{line['number']}, {line['file']}, {line['kind']}: {line['why']}")
        at += len(lines)
        if at < end:  # the process died while it read this one
            outcomes["fault"] += 1
            kinds["crash"] += 1
            faults.append(f"{at}: the process died")
            at += 1
    return {
        "reader": reader.name,
        "checksum": reader.told is None,
        "files": count,
        "outcomes": dict(outcomes),
        "kinds": dict(kinds),
        "faults": len(faults),
        "examples": faults[:EXAMPLES],
    }


def _in_a_process(
    reader: Reader, seed: int, which: tuple[int, int], home: Path, whole: dict[Path, bytes], targets: list[Path],
    content: Content,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return a line for each file that a process of its own came to the end of."""
    told = home / "told.jsonl"
    told.unlink(missing_ok=True)
    pid = os.fork()
    if not pid:
        try:
            signal.alarm(PATIENCE)  # ends the process also where a library in C never comes back
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            with told.open("w") as stream:
                for number in range(*which):
                    stream.write(json.dumps(_one(reader, seed, number, home, whole, targets, content)) + "\n")
                    stream.flush()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return [json.loads(line) for line in told.read_text().splitlines()]


def _one(
    reader: Reader, seed: int, number: int, home: Path, whole: dict[Path, bytes], targets: list[Path], content: Content
) -> dict[str, Any]:
    """Mangle a file, read it, and judge what came of it."""
    rng = np.random.default_rng([seed, number])
    name = targets[int(rng.integers(len(targets)))]
    mangled = mangle(whole[name], reader.form, rng)
    folder = home / "mangled"
    shutil.rmtree(folder, ignore_errors=True)
    for path, data in whole.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(mangled.content if path == name else data)
    line = {"number": number, "file": str(name), "kind": mangled.kind}
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = reader.read(folder)
        except (ValueError, OSError) as error:
            return line | _refusal(error, folder)
        except BaseException as error:  # whatever else comes out is a traceback to a user
            return line | {"outcome": "fault", "why": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
        return line | _returned(reader, found, content, home / "good", name, mangled.content)


def _refusal(error: Exception, folder: Path) -> dict[str, str]:
    """Judge a refusal: one line that names a file in the folder."""
    text = str(error)
    names = {str(folder), str(as_seen_from_here(folder))}  # messages shorten paths below the working directory
    if "\n" in text or not any(name in text for name in names):
        return {"outcome": "fault", "why": f"names no file in one line: {type(error).__name__}: {text[:200]!r}"}
    return {"outcome": "refused"}


def _returned(
    reader: Reader, found: Content, content: Content, good: Path, name: Path, mangled: bytes
) -> dict[str, str]:
    """Judge what was returned: the good content, nothing of what is damaged, or what the mangled file says."""
    if same(found, content):
        return {"outcome": "read as the good one"}
    if found is None:
        return {"outcome": "refused"}  # a bank or a checkpoint that is made anew
    if reader.instead is not None and same(found, reader.instead(good)):
        return {"outcome": "refused"}
    if reader.told is None:
        return {"outcome": "fault", "why": "other content, though a checksum covers the file"}
    try:
        says = reader.told(good, name, mangled)
    except (Unsure, ValueError, OSError, KeyError, TypeError) as error:
        says = error
    if same(found, says):
        return {"outcome": "read as it says"}
    if reader.unprovable is not None and same(found, reader.unprovable(good, name, mangled)):
        return {"outcome": MOVED}
    nothing = f", which says nothing ({type(says).__name__})" if isinstance(says, Exception) else ""
    return {"outcome": "fault", "why": f"other content than the file says{nothing}"}
