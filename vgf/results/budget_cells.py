"""What every part of the study of budgets does alike: the rule file, what each rule takes in a cell, tables of scores.

A cell is one policy with every rung of the ladder judged from data and played in its world; see
`vgf.results.budget_rules`. Cells come from `vgf.book.budget_study` and `vgf.rlhf.latent.budget_rule`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vgf import records
from vgf.results import budget_rules, policy_tables
from vgf.support.paths import data_folder
from vgf.support.progress import log
from vgf.support.provenance import code_provenance
from vgf.support.yaml_text import read_yaml
from vgf.training.budgets.ladder import Rung, ladder
from vgf.training.budgets.measure import Evidence
from vgf.training.budgets.rule import Decision, Rule, decide

STUDY = "budget"
ABLATIONS = {
    "without_bound": {"has_bound": False},
    "without_radius": {"has_radius": False},
    "without_gate": {"has_gate": False},
}


def rules_file(part: str = "tuning") -> dict[str, Any]:
    """Return what was written before; `cells` are those of a part, as tuning has them where the part says nothing."""
    found: dict[str, Any] = read_yaml((data_folder() / "rules" / "budget.yaml").read_text(encoding="utf-8"))
    return found | {"part": part, "cells": found["tuning"] | found[part]}


def constants(plan: dict[str, Any], name: str = "value") -> dict[str, Any]:
    """Return the rule's constants, or what each was before it was tuned (`before`), or may be (`may`)."""
    return {key: entry[name] for key, entry in plan["constants"].items()}


class Part(NamedTuple):
    """The tables of a part.

    Attributes:
        cells: a row a cell and rung.
        every: a row a cell and rule, each fixed rung and the best of them in hindsight included.
        train_steps: a row a policy and network of fitted Q evaluation; None where the part has none.
        constants: what the rule takes under each combination of constants; None likewise.
    """

    cells: pd.DataFrame
    every: pd.DataFrame
    train_steps: pd.DataFrame | None = None
    constants: pd.DataFrame | None = None


def is_made(part: str, results: Path | None = None) -> bool:
    """Say whether a part has cells in `data/results`."""
    return ((results or records.results_folder()) / f"{STUDY}.{part}" / "cells.csv").exists()


def read(*parts: str, results: Path | None = None) -> Part:
    """Return the tables of a part, or of several as one, from `data/results`."""
    root = results or records.results_folder()

    def of(kind: str) -> pd.DataFrame | None:
        files = [root / f"{STUDY}.{part}" / f"{kind}.csv" for part in parts]
        there = [records.read_csv(path, keep_default_na=True) for path in files if path.exists()]
        return pd.concat(there, ignore_index=True) if there else None

    cells, choices = of("cells"), of("choices")
    assert cells is not None, f"no cells of {', '.join(parts)}"
    fixed = budget_rules.fixed_choices(budget_rules.with_regret(cells))
    return Part(cells, pd.concat([choices, fixed], ignore_index=True), of("train_steps"), of("constants"))


def rungs_of(plan: Mapping[str, Any]) -> tuple[Rung, ...]:
    """Return the ladder of the rule file."""
    return ladder(*(tuple(plan["ladder"][key]) for key in ("displacements", "particles")))


def decisions(by: Mapping[str, Evidence], rule: Rule) -> dict[str, Decision]:
    """Return what the rule takes by each kind of judges, and what `ours` takes with a step of it left out."""
    taken = {name: decide(each.judged, each.held, rule) for name, each in by.items()}
    for name, without in ABLATIONS.items():
        taken[name] = decide(by["ours"].judged, by["ours"].held, replace(rule, **without))  # type: ignore[arg-type]
    return taken


def worth(table: pd.DataFrame, chosen: dict[str, Rung]) -> pd.DataFrame:
    """Return a row a rule: the rung it takes, its worth and error."""
    by = table.set_index(["displacement", "particles"])[["value", "error"]]
    return pd.DataFrame([{"rule": name, **rung._asdict(), **by.loc[tuple(rung)]} for name, rung in chosen.items()])


def told(table: pd.DataFrame, decision: Decision) -> pd.DataFrame:
    """Return a cell's rungs with what the rule said of each, and of the cell: radius, noise, kappa and a slope.

    Args:
        table: a row a rung, in the order of the ladder.
        decision: of `ours`. The slope, with its lower bound, is that of all held-out actions.
    """
    rows = [
        {"gain": line.gain, "bound": line.bound, "step_gain": line.step_gain, "fault": line.fault}
        for line in decision.lines
    ]
    return table.join(pd.DataFrame(rows)).assign(
        radius=np.nan if decision.radius is None else decision.radius,
        noise=decision.noise,
        kappa=decision.kappa,
        slope=decision.tails[0].slope,
        slope_lower=decision.tails[0].lower,
    )


def paired_error(one: np.ndarray, other: np.ndarray) -> float:
    """Return the standard error of the mean difference of returns from the same starts."""
    return float((one - other).std(ddof=1) / len(one) ** 0.5)


def score(folder: Path) -> None:
    """Write what each rule of a part scored, from its tables alone; scores that are the same are left as they are."""
    part = read(folder.name.removeprefix(f"{STUDY}."), results=folder.parent)
    table = budget_rules.scores(part.cells, part.every).rename(columns={"world": "task", "rule": "method"})
    made = {f"{task}/{method}": code_provenance() for task, method in zip(table["task"], table["method"], strict=True)}
    path = folder / "scores.csv"
    if (
        not path.exists()
        or path.read_bytes() != policy_tables.as_csv(table)
        or any(policy_tables.faults(folder, path.name))
    ):
        policy_tables.write(path, table, made)
    log(table.round(3).to_string(index=False))
