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
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import vgf
from vgf import records
from vgf.agents.vgf import VGF, aggregate
from vgf.book.budget_settings import Setting, constants, rules_file, settings
from vgf.book.budget_worlds import World
from vgf.budgets.acting import act_by_state
from vgf.budgets.critics import AgentCritics, ensemble, split
from vgf.budgets.fitted_q import fitted_q
from vgf.budgets.ladder import Rung, Unit, ladder
from vgf.budgets.measure import Evidence, actions_of, evidence, held_rows
from vgf.budgets.report import BudgetReport
from vgf.budgets.rule import Decision, Rule, decide
from vgf.datasets.own import own_transitions
from vgf.datasets.transitions import Transitions
from vgf.results import budget_rules, policy_tables
from vgf.support.given import expanded
from vgf.support.progress import log
from vgf.support.provenance import code_provenance
from vgf.training.checkpoints import join_seeds, load_agent, one_seed
from vgf.training.critic_age import ages

STUDY = "budget"
ABLATIONS = {
    "without_bound": {"has_bound": False},
    "without_radius": {"has_radius": False},
    "without_gate": {"has_gate": False},
}


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


def paired_error(one: np.ndarray, other: np.ndarray) -> float:
    """Return the standard error of the mean difference of returns from the same starts."""
    return float((one - other).std(ddof=1) / len(one) ** 0.5)


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
    rungs = ladder(*(tuple(plan["ladder"][key]) for key in ("displacements", "particles")))
    by = {"ours": evidence(AgentCritics(policy), AgentCritics(judges, "judges"), rows, rungs)}
    between = time.process_time()
    by["ours_seeds"] = evidence(AgentCritics(policy), AgentCritics(others, "judges"), rows, rungs)
    cost = {"judging": between - begun, "judging_seeds": time.process_time() - between, "training": training.seconds}
    table = played(policy, setting.world, rungs, by["ours"].unit, rows.transitions.observations[:256])
    rule = Rule(**constants(plan))
    taken = {name: decide(each.judged, each.held, rule) for name, each in by.items()}
    for name, without in ABLATIONS.items():
        taken[name] = decide(by["ours"].judged, by["ours"].held, replace(rule, **without))  # type: ignore[arg-type]
    ours = taken["ours"]
    simple = budget_rules.simple_choices(table, ours.radius)
    chosen = worth(table, simple | {name: decision.chosen for name, decision in taken.items()})
    by_state = state_row(setting, policy, judges, ours, by["ours"], table)
    told = {"radius": np.nan if ours.radius is None else ours.radius, "noise": ours.noise, "kappa": ours.kappa}
    found = {
        "cells": table.join(lines_of(ours)).assign(**told, **cost),
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


def lines_of(decision: Decision) -> pd.DataFrame:
    """Return what the rule said of each rung, and the slope of its tail of the data's own actions."""
    rows = [
        {"gain": line.gain, "bound": line.bound, "step_gain": line.step_gain, "fault": line.fault}
        for line in decision.lines
    ]
    return pd.DataFrame(rows).assign(slope=decision.tails[0].slope, slope_lower=decision.tails[0].lower)


def evaluated(policy: VGF, rung: Rung, unit: Unit, transitions: Transitions, cells: dict[str, Any]) -> pd.DataFrame:
    """Return what fitted Q evaluation says of acting by a rung, a row a network."""
    critics, how = AgentCritics(policy, "evaluated"), cells["fitted_q"]
    sizes = how["members"], how["updates"], cells["batch_size"]
    values = fitted_q(policy, lambda o: actions_of(critics, o, (rung,), unit)[:, 0], transitions, *sizes)
    return pd.DataFrame({"network": range(len(values)), "fitted_q": values.mean(1)})


def worth(table: pd.DataFrame, chosen: dict[str, Rung]) -> pd.DataFrame:
    """Return a row a rule: the rung it takes, its worth and error."""
    by = table.set_index(["displacement", "particles"])[["value", "error"]]
    return pd.DataFrame([{"rule": name, **rung._asdict(), **by.loc[tuple(rung)]} for name, rung in chosen.items()])


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


def run(part: str = "tuning", results: Path | None = None, only: str = "") -> None:
    """Train, judge and play what is not done yet; then score.

    Args:
        part: tuning or reporting.
        results: where records are, data/results by default.
        only: settings whose task begins with this.
    """
    folder, plan = (results or records.results_folder()) / f"{STUDY}.{part}", rules_file(part)
    for setting in settings(plan):
        if not setting.task.startswith(only) or is_there(folder, setting):
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


def score(folder: Path) -> None:
    """Write what each rule scored, from the tables alone."""
    cells, choices = (records.read_csv(folder / f"{name}.csv", keep_default_na=True) for name in ("cells", "choices"))
    fixed = budget_rules.fixed_choices(budget_rules.with_regret(cells))
    table = budget_rules.scores(cells, pd.concat([choices, fixed]))
    table = table.rename(columns={"world": "task", "rule": "method"})
    made = {f"{task}/{method}": code_provenance() for task, method in zip(table["task"], table["method"], strict=True)}
    policy_tables.write(folder / "scores.csv", table, made)
    log(table.round(3).to_string(index=False))


if __name__ == "__main__":
    words = expanded(sys.argv[1:])
    run(words[0] if words else "tuning")
