"""What judging a budget costs as trainings grow: `python -m vgf.book.budget_cost`, the part `cost` of the rule file.

Trains the drone at each size and length, calls `vgf.choose_budget` as a user does with each kind of judges, and plays
what was chosen. Writes `data/results/budget.cost/costs.csv`, a row a training, mover and kind of judges. Seconds are
those of the processor, one thread, so that they depend little on what else the machine does; those of a training are
of one of its seeds. What is done is kept; a training whose judging was cut short is trained again.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch

import vgf
from vgf import records
from vgf.agents.vgf import VGF
from vgf.agents.vgf_config import VGFConfig
from vgf.book.budget_lengths import FILE, KINDS
from vgf.book.budget_study import played
from vgf.book.budget_worlds import DroneWorld
from vgf.datasets.own import own_transitions
from vgf.records import Record
from vgf.results import budget_rules, policy_tables
from vgf.results.budget_cells import STUDY, rules_file, rungs_of
from vgf.support.errors import status_of
from vgf.support.given import shown
from vgf.support.provenance import code_provenance
from vgf.support.strict import build
from vgf.training.budgets.critics import member_updates
from vgf.training.budgets.report import BudgetReport
from vgf.training.checkpoints import load_agent, one_seed
from vgf.training.choose import JudgesName

PARTS = {"ensemble": "members", "judge": "gains", "held_out": "promises"}  # functions whose seconds are told apart
STATES = 256  # at which the rules that look at the world value actions; not asked for here


def judged(
    record: Record, world: DroneWorld, mover: int, judges: JudgesName, updates: int | None, plan: dict[str, Any]
) -> tuple[BudgetReport, dict[str, float]]:
    """Return a report, and the seconds that one call of `vgf.choose_budget` took, in all and by part."""
    how = {"batch_size": plan["cells"]["batch_size"], "members": plan["cells"]["ensemble"]["members"]}
    data, profile = world.data(), cProfile.Profile(time.process_time)
    profile.enable()
    begun = time.process_time()
    report = vgf.choose_budget(record, data, seed=mover, judges=judges, updates=updates, save=False, **how)
    seconds = {"judging": time.process_time() - begun}
    profile.disable()
    for (_, _, name), (*_, cumulative, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if name in PARTS:
            seconds[PARTS[name]] = seconds.get(PARTS[name], 0.0) + cumulative
    return report, seconds


def row(report: BudgetReport, table: pd.DataFrame) -> dict[str, Any]:
    """Return what a report's rung is worth beside the ladder's, as scores of a cell.

    Args:
        report: whose rung is looked at.
        table: a row a rung, with displacement, particles, value and error.
    """
    cell = table.assign(task="drone", method="", seed=0)
    choice = table[(table["displacement"] == report.rung.displacement) & (table["particles"] == report.rung.particles)]
    scored = budget_rules.judged(cell, choice.assign(task="drone", method="", seed=0, rule="ours")).iloc[0]
    return {
        **report.rung._asdict(),
        "value": choice["value"].item(),
        "regret": scored["regret"],
        "harm": scored["harm"],
    }


def measured(
    record: Record, world: DroneWorld, todo: list[tuple[str, int]], plan: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield a row of each kind of judges and mover that is to do, without the training's seconds."""
    agent, _ = load_agent(record.folder)
    states, tables = own_transitions(world.data()).observations[:STATES], {}
    for name, mover in todo:
        policy = one_seed(agent, mover)
        assert isinstance(policy, VGF)
        count = policy.updates - policy.config.pretrain
        short = member_updates(count, plan["cells"]["ensemble"]["members"], **plan["cost"]["short"])
        judges, updates = {"seeds": ("seeds", None), "short": ("ensemble", short), "whole": ("ensemble", count)}[name]
        report, seconds = judged(record, world, mover, judges, updates, plan)  # type: ignore[arg-type]
        if mover not in tables:
            tables[mover] = played(policy, world, rungs_of(plan), report.unit, states)
        yield {"seed": mover, "judges": name, "updates": updates or 0, **seconds} | row(report, tables[mover])


def run(results: Path | None = None) -> None:
    """Train, judge and play what is not done yet."""
    plan, path = rules_file(), (results or records.results_folder()) / f"{STUDY}.cost" / FILE
    cost = plan["cost"]
    world = DroneWorld(**cost["data"], **_starts(cost["starts"]))
    own: VGFConfig = build(VGFConfig, plan["cells"]["config"], "config")
    every = [(name, size["hidden"], updates) for name, size in cost["sizes"].items() for updates in size["updates"]]
    for name, hidden, updates in every:
        task, method = f"drone-{name}", f"updates{updates}"
        rows = rows_of(path, task, method)
        done = set(zip(rows["judges"], rows["seed"], strict=True))
        todo = [(kind, mover) for kind in KINDS for mover in cost["movers"] if (kind, mover) not in done]
        if not todo:
            continue
        config = replace(own, hidden=tuple(hidden), train_steps=cost["train_steps"])
        with TemporaryDirectory() as kept:
            begun, how = time.process_time(), {"batch_size": plan["cells"]["batch_size"], "device": "cpu"}
            record = vgf.fit(world.data(), Path(kept) / "cost", config, seeds=cost["seeds"], updates=updates, **how)
            training = (time.process_time() - begun) / len(cost["seeds"])
            for found in measured(record, world, todo, plan):
                facts = {"task": task, "method": method, "training": training}
                rows = pd.concat([rows, pd.DataFrame([facts | found])], ignore_index=True)
                policy_tables.write(path, rows, {f"{task}/{method}": code_provenance()})


def rows_of(path: Path, task: str, method: str) -> pd.DataFrame:
    """Return the rows of a training that are done."""
    if not path.exists():
        return pd.DataFrame({"judges": [], "seed": []})
    rows = records.read_csv(path, keep_default_na=True)
    return rows[(rows["task"] == task) & (rows["method"] == method)]


def _starts(starts: dict[str, int]) -> dict[str, int]:
    return {"tuning": starts["tuning"], "reporting": starts["reporting"], "starts_seed": starts["seed"]}


def main(words: list[str]) -> int:
    """Run `python -m vgf.book.budget_cost`; return 2 for bad input."""

    def work() -> None:
        if words:
            raise ValueError(
                f"no word is taken, got {shown(' '.join(words))}; data/rules/budget.yaml says what it runs"
            )
        torch.set_num_threads(1)
        run()

    return status_of("budget_cost", work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
