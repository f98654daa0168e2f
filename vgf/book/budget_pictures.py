"""What the chapter on budgets draws and says of the study: rules side by side, what steps add, promises, costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vgf.book import plots
from vgf.results import budget_rules
from vgf.results.budget_cells import Part

RULES = {  # in words, in the order of figure and table
    "ours": "the rule",
    "ours_seeds": "the rule, judged by other seeds",
    "ours_state": "the rule, for each state",
    "radius": "trust radius alone",
    "zero": "no step: best of ten",
    "mmd": "bound on the MMD alone",
    "heuristic": "disagreement of two critics",
    "promise": "highest promise",
    "simulator": "ten episodes in a simulator",
    "hindsight": "best fixed rung, afterwards",
}
SHARED = ("ours", "ours_seeds", "ours_state")  # the last two were tried on some cells alone: a table of their own
LOOKS = ("simulator", "hindsight")  # at the world
STEPS = {
    "ours": "all steps",
    "without_bound": "without the bound",
    "without_radius": "without the radius",
    "without_gate": "without the gate",
    "radius": "with the radius alone",
}
SCORES = {"regret": "regret", "harm": "harm, share of cells", "capture": "capture of the real gain"}


def draw_rules(means: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw regret, harm and capture of each rule that was tried on every cell, with intervals.

    Args:
        means: of `vgf.results.budget_rules.intervals`, by rule.
    """
    rules = [rule for rule in RULES if rule in means.index and rule not in SHARED[1:]]
    rows = []
    with plots.style():
        figure, panels = plt.subplots(1, 3, figsize=(7.6, 3.4), sharey=True, layout="constrained")
        for ax, (name, label) in zip(panels, SCORES.items(), strict=True):
            ax.axvline(0, color=plots.MUTED, lw=0.8)
            for place, rule in enumerate(reversed(rules)):
                value, low, high = (float(means.loc[rule, f"{name}{end}"]) for end in ("", "_low", "_high"))
                colour = plots.PALETTE["orange" if rule == "ours" else "blue"]
                ends = [[value - low], [high - value]] if np.isfinite([low, high]).all() else None
                face = "none" if rule in LOOKS else colour
                ax.errorbar([value], [place], xerr=ends, fmt="o", color=colour, mfc=face, ms=5, lw=1.3)
                rows.append(
                    {"rule": RULES[rule], "score": name, "place": place, "value": value, "low": low, "high": high}
                )
            ax.set(xlabel=label)
        panels[0].set_yticks(range(len(rules)), [RULES[rule] for rule in reversed(rules)])
    return figure, pd.DataFrame(rows)


def rules_table(table: pd.DataFrame, worlds: Sequence[str]) -> pd.DataFrame:
    """Return the scores of each rule that was tried on every cell, and regret in each world.

    Args:
        table: of `scores`, indexed by world and rule.
        worlds: a column each.
    """
    rows = []
    for rule, words in RULES.items():
        if rule in SHARED[1:]:
            continue
        own = table.loc[("all", rule)]
        row = {"rule": words, **_scores(own)}
        there = {world: table["regret"].get((world, rule)) for world in worlds}
        rows.append(row | {f"on {world}": "" if one is None else f"{one:.2f}" for world, one in there.items()})
    return pd.DataFrame(rows).set_index("rule")


