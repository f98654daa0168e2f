"""`vgf train`: an experiment file in, records out.

Every task of the file is learnt by every method, one after another; methods of a task share its data and its
simulators. What is done is left alone and what was killed goes on, so that the way to repair an interrupted campaign is
to run it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import tyro

from vgf import records
from vgf.checkpoints import choose_device
from vgf.datasets import get_task, load, provenance
from vgf.evaluate import close, make_envs
from vgf.experiments import Experiment, Method, ScaleName, TaskPlan, read_experiment
from vgf.policy import export as export_policy
from vgf.runs import dataset_file, is_done, make_run, summary
from vgf.strict import known
from vgf.train import train


def train_command(
    experiment: tyro.conf.Positional[Path],
    scale: ScaleName = "quick",
    task: tuple[str, ...] = (),
    method: tuple[str, ...] = (),
    device: str = "auto",
    results: Path | None = None,
    replace: bool = False,
    export: Path | None = None,
    export_seed: int | None = None,
) -> None:
    """Train every method of an experiment file on every task, evaluate it in the real environment, leave records.

    A run that was killed goes on where it was; one that is done is left as it is.

    Args:
        experiment: a file of data/experiments.
        scale: its sizes: quick (minutes), cpu (hours on two cores) or paper (one GPU).
        task: train on these of its tasks alone.
        method: train these of its methods alone.
        device: cpu, cuda, or auto: cuda where there is one.
        results: where records go, data/results by default.
        replace: remove a record made with other settings; at quick scale this is always done.
        export: write the last policy to this file, for `vgf.load_policy`; one task, method and seed must be meant.
        export_seed: which seed that is, where there are several.
    """
    whole, where = read_experiment(experiment, scale), choose_device(device)
    if whole.scale.threads is not None:
        torch.set_num_threads(whole.scale.threads)
    known(method, [m.name for m in whole.tasks[0].methods], f"{experiment}: methods")
    plans = [whole.task(name) for name in task] or list(whole.tasks)
    if export is not None:
        _check_export(whole, [p.name for p in plans], method, export_seed)
    folders: list[Path] = []
    for plan in plans:
        chosen = [m for m in plan.methods if not method or m.name in method]
        folders += _train_on(whole, plan, chosen, where, results, replace or scale == "quick")
    print(summary(folders).to_string(index=False))
    if export is not None:
        told = export_policy(folders[0], export, export_seed)
        print(f"{export}: " + ", ".join(f"{name} {value}" for name, value in told.items()))


def _check_export(experiment: Experiment, tasks: Sequence[str], methods: Sequence[str], seed: int | None) -> None:
    """Refuse to export where it is not clear what, before anything is trained."""
    methods, seeds = methods or [m.name for m in experiment.tasks[0].methods], experiment.scale.seeds
    for what, found in (("task", tasks), ("method", methods)):
        if len(found) > 1:
            raise ValueError(f"--export writes one policy; say which with --{what}, one of {', '.join(found)}")
    if seed not in seeds and (seed is not None or len(seeds) > 1):
        raise ValueError(
            f"--export writes one policy; say which with --export-seed, one of {', '.join(map(str, seeds))}"
        )


def _train_on(
    experiment: Experiment,
    plan: TaskPlan,
    methods: Sequence[Method],
    device: torch.device,
    results: Path | None,
    replace: bool,
) -> list[Path]:
    """Train methods on one task, which share its data and its environments; return the records' folders."""
    path, scale, folders = dataset_file(get_task(plan.name), plan.dataset), experiment.scale, []
    facts = provenance(path)
    transitions, envs = None, None
    try:
        for method in methods:
            run = make_run(experiment, plan, method, facts, results)
            folders.append(run.folder)
            with records.locked(run.work.parent, run.work.name):
                if not is_done(run, replace):
                    envs = envs or make_envs(plan.name, len(scale.seeds) * scale.episodes_at_once)
                    transitions = transitions or load(
                        plan.name, path, device
                    )  # while the environments' processes start
                    train(run, transitions, envs, device)
    finally:
        if envs is not None:
            close(envs)
    return folders


def main(arguments: Sequence[str]) -> None:
    """Run `vgf train` with its arguments."""
    tyro.cli(train_command, prog="vgf train", args=list(arguments))
