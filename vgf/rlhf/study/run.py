"""`vgf rlhf run`: a whole experiment file, each stage before the one that needs it, down to the table.

The file says which methods meet on which prompts with which seeds. How much a stage does at a scale is said once, in
`vgf.rlhf.settings`, and which policies must be trained follows from the methods. Every stage and every group of prompts
is found again where it is done, so the same command goes on after a kill; the price is that one process holds the
largest stage's memory from then on. What a file of preferences needs is asked for first, and its cost is told.
"""

from __future__ import annotations

import gc
from pathlib import Path

import pandas as pd

from vgf.rlhf import stages
from vgf.rlhf.parts.prepare import prepare
from vgf.rlhf.rivals import preferred
from vgf.rlhf.settings import PAIRED, SIZES, SMOLLM2, Setup
from vgf.rlhf.study import methods, paired, table
from vgf.rlhf.study.align import align, check_beside, complete
from vgf.rlhf.study.plan import Comparison, Given, read_plan, setups_of
from vgf.support.progress import log
from vgf.support.scales import ScaleName


def run(path: Path, scale: ScaleName, root: Path | None = None, given: Given | None = None) -> str:
    """Do whatever is missing of an experiment file at a scale; return its tables.

    Raises:
        ValueError: for a faulty file, or as the stages do.
    """
    given = given or Given()
    plan, comparisons = read_plan(path, scale, given)
    for comparison in comparisons:  # before hours of other stages: what these need must be installed
        if any(method.stage not in ("", "bc") for method in _methods(comparison, scale)):
            preferred.require()
    if plan.model == SMOLLM2:
        log("\n".join(prepare()))
    work = [
        (setup, _methods(comparison, scale))
        for comparison in comparisons
        for setup in setups_of(plan, comparison, scale, given.device)
    ]
    pairs = [(setup, chosen) for setup, chosen in work if setup.task in PAIRED]
    if pairs:
        paired.check(path.name, plan, pairs, root)
    for setup, chosen in work:
        if complete(setup, chosen, root):
            continue
        log(f"{setup.task_name}, seed {setup.seed}: {', '.join(method.name for method in chosen)}")
        _shared_stages(setup)
        check_beside(setup, chosen, root, replace=scale == "quick")
        _policies(setup, sorted({method.stage for method in chosen if method.stage}))
        align(setup, chosen, root, replace=scale == "quick")
        gc.collect()
    tasks = dict.fromkeys(setup.task_name for setup, _ in work)
    parts = [f"{task}, {scale}\n\n{table.text(_summary(scale, task, root))}" for task in tasks]
    return "\n\n".join([*parts, *paired.judged(plan, pairs, root)])


def _shared_stages(setup: Setup) -> None:
    """Do the stages that every method needs and that are not done."""
    stages.sft(setup)
    stages.reward(setup)
    if setup.task == "reviews":
        stages.judge(setup)


def _policies(setup: Setup, trained: list[str]) -> None:
    """Train the policies to compare with that are not trained."""
    for name in trained:
        _ = stages.weighted_cloning(setup) if name == "bc" else preferred.train(setup, name)
        gc.collect()


def _methods(comparison: Comparison, scale: str) -> list[methods.Method]:
    return methods.chosen(comparison.methods, SIZES[scale].most, SIZES[scale].particles)


def _summary(scale: str, task: str, root: Path | None) -> pd.DataFrame:
    return table.summarise(table.read_study(scale, task, root))
