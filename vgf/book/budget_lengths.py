"""What judging a budget costs as trainings grow, in a table and sentences, and what follows for the defaults.

Reads the table of `vgf.book.budget_cost`; its verdicts are those of the part `cost` of `data/rules/budget.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vgf import records
from vgf.book.budget_words import WHO
from vgf.results import budget_rules
from vgf.results.budget_cells import STUDY

KINDS = {"seeds": "other seeds", "short": "a short ensemble", "whole": "an ensemble as old as the critic"}
SIZES = {"drone-chapter": "this page's networks", "drone-campaign": "networks of the longer training"}
FILE = "costs.csv"
KEYS = ["task", "length", "judges"]


class Line(NamedTuple):
    """Seconds over updates, at + slope * updates."""

    at: float
    slope: float


def read(results: Path | None = None) -> pd.DataFrame:
    """Return the table of `vgf.book.budget_cost`."""
    return records.read_csv((results or records.results_folder()) / f"{STUDY}.cost" / FILE, keep_default_na=True)


def by_length(costs: pd.DataFrame) -> pd.DataFrame:
    """Return means over movers, a row a size, length and kind of judges, short trainings first.

    Args:
        costs: of `vgf.book.budget_cost`.

    Returns:
        Columns task, length (updates of the training), judges, training, judging, members, gains, promises (seconds),
        share, regret, harm, same (share of movers with the rung of a whole ensemble) and movers, how many; of the
        lengths at which both cheap kinds are run.
    """
    parts = ["members", "gains", "promises"]
    each = costs.assign(
        length=costs["method"].str.removeprefix("updates").astype(int),
        share=costs["judging"] / costs["training"],
        **{name: costs[name].fillna(0.0) for name in parts},
    )
    key, rung = ["task", "length", "seed"], list(zip(each["displacement"], each["particles"], strict=True))
    whole = each.assign(rung=rung)[each["judges"] == "whole"].set_index(key)["rung"].to_dict()
    each["same"] = [
        float(whole.get(k) == r) for k, r in zip(each[key].itertuples(index=False, name=None), rung, strict=True)
    ]
    sums = each.groupby(KEYS, sort=True)
    names = ["training", "judging", *parts, "share", "regret", "harm", "same"]
    table = sums[names].mean().assign(movers=sums.size()).reset_index()
    both = table.groupby(["task", "length"])["judges"].transform(lambda own: {"seeds", "short"} <= set(own))
    return (
        table[both].sort_values("task", key=lambda own: own.map([*SIZES].index), kind="stable").reset_index(drop=True)
    )


def lines(table: pd.DataFrame, task: str, judges: str) -> tuple[Line, Line]:
    """Return the least-squares lines of training and of judging over updates, for one size and kind of judges."""
    own = table[(table["task"] == task) & (table["judges"] == judges)]
    fits = [np.polyfit(own["length"], own[name], 1) for name in ("training", "judging")]
    training, judging = (Line(float(fit[1]), float(fit[0])) for fit in fits)
    return training, judging


def cheap_from(table: pd.DataFrame, task: str, judges: str, share: float = budget_rules.MOST_COST) -> float:
    """Return from how many updates on judging costs at most a share of the training; infinite where it never does."""
    training, judging = lines(table, task, judges)
    gained = share * training.slope - judging.slope
    return max((judging.at - share * training.at) / gained, 0.0) if gained > 0 else np.inf


def short_suffices(table: pd.DataFrame, long: int) -> bool:
    """Say whether a short ensemble chooses as well as a whole one over trainings of at least `long` updates."""
    own = table[table["length"] >= long].groupby("judges")[["regret", "harm"]].mean()
    short, whole = own.loc["short"], own.loc["whole"]
    return bool(short["regret"] <= whole["regret"] + budget_rules.WORSE and short["harm"] <= whole["harm"])


def default_at_length(table: pd.DataFrame, long: int, shared: pd.DataFrame, success: Mapping[str, float]) -> str:
    """Return the default judges by the rule written before, asked with the longest training of each size.

    Args:
        table: of `by_length`.
        long: updates of a long training, which say whether the ensemble is the short one.
        shared: scores of `ours` and `ours_seeds` on cells that both have.
        success: most harm.
    """
    ensemble = "short" if short_suffices(table, long) else "whole"
    last = table[table["length"] == table.groupby("task")["length"].transform("max")]
    share = last.groupby("judges")["share"].max()
    shares = {"ours": float(share[ensemble]), "ours_seeds": float(share["seeds"])}
    return budget_rules.default_judges(shared, shares, success)


def lengths_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return what judging costs, a row a size and length."""
    rows = []
    for (task, length), own in table.groupby(["task", "length"], sort=False):
        shares = own.set_index("judges")["share"]
        told = {f"{words}, %": f"{100 * shares[kind]:.0f}" if kind in shares else "" for kind, words in KINDS.items()}
        row = {"trained": SIZES[str(task)], "updates": f"{length:,}", "training a seed, s": own["training"].iloc[0]}
        rows.append(row | told)
    found = pd.DataFrame(rows)
    found["training a seed, s"] = [f"{x:.1f}" for x in found["training a seed, s"]]
    return found.set_index("trained")


