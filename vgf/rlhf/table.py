"""`vgf rlhf table`: per-prompt records to one row a method, each number with its interval.

Prompts are drawn anew within each seed (a stratified percentile bootstrap, as `vgf.stats`), so an interval speaks of
these seeds and of prompts like these. Perplexity is exp of the total nats over the total tokens, and its draws keep a
prompt's nats and tokens together. Differences to best-of-N are paired by seed and prompt.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from vgf import records, stats
from vgf.rlhf.evaluate import faults, read_rows
from vgf.rlhf.methods import order_of
from vgf.stats import Estimate

MEANS = ("reward", "judge", "win_ref", "win_chosen", "edit", "diversity", "drawn", "gradients")
DRAWS = 4_000
RIVAL = "best_of_16"


def read_study(scale: str, task: str, root: Path | None = None) -> pd.DataFrame:
    """Return every row of every method and seed; columns method, seed and those of a record.

    Raises:
        ValueError: if there is no record, or one was changed since its run wrote it.
    """
    folder = (root or records.results_folder()) / "rlhf" / scale / task
    frames, bad = [], []
    for path in sorted(folder.glob("*/run.json")):
        bad += faults(path.parent)
        for seed in sorted({seed for run in records.read_runs(path.parent) for seed in run["seeds"]}):
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
        row: dict[str, object] = {"method": method, "seeds": part["seed"].nunique(), "prompts": len(part)}
        for column in MEANS:
            row |= _named(column, _mean(part, part[column]))
        row |= _named("perplexity", perplexity(part))
        other = rivals.reindex(pd.MultiIndex.from_frame(part[["seed", "prompt"]])).to_numpy()
        judge = part["judge"].to_numpy()
        wins = np.where(np.isnan(other) | np.isnan(judge), np.nan, (judge > other) + 0.5 * (judge == other))
        row |= _named(f"win_{rival}", _mean(part, pd.Series(wins, index=part.index)))
        found.append(row)
    return pd.DataFrame(found)


def perplexity(rows: pd.DataFrame, draws: int = DRAWS) -> Estimate:
    """Return exp(nats / tokens) over all responses, with its interval."""
    place = [(p["nats"].to_numpy(float), p["length"].to_numpy(float)) for _, p in rows.groupby("seed")]
    drawn = [np.random.default_rng([0, k]).integers(len(n), size=(draws, len(n))) for k, (n, _) in enumerate(place)]
    nats = sum(n[at].sum(-1) for (n, _), at in zip(place, drawn, strict=True))
    tokens = sum(t[at].sum(-1) for (_, t), at in zip(place, drawn, strict=True))
    value = np.exp(sum(n.sum() for n, _ in place) / sum(t.sum() for _, t in place))
    return Estimate(float(value), *stats.interval(np.exp(nats / tokens)))


def text(table: pd.DataFrame) -> str:
    """Return a summary as a Markdown table; cells are value [low, high]."""
    columns = ["reward", "judge", "win_ref", "win_chosen", *[c for c in table if c.startswith("win_best")]]
    columns = [c for c in columns if not c.endswith(("_low", "_high"))] + ["perplexity", "edit", "diversity"]
    head = ["method", *columns, "drawn", "seeds x prompts"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for _, row in table.iterrows():
        cells = [str(row["method"]), *(_cell(row, column) for column in columns)]
        each = f"{row['seeds']} x {row['prompts'] // row['seeds']}"
        lines.append("| " + " | ".join([*cells, f"{row['drawn']:g}", each]) + " |")
    return "\n".join(lines)


def _cell(row: pd.Series, column: str) -> str:
    if np.isnan(row[column]):
        return "-"
    return f"{row[column]:.2f} [{row[f'{column}_low']:.2f}, {row[f'{column}_high']:.2f}]"


def _named(column: str, found: Estimate) -> dict[str, float]:
    return {column: found.value, f"{column}_low": found.low, f"{column}_high": found.high}


def _mean(rows: pd.DataFrame, values: pd.Series) -> Estimate:
    """Return the mean over seeds of the mean over prompts; NaN where a value is missing."""
    groups = [values[rows["seed"] == seed].to_numpy(float) for seed in sorted(rows["seed"].unique())]
    if any(not len(group) or not np.isfinite(group).all() for group in groups):
        return Estimate(float("nan"), float("nan"), float("nan"))
    return stats.estimate(stats.mean, groups, draws=DRAWS)
