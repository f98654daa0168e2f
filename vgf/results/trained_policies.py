"""The policies that `vgf train` left beside a study's records, and the front door of the commands that read them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import tyro

from vgf import records
from vgf.support.given import expanded
from vgf.training.checkpoints import POLICY
from vgf.training.experiments import Experiment, TaskPlan, read_experiment


def experiment_of(study: str) -> Experiment:
    """Return the experiment of STUDY.SCALE.

    Raises:
        ValueError: if there is no such file or scale.
    """
    name, _, scale = study.rpartition(".")
    return read_experiment(records.results_folder().parent / "experiments" / f"{name}.yaml", scale)


def policies(study: str, root: Path) -> tuple[Experiment, list[tuple[TaskPlan, Path]]]:
    """Return a study's experiment and its records that have a policy beside them: the task's plan, and the folder.

    Args:
        study: STUDY.SCALE.
        root: where records are.
    """
    experiment = experiment_of(study)
    there = [
        (plan, records.record_folder(experiment.study, experiment.scale_name, plan.name, method.name, root))
        for plan in experiment.tasks
        for method in plan.methods
    ]
    return experiment, [(plan, folder) for plan, folder in there if (folder / POLICY).exists()]


def main(command: Callable[..., object], name: str) -> int:
    """Run a command of `python -m NAME`; return 2 for bad input, said in one line."""
    try:
        tyro.cli(command, prog=f"python -m {name}", args=expanded(sys.argv[1:]))
    except (ValueError, OSError) as error:
        print(f"{name.rpartition('.')[2]}: {error}", file=sys.stderr)
        return 2
    return 0
