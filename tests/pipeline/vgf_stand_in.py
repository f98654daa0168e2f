"""What the pipeline sees of `vgf`, without its minutes: a dataset, trainings that can be killed and resumed, tables.

A training goes on from its last step, as `vgf train` does from its checkpoint, and leaves a record through
`vgf.records`. Each call is noted in calls.txt. Tables are the real ones. At the point that wait_at.txt names it waits
for the test that wrote it, which learns from waiting.txt that it is there.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pandas as pd
import yaml

from vgf import records
from vgf.cli import main
from vgf.support.files import locked, write_bytes

STEPS = 6


def option(name: str) -> str:
    """Return the value after --name."""
    return sys.argv[sys.argv.index(f"--{name}") + 1]


def pass_by(point: str) -> None:
    """Go on, unless a test wants to kill this process just here."""
    asked = Path("wait_at.txt")
    if asked.exists() and asked.read_text() == point:
        Path("waiting.txt").touch()
        while True:
            time.sleep(60)


def train() -> None:
    """Train one method on one task."""
    file, scale, task, method = Path(sys.argv[2]), option("scale"), option("task"), option("method")
    folder = records.record_folder(file.stem, scale, task, method, Path(option("results")))
    progress = Path("data/cache/runs") / f"{file.stem}.{scale}-{task}-{method}"
    seeds = yaml.safe_load(file.read_text())["scales"][scale]["seeds"]
    with locked(progress.parent, progress.name):
        if (folder / "run.json").exists():
            return
        done = int(progress.read_text()) if progress.exists() else 0
        for step in range(done, STEPS):
            pass_by(f"step {step}")
            write_bytes(progress, str(step + 1).encode())  # a kill leaves the step before, as a checkpoint's does
        for seed in seeds:
            if seed == seeds[-1]:
                pass_by("rows")
            rows = [(u, 0, 0, -10.0 * seed - len(task), float((seed + u + len(method)) % 3 > 0)) for u in (0, 5, 10)]
            table = pd.DataFrame(rows, columns=["update", "test_steps", "episode", "return", "success"])
            records.append_rows(records.seed_file(folder, seed), table, records.EPISODE_KEYS)
            curve = pd.DataFrame({"update": [10], "loss": [0.1]})
            records.append_rows(records.seed_file(folder, seed, curve=True), curve, records.CURVE_KEYS)
        dataset = {"source": "regenerated", "episodes": 1, "sha256": "0" * 64}
        run = {"id": "a", "seeds": seeds, "settings": {"agent": method}, "dataset": dataset}
        records.merge_run(folder, run)
        progress.unlink()


if sys.argv[1] == "estimate":
    sys.exit()
with Path("calls.txt").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\n")
if sys.argv[1] == "train":
    train()
elif sys.argv[1] == "data":
    write_bytes(Path(option("out")), b"data")
else:
    pass_by("table")
    sys.exit(main(sys.argv[1:]))
