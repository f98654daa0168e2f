"""The rule for budgets on the campaign's policies: `python -m vgf.results.budget_campaign`, the part `campaign`.

A cell is one seed of a row of an experiment, that `vgf train` left a policy of. Its particles move; the other seeds of
the record judge, and so does a short ensemble. A rung is worth the episodes it wins in the simulator, from start states
of a purpose of their own (`vgf.training.starts`). Rows and seeds stand in `data/rules/budget.yaml`; a row without a
policy is left out and said so, and cells that are done are kept: a run goes on with the next one. Nothing is tuned:
constants are the frozen ones. Writes `data/results/budget.campaign`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from vgf import records
from vgf.agents.vgf import VGF, aggregate
from vgf.datasets import Task, get_task
from vgf.datasets.transitions import Transitions
from vgf.flow import Budget
from vgf.networks import SeedStreams
from vgf.results import budget_rules, policy_tables, trained_policies
from vgf.results.budget_cells import STUDY, constants, decisions, paired_error, rules_file, rungs_of, score, told, worth
from vgf.support.errors import status_of
from vgf.support.files import sha256
from vgf.support.given import shown
from vgf.support.progress import Progress, log
from vgf.support.provenance import code_provenance
from vgf.training.budget_command import data_of
from vgf.training.budgets.critics import AgentCritics, ensemble, member_updates, split
from vgf.training.budgets.ladder import Rung, Unit
from vgf.training.budgets.measure import actions_of, evidence, held_rows
from vgf.training.budgets.rule import Rule
from vgf.training.checkpoints import POLICY, join_seeds, load_agent, one_seed
from vgf.training.evaluate import close, evaluate, make_envs

PART = "campaign"
STATES = 256  # of the held-out ones, at which the mover's own critic promises
KINDS = ("choices", "cells")  # tables; the last one says that a cell is done


class RungActor:
    """Acts by one rung of the ladder, in the place of the agent, for `vgf.training.evaluate`.

    Args:
        policy: one seed.
        rung: displacement and particles.
        unit: of the rung.
    """

    transports = False

    def __init__(self, policy: VGF, rung: Rung, unit: Unit) -> None:
        self.critics, self.rung, self.unit = AgentCritics(policy), rung, unit
        self.seeds, self.device = policy.seeds, policy.device

    def budget(self, steps: int) -> Budget:
        """Return the agent's budget; what moves its particles here is the rung."""
        return self.critics.agent.budget(steps)

    @torch.no_grad()
    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams) -> Tensor:
        """Return actions [1, B, d]; rungs of equal N see the same particles until their paths part."""
        del budget
        self.critics.streams = streams
        return actions_of(self.critics, observations, (self.rung,), self.unit)[:, 0]


def played(
    policy: VGF, task: Task, rungs: Sequence[Rung], unit: Unit, states: Tensor, episodes: dict[str, int]
) -> pd.DataFrame:
    """Return a row a rung: its worth, its paired error to `ZERO`, and what rules look at that need no calibration.

    Args:
        policy: one seed.
        task: whose simulator it plays in; its score says whether worth is success or return.
        rungs: the ladder.
        unit: of the rungs.
        states: [B, o], at which promise and disagreement are means.
        episodes: for the rule `simulator`, the first, and for reporting.
    """
    envs, column = make_envs(task.name, sum(episodes.values()), 1), "success" if task.score == "success" else "return"
    reported, rows = {}, []
    try:
        for rung in rungs:
            actor = RungActor(policy, rung, unit)
            how: dict[str, Any] = {"test_steps": (0,), "episodes": sum(episodes.values())}
            found = evaluate(actor, envs, episode_steps=task.episode_steps, starts="budgets", **how)[column].to_numpy()
            reported[rung] = found[episodes["tuning"] :]
            with torch.no_grad():
                chosen = actions_of(AgentCritics(policy, "promise"), states[None], (rung,), unit)[:, 0]
                values = policy.critic(states[None], chosen)
            rows.append(
                {
                    **rung._asdict(),
                    "value": reported[rung].mean(),
                    "simulated": found[: episodes["tuning"]].mean(),
                    "promise": float(aggregate(values, policy.config.target_q).mean()),
                    "disagreement": float((values[:, 0] - values[:, 1]).abs().mean()),
                }
            )
    finally:
        close(envs)
    return pd.DataFrame(rows).assign(error=[paired_error(reported[one], reported[budget_rules.ZERO]) for one in rungs])


