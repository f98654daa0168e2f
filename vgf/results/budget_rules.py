"""Rules that choose a budget, side by side: what each takes in a cell, and regret, harm and capture over cells.

A cell is one trained seed with every rung of the ladder judged from data and played in its world. Rules take one rung a
cell; some look at the world and say so. How they are judged was written before (`data/rules/budget.yaml`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple

import numpy as np
import pandas as pd

from vgf.results import stats
from vgf.training.budgets.ladder import CLONE, Rung, mmd2_of

CELL = ["task", "method", "seed"]
ZERO = Rung(0.0, 10)
HEURISTIC_LIMIT, MMD_LIMIT = 1.5, 0.05
REAL_GAIN = 2.0  # standard errors
WORSE = 0.02  # of mean regret
MOST_COST = 0.1  # share of the training that a choice serves
WITHIN = {"regret": (0.0, 1.0), "capture": (-np.inf, np.inf)}
ENDS = ("", "_low", "_high")


def simple_choices(ladder: pd.DataFrame, radius: float | None) -> dict[str, Rung]:
    """Return what the rules without a calibration take in one cell.

    Args:
        ladder: a row a rung; columns displacement, particles, promise, disagreement, simulated and value.
        radius: trusted displacement in sigma, None where nothing is.
    """
    most = ladder[ladder["particles"] == ZERO.particles].sort_values("displacement")
    calm = (most["disagreement"] <= HEURISTIC_LIMIT * most["disagreement"].iloc[0]).to_numpy()
    until = len(calm) if calm.all() else int(np.argmin(calm))
    near = most[most["displacement"] <= (0.0 if radius is None else radius + 1e-9)]
    bounded = most[[mmd2_of(x) <= MMD_LIMIT for x in most["displacement"]]]
    rows = {
        "promise": ladder.loc[ladder["promise"].idxmax()],
        "heuristic": most.iloc[max(until - 1, 0)],
        "simulator": ladder.loc[ladder["simulated"].idxmax()],
        "radius": near.iloc[-1],
        "mmd": bounded.iloc[-1],
        "oracle": ladder.loc[ladder["value"].idxmax()],
    }
    return {"zero": ZERO, "clone": CLONE} | {name: rung_of(row) for name, row in rows.items()}


def rung_of(row: pd.Series) -> Rung:
    """Return the rung of a row with displacement and particles."""
    return Rung(float(row["displacement"]), int(row["particles"]))


def fixed_choices(cells: pd.DataFrame) -> pd.DataFrame:
    """Return each fixed rung in every cell, and for each world the one that was best in hindsight.

    Args:
        cells: a row a cell and rung, with value and error.

    Returns:
        Rows as of `cells` with a column rule: "fixed X sigma, N" or "hindsight".
    """
    named = cells.assign(
        rule=[f"fixed {x:g} sigma, {n}" for x, n in zip(cells.displacement, cells.particles, strict=True)]
    )
    parts = [named]
    for _, own in named.groupby(named["task"].map(world_of)):
        best = own.groupby("rule")["regret"].mean().idxmin()
        parts.append(own[own["rule"] == best].assign(rule="hindsight"))
    return pd.concat(parts)


def world_of(task: str) -> str:
    """Return the world of a task: what stands before the first hyphen."""
    return task.partition("-")[0]


def with_regret(cells: pd.DataFrame) -> pd.DataFrame:
    """Return cells with a column regret: how far below the best rung, as a share of best less worst."""
    group = cells.groupby(CELL)["value"]
    best, worst = group.transform("max"), group.transform("min")
    return cells.assign(regret=(best - cells["value"]) / (best - worst).where(best > worst, 1.0))


def judged(cells: pd.DataFrame, choices: pd.DataFrame) -> pd.DataFrame:
    """Return how each rule did in each cell.

    Args:
        cells: a row a cell and rung: task, method, seed, displacement, particles, value, and error, the standard error
            of the paired difference to `ZERO`.
        choices: a row a cell and rule: task, method, seed, rule, value, error.

    Returns:
        A row a cell and rule: task, method, seed, world, rule, regret, harm, and capture, NaN where there is no real
        gain to capture.
    """
    zero = cells[(cells.displacement == ZERO.displacement) & (cells.particles == ZERO.particles)].set_index(CELL)[
        "value"
    ]
    group = cells.groupby(CELL)["value"]
    best = cells.loc[group.idxmax()].set_index(CELL)
    told = choices.set_index(CELL)
    span = (group.max() - group.min()).where(lambda x: x > 0, 1.0)
    real = (best["value"] - zero) > REAL_GAIN * best["error"]
    gained = told["value"] - zero.reindex(told.index)
    table = pd.DataFrame(
        {
            "world": [world_of(task) for task, *_ in told.index],
            "rule": told["rule"].to_numpy(),
            "regret": ((group.max().reindex(told.index) - told["value"]) / span.reindex(told.index)).to_numpy(),
            "harm": (gained < -told["error"]).to_numpy(),
            "capture": (gained / (best["value"] - zero).reindex(told.index)).where(real.reindex(told.index)).to_numpy(),
        },
        index=told.index,
    )
    return table.reset_index()


def scores(cells: pd.DataFrame, choices: pd.DataFrame) -> pd.DataFrame:
    """Return how each rule did, over all cells and in each world; arguments as of `judged`.

    Returns:
        A row a world ("all" first) and rule: cells, regret, worst, harm, capture and gain_cells, the number of cells
        with a real gain that capture is a mean over; NaN where there are none.
    """
    table = judged(cells, choices)
    both = pd.concat([table.assign(world="all"), table])
    found = both.groupby(["world", "rule"], sort=False).agg(
        cells=("regret", "size"),
        regret=("regret", "mean"),
        worst=("regret", "max"),
        harm=("harm", "mean"),
        capture=("capture", "mean"),
        gain_cells=("capture", "count"),
    )
    return found.reset_index()


def intervals(table: pd.DataFrame) -> pd.DataFrame:
    """Return means over cells of regret, harm and capture with 95 % intervals, a row a rule.

    Cells that share data are a cluster: those of a data set, and on language those of a seed, whose wishes share prior
    and networks. With n cells in G clusters, n_g of mean m_g each, and m the mean of all, the error of m is

        sqrt(G / (G - 1) sum_g (n_g (m_g - m))^2) / n,

    with Student's quantile of G - 1 degrees of freedom. The interval of harm is the exact binomial one of its cells, as
    if they were independent.

    Args:
        table: of `judged`.

    Returns:
        Columns rule, and of each score NAME, NAME_low and NAME_high; an interval of regret stays within 0 and 1.
    """
    each = table.assign(cluster=[_cluster(*keys) for keys in table[["world", "task", "seed"]].to_numpy()])
    rows = []
    for rule, own in each.groupby("rule", sort=False):
        harm = stats.of_share(int(own["harm"].sum()), len(own))
        found = {"harm": harm} | {name: _clustered(own, name, within) for name, within in WITHIN.items()}
        told = {f"{name}{end}": x for name, one in found.items() for end, x in zip(ENDS, astuple(one), strict=True)}
        rows.append({"rule": rule, **told})
    return pd.DataFrame(rows)


def _cluster(world: str, task: str, seed: int) -> str:
    return f"{world}/{seed}" if world == "language" else task


def _clustered(rows: pd.DataFrame, name: str, within: tuple[float, float]) -> stats.Estimate:
    """Return the mean of a column over rows with an interval from its clusters; see `intervals`."""
    there = rows.dropna(subset=name)
    if there.empty:
        return stats.Estimate(np.nan, np.nan, np.nan)
    mean = float(there[name].mean())
    sums = (there[name] - mean).groupby(there["cluster"]).sum()
    count = len(sums)
    if count < 2:
        return stats.Estimate(mean, np.nan, np.nan)
    error = (count / (count - 1) * float((sums**2).sum())) ** 0.5 / len(there)
    low, high = stats.Student(mean, error, count - 1, len(there)).interval()
    return stats.Estimate(mean, max(low, within[0]), min(high, within[1]))


def moved(choices: pd.DataFrame, rule: str = "ours") -> tuple[int, int]:
    """Return in how many cells a rule moves particles at all, of how many; `choices` as of `judged`."""
    own = choices[choices["rule"] == rule]
    return int((own["displacement"] > 0).sum()), len(own)


def shared(cells: pd.DataFrame, choices: pd.DataFrame, rules: Sequence[str]) -> pd.DataFrame:
    """Return `scores` of some rules, on the cells in which every one of them was tried."""
    tried = [set(choices[choices["rule"] == rule].set_index(CELL).index) for rule in rules]
    both = pd.MultiIndex.from_tuples(sorted(set.intersection(*tried)), names=CELL)
    own = [table[table.set_index(CELL).index.isin(both)] for table in (cells, choices[choices["rule"].isin(rules)])]
    return scores(*own)


def verdict(table: pd.DataFrame, success: Mapping[str, float], world: str = "all") -> dict[str, bool]:
    """Return which of the conditions of success hold for `ours`, of harm, capture and regret.

    Args:
        table: of `scores`.
        success: most harm and least capture.
        world: of the rows looked at.
    """
    own = table[table["world"] == world].set_index("rule")
    ours = own.loc["ours"]
    return {
        "harm": bool(ours["harm"] <= success["harm"]),
        "capture": bool(ours["capture"] >= success["capture"]),
        "regret": bool(ours["regret"] < own.loc["hindsight", "regret"]),
    }


def default_judges(table: pd.DataFrame, shares: Mapping[str, float], success: Mapping[str, float]) -> str:
    """Return which judges `vgf.choose_budget` has by default, by the rule written before (`judges`): ensemble or auto.

    Args:
        table: of `scores`, on cells in which both were tried (`shared`).
        shares: cost of `ours` and of `ours_seeds`, as a share of the training they serve.
        success: most harm.
    """
    own = table[table["world"] == "all"].set_index("rule")
    if own.loc["ours", "cells"] != own.loc["ours_seeds", "cells"]:
        raise ValueError("the two kinds of judges are compared on cells that both have: give `shared`")
    is_dear, is_cheap = shares["ours"] > MOST_COST, shares["ours_seeds"] <= MOST_COST
    seeds = own.loc["ours_seeds"]
    is_good = seeds["harm"] <= success["harm"] and seeds["regret"] <= own.loc["ours", "regret"] + WORSE
    return "auto" if is_dear and is_cheap and is_good else "ensemble"