def lengths_text(table: pd.DataFrame, plan: Mapping[str, Any]) -> str:
    """Return from which length on judging is cheap, where its time goes, and whether a short ensemble suffices.

    Args:
        table: of `by_length`.
        plan: the rule file.
    """
    told = []
    for task in dict.fromkeys(table["task"]):
        own = table[table["task"] == task]
        most = own["length"].max()
        last = own[own["length"] == most].set_index("judges")
        seconds = {kind: f"{last.loc[kind, 'judging']:.1f}, {_share(last, kind)}" for kind in ("seeds", "short")}
        told.append(
            f"With {SIZES[str(task)]} and {most:,} updates a seed trains in {own['training'].iloc[-1]:.0f} seconds. "
            f"Other seeds judge in {seconds['seeds']} of that, and a short ensemble in {seconds['short']}."
            + (f" One as old as the critic takes {_share(last, 'whole')}." if "whole" in last.index else "")
        )
        if own["length"].nunique() > 1:
            told.append(_from_text(table, str(task), most))
    short = table[table["judges"] == "short"].sort_values("length").iloc[-1]
    told.append(
        f"Of the seconds of a short ensemble, {100 * short['members'] / short['judging']:.0f} % are its training and "
        f"{100 * short['promises'] / short['judging']:.0f} % the held-out promises."
    )
    return " ".join([*told, short_text(table, plan)])


def missing(table: pd.DataFrame, plan: Mapping[str, Any], long: int = 0) -> list[str]:
    """Return the trainings of the rule file, of at least `long` updates, on which not every kind of judges was run."""
    whole = {key for key, own in table.groupby(["task", "length"]) if _compared(own)}
    return [
        f"{updates:,} updates with {SIZES[f'drone-{name}']}"
        for name, size in plan["cost"]["sizes"].items()
        for updates in sorted(size["updates"])
        if updates >= long and (f"drone-{name}", updates) not in whole
    ]


def default_text(table: pd.DataFrame, plan: Mapping[str, Any], shared: pd.DataFrame, own: str) -> str:
    """Return which judges the rule written before asks for at real length, and whether they are the default.

    Args:
        table: of `by_length`.
        plan: the rule file.
        shared: scores of `ours` and `ours_seeds` on cells that both have.
        own: the default of `vgf.choose_budget`.
    """
    if gone := missing(table, plan):
        return (
            f"Not run yet, or not with every kind of judges: {'; '.join(gone)}. "
            f"The rule asks for the longest training of each size, so the default judges stay {WHO[own]}."
        )
    default = default_at_length(table, plan["cost"]["long"], shared, plan["success"])
    return (
        f"With the longest training of each size, the rule asks for {WHO[default]}. "
        f"`vgf.choose_budget` uses {WHO[own]} unless told otherwise."
    )


def short_text(table: pd.DataFrame, plan: Mapping[str, Any]) -> str:
    """Return how a short ensemble chose beside a whole one, and which the default is by the rule written before."""
    long = plan["cost"]["long"]
    own = table[table["length"] >= long]
    if not _compared(own):
        return f"Not both ensembles judged trainings of {long:,} updates or more, so the default stays the whole one."
    short, whole = (own[own["judges"] == kind]["regret"].mean() for kind in ("short", "whole"))
    regret = f"{short:.2f} by short ensembles and {whole:.2f} by whole ones"
    count, same = _same(own[own["judges"] == "short"])
    told = (
        f"On trainings of {long:,} updates or more, mean regret is {regret}. "
        f"Both take the same rung for {same} of {count} policies, all of one drone."
    )
    if missing(table, plan, long):
        return f"{told} The rule asks for more of these, so the default stays the whole one."
    kind = "short" if short_suffices(table, long) else "whole"
    return f"{told} So by the rule written before, the default ensemble is the {kind} one."


def _compared(table: pd.DataFrame) -> bool:
    """Say whether both ensembles judged the same number of movers at every length of a table that is not empty."""
    short, whole = (
        table[table["judges"] == kind].set_index(["task", "length"])["movers"] for kind in ("short", "whole")
    )
    return len(short) > 0 and short.equals(whole)


def _same(own: pd.DataFrame) -> tuple[int, int]:
    """Return of how many movers, and for how many of them the rung is that of a whole ensemble."""
    return int(own["movers"].sum()), round((own["same"] * own["movers"]).sum())


def _share(last: pd.DataFrame, kind: str) -> str:
    return f"{100 * last.loc[kind, 'share']:.0f} %"


def _from_text(table: pd.DataFrame, task: str, most: int) -> str:
    """Return from which length on each cheap kind costs at most a tenth, and whether that was measured."""
    told = []
    for kind in ("seeds", "short"):
        start = cheap_from(table, task, kind)
        if not np.isfinite(start):
            told.append(f"{KINDS[kind]} cost more at any length")
            continue
        beyond = " (beyond what was run)" if start > most else ""
        told.append(f"{KINDS[kind]} from {np.ceil(start / 1000) * 1000:,.0f} updates on{beyond}")
    return f"By the lines through these, at most a tenth is spent by {' and by '.join(told)}."
