"""A finished run becomes a record: rows, policies of all seeds, and run.json last.

A process may be killed at any line here, two may publish into one folder at once, and a record of other settings may
have been put there meanwhile. So the folder is held and marked while it is written, what may be replaced goes only now,
and until run.json is there the run keeps all it has in its work folder: the same command then publishes again.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import torch

from vgf import records
from vgf.agents import Agent
from vgf.support.files import locked, write_bytes
from vgf.support.provenance import code_provenance, fingerprint
from vgf.training import critic_age
from vgf.training.checkpoints import add_policy
from vgf.training.clock import Clock
from vgf.training.record_place import UNFINISHED, is_allowed, remove_record
from vgf.training.runs import Run, add_rows, joins

PUBLISHING = "publishing"  # lock of who writes a record


def publish(run: Run, agent: Agent, clock: Clock) -> None:
    """Turn the finished run into a record, run.json last, and clear its work folder.

    Raises:
        ValueError: if a record of other settings was put there meanwhile; the finished run stays in its work folder.
    """
    with locked(run.folder, PUBLISHING):
        make_way(run)
        kinds = add_rows(run.work, run.folder, run.experiment.scale.seeds)
        add_policy(run.folder, agent, run.task.name)
        records.merge_run(run.folder, _facts(run, agent, clock, kinds))
        (run.folder / UNFINISHED).unlink()
    shutil.rmtree(run.work, ignore_errors=True)  # a process that waited for this one clears it too


def make_way(run: Run) -> None:
    """Clear a record's folder of what may be replaced, and mark it as unfinished; for who holds it.

    What is there without a run.json is half of a record whose process was killed here; its run has it still. Files
    that no record has stay.

    Raises:
        ValueError: if a record of other settings is there that must not be replaced.
    """
    folder, allowed = run.folder, is_allowed(run.folder, run.work)
    recorded = (folder / "run.json").exists()
    if recorded and not allowed and not joins(run, records.read_runs(folder)):
        raise ValueError(
            f"{folder}: a record with other settings was put there meanwhile; move it away and run again, which "
            "finishes at once"
        )
    if allowed or not recorded:
        remove_record(folder)
    write_bytes(folder / UNFINISHED, fingerprint(run.settings).encode())


def _facts(run: Run, agent: Agent, clock: Clock, kinds: Sequence[records.Kind]) -> dict[str, Any]:
    """Return a run's entry of run.json."""
    return {
        "id": run.ident,
        "study": run.experiment.study,
        "scale": run.experiment.scale_name,
        "method": run.method.name,
        "seeds": list(run.experiment.scale.seeds),
        "settings": run.settings,
        "fingerprint": fingerprint(run.settings),
        "dataset": run.dataset,
        "task": asdict(run.task),
        **({} if "episodes" in kinds else {"evaluated": False}),
        **({"ranked": True} if "ranking" in kinds else {}),
        "device": agent.device.type,
        "threads": torch.get_num_threads(),
        "updates_by": "fused core" if agent.is_fused else "modules",
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **clock.facts(),
        **critic_age.facts(run.folder, run.settings, run.experiment.scale.seeds),
        **_measured(agent),
        **code_provenance(),
    }


def _measured(agent: Agent) -> dict[str, Any]:
    """Return what an agent measured while training, by name and seed; nothing where it measured nothing."""
    seeds = [str(seed) for seed in agent.seeds]
    found = {name: dict(zip(seeds, map(float, numbers), strict=True)) for name, numbers in agent.measured.items()}
    return {"measured": found} if found else {}
