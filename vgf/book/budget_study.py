"""The tuning part of how the rule for budgets is judged: `python -m vgf.book.budget_study`.

Trains the cells that `data/rules/budget.yaml` lists, on the drone and the bandit, judges every rung from data, plays
every rung in its world, and writes `data/results/budget.tuning`: `cells.csv` (a row a cell and rung), `choices.csv` (a
row a cell and rule), `constants.csv` (what `ours` takes under each constant that tuning may choose) and `scores.csv`.
Policies are trained in a temporary folder and not kept. What is done is kept, setting by setting: a run goes on there.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
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
from vgf.agents.vgf_config import VGFConfig
from vgf.book.budget_worlds import BanditWorld, DroneWorld, World
from vgf.budgets.acting import act_by_state
from vgf.budgets.critics import AgentCritics, ensemble, split
from vgf.budgets.ladder import Rung, Unit, ladder
from vgf.budgets.measure import Evidence, actions_of, evidence, held_rows
from vgf.budgets.report import BudgetReport
from vgf.budgets.rule import Decision, Rule, decide
from vgf.datasets.own import own_transitions
from vgf.results import budget_rules, policy_tables
from vgf.support.given import expanded
from vgf.support.paths import data_folder
from vgf.support.progress import log
from vgf.support.provenance import code_provenance
from vgf.support.strict import build
from vgf.support.yaml_text import read_yaml
from vgf.training.checkpoints import join_seeds, load_agent, one_seed

STUDY = "budget.tuning"
ABLATIONS = {
    "without_bound": {"has_bound": False},
    "without_radius": {"has_radius": False},
    "without_gate": {"has_gate": False},
}


class Setting(NamedTuple):
    """One training of all seeds: the world, and what is varied in it."""

    task: str
    method: str
    world: World
    config: VGFConfig
    updates: int


def rules_file() -> dict[str, Any]:
    """Return what was written before."""
    found: dict[str, Any] = read_yaml((data_folder() / "rules" / "budget.yaml").read_text(encoding="utf-8"))
    return found


def settings(plan: dict[str, Any]) -> Iterator[Setting]:
    """Yield every setting of the tuning part, drone and bandit in turn."""
    return itertools.chain.from_iterable(zip(_drones(plan), _bandits(plan), strict=True))


def _drones(plan: dict[str, Any]) -> Iterator[Setting]:
    tuning = plan["tuning"]
    config: VGFConfig = build(VGFConfig, tuning["config"], "tuning.config")
    drone = tuning["drone"]
    starts = drone["starts"]
    for (name, data), steps, updates in itertools.product(
        drone["data"].items(), drone["train_steps"], drone["updates"]
    ):
        world = DroneWorld(**data, tuning=starts["tuning"], reporting=starts["reporting"], starts_seed=starts["seed"])
        yield Setting(f"drone-{name}", f"train{steps}-{updates}", world, replace(config, train_steps=steps), updates)


def _bandits(plan: dict[str, Any]) -> Iterator[Setting]:
    bandit = plan["tuning"]["bandit"]
    config: VGFConfig = build(VGFConfig, plan["tuning"]["config"], "tuning.config")
    for (place, where), (name, data), updates in itertools.product(
        bandit["worlds"].items(), bandit["data"].items(), bandit["updates"]
    ):
        plot = BanditWorld(**where, **data, noise=bandit["noise"], **bandit["draws"])
        yield Setting(f"bandit-{place}-{name}", f"train2-{updates}", plot, replace(config, train_steps=2), updates)


def constants(plan: dict[str, Any], name: str = "value") -> dict[str, Any]:
    """Return the rule's constants, or what each may be (`may`)."""
    return {key: entry[name] for key, entry in plan["constants"].items()}


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


def cell(setting: Setting, agent: VGF, seed: int, plan: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the tables of one cell: cells, choices and constants."""
    policy, others = one_seed(agent, seed), join_seeds([one_seed(agent, s) for s in agent.seeds if s != seed])
    assert isinstance(policy, VGF)
    assert isinstance(others, VGF)
    transitions, tuning = own_transitions(setting.world.data()), plan["tuning"]
    learn, held = split(transitions, tuning["ensemble"]["held_share"])
    rows, count = held_rows(transitions, held), setting.updates - policy.config.pretrain
    begun = time.monotonic()
    judges = ensemble(policy, transitions, learn, tuning["ensemble"]["members"], count, tuning["batch_size"])
    rungs = ladder(*(tuple(plan["ladder"][key]) for key in ("displacements", "particles")))
    movers = AgentCritics(policy)
    by = {"ours": evidence(movers, AgentCritics(judges, "judges"), rows, rungs)}
    seconds = time.monotonic() - begun
    by["ours_seeds"] = evidence(AgentCritics(policy), AgentCritics(others, "judges"), rows, rungs)
    table = played(policy, setting.world, rungs, by["ours"].unit, rows.transitions.observations[:256])
    rule = Rule(**constants(plan))
    taken = {name: decide(each.judged, each.held, rule) for name, each in by.items()}
    for name, without in ABLATIONS.items():
        taken[name] = decide(by["ours"].judged, by["ours"].held, replace(rule, **without))  # type: ignore[arg-type]
    simple = budget_rules.simple_choices(table, taken["ours"].radius)
    chosen = worth(table, simple | {name: decision.chosen for name, decision in taken.items()})
    by_state = state_row(setting, policy, judges, taken["ours"], by["ours"], table)
    ladder_rows = [{"gain": line.gain, "bound": line.bound, "fault": line.fault} for line in taken["ours"].lines]
    ours = taken["ours"]
    found = {
        "cells": table.join(pd.DataFrame(ladder_rows)).assign(
            radius=np.nan if ours.radius is None else ours.radius, noise=ours.noise, kappa=ours.kappa, seconds=seconds
        ),
        "choices": pd.concat([chosen, by_state], ignore_index=True),
        "constants": grid(table, by, constants(plan, "may")),
    }
    return {name: each.assign(task=setting.task, method=setting.method, seed=seed) for name, each in found.items()}


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


def run(results: Path | None = None, only: str = "") -> None:
    """Train, judge and play what is not done yet; then score.

    Args:
        results: where records are, data/results by default.
        only: settings whose task begins with this.
    """
    folder, plan = (results or records.results_folder()) / STUDY, rules_file()
    for setting in settings(plan):
        if not setting.task.startswith(only) or is_there(folder, setting):
            continue
        with TemporaryDirectory() as kept:
            how = {"seeds": plan["tuning"]["seeds"], "batch_size": plan["tuning"]["batch_size"]}
            record = vgf.fit(setting.world.data(), Path(kept) / "cell", setting.config, updates=setting.updates, **how)
            agent, _ = load_agent(record.folder)
        assert isinstance(agent, VGF)
        tables = [cell(setting, agent, seed, plan) for seed in plan["tuning"]["movers"]]
        made = {f"{setting.task}/{setting.method}": code_provenance() | {"training": record.runs[-1]["seconds"]}}
        for name in ("constants", "choices", "cells"):  # the last one says that a setting is done
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
    run(only=words[0] if words else "")