def shared_table(shared: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of the rule's three kinds; `shared` is of `vgf.results.budget_rules.shared`, of `SHARED`."""
    table = shared[shared["world"] == "all"].set_index("rule")
    rows = [
        {"rule": RULES[rule], "cells": int(table.loc[rule, "cells"]), **_scores(table.loc[rule])} for rule in SHARED
    ]
    return pd.DataFrame(rows).set_index("rule")


def steps_table(table: pd.DataFrame, tuned: pd.DataFrame) -> pd.DataFrame:
    """Return what the rule scores with a step left out, on reported and, with earlier constants, on tuning cells."""
    parts = {"reported": table, "tuning": tuned}
    rows = [
        {"rule": words} | {f"{one}, {part}": value for part, of in parts.items() for one, value in _of(of, rule)}
        for rule, words in STEPS.items()
    ]
    return pd.DataFrame(rows).set_index("rule")


def _of(table: pd.DataFrame, rule: str) -> list[tuple[str, str]]:
    found = _scores(table.loc[("all", rule)])
    return [(name, found[name]) for name in ("regret", "harm, %", "capture, %")]


def _scores(own: pd.Series) -> dict[str, str]:
    return {
        "regret": f"{own['regret']:.2f}",
        "worst regret": f"{own['worst']:.2f}",
        "harm, %": f"{100 * own['harm']:.0f}",
        "capture, %": f"{100 * own['capture']:.0f}",
    }


def steps_text(table: pd.DataFrame) -> str:
    """Return in sentences what each step of the rule changes on the reported cells."""
    ours = table.loc[("all", "ours")]
    told = []
    for rule, words in STEPS.items():
        own = table.loc[("all", rule)]
        if rule == "ours":
            continue
        if all(abs(own[name] - ours[name]) < 1e-9 for name in ("regret", "harm", "capture")):
            told.append(f"{words.capitalize()} nothing changes.")
        else:
            told.append(
                f"{words.capitalize()} regret is {own['regret']:.2f} in place of {ours['regret']:.2f}, harm "
                f"{100 * own['harm']:.0f} % and capture {100 * own['capture']:.0f} %."
            )
    return " ".join(told)


def promises(part: Part) -> pd.DataFrame:
    """Return each step of the best of ten: what judges promised over the same particles unmoved, and what came.

    Returns:
        A row a cell and displacement > 0: world, promised and came, both as shares of the cell's largest in size,
        is_trusted (within the radius) and fault.
    """
    own = part.cells[part.cells["particles"] == budget_rules.ZERO.particles]
    keys = own.set_index(budget_rules.CELL).index
    still = own[own["displacement"] == 0].set_index(budget_rules.CELL)
    came = own["value"] - still["value"].reindex(keys).to_numpy()
    promised = own["gain"] - still["gain"].reindex(keys).to_numpy()
    found = own.assign(came=came, promised=promised, world=own["task"].map(budget_rules.world_of))
    found = found[found["displacement"] > 0]
    for name in ("came", "promised"):
        most = found.groupby(budget_rules.CELL)[name].transform(lambda x: x.abs().max())
        found[name] = found[name] / most.where(most > 0, 1.0)
    found["is_trusted"] = found["displacement"] <= found["radius"].fillna(0.0) + 1e-9
    return found[["world", *budget_rules.CELL, "displacement", "promised", "came", "is_trusted", "fault"]]


def draw_promises(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw what came of a step over what was promised, a panel a world; trusted steps are filled."""
    worlds = list(dict.fromkeys(rows["world"]))
    with plots.style():
        figure, panels = plt.subplots(
            1, len(worlds), figsize=(7.2, 2.9), sharex=True, sharey=True, layout="constrained", squeeze=False
        )
        for ax, world in zip(panels[0], worlds, strict=True):
            ax.axhline(0, color=plots.MUTED, lw=0.8)
            ax.axvline(0, color=plots.MUTED, lw=0.8)
            for is_trusted, colour, label in ((True, "blue", "within the radius"), (False, "orange", "beyond it")):
                own = rows[(rows["world"] == world) & (rows["is_trusted"] == is_trusted)]
                tone = plots.PALETTE[colour]
                face = tone if is_trusted else "none"
                ax.plot(own["promised"], own["came"], "o", color=tone, mfc=face, ms=4.5, lw=0, label=label)
            ax.set(xlabel="promised", title=world)
        panels[0][0].set(ylabel="came")
        panels[0][0].legend(loc="lower left", fontsize=8)
    return figure, rows


def kept(rows: pd.DataFrame, is_trusted: bool) -> tuple[int, int]:
    """Return how many steps that promised a gain brought one, of how many; those within the radius, or beyond it."""
    own = rows[(rows["is_trusted"] == is_trusted) & (rows["promised"] > 0)]
    return int((own["came"] > 0).sum()), len(own)


def missed(part: Part) -> pd.Series:
    """Return how many cells with a real gain it captured less than half of, by what refused the best rung.

    "" is a best rung that was not refused but had a lower bound than the chosen one, and "no radius" one beyond a
    radius that there was none of, for want of a slope.
    """
    table = budget_rules.judged(part.cells, part.every)
    poor = table[(table["rule"] == "ours") & (table["capture"] < 0.5)].set_index(budget_rules.CELL).index
    best = part.cells.loc[part.cells.groupby(budget_rules.CELL)["value"].idxmax()].set_index(budget_rules.CELL)
    own = best[best.index.isin(poor)]
    fault = own["fault"].fillna("")
    return fault.where(own["radius"].notna() | (fault != "radius"), "no radius").value_counts()


def reaches(part: Part) -> pd.DataFrame:
    """Return by world, in sigma, the medians over cells of the radius, 0 where there is none, and of the best rung."""
    best = part.cells.loc[part.cells.groupby(budget_rules.CELL)["value"].idxmax()]
    told = best.assign(
        world=best["task"].map(budget_rules.world_of), radius=best["radius"].fillna(0.0), best=best["displacement"]
    )
    return told.groupby("world", sort=False)[["radius", "best"]].median()


def costs(cells: pd.DataFrame) -> pd.DataFrame:
    """Return seconds of the processor by world: of training a seed, of judging, and shares; a mean over cells.

    The last column, most_seeds, is the longest judging by other seeds in a cell.
    """
    each = cells.drop_duplicates(budget_rules.CELL)
    each = each.assign(
        world=each["task"].map(budget_rules.world_of),
        ours=each["judging"] / each["training"],
        ours_seeds=each["judging_seeds"] / each["training"],
    )
    names = ["training", "judging", "judging_seeds", "ours", "ours_seeds"]
    table = pd.concat([each.groupby("world")[names].mean(), each[names].mean().to_frame("all").T])
    most = each.groupby("world")["judging_seeds"].max().to_dict() | {"all": each["judging_seeds"].max()}
    return table.assign(most_seeds=pd.Series(most))


def constants_text(part: Part, plan: Mapping[str, Any]) -> str:
    """Return which constant moves the mean regret of the tuning cells most."""
    may = {name: entry["may"] for name, entry in plan["constants"].items()}
    assert part.constants is not None
    own = part.constants[part.constants["rule"] == "ours"]
    told = own.assign(rule=own[list(may)].astype(str).agg("/".join, axis=1))
    table = budget_rules.judged(part.cells, told)
    for name in may:
        table[name] = own[name].to_numpy()
    spans = {name: table.groupby(name)["regret"].mean() for name in may}
    name = max(spans, key=lambda one: spans[one].max() - spans[one].min())
    best, worst = spans[name].idxmin(), spans[name].idxmax()
    return (
        f"The {name}: at {best} the mean regret over all combinations of the others is {spans[name].min():.2f}, "
        f"and at {worst} it is {spans[name].max():.2f}."
    )
