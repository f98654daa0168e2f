"""`vgf budget`: choose how far a record's policy should move, from data alone, and leave the report beside it."""

from __future__ import annotations

from pathlib import Path

import tyro

from vgf import records
from vgf.datasets import Task, Transitions, get_task, load
from vgf.support.content import content_of
from vgf.support.errors import DataError
from vgf.support.paths import data_folder
from vgf.training.checkpoints import load_agent
from vgf.training.choose import JudgesName, choose_budget


def budget_command(
    record: tyro.conf.Positional[Path],
    data: Path | None = None,
    seed: int | None = None,
    judges: JudgesName = "ensemble",
    members: int = 5,
    updates: int | None = None,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Choose how far the particles of a record's policy should move, from data alone; no environment is touched.

    The report lies beside the policy, where `policy.act(..., budget="auto")` finds it.

    Args:
        record: folder that `vgf train` or `vgf.fit` made, or a policy's file.
        data: what it was trained on; may be left out where the record says which file of the cache it was.
        seed: of the policy; may be left out where there is one.
        judges: train an ensemble of critics, or take the record's other seeds, or auto: those where there are enough.
        members: critics of the ensemble.
        updates: of each of them; by default together a tenth of those of the policy's critic, each at least 2,000.
        device: cpu, cuda, or auto: cuda where there is one.
        json: print a JSON list of the ladder's rows instead of a table.
    """
    found = data_of(record, data)
    report = choose_budget(record, found, seed=seed, judges=judges, members=members, updates=updates, device=device)
    if json:
        print(report.table.to_json(orient="records"))
        return
    print(report.table.to_string(index=False, float_format=lambda x: f"{x:.3g}"))
    print(f"{report.task}: {report.sentence}")


def data_of(record: Path, data: Path | None = None) -> Transitions | Path:
    """Return what the policy was trained on: a task's file with the task's rewards, or own data as they are.

    Raises:
        ValueError: if it is not said where they are, or they are gone.
    """
    _, task_name = load_agent(record)
    try:
        task = get_task(task_name)
    except DataError:  # own data
        if data is None:
            raise ValueError(f"{record}: trained on data of your own; say which with --data") from None
        return data
    if data is None:
        data = _recorded_file(record if record.is_dir() else record.parent, task)
    return load(task.name, data)


def _recorded_file(folder: Path, task: Task) -> Path:
    """Return the file that a record was made from, the same byte by byte.

    A record names its file and not the folder, so one that is not the cache's has to be given.

    Raises:
        ValueError: if there is no record, or its file is gone or another.
    """
    if not (folder / "run.json").exists():
        raise ValueError(f"{folder}: no run.json here says what the policy was trained on; say which with --data")
    facts = records.read_runs(folder)[-1]["dataset"]
    data = data_folder() / "cache" / task.suite / str(facts.get("file"))
    if "file" not in facts or not data.exists():
        got = f", or `vgf data get {task.dataset}`" if facts.get("source") == "regenerated" else ""
        raise ValueError(f"{folder}: its data are not at {data}; say where they are with --data{got}")
    if facts.get("sha256") not in (None, content_of(data)):
        raise ValueError(f"{folder}: {data} is not what it was trained on, by sha256; say where that is with --data")
    return data
