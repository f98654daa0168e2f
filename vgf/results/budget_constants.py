"""How the tuning part chooses the constants of the rule for budgets: `choosing` of `data/rules/budget.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from vgf.results import budget_rules

SCORES = ("regret", "harm", "capture")
TIE = 0.001  # of mean regret


def chosen_constants(
    grid: pd.DataFrame, cells: pd.DataFrame, may: Mapping[str, list[Any]], value: Mapping[str, Any], most_harm: float
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return the constants that the tuning part chooses by its rule (`choosing`), and how each combination did.

    Args:
        grid: a row a cell, kind of judges and combination: that of `cells`, rule, value, error and the constants.
        cells: as of `judged`.
        may: what each constant may be, in order.
        value: what each was before.
        most_harm: share of cells.

    Returns:
        The combination, and a row a combination of `ours`, the chosen one first: the constants, regret, harm, capture
        and changed, the number of constants that differ from before.
    """
    names, own = list(may), grid[grid["rule"] == "ours"]
    told = own.assign(rule=own[names].astype(str).agg("/".join, axis=1))
    means = budget_rules.judged(cells, told).groupby("rule")[list(SCORES)].mean()
    table = own[names].drop_duplicates().reset_index(drop=True)
    table = table.join(means, on=table[names].astype(str).agg("/".join, axis=1))
    table["changed"] = sum((table[name] != value[name]).astype(int) for name in names)
    for name in names:
        table[f"place_{name}"] = [may[name].index(one) for one in table[name]]
    allowed = table["harm"] <= most_harm + 1e-9
    left = table[allowed] if allowed.any() else table[table["harm"] == table["harm"].min()]
    near = left[left["regret"] < left["regret"].min() + TIE]
    first = near.sort_values(["changed", *(f"place_{name}" for name in names)]).index[0]
    order = [first, *table.drop(first).sort_values(["regret", "harm", "changed"]).index]
    return {name: table.loc[first, name] for name in names}, table.loc[order, [*names, *SCORES, "changed"]]
