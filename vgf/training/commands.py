"""`vgf train`: an experiment file in, records out.

Every task of the file is learnt by every method: one after another, where methods of a task share its data and its
simulators, or several at once in processes of their own (`vgf.training.campaign`), with the same records. What is done
is left alone and what was killed goes on, so that the way to repair an interrupted campaign is to run it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import tyro

from vgf.datasets import get_task, load, provenance
from vgf.support.files import locked
from vgf.support.host import cores
from vgf.support.paths import data_folder
from vgf.support.places import check_writable
from vgf.support.scales import ScaleName
from vgf.support.strict import known
from vgf.training import seed_groups
from vgf.training.campaign import train_at_once
from vgf.training.device import choose_device
from vgf.training.evaluate import close, make_envs
from vgf.training.experiments import Experiment, Method, TaskPlan, read_experiment
from vgf.training.inputs import TrainingInputs
from vgf.training.loop import train
from vgf.training.monitor import Monitor
from vgf.training.monitor import check as check_monitor
from vgf.training.online import reward_rule
from vgf.training.policy import export as export_policy
from vgf.training.runs import Run, dataset_file, is_done, is_recorded, make_run, summary


@dataclass(frozen=True)
class _Options:
    """What the command line says of every run."""

    device: torch.device
    results: Path | None
    replace: bool
    tensorboard: Path | None
    wandb: str | None


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
    tensorboard: Path | None = None,
    wandb: str | None = None,
    processes: int | None = None,
) -> None:
    """Train every method of an experiment file on every task, evaluate it in the real environment, leave records.

    A run that was killed goes on where it was; one that is done is left as it is.

    Several processes train several runs at once, each with one thread and with the data in memory; where there are
    fewer runs, seeds are shared out. Records are those of one process; a seed trained apart from others agrees with
    them to rounding.

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
        tensorboard: folder for TensorBoard's files.
        wandb: project of Weights & Biases; its key is read from WANDB_API_KEY.
        processes: how many at once; one a core where the scale says threads: 1 and the device is cpu, else 1.
    """
    if processes is not None and processes < 1:
        raise ValueError(f"--processes must be >= 1, got {processes}")
    whole, where = read_experiment(experiment, scale), choose_device(device)
    if whole.scale.threads is not None:
        torch.set_num_threads(whole.scale.threads)
    known(method, [m.name for m in whole.tasks[0].methods], f"{experiment}: methods")
    plans = [whole.task(name) for name in task] or list(whole.tasks)
    if export is not None:
        _check_export(whole, [p.name for p in plans], method, export_seed, export)
    check_monitor(tensorboard, wandb)
    options = _Options(where, results, replace or scale == "quick", tensorboard, wandb)
    wanted = [(plan, [m for m in plan.methods if not method or m.name in method]) for plan in plans]
    if processes is None:
        processes = cores() if whole.scale.threads == 1 and where.type == "cpu" else 1
    folders = _train_at_once(whole, wanted, options, processes) if processes > 1 else None
    if folders is None:
        folders = [folder for plan, methods in wanted for folder in _train_on(whole, plan, methods, options)]
    print(summary(folders).to_string(index=False))
    if export is not None:
        told = export_policy(folders[0], export, export_seed)
        print(f"{export}: " + ", ".join(f"{name} {value}" for name, value in told.items()))


def _check_export(
    experiment: Experiment, tasks: Sequence[str], methods: Sequence[str], seed: int | None, out: Path
) -> None:
    """Refuse to export where it is not clear what, or where it cannot be written, before anything is trained."""
    if out.is_dir():
        raise ValueError(f"--export: {out} is a folder; name a file in it")
    check_writable(out.parent)
    methods, seeds = methods or [m.name for m in experiment.tasks[0].methods], experiment.scale.seeds
    for what, found in (("task", tasks), ("method", methods)):
        if len(found) > 1:
            raise ValueError(f"--export writes one policy; say which with --{what}, one of {', '.join(found)}")
    if seed not in seeds and (seed is not None or len(seeds) > 1):
        raise ValueError(
            f"--export writes one policy; say which with --export-seed, one of {', '.join(map(str, seeds))}"
        )


def _train_on(experiment: Experiment, plan: TaskPlan, methods: Sequence[Method], options: _Options) -> list[Path]:
    """Train methods on one task, which share its data and its simulators; return the records' folders."""
    path = dataset_file(get_task(plan.name), plan.dataset)
    facts, folders = provenance(path), []
    inputs: TrainingInputs | None = None
    try:
        for method in methods:
            run = make_run(experiment, plan, method, facts, options.results)
            folders.append(run.folder)
            with locked(run.work.parent, run.work.name):
                if is_done(run, options.replace):
                    continue
                parts = seed_groups.parts(run, groups=1)
                for part in parts:
                    if not seed_groups.is_finished(part):
                        inputs = _inputs_for(part, path, options.device, inputs)
                        _train(part, inputs, options)
                if parts[0] is not run:
                    seed_groups.join(run, parts)
    finally:
        _leave(inputs)
    return folders


