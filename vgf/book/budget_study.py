"""How the rule for budgets is judged, on the drone and the bandit: `python -m vgf.book.budget_study PART`.

Trains the cells that a part of `data/rules/budget.yaml` lists, tuning or reporting, judges every rung from data, plays
every rung in its world, and writes `data/results/budget.PART`: `cells.csv` (a row a cell and rung), `choices.csv` (a
row a cell and rule) and `scores.csv`; for tuning `constants.csv` (what `ours` takes under each constant that tuning may
choose), for reporting `train_steps.csv` (what L_train is chosen by). Policies are trained in a temporary folder and
not kept. What is done is kept, setting by setting: a run goes on there. Costs are seconds of the processor, so that
they do not depend on what else the machine does.
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

import vgf
from vgf import records
from vgf.agents.vgf import VGF, aggregate
from vgf.book.budget_settings import Setting, settings
from vgf.book.budget_worlds import World
from vgf.datasets.own import own_transitions
from vgf.datasets.transitions import Transitions
from vgf.results import budget_rules, policy_tables
from vgf.results.budget_cells import STUDY, constants, decisions, paired_error, rules_file, rungs_of, score, told, worth
from vgf.support.errors import status_of
from vgf.support.given import shown
from vgf.support.provenance import code_provenance
from vgf.training.budgets.acting import act_by_state
from vgf.training.budgets.critics import AgentCritics, ensemble, split
from vgf.training.budgets.fitted_q import fitted_q
from vgf.training.budgets.ladder import Rung, Unit
from vgf.training.budgets.measure import Evidence, actions_of, evidence, held_rows
from vgf.training.budgets.report import BudgetReport
from vgf.training.budgets.rule import Decision, Rule, decide
from vgf.training.checkpoints import join_seeds, load_agent, one_seed
from vgf.training.critic_age import ages

PARTS = ("tuning", "reporting")


@torch.no_grad()
def played(policy: VGF, world: World, rungs: tuple[Rung, ...], unit: Unit, states: Tensor) -> pd.DataFrame:
    """Return a row a rung: its worth, its paired error to `ZERO`, and what rules look at that need no calibration."""
    reported, rows = {}, []
    for rung in rungs:
        critics = AgentCritics(policy, "playing")
        returns = world.play(lambda o, c=critics, r=rung: actions_of(c, o, (r,), unit)[:, 0])  # type: ignore[misc]
        reported[rung] = returns[world.tuning :]
        chosen = actions_of(AgentCritics(policy, "promise"), states[None], (rung,), unit)[:, 0]
        values = policy.critic(states[None], chosen)
        rows.append(
            {
                **rung._asdict(),
                "value": reported[rung].mean(),
                "simulated": returns[: world.tuning].mean(),
                "promise": float(aggregate(values, policy.config.target_q).mean()),
                "disagreement": float((values[:, 0] - values[:, 1]).abs().mean()),
            }
        )
    errors = [paired_error(reported[rung], reported[budget_rules.ZERO]) for rung in rungs]
    return pd.DataFrame(rows).assign(error=errors)


class Training(NamedTuple):
    """One training of all seeds.

    Attributes:
        agent: the seeds.
        seconds: of the processor, for one of them.
        asymptote: that each seed's critic is heading to; see `vgf.training.critic_age`.
    """

    agent: VGF
    seconds: float
    asymptote: pd.Series


def trained(setting: Setting, plan: dict[str, Any], folder: Path) -> Training:
    """Train all seeds of a setting in a folder."""
    cells, begun = plan["cells"], time.process_time()
    how = {"seeds": cells["seeds"], "batch_size": cells["batch_size"], "updates": setting.updates}
    record = vgf.fit(setting.world.data(), folder, setting.config, **how)
    seconds = (time.process_time() - begun) / len(cells["seeds"])
    agent, _ = load_agent(record.folder)
    assert isinstance(agent, VGF)
    last = ages(record.runs[-1]["settings"], record.curve).groupby("seed").tail(1).set_index("seed")
    return Training(agent, seconds, last["asymptote"])


def cell(setting: Setting, training: Training, seed: int, plan: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the tables of one cell: cells, choices, and those of its part alone."""
    policy = one_seed(training.agent, seed)
    others = join_seeds([one_seed(training.agent, s) for s in training.agent.seeds if s != seed])
    assert isinstance(policy, VGF)
    assert isinstance(others, VGF)
    transitions, cells = own_transitions(setting.world.data()), plan["cells"]
    learn, held = split(transitions, cells["ensemble"]["held_share"])
    rows, count = held_rows(transitions, held), setting.updates - policy.config.pretrain
    begun = time.process_time()
    judges = ensemble(policy, transitions, learn, cells["ensemble"]["members"], count, cells["batch_size"])
    rungs = rungs_of(plan)
    by = {"ours": evidence(AgentCritics(policy), AgentCritics(judges, "judges"), rows, rungs)}
    between = time.process_time()
    by["ours_seeds"] = evidence(AgentCritics(policy), AgentCritics(others, "judges"), rows, rungs)
    cost = {"judging": between - begun, "judging_seeds": time.process_time() - between, "training": training.seconds}
    table = played(policy, setting.world, rungs, by["ours"].unit, rows.transitions.observations[:256])
    stage = "before" if plan["part"] == "tuning" else "value"  # what is tuned starts from what was before
    taken = decisions(by, Rule(**constants(plan, stage)))
    ours = taken["ours"]
    simple = budget_rules.simple_choices(table, ours.radius)
    chosen = worth(table, simple | {name: decision.chosen for name, decision in taken.items()})
    by_state = state_row(setting, policy, judges, ours, by["ours"], table)
    found = {
        "cells": told(table, ours).assign(**cost),
        "choices": pd.concat([chosen, by_state], ignore_index=True),
    }
    if plan["part"] == "tuning":
        found["constants"] = grid(table, by, constants(plan, "may"))
    elif setting.varies:
        own = evaluated(policy, ours.chosen, by["ours"].unit, transitions, cells)
        facts = {"train_steps": policy.config.train_steps, "updates": setting.updates}
        value = worth(table, {"ours": ours.chosen})["value"].item()
        found["train_steps"] = own.assign(**facts, value=value, asymptote=training.asymptote[seed])
    return {name: each.assign(task=setting.task, method=setting.method, seed=seed) for name, each in found.items()}


