"""`vgf rlhf table`: per-prompt records to one row a method, each number with its interval.

Every seed answers the same prompts, so prompts are what is drawn: a prompt comes into a draw with the rows of all its
seeds, and an interval speaks of these seeds and of prompts like these. Means are over a method's rows;
perplexity is exp of the total nats over the total tokens. Every method has the same draws, so that a difference of two
methods may be taken draw by draw. Wins against best-of-N are paired by seed and prompt.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from vgf import records
from vgf.results import stats
from vgf.results.part_verdicts import Contrast
from vgf.results.stats import Estimate
from vgf.rlhf.study.methods import order_of
from vgf.rlhf.study.records import faults, made_from, read_rows

MEANS = ("reward", "judge", "win_ref", "win_chosen", "edit", "diversity", "drawn", "gradients")
DRAWS = 4_000
RIVAL = "best_of_16"


def read_study(scale: str, task: str, root: Path | None = None) -> pd.DataFrame:
    """Return every row of every method and seed; columns method, seed and those of a record.

    Raises:
        ValueError: if there is no record, one was changed since its run wrote it, or methods of a seed were made from
            different models.
    """
    folder = (root or records.results_folder()) / "rlhf" / scale / task
    frames, bad = [], []
    first: dict[int, tuple[str, str | None]] = {}  # of each seed, a method and the models it was made from
    for path in sorted(folder.glob("*/run.json")):
        bad += faults(path.parent)
        for seed in sorted({seed for run in records.read_runs(path.parent) for seed in run["seeds"]}):
            made = made_from(path.parent, seed)
            other, models = first.setdefault(seed, (path.parent.name, made and made[1]))
            if made and made[1] != models:
                bad.append(f"{path.parent}: seed {seed} was made from other models than that of {other}")
            frames.append(read_rows(path.parent, seed).assign(method=path.parent.name, seed=seed))
    if bad:
        raise ValueError("; ".join(bad))
    if not frames:
        raise ValueError(f"no record in {folder}; `vgf rlhf align --scale {scale}` makes them")
    return pd.concat(frames, ignore_index=True)


def summarise(rows: pd.DataFrame, rival: str = RIVAL) -> pd.DataFrame:
    """Return one row a method: each mean with `_low` and `_high`, perplexity, and wins against a rival's responses.

    Args:
        rows: of `read_study`.
        rival: the method each is compared with, prompt by prompt, by the judge's score; ties half.
    """
    rivals = rows[rows["method"] == rival].set_index(["seed", "prompt"])["judge"]
    found = []
    for method in order_of(rows["method"].unique()):
        part = rows[rows["method"] == method]
        row: dict[str, object] = {"method": method, "seeds": part["seed"].nunique()}
        row["prompts"] = part["prompt"].nunique()
        for column in MEANS:
            row |= _named(column, estimate(part, column))
        row |= _named("perplexity", perplexity(part))
        other = rivals.reindex(pd.MultiIndex.from_frame(part[["seed", "prompt"]])).to_numpy()
        judge = part["judge"].to_numpy()
        wins = np.where(np.isnan(other) | np.isnan(judge), np.nan, (judge > other) + 0.5 * (judge == other))
        row |= _named(f"win_{rival}", estimate(part.assign(wins=wins), "wins"))
        found.append(row)
    return pd.DataFrame(found)


def estimate(rows: pd.DataFrame, column: str, draws: int = DRAWS) -> Estimate:
    """Return a column's mean over seeds and prompts of one method, with its interval; NaN where a value is missing."""
    if not np.isfinite(rows[column].to_numpy(float)).all():
        return Estimate(float("nan"), float("nan"), float("nan"))
    return bootstrap(rows, [column], lambda total, count: total[0] / count, draws)


def perplexity(rows: pd.DataFrame, draws: int = DRAWS) -> Estimate:
    """Return exp(nats / tokens) over all responses of one method, with its interval."""
    return bootstrap(rows, ["nats", "length"], lambda total, count: np.exp(total[0] / total[1]), draws)


def bootstrap(
    rows: pd.DataFrame, columns: list[str], of: Callable[[np.ndarray, np.ndarray], np.ndarray], draws: int = DRAWS
) -> Estimate:
    """Return a statistic of column totals with its percentile interval; a draw takes prompts, each with all its seeds.

    Args:
        rows: one a seed and prompt; columns prompt and `columns`.
        columns: what is added up over rows.
        of: totals [columns, draws] and numbers of rows [draws] to the statistic [draws].
        draws: how many; the same prompts are drawn for every method with the same prompts.
    """
    groups = rows.groupby("prompt", sort=True)
    totals, counts = groups[columns].sum().to_numpy(float).T, groups.size().to_numpy(float)
    at = np.random.default_rng(0).integers(len(counts), size=(draws, len(counts)))
    value = of(totals.sum(-1, keepdims=True), counts.sum(keepdims=True))
    return Estimate(float(value[0]), *stats.interval(of(totals[:, at].sum(-1), counts[at].sum(-1))))


def contrast(rows: pd.DataFrame, ours: str, other: str, in_full: bool = True) -> Contrast:
    """Return one method against another on the prompts and seeds of both, for the rule of the claim.

    Args:
        rows: of `read_study`.
        ours: the method.
        other: what it is held against; without a row it was not trained to its end.
        in_full: whether the other one was.
    """
    wide = rows[rows["method"].isin((ours, other))].pivot(index=["seed", "prompt"], columns="method")
    if other not in set(rows["method"]):
        return Contrast(np.empty((0, 0)), np.empty(0), in_full=False)
    both = wide[["win_ref", "nats", "length"]].dropna()
    wins = 100 * (both["win_ref"][ours] - both["win_ref"][other])
    total = both[["nats", "length"]].groupby("seed").sum()
    nats = [total["nats"][method] / total["length"][method] for method in (ours, other)]
    return Contrast(wins.unstack("prompt").dropna(axis=1).to_numpy(), (nats[0] - nats[1]).to_numpy(), in_full)


def text(table: pd.DataFrame) -> str:
    """Return a summary as a Markdown table; cells are value [low, high]."""
    columns = ["reward", "judge", "win_ref", "win_chosen", *[c for c in table if c.startswith("win_best")]]
    columns = [c for c in columns if not c.endswith(("_low", "_high"))] + ["perplexity", "edit", "diversity"]
    head = ["method", *columns, "drawn", "seeds x prompts"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for _, row in table.iterrows():
        cells = [str(row["method"]), *(_cell(row, column) for column in columns)]
        each = f"{row['seeds']} x {row['prompts']}"
        lines.append("| " + " | ".join([*cells, f"{row['drawn']:g}", each]) + " |")
    return "\n".join(lines)


def _cell(row: pd.Series, column: str) -> str:
    if np.isnan(row[column]):
        return "-"
    return f"{row[column]:.2f} [{row[f'{column}_low']:.2f}, {row[f'{column}_high']:.2f}]"


def _named(column: str, found: Estimate) -> dict[str, float]:
    return {column: found.value, f"{column}_low": found.low, f"{column}_high": found.high}
