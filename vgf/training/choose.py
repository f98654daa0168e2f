"""`vgf.choose_budget`: how far a trained policy should move, from data alone; no environment is touched.

Judges are critics that did not move the particles: an ensemble that is trained for it, on trajectories of which some
are held out, or the other seeds of the record, which cost nothing but have seen every trajectory. The report lies
beside the policy, where `policy.act(..., budget="auto")` finds it, and so do the ensemble's networks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike

from vgf.agents import Agent
from vgf.agents.vgf import VGF
from vgf.datasets.own import own_transitions
from vgf.datasets.transitions import Transitions
from vgf.records import Record
from vgf.support.given import place, shown, whole
from vgf.support.places import check_writable
from vgf.training.budgets.acting import policy_digest
from vgf.training.budgets.critics import AgentCritics, ensemble, member_updates, split
from vgf.training.budgets.ladder import Rung, checked, ladder
from vgf.training.budgets.measure import evidence, held_rows
from vgf.training.budgets.report import BudgetReport, judges_path, report_path
from vgf.training.budgets.rule import Rule, decide
from vgf.training.checkpoints import POLICY, join_seeds, load_agent, one_seed, save_policy
from vgf.training.device import choose_device

JudgesName = Literal["auto", "ensemble", "seeds"]
JUDGES = "judges"  # names their noise
HELD_SHARE = 0.25  # of the trajectories
# updates of an ensemble: `share` of the critic's, of all members together, and at least `fewest` of each
SHORT: dict[str, Any] = {"share": 0.1, "fewest": 2000}
FEWEST_SEEDS = 4  # of a record whose other seeds can judge one


def choose_budget(
    policies: Record | Path | str,
    data: Path | str | Mapping[str, ArrayLike] | Transitions,
    *,
    seed: int | None = None,
    judges: JudgesName = "ensemble",
    members: int = 5,
    updates: int | None = None,
    batch_size: int = 256,
    rule: Rule | None = None,
    rungs: tuple[Rung, ...] | None = None,
    device: torch.device | str = "cpu",
    save: bool = True,
) -> BudgetReport:
    """Choose how far a policy's particles should move, and how many they should be, from data alone.

    Critics that did not move the particles judge a ladder of displacements, and what they promise is held to what came
    on held-out trajectories; see `vgf.training.budgets.rule`. An error that all critics share may stay unseen.

    Args:
        policies: a record, its folder, or a policy's file, of vgf.
        data: what it was trained on, or other data of the same task: as `vgf.fit` takes it.
        seed: of the policy to choose for; may be left out where there is one.
        judges: "ensemble" trains critics on a bootstrap of trajectories; "seeds" takes the other seeds of the record,
            at least three, at no cost but with trajectories that they have seen; "auto" takes them where there are.
        members: critics of the ensemble, >= 2.
        updates: of each of its critics; when None together a tenth of the policy's, each 2,000, or its own if fewer.
        batch_size: of those updates.
        rule: constants, those of `vgf.training.budgets.rule` when None.
        rungs: the ladder, to which the plain clone is added; `vgf.training.budgets.ladder.ladder()` when None.
        device: where it computes: cpu, cuda, cuda:N, or auto.
        save: put the report beside the policy, in place of one that is there, with the ensemble it rests on.

    Returns:
        The report: its `budget`, `particles`, `table`, `slopes` and `sentence`.

    Raises:
        ValueError: naming what is wrong with the policy, the data or the folder, or that there is nothing to choose by.
    """
    _check_choices(judges, rule)
    rungs, size = ladder() if rungs is None else checked(rungs), whole("batch_size", batch_size, 1)
    begun, where, path = time.monotonic(), choose_device(device), _policy_file(policies)
    _check_saving(path.parent, save)
    agent, task = load_agent(path, where)
    policy = _mover(path, agent, seed)
    transitions = own_transitions(data, where)
    _check_widths(policy, transitions)
    learn, held = split(transitions, HELD_SHARE)
    by_seeds = judges == "seeds" or (judges == "auto" and len(agent.seeds) >= FEWEST_SEEDS)
    if by_seeds:
        critics, told = _other_seeds(path, agent, policy.seeds[0])
    else:
        critics, told = _trained(policy, transitions, learn, members, updates, size)
    rows = held_rows(transitions, held)
    judged, came, unit = evidence(AgentCritics(policy), AgentCritics(critics, JUDGES), rows, rungs)
    found = (unit, decide(judged, came, rule), told, not by_seeds, len(np.unique(rows.trajectory)))
    report = BudgetReport(task, policy_digest(policy), *found, time.monotonic() - begun)
    if save:
        _save(report, report_path(path, policy.seeds[0]), None if by_seeds else critics)
    return report


def _check_saving(folder: Path, save: bool) -> None:
    """Refuse a folder that takes no report, before anything is trained; the report can lie nowhere else."""
    try:
        if save:
            check_writable(folder)
    except ValueError as error:
        fault = str(error).rpartition("; ")[0]
        raise ValueError(f"{fault}; make room there, or say save=False and keep the report that is returned") from None


def _check_choices(judges: Any, rule: Any) -> None:
    """Refuse judges and rules that are none, before anything is trained."""
    if judges not in (words := ("auto", "ensemble", "seeds")):
        raise ValueError(f"judges must be one of {', '.join(words)}, got {shown(judges)}")
    if rule is not None and not isinstance(rule, Rule):
        raise ValueError(f"rule must be a {Rule.__module__}.Rule, got {shown(rule)}")


def _policy_file(policies: Record | Path | str) -> Path:
    """Return the file of a record's policies, or the one that was named."""
    path = place("policies", policies)
    return path / POLICY if path.is_dir() else path