def evaluated(policy: VGF, rung: Rung, unit: Unit, transitions: Transitions, cells: dict[str, Any]) -> pd.DataFrame:
    """Return what fitted Q evaluation says of acting by a rung, a row a network."""
    critics, how = AgentCritics(policy, "evaluated"), cells["fitted_q"]
    sizes = how["members"], how["updates"], cells["batch_size"]
    values = fitted_q(policy, lambda o: actions_of(critics, o, (rung,), unit)[:, 0], transitions, *sizes)
    return pd.DataFrame({"network": range(len(values)), "fitted_q": values.mean(1)})


def grid(table: pd.DataFrame, by: dict[str, Evidence], may: dict[str, list[Any]]) -> pd.DataFrame:
    """Return what the whole rule takes under every combination of constants, for each kind of judges."""
    parts = []
    for values in itertools.product(*may.values()):
        rule = dict(zip(may, values, strict=True))
        taken = {name: decide(each.judged, each.held, Rule(**rule)).chosen for name, each in by.items()}
        parts.append(worth(table, taken).assign(**rule))
    return pd.concat(parts, ignore_index=True)


def state_row(
    setting: Setting, policy: VGF, judges: VGF, decision: Decision, found: Evidence, table: pd.DataFrame
) -> pd.DataFrame:
    """Return the row of the rule that takes a rung for each state; displacement and N are means over played states."""
    report = BudgetReport(setting.task, "", found.unit, decision, "", True, 0, 0.0)
    streams, rungs = (
        AgentCritics(policy, "playing").streams,
        torch.tensor([list(x.rung) for x in decision.lines]),
    )
    seen: list[Tensor] = []

    def act(observations: Tensor) -> Tensor:
        actions, number = act_by_state(policy, judges, report, observations, streams)
        seen.append(number)
        return actions

    returns = setting.world.play(act)
    far, many = rungs[torch.cat(seen)].mean(0).tolist()
    critics = AgentCritics(policy, "playing")
    zero = setting.world.play(lambda o: actions_of(critics, o, (budget_rules.ZERO,), found.unit)[:, 0])
    returns, zero = (each[setting.world.tuning :] for each in (returns, zero))
    row = {"rule": "ours_state", "displacement": far, "particles": many, "value": returns.mean()}
    return pd.DataFrame([row | {"error": paired_error(returns, zero)}])


def run(part: str = "tuning", results: Path | None = None) -> None:
    """Train, judge and play what is not done yet; then score.

    Args:
        part: tuning or reporting.
        results: where records are, data/results by default.
    """
    folder, plan = (results or records.results_folder()) / f"{STUDY}.{part}", rules_file(part)
    for setting in settings(plan):
        if is_there(folder, setting):
            continue
        with TemporaryDirectory() as kept:
            training = trained(setting, plan, Path(kept) / "cell")
        tables = [cell(setting, training, seed, plan) for seed in plan["cells"]["movers"]]
        made = {f"{setting.task}/{setting.method}": code_provenance()}
        for name in sorted(tables[0], key="cells".__eq__):  # the last one says that a setting is done
            policy_tables.write(folder / f"{name}.csv", pd.concat([each[name] for each in tables]), made)
    score(folder)


def is_there(folder: Path, setting: Setting) -> bool:
    """Say whether a setting is done."""
    path = folder / "cells.csv"
    rows = records.read_csv(path) if path.exists() else pd.DataFrame({"task": [], "method": []})
    return bool(((rows["task"] == setting.task) & (rows["method"] == setting.method)).any())


def main(words: list[str]) -> int:
    """Run `python -m vgf.book.budget_study PART`; return 2 for bad input."""

    def work() -> None:
        if len(words) != 1 or words[0] not in PARTS:
            raise ValueError(
                f"give one part, {' or '.join(PARTS)}, got {shown(' '.join(words))}; "
                "`python -m vgf.rlhf.latent.budget_rule` makes that of language"
            )
        run(words[0])

    return status_of("budget_study", work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
