"""A record of four seeds on tiny data of one's own, for what is chosen for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import vgf
from tests.helpers.own_runs import CONFIG, trajectories

DATA = trajectories(count=16, action=2)
SETTINGS: dict[str, Any] = {"updates": 3, "batch_size": 8}


def a_record(folder: Path) -> Path:
    """Train the record and return where it is."""
    return vgf.fit(DATA, folder / "task", CONFIG, seeds=(0, 1, 2, 5), updates=4, batch_size=8).folder
