"""One run, from its settings to its record: what names it, where it lives, how it is published.

Until it is done, a run lives in `data/cache/runs`, in a folder named by a digest of its settings: its rows, and the
checkpoints it goes on from when it was killed. Only a finished run becomes a record. The price is that the rows of a
run under way are elsewhere; what it buys is that a record is never half of one, and never a mixture of settings.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from vgf import records
from vgf.agents import Agent
from vgf.checkpoints import save_policy
from vgf.datasets import Task, Transitions, default_path, regenerate
from vgf.datasets.recipes import data_folder
from vgf.experiments import DatasetSource, Experiment, Method


@dataclass(frozen=True)
class Run:
    """One method of an experiment, about to be trained.

    Attributes:
        experiment, method, task: what is run.
        dataset: facts on the file, for the record.
        transitions: what it learns from.
        folder: of the record.
        work: where the run lives until it is done.
    """

    experiment: Experiment
    method: Method
    task: Task
    dataset: dict[str, Any]
    transitions: Transitions
    folder: Path
    work: Path

    @property
    def settings(self) -> dict[str, Any]:
        """Everything its numbers depend on, seeds, code and machine aside."""
        return settings(self.experiment, self.method, self.dataset)

    @property
    def ident(self) -> str:
        """Names the run in run.json."""
        return f"{records.fingerprint(self.settings)}-{'-'.join(map(str, self.experiment.scale.seeds))}"


def settings(experiment: Experiment, method: Method, dataset: dict[str, Any]) -> dict[str, Any]:
    """Return what a run's numbers depend on, as JSON would hold it."""
    scale = {
        key: value
        for key, value in asdict(experiment.scale).items()
        if key not in ("seeds", "agent", "dataset", "threads")
    }
    return {
        "task": experiment.task,
        "agent": method.agent,
        "config": asdict(method.config),
        "dataset": dataset["sha256"],
        "signals": {name: asdict(signal) for name, signal in experiment.signals.items()},
        **scale,
    }


class Clock:
    """Seconds spent on training and on evaluation, across interruptions."""

    def __init__(self, facts: dict[str, Any] | None = None) -> None:
        self.seconds: dict[str, float] = {"training": 0.0, "evaluation": 0.0} if facts is None else facts["seconds"]
        self.started: str = datetime.now(UTC).isoformat(timespec="seconds") if facts is None else facts["started"]
        self.start()

    def start(self) -> None:
        """Begin to count."""
        self._since = time.monotonic()

    def stop(self, what: str) -> None:
        """Count the time since `start` for "training" or "evaluation"."""
        self.seconds[what] += time.monotonic() - self._since

    def facts(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"started": self.started, "seconds": {what: round(s, 3) for what, s in self.seconds.items()}}


def append(run: Run, rows: pd.DataFrame, keys: Sequence[str], folder: Path | None = None) -> None:
    """Add rows to each seed's file in the work folder, or in `folder`."""
    for seed, own in rows.groupby("seed"):
        path = records.seed_file(folder or run.work, int(str(seed)), curve=keys == records.CURVE_KEYS)
        records.append_rows(path, own.drop(columns="seed"), keys)


def publish(run: Run, agent: Agent, clock: Clock) -> None:
    """Turn the finished run into a record, run.json last, and clear its work folder."""
    seeds = run.experiment.scale.seeds
    for seed in seeds:
        for curve, keys in ((False, records.EPISODE_KEYS), (True, records.CURVE_KEYS)):
            rows = pd.read_csv(records.seed_file(run.work, seed, curve))
            records.append_rows(records.seed_file(run.folder, seed, curve), rows, keys)
    save_policy(run.folder, agent, run.task.name)
    facts = {
        "id": run.ident,
        "study": run.experiment.study,
        "scale": run.experiment.scale_name,
        "method": run.method.name,
        "seeds": list(seeds),
        "settings": run.settings,
        "fingerprint": records.fingerprint(run.settings),
        "dataset": run.dataset,
        "task": asdict(run.task),
        "device": agent.device.type,
        "threads": torch.get_num_threads(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **clock.facts(),
        **records.provenance(),
    }
    records.merge_run(run.folder, facts)
    shutil.rmtree(run.work)


def dataset_file(task: Task, source: DatasetSource) -> Path:
    """Return the file to learn from; a regenerated one is made when it is not there.

    Raises:
        ValueError: naming what is missing and the remedy.
    """
    if source.path is not None:
        return data_folder() / source.path
    path = default_path(task.dataset, source.seed, source.episodes)
    return regenerate(task.dataset, source.episodes, source.seed, os.cpu_count() or 1, path)


def is_done(run: Run, replace: bool) -> bool:
    """Return whether the record is there already; clear away, or refuse, one made with other settings.

    Raises:
        ValueError: if another record is in the way and must not be replaced.
    """
    if not (run.folder / "run.json").exists():
        return False
    entries = records.read_runs(run.folder)
    if any(entry["id"] == run.ident for entry in entries):
        records.note(f"{run.folder}: there already, made with these settings; remove it to run again")
        return True
    if all(entry["fingerprint"] == records.fingerprint(run.settings) for entry in entries):
        return False
    if not replace:
        raise ValueError(f"{run.folder}: there already, made with other settings; move it away, or say --replace")
    shutil.rmtree(run.folder)
    return False


def summary(folders: Sequence[Path]) -> pd.DataFrame:
    """Return the last evaluation of each record: means over seeds and episodes for each budget."""
    parts = []
    for folder in folders:
        rows = records.read_record(folder).episodes
        last = rows[rows["update"] == rows["update"].max()]
        means = last.groupby("test_steps")[["success", "return", "length"]].mean().reset_index()
        parts.append(means.assign(method=folder.name, episodes=last.groupby("test_steps").size().to_numpy()))
    table = pd.concat(parts)
    return table[["method", "test_steps", "episodes", "success", "return", "length"]]
