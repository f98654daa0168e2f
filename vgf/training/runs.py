"""One run, from its settings to its record: what names it and where it lives; see also `vgf.training.publishing`.

Until it is done, a run lives in `data/cache/runs`, in a folder named by a digest of its settings: its rows, and the
checkpoints it goes on from when it was killed. Only a finished run becomes a record. The price is that the rows of a
run under way are elsewhere; what it buys is that a record is never half of one, and never a mixture of settings.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from vgf import records
from vgf.datasets import Task, get_dataset, get_task
from vgf.sources import get
from vgf.support.paths import data_folder
from vgf.support.places import check_writable
from vgf.support.progress import log
from vgf.support.provenance import fingerprint
from vgf.support.strict import recorded_fields
from vgf.training.experiments import Experiment, Method, TaskPlan
from vgf.training.record_place import allow, is_allowed, refuse_foreign
from vgf.training.sizes import DatasetSource, Scale


@dataclass(frozen=True)
class Run:
    """One method of an experiment on one of its tasks, about to be trained.

    Attributes:
        experiment, plan, method, task: what is run; `task` is the row of the table.
        dataset: facts on the file it learns from, for the record.
        folder: of the record.
        work: where the run lives until it is done.
    """

    experiment: Experiment
    plan: TaskPlan
    method: Method
    task: Task
    dataset: dict[str, Any]
    folder: Path
    work: Path

    @property
    def scale(self) -> Scale:
        """The experiment's sizes, the reference's own updates added to the method's; see `Scale.reference_updates`."""
        return own_scale(self.experiment, self.method)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything its numbers depend on, seeds, code and machine aside."""
        return settings(self.experiment, self.plan, self.method, self.dataset)

    @property
    def ident(self) -> str:
        """Names the run in run.json."""
        return f"{fingerprint(self.settings)}-{'-'.join(map(str, self.experiment.scale.seeds))}"


def make_run(
    experiment: Experiment, plan: TaskPlan, method: Method, dataset: dict[str, Any], results: Path | None = None
) -> Run:
    """Return a run with its places: the record below `results` (data/results by default), the work in the cache."""
    study = f"{experiment.study}.{experiment.scale_name}"
    folder = records.record_folder(experiment.study, experiment.scale_name, plan.name, method.name, results)
    label = fingerprint({**settings(experiment, plan, method, dataset), "seeds": experiment.scale.seeds})
    work = data_folder() / "cache" / "runs" / f"{study}-{plan.name}-{method.name}-{label}"
    return Run(experiment, plan, method, get_task(plan.name), dataset, folder, work)


def own_scale(experiment: Experiment, method: Method) -> Scale:
    """Return an experiment's sizes as one method has them."""
    scale = experiment.scale
    more = scale.reference_updates if getattr(method.config, "pretrain", 0) else 0
    own = scale.updates if method.updates is None else method.updates
    return replace(scale, updates=own + more, reference_updates=0)


def settings(experiment: Experiment, plan: TaskPlan, method: Method, dataset: dict[str, Any]) -> dict[str, Any]:
    """Return what a run's numbers depend on, as JSON would hold it."""
    scale = {
        key: value
        for key, value in recorded_fields(own_scale(experiment, method)).items()
        if key not in ("seeds", "agent", "dataset", "tasks", "methods", "threads", "reference_updates")
    }
    return {
        "task": plan.name,
        "agent": method.agent,
        "config": recorded_fields(method.config),
        "dataset": dataset["sha256"],
        "signals": {name: asdict(signal) for name, signal in plan.signals.items()},
        **scale,
        **dataset.get("settings", {}),
    }


def append(run: Run, rows: pd.DataFrame, kind: records.Kind) -> None:
    """Add rows of one kind to each seed's file in the work folder."""
    for seed, own in rows.groupby("seed"):
        path = records.kind_file(run.work, int(str(seed)), kind)
        records.append_rows(path, own.drop(columns="seed"), records.KEYS[kind])


