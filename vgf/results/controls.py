"""What does a step do? Trained policies moved along phi, and along controls of equal length, in the real simulator.

    python -m vgf.results.controls d4rl.cpu
    python -m vgf.results.controls data/results/d4rl.cpu/hopper-medium-v2/vgf

takes the policies that `vgf train` left beside the records of a study, or beside single records, and acts with each by
every kind of step of `vgf.results.control_steps` at every displacement of a ladder, after the best of N unmoved actions
and one that nobody chose. The particles' noise and the start states are the same for all of these, so they differ by
the step alone until their paths part; step sizes are set on states of the dataset and never on an episode. Start states
are those of no reported table (`vgf.training.starts`): what is learnt here about a policy cannot leak into its score.

It leaves `data/results/STUDY.SCALE/controls.csv`, a row an episode, with its checksums (`vgf.results.policy_tables`),
for policies are not in git. `vgf.results.control_results` sums it up and judges it, `vgf.book.control_figures` draws
it. The price of one ladder for all is time: 32 evaluations for each policy.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeGuard

import numpy as np
import pandas as pd
import torch
import tyro
from torch import Tensor

from vgf import records
from vgf.agents import Agent
from vgf.agents.vgf import VGF
from vgf.datasets import Task, get_task
from vgf.results import policy_tables, trained_policies
from vgf.results.control_actor import StepActor, settings
from vgf.results.control_steps import KINDS, MOVING, RUNGS, STEPS, STILL, StepKind
from vgf.results.displacement import states
from vgf.support.progress import Progress
from vgf.support.strict import known
from vgf.training.checkpoints import POLICY, load_agent
from vgf.training.device import choose_device
from vgf.training.evaluate import close, evaluate, make_envs
from vgf.training.experiments import TaskPlan

NAMES = tuple(kind.name for kind in MOVING)
AT_ONCE = 10  # most episodes of a seed side by side
FILE = "controls.csv"
COLUMNS = (
    *("task", "method", "seed", "kind", "rung"),
    "displacement",  # reached on the states of calibration, in sigma; `rung` is what was asked for
    "acted",  # the same on the states that were acted in
    "sigma",  # spread of the reference, action units
    *("step_size", "steps"),
    "promised",  # mean over particles and states of calibration of how much the ensemble's mean value rose
    *("episode", "env_seed", "return", "success", "length"),
)


def measure(
    agent: VGF,
    task: Task,
    observations: Tensor,
    episodes: int,
    kinds: Sequence[StepKind] = MOVING,
    rungs: Sequence[float] = RUNGS,
    tick: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Return one row an episode: `COLUMNS` without task and method.

    Args:
        agent: a trained policy, of S seeds.
        task: whose simulator it acts in.
        observations: states of its dataset, [B, o].
        episodes: for each seed and setting.
        kinds: of steps.
        rungs: displacements in sigma, > 0.
        tick: called after each setting.
    """
    at_once = max(n for n in range(1, min(episodes, AT_ONCE) + 1) if episodes % n == 0)
    envs, parts = make_envs(task.name, len(agent.seeds) * at_once), []
    how: dict[str, Any] = {"test_steps": (0,), "episodes": episodes, "episode_steps": task.episode_steps}
    try:
        for setting in settings(agent, observations, kinds, rungs):
            mover = StepActor(agent, setting)
            rows = evaluate(mover, envs, starts="diagnosis", **how)
            place = [agent.seeds.index(seed) for seed in rows["seed"]]
            found = {"acted": mover.acted, **setting._asdict()}
            numbers = {name: np.array(v.tolist())[place] for name, v in found.items() if isinstance(v, Tensor)}
            steps = STEPS if setting.kind.moves else 0
            parts.append(rows.assign(kind=setting.kind.name, rung=setting.rung, steps=steps, **numbers))
            tick()
    finally:
        close(envs)
    return pd.concat(parts)[list(COLUMNS[2:])]


def chosen(
    places: Sequence[str], methods: Sequence[str], root: Path, device: torch.device | str = "cpu"
) -> dict[Path, list[tuple[TaskPlan, Path, VGF]]]:
    """Return the policies meant, by the folder of their study: the task's plan, the record's folder and the agent.

    Args:
        places: each a STUDY.SCALE, or the folder of a record.
        methods: of a study, these alone; all that move particles when empty.
        root: where the records of a study are.
        device: where the agents compute.

    Raises:
        ValueError: naming the study or record without a policy, or whose agent has no flow.
    """
    found: dict[Path, list[tuple[TaskPlan, Path, VGF]]] = {}
    for place in places:
        if len(Path(place).parts) > 1:
            folder = Path(place).resolve()
            agent, task = load_agent(folder, device)
            if not _has_flow(agent):
                raise ValueError(f"{place}: {agent.name} moves no particles, so it has no step to control; vgf has")
            study = folder.parent.parent
            found.setdefault(study, []).append((trained_policies.experiment_of(study.name).task(task), folder, agent))
            continue
        _, every = trained_policies.policies(place, root, methods)
        loaded = [(plan, at, load_agent(at, device)[0]) for plan, at in every]
        own = [(plan, at, agent) for plan, at, agent in loaded if _has_flow(agent)]
        if not own:
            which = f" of {', '.join(methods)}" if methods else ""
            raise ValueError(
                f"{root / place}: no policy{which} that moves particles; `vgf train` leaves them beside its records"
            )
        found.setdefault(root / place, []).extend(own)
    return found


def _has_flow(agent: Agent) -> TypeGuard[VGF]:
    return isinstance(agent, VGF) and agent.transports


def command(
    places: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="STUDY.SCALE|RECORD")],
    method: tuple[str, ...] = (),
    kind: tuple[str, ...] = NAMES,
    rung: tuple[float, ...] = RUNGS,
    episodes: int = 20,
    device: str = "auto",
    results: Path | None = None,
) -> None:
    """Write how trained policies score moved along phi and along controls of equal length.

    Args:
        places: studies, for instance d4rl.cpu, or folders of records.
        method: of a study, these methods alone.
        kind: kinds of step.
        rung: displacements in units of the reference's spread.
        episodes: for each seed, kind and rung.
        device: cpu, cuda, or auto: cuda where there is one.
        results: where records of a study are, data/results by default.
    """
    if not places:
        raise ValueError("nothing to act with; give a STUDY.SCALE, for instance d4rl.cpu, or a record's folder")
    known(kind, NAMES, "--kind")
    if episodes < 1 or not all(0 < r < math.inf for r in rung):
        raise ValueError("--episodes must be >= 1 and every --rung a number > 0; rung 0 is always there")
    root, kinds = results or records.results_folder(), [KINDS[name] for name in kind]
    found = chosen(places, method, root, choose_device(device))
    total = sum(map(len, found.values())) * (len(STILL) + len(kinds) * len(rung))
    with Progress("controls", total, "setting") as counter:
        for study, policies in found.items():
            for plan, folder, agent in policies:
                rows = measure(agent, get_task(plan.name), states(plan), episodes, kinds, rung, counter.update)
                rows = rows.assign(task=plan.name, method=folder.name)[list(COLUMNS)]
                made = policy_tables.of_policies([folder / POLICY])
                policy_tables.write(study / FILE, rows, made)  # one by one: a policy that is done stays done


if __name__ == "__main__":
    sys.exit(trained_policies.main(command, "vgf.results.controls"))