def cell(agent: VGF, seed: int, task: Task, transitions: Transitions, plan: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the tables of one cell: cells and choices."""
    own, how = plan[PART], plan["cells"]["ensemble"]
    policy = one_seed(agent, seed)
    others = join_seeds([one_seed(agent, other) for other in agent.seeds if other != seed])
    assert isinstance(policy, VGF)
    assert isinstance(others, VGF)
    learn, held = split(transitions, how["held_share"])
    rows, rungs = held_rows(transitions, held), rungs_of({"ladder": own["ladder"]})
    count = member_updates(policy.updates - policy.config.pretrain, how["members"], **plan["cost"]["short"])
    begun = time.process_time()
    judges = ensemble(policy, transitions, learn, how["members"], count, own["batch_size"])
    by = {"ours": evidence(AgentCritics(policy), AgentCritics(judges, "judges"), rows, rungs)}
    between = time.process_time()
    by["ours_seeds"] = evidence(AgentCritics(policy), AgentCritics(others, "judges"), rows, rungs)
    cost = {"judging": between - begun, "judging_seeds": time.process_time() - between}
    states = rows.transitions.observations[:: max(1, len(rows.trajectory) // STATES)]
    table = played(policy, task, rungs, by["ours"].unit, states, own["episodes"])
    taken = decisions(by, Rule(**constants(plan)))
    simple = budget_rules.simple_choices(table, taken["ours"].radius)
    chosen = worth(table, simple | {name: decision.chosen for name, decision in taken.items()})
    name = {"task": task.name, "seed": seed}
    return {"cells": told(table, taken["ours"]).assign(**cost, **name), "choices": chosen.assign(**name)}


def left(plan: dict[str, Any], folder: Path, root: Path) -> list[tuple[Path, int]]:
    """Return the cells that can be made and are not, each as the record's folder and a seed, row after row.

    Args:
        plan: the rule file.
        folder: of the tables.
        root: where the records of the experiment are.
    """
    own = plan[PART]
    _, every = trained_policies.policies(own["study"], root)
    at = {folder.name: folder for task, folder in every if task.name == own["task"]}
    if gone := [row for row in own["rows"] if row not in at]:
        log(f"budget_campaign: no policy of {', '.join(gone)} in {root / own['study']}: left out")
    path = folder / "cells.csv"
    done = records.read_csv(path)[["method", "seed"]] if path.exists() else pd.DataFrame({"method": [], "seed": []})
    there = set(done.itertuples(index=False, name=None))
    return [(at[row], seed) for row in own["rows"] if row in at for seed in own["movers"] if (row, seed) not in there]


def add(folder: Path, found: dict[str, pd.DataFrame], policy: Path) -> None:
    """Add a cell's rows to the tables; those of other seeds of the row are kept."""
    for kind in KINDS:
        table, path = found[kind], folder / f"{kind}.csv"
        task, method = table["task"].iloc[0], table["method"].iloc[0]
        if path.exists():
            before = records.read_csv(path)
            same = (before["task"] == task) & (before["method"] == method)
            table = pd.concat([before[same & ~before["seed"].isin(table["seed"])], table])
        made = {f"{task}/{method}": {"policy": sha256(policy), **code_provenance()}}
        policy_tables.write(path, table, made)


def run(root: Path, results: Path | None = None) -> None:
    """Judge and play every cell that has a policy and is not done, and score.

    Args:
        root: where the records with policies are.
        results: where the tables go, data/results by default.

    Raises:
        ValueError: if there is no policy of any row.
    """
    plan, folder = rules_file(PART), (results or records.results_folder()) / f"{STUDY}.{PART}"
    own, todo = plan[PART], left(plan, folder, root)
    if not todo and not ((folder / "cells.csv").exists() and (root / own["study"]).is_dir()):
        raise ValueError(
            f"{root / own['study']}: no policy of {', '.join(own['rows'])}; `vgf train` leaves them beside its records"
        )
    task, data = get_task(own["task"]), None
    with Progress("campaign's budgets", len(todo), "cell") as counter:
        for at, seed in todo:
            data = data_of(at) if data is None else data
            agent, _ = load_agent(at)
            assert isinstance(agent, VGF)
            assert isinstance(data, Transitions)
            found = cell(agent, seed, task, data, plan)
            add(folder, {kind: table.assign(method=at.name) for kind, table in found.items()}, at / POLICY)
            counter.update()
    score(folder)


def main(words: list[str]) -> int:
    """Run `python -m vgf.results.budget_campaign [RESULTS]`; return 2 for bad input."""

    def work() -> None:
        if len(words) > 1:
            raise ValueError(f"give one folder of records, data/results by default, got {shown(' '.join(words))}")
        run(Path(words[0]) if words else records.results_folder())

    return status_of("budget_campaign", work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
