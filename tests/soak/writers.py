"""Two to eight processes that do the same work in one folder: the end is that of one process."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.soak.children import REFUSED, Child, warm
from tests.soak.kills import EXAMPLES, compare, fresh
from tests.soak.stages import Stage

PROCESSES = (2, 3, 5, 8)


def shared(stage: Stage, counts: tuple[int, ...], home: Path) -> dict[str, Any]:
    """Let so many processes do a stage's work in one folder at once; return what came of it."""
    shutil.rmtree(home, ignore_errors=True)
    prepared = warm(stage, home)
    ended = Child(stage, fresh(prepared, home / "whole"), home / "said").ended()
    assert ended is not None
    assert ended.status == 0, ended
    whole, faults, refused = stage.end(home / "whole"), list[str](), 0
    for count in counts:
        folder = fresh(prepared, home / "shared")
        for at, ended in enumerate(
            [child.ended() for child in [Child(stage, folder, home / f"said{at}") for at in range(count)]]
        ):
            if ended is not None and ended.status == REFUSED and "\n" not in ended.said.strip():
                refused += 1
            elif ended is None or ended.status:
                faults.append(f"{count} processes, number {at}: {ended}"[:500])
        compare(stage, folder, whole, f"{count} processes", faults)
    return {
        "stage": stage.name, "processes": list(counts), "refused": refused, "faults": len(faults),
        "examples": faults[:EXAMPLES],
    }  # fmt: skip