def add_rows(source: Path, folder: Path, seeds: Sequence[int]) -> list[records.Kind]:
    """Add seeds' rows to a record from files in another folder; return which kinds there are."""
    kinds = [kind for kind in records.KEYS if kind == "curve" or records.kind_file(source, seeds[0], kind).exists()]
    for seed in seeds:
        for kind in kinds:
            rows = records.read_csv(records.kind_file(source, seed, kind))
            records.append_rows(records.kind_file(folder, seed, kind), rows, records.KEYS[kind])
    return kinds


def dataset_file(task: Task, source: DatasetSource) -> Path:
    """Return the file to learn from; a regenerated one is made when it is not there.

    Raises:
        ValueError: naming what is missing and the remedy.
    """
    if source.path is not None:
        path = data_folder() / Path(source.path).expanduser()
        if not path.exists():
            raise ValueError(f"{path}: no such file; a dataset's path is relative to the data folder")
        return path
    return get.remake(get_dataset(task.dataset), source.episodes, source.seed, os.cpu_count() or 1, None)


def is_recorded(run: Run, replace: bool, anew: bool = False) -> bool:
    """Return whether the record is there already; refuse one made with other settings, and change nothing.

    Args:
        run: whose record.
        replace: whether one of other settings may be replaced.
        anew: whether one of equal settings is to be replaced, too.

    Raises:
        ValueError: if another record is in the way and must not be replaced, or lies beside files of another kind.
    """
    entries = records.read_runs(run.folder) if (run.folder / "run.json").exists() else []
    begun = is_allowed(run.folder, run.work)  # a replacement that was interrupted goes on
    if any(entry["id"] == run.ident for entry in entries) and not (anew or begun):
        return True
    if not replace and not begun and not joins(run, entries):
        raise ValueError(
            f"{run.folder}: there already, made with other settings; move it away, or say --replace (replace=True)"
        )
    if anew and joins(run, entries):
        seeds = {seed for entry in entries for seed in entry["seeds"]}
        if lost := sorted(seeds - set(run.experiment.scale.seeds)):
            raise ValueError(
                f"{run.folder}: to be replaced whole, but seeds {', '.join(map(str, lost))} are in it too; name them "
                "as well, or move it away"
            )
    if begun or anew or not joins(run, entries):
        refuse_foreign(run.folder)
    return False


def is_done(run: Run, replace: bool, anew: bool = False) -> bool:
    """Return whether the record is there already, and say so; refuse what `is_recorded` refuses.

    One that may be replaced stays until the new one is finished. What a kill left behind of a finished run goes.

    Raises:
        ValueError: if another record is in the way and must not be replaced, or its place cannot be written.
    """
    if is_recorded(run, replace, anew):
        log(f"{run.folder}: there already, made with these settings; remove it to run again")
        shutil.rmtree(run.work, ignore_errors=True)
        return True
    check_writable(run.folder)
    if not os.path.isdir(run.work):  # noqa: PTH112  # pathlib's raises for a name that is too long
        check_writable(run.work)
    if (run.folder / "run.json").exists() and (anew or not joins(run, records.read_runs(run.folder))):
        allow(run.folder, run.work)
    return False


def joins(run: Run, entries: Sequence[dict[str, Any]]) -> bool:
    """Say whether every entry of a record is of the run's settings, so that the run's seeds may stand beside theirs."""
    return all(entry.get("fingerprint") == fingerprint(run.settings) for entry in entries)


def summary(folders: Sequence[Path]) -> pd.DataFrame:
    """Return the last evaluation of each record: means over seeds and episodes for each budget."""
    parts = []
    for folder in folders:
        rows = records.read_record(folder).episodes
        last = rows[rows["update"] == rows["update"].max()]
        means = last.groupby("test_steps")[["success", "return", "length"]].mean().reset_index()
        counts = last.groupby("test_steps").size().to_numpy()
        parts.append(means.assign(task=folder.parent.name, method=folder.name, episodes=counts))
    table = pd.concat(parts)
    return table[["task", "method", "test_steps", "episodes", "success", "return", "length"]]
