"""The policies that `vgf train` left beside a study's records, and the front door of the commands that read them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd
import tyro

from vgf import records
from vgf.agents import AGENTS, Agent
from vgf.agents.vgf import VGF
from vgf.results import policy_tables
from vgf.support.errors import status_of
from vgf.support.given import expanded
from vgf.support.progress import Progress
from vgf.support.strict import known
from vgf.training.checkpoints import POLICY, load_agent
from vgf.training.experiments import Experiment, TaskPlan, read_experiment

AgentT = TypeVar("AgentT", bound=Agent)


def experiment_of(study: str) -> Experiment:
    """Return the experiment of STUDY.SCALE.

    Raises:
        ValueError: if it is no STUDY.SCALE, or there is no such file or scale.
    """
    name, _, scale = study.rpartition(".")
    if not name or not scale:
        raise ValueError(f"{study!r} is no STUDY.SCALE; give both, for instance d4rl.cpu")
    return read_experiment(records.results_folder().parent / "experiments" / f"{name}.yaml", scale)


def policies(study: str, root: Path, methods: Collection[str] = ()) -> tuple[Experiment, list[tuple[TaskPlan, Path]]]:
    """Return a study's experiment and its records that have a policy beside them: the task's plan, and the folder.

    Args:
        study: STUDY.SCALE.
        root: where records are.
        methods: of these alone, as far as the study has them; of all when empty.

    Raises:
        ValueError: if there is no such study, or it has none of the methods, or one has a name that no agent has.
    """
    experiment = experiment_of(study)
    own = dict.fromkeys(method for _, method in experiment.planned)
    known([name for name in methods if name not in AGENTS or own.keys().isdisjoint(methods)], own, f"{study}: methods")
    there = [
        (plan, records.record_folder(experiment.study, experiment.scale_name, plan.name, method.name, root))
        for plan in experiment.tasks
        for method in plan.methods
        if not methods or method.name in methods
    ]
    return experiment, [(plan, folder) for plan, folder in there if (folder / POLICY).exists()]


def named(study: str, root: Path, methods: Collection[str]) -> list[tuple[TaskPlan, Path]]:
    """Return those of a study's policies that are of some methods: the task's plan, and the folder.

    Raises:
        ValueError: if there is none, or the study has no such method.
    """
    _, there = policies(study, root, methods)
    if not there:
        raise ValueError(
            f"{root / study}: no policy of {', '.join(methods)}; `vgf train` leaves them beside its records"
        )
    return there


def valuing_agent(folder: Path) -> VGF:
    """Return the agent of a policy whose critic values an action.

    Raises:
        ValueError: if it has no such critic.
    """
    agent, _ = load_agent(folder)
    if not isinstance(agent, VGF):
        raise ValueError(f"{folder}: {agent.name} has no value of an action; vgf and best_of_n have")
    return agent


def tabulate(
    study: str,
    methods: Collection[str],
    results: Path | None,
    file: str,
    columns: Sequence[str],
    load: Callable[[Path], AgentT],
    rows: Callable[[AgentT, TaskPlan], Iterable[pd.DataFrame]],
    steps: tuple[int, str] = (1, "policy"),
) -> None:
    """Write a table of a study's policies beside its records; see `vgf.results.policy_tables`.

    Args:
        study: STUDY.SCALE.
        methods: names of the methods looked at.
        results: where records are, data/results by default.
        file: name of the csv.
        columns: of the csv; task, method and updates are added to the rows.
        load: gives the agent of a policy's folder, or refuses it.
        rows: gives the rows of an agent on its task, in as many parts as `steps` says.
        steps: parts a policy, and what the progress line calls one.

    Raises:
        ValueError: as `named`, `load` and `policy_tables.write`.
    """
    root = results or records.results_folder()
    there = named(study, root, methods)
    made = policy_tables.of_policies(folder / POLICY for _, folder in there)
    policy_tables.check(root / study / file, made)  # before minutes of acting
    found = []
    with Progress(f"{Path(file).stem} of {study}", len(there) * steps[0], steps[1]) as counter:
        for plan, folder in there:
            agent = load(folder)
            for part in rows(agent, plan):
                found.append(part.assign(task=plan.name, method=folder.name, updates=agent.updates))
                counter.update()
    policy_tables.write(root / study / file, pd.concat(found)[list(columns)], made)


def main(command: Callable[..., object], name: str) -> int:
    """Run a command of `python -m NAME`; return 2 for bad input, said in one line."""
    words = expanded(sys.argv[1:])
    return status_of(name.rpartition(".")[2], lambda: tyro.cli(command, prog=f"python -m {name}", args=words))