def _train_at_once(
    experiment: Experiment, wanted: Sequence[tuple[TaskPlan, Sequence[Method]]], options: _Options, processes: int
) -> list[Path] | None:
    """Train several runs at once and return the records' folders; None where there is one thing to do, or nothing."""
    runs: list[Run] = []
    paths: dict[str, Path] = {}
    for plan, methods in wanted:
        path = paths[plan.name] = dataset_file(get_task(plan.name), plan.dataset)
        facts = provenance(path)
        runs += [make_run(experiment, plan, method, facts, options.results) for method in methods]
    left = sum(len(experiment.scale.seeds) for run in runs if not is_recorded(run, options.replace))
    if left < 2:
        return None
    threads = experiment.scale.threads or 1
    train_at_once(
        runs,
        lambda part: partial(train_part, part, paths[part.plan.name], options),
        min(processes, left),
        threads,
        options.replace,
    )
    return [run.folder for run in runs]


def train_part(part: Run, path: Path, options: _Options) -> None:
    """Train a run, or some seeds of one, in a process with one core: simulators and agent take turns."""
    inputs = _inputs_for(part, path, options.device, processes=1)
    try:
        _train(part, inputs, options)
    finally:
        _leave(inputs)


def _train(part: Run, inputs: TrainingInputs, options: _Options) -> None:
    """Train a run, or some seeds of one, unless it is trained by now."""
    # who gives out work holds it by a lock of its own, and may be killed while the one who does it still ends
    with locked(part.work, "training"):
        if not seed_groups.is_finished(part):
            with Monitor(part, options.tensorboard, options.wandb) as monitor:
                train(part, inputs, monitor)


def _inputs_for(
    run: Run, path: Path, device: torch.device, before: TrainingInputs | None = None, processes: int | None = None
) -> TrainingInputs:
    """Return data and simulators of a run's task; the simulators start while the data is read.

    Args:
        run: what is trained there.
        path: its data.
        device: where it computes.
        before: those of another run on the task, taken if it has as many simulators, else left.
        processes: of the simulators; one a core by default.
    """
    name, scale = run.plan.name, run.experiment.scale
    seeds = len(scale.seeds)
    if before is not None and before.envs is not None and before.envs.num_envs == seeds * scale.episodes_at_once:
        return before
    _leave(before)
    envs = make_envs(name, seeds * scale.episodes_at_once, processes)
    acting = make_envs(name, seeds, processes) if scale.online else None
    try:
        reward = reward_rule(run.task, path) if scale.online else (1.0, 0.0)
        return TrainingInputs(load(name, path, device), envs, device, acting, reward, data_folder() / "cache")
    except BaseException:
        for each in filter(None, (envs, acting)):
            close(each)
        raise


def _leave(inputs: TrainingInputs | None) -> None:
    """Close the simulators."""
    for envs in (inputs.envs, inputs.acting) if inputs is not None else ():
        if envs is not None:
            close(envs)
