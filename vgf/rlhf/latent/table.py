"""Records of the latent testbeds as tables: each row with its interval, contrasts of parts, and the verdict."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd

from vgf.results.stats import Estimate
from vgf.rlhf.latent.plan import Plan
from vgf.rlhf.latent.rows import ROWS
from vgf.rlhf.latent.study import folder_of, read_latent
from vgf.rlhf.latent.verdict import Benefit, clustered, particle_specific

CONTROLS = ("constant", "constant_each", "no_kernel")
PARTS = {  # what is asked of a part, and the two rows that differ in it
    "moving at all": ("vgf", "still"),
    "own gradients, not one for each mark": ("no_kernel", "constant_each"),
    "own gradients, not their mean": ("no_kernel", "common"),
    "networks that curve": ("no_kernel", "linear"),
    "sharing gradients": ("no_repulsion", "no_kernel"),
    "repulsion": ("vgf", "no_repulsion"),
    "more than one step": ("vgf", "one_step"),
}


def wide(rows: pd.DataFrame, column: str = "chosen") -> dict[str, np.ndarray]:
    """Return each row's values [K, P] of K seeds and P prompts."""
    table = rows.pivot(index=["row", "seed"], columns="prompt", values=column)
    return {name: table.loc[name].to_numpy(float) for name in ROWS}


def benefit(rows: pd.DataFrame, worth: float) -> Benefit:
    """Return the verdict on a testbed's record; see `particle_specific`."""
    values = wide(rows)
    controls = {ROWS[name].about: values[name] for name in CONTROLS}
    return particle_specific(values["vgf"], controls, worth)


def contrasts(rows: pd.DataFrame, column: str = "chosen") -> dict[str, Estimate]:
    """Return what each part adds, on the same seeds and prompts."""
    values = wide(rows, column)
    return {what: clustered(values[ours] - values[other]) for what, (ours, other) in PARTS.items()}


def as_predicted(sign: str, found: Estimate, worth: float) -> str:
    """Say whether a difference came out as it was predicted: "as predicted", "otherwise" or "undecided".

    Args:
        sign: "+" or "-" for a difference of that sign, "0" for one that is smaller than `worth` either way.
        found: the difference with its interval.
        worth: the smallest difference that would matter.
    """
    if sign == "0":
        right, wrong = -worth < found.low and found.high < worth, found.low > 0 or found.high < 0
    else:
        low, high = (found.low, found.high) if sign == "+" else (-found.high, -found.low)
        right, wrong = low > 0, high < worth
    return "as predicted" if right else "otherwise" if wrong else "undecided"


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a line a row: chosen, each and check with `_low` and `_high`, and means of the other measures."""
    lines = []
    for name in ROWS:
        line: dict[str, object] = {"row": name}
        for column in ("chosen", "each", "check", "covered"):
            ends = astuple(clustered(wide(rows, column)[name]))
            line |= dict(zip((column, f"{column}_low", f"{column}_high"), ends, strict=True))
        own = rows[rows["row"] == name]
        lines.append(line | {c: float(own[c].mean()) for c in ("distance", "moved", "distinct")})
    return pd.DataFrame(lines).set_index("row")


def text(plan: Plan, scale: str, root: Path | None = None) -> str:
    """Return all testbeds as Markdown: the rows, and whether particles need a direction of their own."""
    parts = []
    for name, testbed in plan.names.items():
        for regime, rows in read_latent(folder_of(scale, name, root)).groupby("regime"):
            word = benefit(rows, testbed.worth).word
            lines = [
                f"{name}, {regime}, {scale}: particle-specific benefit {word}",
                "",
                "| row | chosen | each | moved |",
            ]
            lines.append("| --- | --- | --- | --- |")
            for row, line in summary(rows).iterrows():
                cells = [f"{line[c]:.2f} [{line[f'{c}_low']:.2f}, {line[f'{c}_high']:.2f}]" for c in ("chosen", "each")]
                lines.append(f"| {ROWS[str(row)].about} | {' | '.join(cells)} | {line['moved']:.2f} |")
            parts.append("\n".join(lines))
    return "\n\n".join(parts)
