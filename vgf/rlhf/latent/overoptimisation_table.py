"""Records of budgets as curves, the budget that two other networks choose, and whether going on hurts.

All intervals are `vgf.rlhf.latent.verdict.clustered`: seeds and prompts are both drawn.
"""

from __future__ import annotations

from dataclasses import asdict, astuple
from typing import Literal

import numpy as np
import pandas as pd

from vgf.results.stats import Estimate
from vgf.rlhf.latent.overoptimisation import BEST, MOVED
from vgf.rlhf.latent.rows import ROWS
from vgf.rlhf.latent.verdict import Word, clustered

MEASURES = ("proxy", "chooses", "judges", "people", "others", "distance")
AT_THE_END: Literal["at the end already"] = "at the end already"  # in every seed, so nothing can come after it
Turn = Word | Literal["at the end already"]
WORDS = {BEST: "best-of-N"} | {name: ROWS[name].about for name in MOVED}


def values(rows: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column of rows with one line a seed and prompt, [K, P]."""
    return rows.pivot(index="seed", columns="prompt", values=column).to_numpy(float)


def curves(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a line for each row and budget: each measure's mean with `_low` and `_high`."""
    lines = []
    for (name, budget), own in rows.groupby(["row", "budget"], sort=False):
        line: dict[str, object] = {"row": name, "budget": budget}
        for column in MEASURES:
            ends = astuple(clustered(values(own, column)))
            line |= dict(zip((column, f"{column}_low", f"{column}_high"), ends, strict=True))
        lines.append(line)
    return pd.DataFrame(lines)


def automatic(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the budget of each seed and row: the least at which the choosing networks' mean value is highest.

    No rating of a person and no judging network has a part in it. Columns: seed, row, budget.
    """
    means = rows.groupby(["seed", "row", "budget"])["chooses"].mean().reset_index()
    order = means.sort_values(["chooses", "budget"], ascending=[False, True])
    return order.drop_duplicates(["seed", "row"])[["seed", "row", "budget"]].sort_values(["row", "seed"])


def at_automatic(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows at their automatic budgets."""
    return rows.merge(automatic(rows), on=["seed", "row", "budget"])


def at_the_end(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows at the largest budget of each method."""
    return rows[rows["budget"] == rows.groupby("row")["budget"].transform("max")]


def difference(first: pd.DataFrame, second: pd.DataFrame, column: str) -> Estimate:
    """Return the mean difference of a column of two sets of rows on the same seeds and prompts."""
    return clustered(values(first, column) - values(second, column))


def is_at_the_end(rows: pd.DataFrame) -> bool:
    """Return whether the automatic budget of one method is the ladder's end in every seed."""
    return bool((automatic(rows)["budget"] == rows["budget"].max()).all())


def rise(rows: pd.DataFrame) -> Estimate:
    """Return the proxy at the end of one method's ladder less the proxy at the best budget before the end."""
    end = at_the_end(rows)
    before = rows[rows["budget"] < rows["budget"].max()]
    best = before.groupby("budget")["proxy"].mean().idxmax()
    return difference(end, before[before["budget"] == best], "proxy")


def turned(rows: pd.DataFrame, column: str, worth: float) -> dict[str, tuple[Estimate, Turn]]:
    """Say of each method whether a measure falls from the automatic budget to the ladder's end.

    - `AT_THE_END`: the automatic budget is the end in every seed, so the difference is zero whatever was measured.
    - yes: the interval of end less automatic lies below zero, and its middle below -worth.
    - no: the interval lies above -worth.
    - undecided: anything else.

    Args:
        rows: of one study.
        column: judges or people.
        worth: the smallest difference that would matter.
    """
    found: dict[str, tuple[Estimate, Turn]] = {}
    for name in WORDS:
        own = rows[rows["row"] == name]
        fall = difference(at_the_end(own), at_automatic(own), column)
        yes, no = fall.high < 0 and fall.value < -worth, fall.low > -worth
        word: Turn = "yes" if yes else "no" if no else "undecided"
        found[name] = (fall, AT_THE_END if is_at_the_end(own) else word)
    return found


def predictions(rows: pd.DataFrame, worth: float) -> pd.DataFrame:
    """Return what the experiment file predicts, held to the numbers: one line a difference.

    Columns: prediction (its name in the file), difference (in words), value, low, high, outcome ("as predicted",
    "otherwise" or "undecided"; `AT_THE_END` where rows are compared with themselves, which tests nothing).
    """
    lines: list[dict[str, object]] = []

    def add(name: str, words: str, found: Estimate, right: bool, wrong: bool, same: bool = False) -> None:
        outcome = AT_THE_END if same else "as predicted" if right else "otherwise" if wrong else "undecided"
        lines.append({"prediction": name, "difference": words, **asdict(found), "outcome": outcome})

    chosen = {name: at_automatic(rows[rows["row"] == name]) for name in WORDS}
    for name, words in WORDS.items():
        own = rows[rows["row"] == name]
        end, last = at_the_end(own), rise(own)
        add("proxy", f"{words}: proxy at the end, less its most before", last, last.low > 0, last.high < 0)
        gap = clustered(values(end, "proxy") - values(end, "judges"))
        add("proxy", f"{words}: proxy less judges, at the end", gap, gap.low > 0, gap.high < 0)
    for column in ("judges", "people"):
        for name, (fall, word) in turned(rows, column, worth).items():
            expected = "yes" if column == "judges" and name != BEST else "no"
            told = f"{WORDS[name]}: {column} at the end, less at the automatic budget"
            add(column, told, fall, word == expected, word not in (expected, "undecided"), word == AT_THE_END)
    for other in ("constant", "no_kernel"):
        more = difference(chosen["vgf"], chosen[other], "people")
        add("controls", f"VGF less {WORDS[other]}, people", more, more.high < worth, more.low > worth)
    more = difference(chosen["vgf"], chosen[BEST], "people")
    add("best_of_n", "VGF less best-of-N, people", more, more.low > 0, more.high < 0)
    for name, words in WORDS.items():
        own = rows[rows["row"] == name]
        best = own.groupby("budget")["people"].mean().idxmax()
        lost = difference(own[own["budget"] == best], chosen[name], "people")
        told, same = f"{words}: best budget less automatic, people", is_at_the_end(own) and best == own["budget"].max()
        add("automatic", told, lost, lost.high < worth, lost.low > worth, same)
    return pd.DataFrame(lines)


def text(rows: pd.DataFrame, worth: float) -> str:
    """Return the study as Markdown: each method at its automatic budget and at the ladder's end."""
    lines = [
        "| row | budget | proxy | judges | people | falls after (judges) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    falls = turned(rows, "judges", worth)
    for name, words in WORDS.items():
        own = rows[rows["row"] == name]
        for which, part in (("automatic", at_automatic(own)), ("end", at_the_end(own))):
            budgets = sorted(set(part["budget"]))
            span = f"{budgets[0]:g}" if len(budgets) == 1 else f"{budgets[0]:g} to {budgets[-1]:g}"
            cells = [
                f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"
                for one in (clustered(values(part, column)) for column in ("proxy", "judges", "people"))
            ]
            lines.append(f"| {words} | {which}: {span} | {' | '.join(cells)} | {falls[name][1]} |")
    return "\n".join(lines)
