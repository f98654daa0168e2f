"""`vgf estimate`: hours and disk that an experiment needs on this machine, before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
import tyro

from vgf import records
from vgf.datasets import get_dataset
from vgf.sources.get import regenerated_files
from vgf.support.host import cores
from vgf.support.progress import Progress
from vgf.support.scales import ScaleName
from vgf.support.strict import known
from vgf.training.device import choose_device
from vgf.training.estimate import Cost, DataCost, Estimates, data_cost, in_words
from vgf.training.experiments import TaskPlan, read_experiment
from vgf.training.sizes import DatasetSource


def estimate_command(
    experiment: tyro.conf.Positional[Path],
    scale: ScaleName = "cpu",
    task: tuple[str, ...] = (),
    method: tuple[str, ...] = (),
    device: str = "auto",
    results: Path | None = None,
    each: bool = True,
) -> None:
    """Say what an experiment file costs here: a few updates and steps of each run are timed and scaled up.

    Evaluation is counted as if every episode lasted to its time limit, and a reference that several methods share is
    counted for each, so what it says is an upper end on a machine that does nothing else.

    Args:
        experiment: a file of data/experiments.
        scale: its sizes.
        task: these of its tasks alone.
        method: these of its methods alone.
        device: cpu, cuda, or auto: cuda where there is one.
        results: where its records would go, data/results by default; those that are there cost nothing more.
        each: print a line for each run, and not the totals alone.
    """
    whole, where = read_experiment(experiment, scale), choose_device(device)
    known(method, [m.name for m in whole.tasks[0].methods], f"{experiment}: methods")
    if whole.scale.threads is not None:
        torch.set_num_threads(whole.scale.threads)
    plans = [whole.task(name) for name in task] or list(whole.tasks)
    runs = [(plan, m) for plan in plans for m in plan.methods if not method or m.name in method]
    estimates, found = Estimates(whole, where, results), list[Cost]()
    with Progress("estimate", len(runs), "run") as counter:
        for plan, own in runs:
            found.append(estimates.run(plan, own))
            counter.update()
    if each:
        print(_table(found).to_string(index=False))
    processes = cores() if whole.scale.threads == 1 and where.type == "cpu" else 1
    print("\n".join(in_words(found, _data(plans, found, results), processes)))


def _table(costs: Sequence[Cost]) -> pd.DataFrame:
    """Return a row a run."""
    rows = [(c.task, c.method, c.updates, c.training, c.evaluation, "record" if c.recorded else "") for c in costs]
    table = pd.DataFrame(rows, columns=["task", "method", "updates", "training, h", "evaluation, h", ""])
    return table.round(2)


def _data(plans: Sequence[TaskPlan], costs: Sequence[Cost], results: Path | None) -> list[DataCost]:
    """Return the datasets that runs without a record need and that are not here."""
    needed = {cost.task for cost in costs if not cost.recorded}
    asked = dict.fromkeys((get_dataset(plan.name).name, plan.dataset) for plan in plans if plan.name in needed)
    folder = results or records.results_folder()
    return [data_cost(name, source, folder) for name, source in asked if not _is_here(name, source)]


def _is_here(name: str, source: DatasetSource) -> bool:
    """Return whether the file to learn from is there, or is one that nobody makes."""
    dataset = get_dataset(name)
    size = "full" if source.episodes is None else f"ep{source.episodes}"
    wanted = f"{dataset.name}.seed{source.seed}.{size}"
    return source.path is not None or any(path.stem == wanted for path in regenerated_files(dataset))