def _trained(
    policy: VGF, transitions: Transitions, learn: np.ndarray, members: Any, updates: Any, batch_size: int
) -> tuple[VGF, str]:
    """Return a new ensemble as judges, and who they are in words; arguments as of `choose_budget`."""
    count, own = whole("members", members, 2), _critic_updates(policy)
    each = member_updates(own, count, **SHORT) if updates is None else whole("updates", updates, 1)
    critics = ensemble(policy, transitions, learn, count, each, batch_size)
    return critics, f"{count} critics of {each} updates, each from a bootstrap of {len(learn)} trajectories"


def _save(report: BudgetReport, path: Path, critics: VGF | None) -> None:
    """Write a report, and the ensemble it rests on; one that is there without belonging to it goes."""
    if critics is None:
        judges_path(path).unlink(missing_ok=True)
    else:
        save_policy(judges_path(path), critics, report.task)
    report.save(path)


def _mover(path: Path, agent: Agent, seed: Any) -> VGF:
    """Return the seed whose particles move.

    Raises:
        ValueError: naming the file, and the seeds there are or what can be chosen for.
    """
    try:
        policy = one_seed(agent, None if seed is None else whole("seed", seed, 0))
        if not isinstance(policy, VGF) or not policy.transports:
            raise ValueError(f"{policy.name} moves no particles, so it has no budget to choose; vgf has")
        if _critic_updates(policy) < 1:
            raise ValueError("its critic has learnt nothing yet; train it for more updates than its reference")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return policy


def _other_seeds(path: Path, agent: Agent, seed: int) -> tuple[VGF, str]:
    """Return the other seeds of a policy file as judges, and who they are in words.

    Raises:
        ValueError: if they are too few.
    """
    others = [one for one in agent.seeds if one != seed]
    if len(agent.seeds) < FEWEST_SEEDS:
        need = f"{len(others)} other seeds cannot judge one, {FEWEST_SEEDS - 1} can"
        raise ValueError(f"{path}: {need}; judges='ensemble' trains critics for it")
    joined = join_seeds([one_seed(agent, one) for one in others])
    assert isinstance(joined, VGF)  # as the mover is
    return joined, f"{len(others)} other seeds of the record, which have seen these trajectories"


def _critic_updates(policy: VGF) -> int:
    """Return how many updates the policy's critic has had."""
    return policy.updates - policy.config.pretrain


def _check_widths(policy: VGF, transitions: Transitions) -> None:
    """Refuse data of other widths than the policy's."""
    found = transitions.observations.shape[1], transitions.actions.shape[1]
    if found != tuple(policy.dims):
        takes = f"{policy.dims[0]} numbers and gives {policy.dims[1]}"
        raise ValueError(f"the policy takes {takes}; the data have {found[0]} and {found[1]}")
