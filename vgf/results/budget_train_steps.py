"""L_train chosen from data: by the critic's index of overestimation, and by fitted Q evaluation of the acting policy.

Policies that differ in L_train alone compete: same data, age and seed. How they are chosen was written before
(`data/rules/budget.yaml`, `train_steps`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from vgf.training.critic_age import overestimation

MOST_INDEX = 1.05
SAME = ["task", "updates", "seed"]  # of the policies that compete


def choices(rows: pd.DataFrame) -> pd.DataFrame:
    """Return which L_train each rule takes, and what it is worth in the world.

    Args:
        rows: a row a policy and network of fitted Q evaluation: task, updates, seed, train_steps, network, fitted_q,
            value (in the world) and asymptote (of its critic). Every group has a policy of L_train = 0.

    Returns:
        A row a group and rule, "index", "fitted_q", "smallest", "largest" and "oracle": train_steps, value, lost (below
        the best of the group), is_best, and the group's index of the largest L_train.
    """
    found = []
    for keys, own in rows.groupby(SAME):
        worth = own.groupby("train_steps")[["value", "asymptote"]].first()
        index = {steps: overestimation(one, worth.loc[0, "asymptote"]) for steps, one in worth["asymptote"].items()}
        taken = {
            "index": max(steps for steps, one in index.items() if one <= MOST_INDEX or steps == 0),
            "fitted_q": by_fitted_q(own.pivot(index="network", columns="train_steps", values="fitted_q")),
            "smallest": worth.index.min(),
            "largest": worth.index.max(),
            "oracle": worth["value"].idxmax(),
        }
        best = worth["value"].max()
        for rule, steps in taken.items():
            value = worth.loc[steps, "value"]
            told = {"rule": rule, "train_steps": steps, "value": value, "lost": best - value, "is_best": value == best}
            found.append({**dict(zip(SAME, keys, strict=True)), **told, "index": index[worth.index.max()]})
    return pd.DataFrame(found)


def by_fitted_q(values: pd.DataFrame) -> int:
    """Return the column of the highest mean; a smaller one within a standard error of the paired difference is taken.

    Args:
        values: a row a network, a column an L_train.
    """
    best = values.mean().idxmax()
    for steps in sorted(values.columns):
        gap = (values[best] - values[steps]).to_numpy()
        if steps == best or gap.mean() <= gap.std(ddof=1) / np.sqrt(len(gap)):
            return int(steps)
    raise AssertionError("the best is among them")


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Return how each rule did over the groups of `choices`: groups, largest (share), best (share), and mean lost."""
    most = found[found["rule"] == "largest"].set_index(SAME)["train_steps"]
    is_largest = found["train_steps"].to_numpy() == most.reindex(pd.MultiIndex.from_frame(found[SAME])).to_numpy()
    grouped = found.assign(is_largest=is_largest).groupby("rule", sort=False)
    return grouped.agg(
        groups=("lost", "size"), largest=("is_largest", "mean"), best=("is_best", "mean"), lost=("lost", "mean")
    )
