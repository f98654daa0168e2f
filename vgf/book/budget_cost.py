"""What judging a budget costs as trainings grow: `python -m vgf.book.budget_cost`, the part `cost` of the rule file.

Trains the drone at each size and length, calls `vgf.choose_budget` as a user does with each kind of judges, and plays
what was chosen. Writes `data/results/budget.cost/costs.csv`, a row a training, mover and kind of judges. Seconds are
those of the processor, one thread, so that they depend little on what else the machine does; those of a training are
of one of its seeds. What is done is kept, training by training.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import time
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
from vgf.book.budget_lengths import FILE
from vgf.book.budget_study import played
from vgf.book.budget_worlds import DroneWorld
from vgf.budgets.critics import member_updates
from vgf.budgets.report import BudgetReport
from vgf.datasets.own import own_transitions
from vgf.records import Record
from vgf.results import budget_rules, policy_tables
from vgf.results.budget_cells import STUDY, rules_file, rungs_of
from vgf.support.given import shown
from vgf.support.provenance import code_provenance
from vgf.support.strict import build
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


def measured(record: Record, world: DroneWorld, training: float, plan: dict[str, Any]) -> pd.DataFrame:
    """Return a row a mover and kind of judges."""
    agent, _ = load_agent(record.folder)
    states = own_transitions(world.data()).observations[:STATES]
    rows = []
    for mover in plan["cost"]["movers"]:
        policy = one_seed(agent, mover)
        assert isinstance(policy, VGF)
        count = policy.updates - policy.config.pretrain
        short = member_updates(count, plan["cells"]["ensemble"]["members"], **plan["cost"]["short"])
        kinds: dict[str, tuple[JudgesName, int | None]] = {
            "seeds": ("seeds", None),
            "short": ("ensemble", short),
            "whole": ("ensemble", count),
        }
        table = None
        for name, (judges, updates) in kinds.items():
            report, seconds = judged(record, world, mover, judges, updates, plan)
            if table is None:
                table = played(policy, world, rungs_of(plan), report.unit, states)
            found = {"seed": mover, "judges": name, "updates": updates or 0, "training": training, **seconds}
            rows.append(found | row(report, table))
    return pd.DataFrame(rows)


def run(results: Path | None = None) -> None:
    """Train, judge and play what is not done yet."""
    plan, path = rules_file(), (results or records.results_folder()) / f"{STUDY}.cost" / FILE
    cost = plan["cost"]
    world = DroneWorld(**cost["data"], **_starts(cost["starts"]))
    own: VGFConfig = build(VGFConfig, plan["cells"]["config"], "config")
    every = [(name, size["hidden"], updates) for name, size in cost["sizes"].items() for updates in size["updates"]]
    for name, hidden, updates in every:
        task, method = f"drone-{name}", f"updates{updates}"
        if is_there(path, task, method):
            continue
        config = replace(own, hidden=tuple(hidden), train_steps=cost["train_steps"])
        with TemporaryDirectory() as kept:
            begun, how = time.process_time(), {"batch_size": plan["cells"]["batch_size"], "device": "cpu"}
            record = vgf.fit(world.data(), Path(kept) / "cost", config, seeds=cost["seeds"], updates=updates, **how)
            training = (time.process_time() - begun) / len(cost["seeds"])
            table = measured(record, world, training, plan).assign(task=task, method=method)
        policy_tables.write(path, table, {f"{task}/{method}": code_provenance()})


def is_there(path: Path, task: str, method: str) -> bool:
    """Say whether a training is done."""
    if not path.exists():
        return False
    rows = records.read_csv(path)
    return bool(((rows["task"] == task) & (rows["method"] == method)).any())


def _starts(starts: dict[str, int]) -> dict[str, int]:
    return {"tuning": starts["tuning"], "reporting": starts["reporting"], "starts_seed": starts["seed"]}


def main(words: list[str]) -> int:
    """Run `python -m vgf.book.budget_cost`; return 2 for bad input."""
    try:
        if words:
            raise ValueError(
                f"no word is taken, got {shown(' '.join(words))}; data/rules/budget.yaml says what it runs"
            )
        torch.set_num_threads(1)
        run()
    except (ValueError, OSError) as error:
        print(f"budget_cost: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
