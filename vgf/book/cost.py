"""What the trainings that are missing would cost, from the measured speed of an update: for the page on limits.

The work of one update of value gradient flow at the paper's size is counted in `data/results/speed/` and timed there,
on one processor core. Core hours follow. Hours on a GPU follow from a rate that is measured if the folder `gpu` is
there, and else assumed (`ASSUMED`) and said to be. The trade-off of one rate for all: rivals are counted like value
gradient flow, which overstates the light ones, and simulators and evaluation are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vgf import records
from vgf.book.facts import PAPER, plan
from vgf.results.judgement import SEEDS, TASKS
from vgf.support.json_text import read_json
from vgf.training.runs import own_scale

SPEED = "avx512-bf16"  # the kind of processor whose times count, and the part with the work of a whole update
PART = "update-paper-release"
ASSUMED = 10e12  # FLOP/s that small matrix products reach on a GPU; an assumption, a fraction of any recent one's peak
STUDIES = {  # experiments that have a paper scale, and what they would settle
    "d4rl": "the table of D4RL",
    "ogbench": "the table of OGBench",
    "ablations": "the training budget",
    "online": "fine-tuning online",
}


@dataclass(frozen=True)
class Cost:
    """What an experiment costs at the paper's scale.

    Attributes:
        name: what it would settle.
        trainings: tasks times methods times seeds.
        updates: of all of them together, those made online included.
        own: those of the updates that train value gradient flow or best-of-N.
    """

    name: str
    trainings: int
    updates: int
    own: int


def costs() -> list[Cost]:
    """Return the cost of each experiment that has a paper scale, and of the least that would decide the test budget."""
    found = []
    for study, name in STUDIES.items():
        experiment = plan(study, PAPER)
        runs = [
            (method, own_scale(experiment, method).all_updates) for task in experiment.tasks for method in task.methods
        ]
        seeds = len(experiment.scale.seeds)
        own = sum(updates for method, updates in runs if method.agent in ("vgf", "best_of_n"))
        every = sum(updates for _, updates in runs)
        found.append(Cost(name, len(runs) * seeds, every * seeds, own * seeds))
    few, each = TASKS * SEEDS, plan(next(iter(STUDIES)), PAPER).scale.updates
    return [*found, Cost(f"test steps, at least: {TASKS} tasks, {SEEDS} seeds", few, few * each, few * each)]


def hours(updates: int, seconds: float) -> float:
    """Return the hours of updates that take so many seconds each."""
    return updates * seconds / 3600


def _measured(folder: Path, name: str = "*") -> list[dict[str, Any]]:
    """Return the rows of measurements in a folder, none where it is not there."""
    return [row for path in sorted(folder.glob(f"{name}.json")) for row in read_json(path)["rows"]]


def seconds_per_update() -> tuple[float, float, bool]:
    """Return the seconds of an update at the paper's size on a core and a GPU, and whether the latter is measured."""
    speed = records.results_folder() / "speed"
    rows = _measured(speed / SPEED, PART)
    own = [row for row in rows if row.get("flop_per_update")]
    core = min(row["ms_per_update"] for row in own) / 1000
    timed = _measured(speed / "gpu")
    large = [row["ms_per_seed"] for row in timed if row["size"] == "paper" and row["preset"] == "release"]
    if large:
        return core, float(np.min(large)) / 1000, True
    return core, own[0]["flop_per_update"] / ASSUMED, False


def render_costs() -> str:
    """Return the table in MyST, with a sentence on how it was estimated."""
    core, gpu, measured = seconds_per_update()
    how = (
        "as measured"
        if measured
        else f"which assumes {ASSUMED / 1e12:.0f} TFLOP/s. No GPU was measured, and twice the rate halves the hours"
    )
    lines = [
        f"One update of VGF at the paper's size takes {1e3 * core:.0f} ms on one core, as measured "
        f"({{doc}}`/notebooks/07_speed`), and about {1e3 * gpu:.0f} ms on one GPU, {how}. Rivals are counted like VGF. "
        "Simulation and evaluation come on top.",
        "",
        "| would settle | GPU hours | of these VGF and best-of-N | core hours | trainings | million updates |",
        "|---|--:|--:|--:|--:|--:|",
        *(
            f"| {cost.name} | {hours(cost.updates, gpu):,.0f} | {hours(cost.own, gpu):,.0f} "
            f"| {hours(cost.updates, core):,.0f} | {cost.trainings:,} | {cost.updates / 1e6:,.0f} |"
            for cost in costs()
        ),
        "",
    ]
    return "\n".join(lines)
