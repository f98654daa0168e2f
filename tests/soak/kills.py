"""SIGKILL at random moments: nothing that is finished is lost, and the end is the unkilled run's."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.soak.children import Child, warm
from tests.soak.stages import Stage

EXAMPLES = 12


def fresh(prepared: Path, folder: Path) -> Path:
    """Return a folder in which nothing has been done yet."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(prepared, folder)
    return folder


def killed(stage: Stage, kills: int, seed: int, home: Path) -> dict[str, Any]:
    """Kill a stage's work so often, and return what came of it."""
    shutil.rmtree(home, ignore_errors=True)
    prepared, said = warm(stage, home), home / "said"
    stage.work(fresh(prepared, home / "warm"))
    began = time.monotonic()
    ended = Child(stage, fresh(prepared, home / "whole"), said).ended()
    assert ended is not None
    assert ended.status == 0, ended
    duration, whole = time.monotonic() - began, stage.end(home / "whole")
    assert stage.end(home / "warm") == whole, f"{stage.name} is not the same twice"
    rng, done, rounds, faults, moments = np.random.default_rng(seed), 0, 0, list[str](), set[int]()
    folder, before = fresh(prepared, home / "killed"), 0
    while done < kills:
        child = Child(stage, folder, said)
        ended = child.ended(rng.uniform(0, duration)) or child.kill()
        after = stage.progress(folder)
        if ended.status == -signal.SIGKILL:
            done += 1
            moments.add(after)
            if after < before:
                faults.append(f"kill {done}: {before} were finished before and {after} after")
            before = after
            continue
        rounds += 1
        _judge(stage, folder, ended, whole, f"after kill {done}", faults)
        folder, before = fresh(prepared, home / "killed"), 0
    ended = Child(stage, folder, said).ended()
    _judge(stage, folder, ended, whole, "at the end", faults)
    return {
        "stage": stage.name,
        "kills": done,
        "runs to the end": rounds + 1,
        "moments": len(moments),
        "seconds of one run": round(duration, 2),
        "faults": len(faults),
        "examples": faults[:EXAMPLES],
    }


def _judge(stage: Stage, folder: Path, ended: Any, whole: dict[str, str], when: str, faults: list[str]) -> None:
    """Add a fault where a run that was let go on did not end as the unkilled one."""
    if ended is None or ended.status != 0:
        faults.append(f"{when}: {ended}"[:600])
        return
    compare(stage, folder, whole, when, faults)


def compare(stage: Stage, folder: Path, whole: dict[str, str], when: str, faults: list[str]) -> None:
    """Add a fault where what a run left is not what one undisturbed run leaves."""
    try:
        end = stage.end(folder)
    except (OSError, AssertionError, ValueError) as error:
        faults.append(f"{when}: {type(error).__name__}: {error}"[:300])
        return
    if other := sorted(name for name in whole.keys() | end.keys() if whole.get(name) != end.get(name)):
        faults.append(f"{when}: other than an undisturbed run leaves: {', '.join(other)}"[:300])
