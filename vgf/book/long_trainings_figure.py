"""The figure of the long trainings: scores over the age of the critic, with those of the young tables in the panel."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vgf.book import plots
from vgf.book.result_figures import panels
from vgf.datasets import get_task
from vgf.results import stats
from vgf.results.study_text import NAMES, short

LINES = {  # method and L_test: marker, line
    ("bc", 0): ("", "--"),
    ("best_of_n", 0): ("^", "-"),
    ("vgf", 0): ("o", "-"),
    ("vgf", 1): ("s", "--"),
    ("vgf", 3): ("D", ":"),
}
APART = 1.05  # neighbouring lines are shifted by this factor, so that bars do not cover each other


def draw_ages(aged: pd.DataFrame, own: str) -> tuple[Figure, pd.DataFrame]:
    """Draw a panel a task: the score over the critic's updates, a line for each method and test budget.

    Args:
        aged: as `vgf.results.critic_ages.ages` returns it; a clone is a line across, from its last evaluation.
        own: the study whose marks are filled; those of others are open.

    Returns:
        The figure, and what is drawn: task, study, method, test_steps, age, mean, low, high, seeds.
    """
    drawn = _means(aged)
    tasks = list(dict.fromkeys(drawn.loc[drawn["study"] == own, "task"]))
    ticks = sorted(drawn.loc[drawn["method"] != "bc", "age"].unique())
    named: dict[str, Line2D] = {}
    with plots.style():
        figure, axes = panels(tasks, height=2.6)
        for ax, task in zip(axes, tasks, strict=True):
            for place, ((method, steps), (marker, dashes)) in enumerate(LINES.items()):
                line = drawn[(drawn["task"] == task) & (drawn["method"] == method) & (drawn["test_steps"] == steps)]
                colour = plots.method_colour(method)
                text = NAMES[method] if method != "vgf" else f"VGF, L = {steps}"
                if method == "bc":
                    clone = line[line["study"] == own]
                    if len(clone):
                        end = clone.loc[clone["age"].idxmax()]
                        ax.axhline(end["mean"], color=colour, lw=1, ls=dashes)
                        named[text] = Line2D([], [], color=colour, lw=1, ls=dashes)
                        ax.axhspan(end["low"], end["high"], color=colour, alpha=0.12, lw=0)
                    continue
                if line.empty:
                    continue
                line = line.sort_values("age")
                x = line["age"] * APART ** (place - 2.5)
                named[text] = Line2D([], [], color=colour, lw=1.3, ls=dashes)
                for filled, part in line.assign(x=x).groupby(line["study"] == own):
                    if len(part) > 1:  # never from study to study: seeds and data differ
                        ax.plot(part["x"], part["mean"], dashes, color=colour, lw=1.3)
                    bars = [part["mean"] - part["low"], part["high"] - part["mean"]]
                    inside = colour if filled else "none"
                    ax.errorbar(
                        part["x"], part["mean"], bars, fmt=marker, color=colour, mfc=inside, ms=5, capsize=2, lw=1
                    )
            ax.set_xscale("log")
            ax.set_xticks(ticks, [f"{age // 1000:,}k" for age in ticks])
            ax.minorticks_off()
            ax.set(title=short(task), xlabel="updates of the critic", ylabel="score")
        figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=3, fontsize=8)
    return figure, drawn


def _means(aged: pd.DataFrame) -> pd.DataFrame:
    """Return means and Student's intervals over seeds."""
    rows = []
    keys = ["task", "study", "method", "steps", "age"]
    for (task, study, method, steps, age), own in aged.groupby(keys, sort=False):
        scores = own["score"].to_numpy()
        ends = (0.0, 100.0) if get_task(task).kind == "goal" else (-math.inf, math.inf)
        found = stats.of_mean([scores], ends)
        low, high = (found.low, found.high) if len(scores) > 1 else (found.value, found.value)
        rows.append((task, study, method, steps, age, found.value, low, high, len(scores)))
    return pd.DataFrame(rows, columns=["task", "study", "method", "test_steps", "age", "mean", "low", "high", "seeds"])
