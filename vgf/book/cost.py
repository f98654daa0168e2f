"""What the trainings that are missing would cost, from the measured speed of an update: for the page on limits.

The work of one update of value gradient flow at the paper's size is counted in `data/results/speed/` and timed there,
on one processor core. Core hours follow. Hours on a GPU follow from a rate that is measured if the folder `gpu` is
there, and else assumed (`ASSUMED`) and said to be. The trade-off of one rate for all: rivals are counted like value
gradient flow, which overstates the light ones, and simulators and evaluation are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vgf import records
from vgf.bench.collect import read
from vgf.book.facts import PAPER, plan
from vgf.results.judgement import SEEDS, TASKS

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
        own: those of them that train value gradient flow or best-of-N.
        updates: of one training, those made online included.
    """

    name: str
    trainings: int
    own: int
    updates: int

    def hours(self, seconds: float, trainings: int | None = None) -> float:
        """Return the hours of some of its trainings, all by default, if an update takes `seconds`."""
        return (self.trainings if trainings is None else trainings) * self.updates * seconds / 3600


def costs() -> list[Cost]:
    """Return the cost of each experiment that has a paper scale, and of the least that would decide the test budget."""
    found = []
    for study, name in STUDIES.items():
        experiment = plan(study, PAPER)
        methods = [method for task in experiment.tasks for method in task.methods]
        seeds = len(experiment.scale.seeds)
        own = sum(method.agent in ("vgf", "best_of_n") for method in methods)
        updates = experiment.scale.updates + (experiment.scale.online.steps if experiment.scale.online else 0)
        found.append(Cost(name, len(methods) * seeds, own * seeds, updates))
    least = Cost(f"test steps, at least: {TASKS} tasks, {SEEDS} seeds", TASKS * SEEDS, TASKS * SEEDS, found[0].updates)
    return [*found, least]


def seconds_per_update() -> tuple[float, float, bool]:
    """Return the seconds of an update at the paper's size on a core and a GPU, and whether the latter is measured."""
    rows = read(records.results_folder() / "speed" / SPEED)[PART]["rows"]
    own = [row for row in rows if row.get("flop_per_update")]
    core = min(row["ms_per_update"] for row in own) / 1000
    folder = records.results_folder() / "speed" / "gpu"
    timed = [row for part in read(folder).values() for row in part["rows"]] if folder.is_dir() else []
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
        else f"which assumes {ASSUMED / 1e12:.0f} TFLOP/s; no GPU was measured, and twice the rate halves the hours"
    )
    lines = [
        f"One update of VGF at the paper's size takes {1e3 * core:.0f} ms on one core, as measured "
        f"({{doc}}`/notebooks/07_speed`), and about {1e3 * gpu:.0f} ms on one GPU, {how}. Rivals are counted like VGF. "
        "Simulation and evaluation come on top.",
        "",
        "| would settle | trainings | updates each | core hours | GPU hours | of these VGF and best-of-N |",
        "|---|--:|--:|--:|--:|--:|",
        *(
            f"| {cost.name} | {cost.trainings} | {cost.updates:,} | {cost.hours(core):,.0f} | {cost.hours(gpu):,.0f} "
            f"| {cost.hours(gpu, cost.own):,.0f} |"
            for cost in costs()
        ),
        "",
    ]
    return "\n".join(lines)
