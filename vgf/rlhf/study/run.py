"""`vgf rlhf run`: a whole experiment file, each stage before the one that needs it, down to the table.

The file says which methods meet on which prompts with which seeds. How much a stage does at a scale is said once, in
`vgf.rlhf.settings`, and which policies must be trained follows from the methods. Every stage and every group of prompts
is found again where it is done, so the same command goes on after a kill; the price is that one process holds the
largest stage's memory from then on.
"""

from __future__ import annotations

import gc
import typing
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from vgf.rlhf import stages
from vgf.rlhf.parts.prepare import prepare
from vgf.rlhf.rivals import preferred
from vgf.rlhf.settings import SIZES, SMOLLM2, Setup, TaskName
from vgf.rlhf.study import methods, table
from vgf.rlhf.study.align import align, complete
from vgf.support.progress import log
from vgf.support.scales import SCALES, ScaleName
from vgf.support.strict import build, known, mapping
from vgf.support.yaml_text import read_yaml_file


@dataclass(frozen=True)
class Comparison:
    """Methods on one set of prompts.

    Attributes:
        seeds: of the whole pipeline, from the supervised policy on.
        methods: names, as `vgf rlhf align --method`; the core ones by default.
        least_rating: of reviews, prompts whose human continuation is rated lower are left out.
        development: on the prompts for choosing, not the reported ones.
        prompts: how many, in place of the scale's.
    """

    seeds: tuple[int, ...]
    methods: tuple[str, ...] = ()
    least_rating: float = -4.0
    development: bool = False
    prompts: int | None = None


@dataclass(frozen=True)
class Plan:
    """An experiment file.

    Attributes:
        about: one sentence.
        language: the task.
        scales: for each scale its comparisons.
        model: of the policy.
    """

    about: str
    language: str
    scales: dict[str, list[dict[str, object]]]
    model: str = SMOLLM2


def read_plan(path: Path, scale: str) -> tuple[Plan, list[Comparison]]:
    """Return an experiment file and its comparisons at a scale.

    Raises:
        ValueError: naming the place in the file that is missing, unknown or wrong.
    """
    plan: Plan = build(Plan, read_yaml_file(path), path.name)
    known([plan.language], typing.get_args(TaskName), f"{path.name}: language")
    known(mapping(plan.scales, f"{path.name}: scales"), SCALES, f"{path.name}: scales")
    if scale not in plan.scales:
        raise ValueError(f"{path.name} has no scale {scale!r}; it has {', '.join(plan.scales)}")
    rows, where = plan.scales[scale], f"{path.name}: scales.{scale}"
    if not isinstance(rows, list) or not rows:
        raise ValueError(f"{where} must be a list of comparisons")
    found = [build(Comparison, row, f"{where}[{k}]") for k, row in enumerate(rows)]
    for comparison in found:
        methods.chosen(comparison.methods, SIZES[scale].most, SIZES[scale].particles)
    return plan, found


def setups_of(plan: Plan, comparison: Comparison, scale: ScaleName) -> Iterator[Setup]:
    """Yield the experiment of each seed."""
    sizes = replace(SIZES[scale], prompts=comparison.prompts or SIZES[scale].prompts)
    for seed in comparison.seeds:
        yield Setup(
            plan.model,
            typing.cast(TaskName, plan.language),
            scale,
            seed,
            sizes,
            least_rating=comparison.least_rating,
            development=comparison.development,
        )


def run(path: Path, scale: ScaleName, root: Path | None = None) -> str:
    """Do whatever is missing of an experiment file at a scale; return its tables.

    Raises:
        ValueError: for a faulty file, or as the stages do.
    """
    plan, comparisons = read_plan(path, scale)
    for comparison in comparisons:  # before hours of other stages: what these need must be installed
        if any(method.stage in ("dpo", "ppo", "rloo") for method in _methods(comparison, scale)):
            preferred.require()
    if plan.model == SMOLLM2:
        log("\n".join(prepare()))
    tasks = dict.fromkeys(setup.task_name for c in comparisons for setup in setups_of(plan, c, scale))
    for comparison in comparisons:
        chosen = _methods(comparison, scale)
        for setup in setups_of(plan, comparison, scale):
            if complete(setup, chosen, root):
                continue
            log(f"{setup.task_name}, seed {setup.seed}: {', '.join(method.name for method in chosen)}")
            _stages(setup, sorted({method.stage for method in chosen if method.stage}))
            align(setup, chosen, root, replace=scale == "quick")
            gc.collect()
    return "\n\n".join(f"{task}, {scale}\n\n{table.text(_summary(scale, task, root))}" for task in tasks)


def _stages(setup: Setup, trained: list[str]) -> None:
    """Do the stages before a comparison that are not done."""
    stages.sft(setup)
    stages.reward(setup)
    if setup.task == "reviews":
        stages.judge(setup)
    for name in trained:
        _ = stages.weighted_cloning(setup) if name == "bc" else preferred.train(setup, name)
        gc.collect()


def _methods(comparison: Comparison, scale: str) -> list[methods.Method]:
    return methods.chosen(comparison.methods, SIZES[scale].most, SIZES[scale].particles)


def _summary(scale: str, task: str, root: Path | None) -> pd.DataFrame:
    return table.summarise(table.read_study(scale, task, root))
