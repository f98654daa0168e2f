"""The figure and the table of the controls: score against displacement, one line a kind of step.

The axis is displacement in units of the reference's spread, and not the number of steps, so that tasks can be put side
by side. A rung that the box kept out of reach is drawn where it ended, not where it was meant to. The price of one axis
for all kinds is crowding near zero, so a figure may show some of the kinds only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
from matplotlib.figure import Figure

from vgf.book import plots
from vgf.book.result_figures import panels
from vgf.datasets import get_task
from vgf.results.control_results import summary
from vgf.results.control_steps import KINDS, MOVING
from vgf.results.study_text import SCORE, short

COLOURS, MARKERS = ("orange", "blue", "green", "purple", "sky", "amber"), "sovD^P"  # none hangs on its colour alone
DIRECTIONS = ("phi", "minus_phi", "random")  # what the verdict compares
LOOKS = {kind.name: look for kind, *look in zip(MOVING, COLOURS, MARKERS, strict=True)}


def draw_controls(rows: pd.DataFrame, kinds: Sequence[str] = tuple(LOOKS)) -> tuple[Figure, pd.DataFrame]:
    """Draw a panel a task: the score over the displacement, a line a kind, a band its interval over seeds.

    Every line starts from the best of N unmoved actions; the dashed line is one action that nobody chose. Kinds that
    vary the flow's own direction are thin and have no band: their intervals are in `table_lines`.

    Args:
        rows: as `vgf.results.controls` leaves them, of one method a task.
        kinds: those drawn.

    Returns:
        The figure, and what is drawn: rows of `vgf.results.control_results.summary`; where a line starts stands under
        its kind.

    Raises:
        ValueError: for a kind without rows.
    """
    table = summary(rows)
    if missing := [kind for kind in kinds if kind not in set(table["kind"])]:
        raise ValueError(
            f"no rows of {', '.join(missing)} in the controls; there are {', '.join(table['kind'].unique())}"
        )
    tasks, drawn = list(dict.fromkeys(table["task"])), []
    with plots.style():
        figure, axes = panels(tasks, height=2.9)
        for ax, task in zip(axes, tasks, strict=True):
            own = table[table["task"] == task]
            none, one = (own[own["kind"] == kind] for kind in ("best_of_n", "any"))
            ax.axhline(one["mean"].iloc[0], color=plots.MUTED, lw=1, ls="--", label=KINDS["any"].words)
            drawn.append(one)
            for kind in kinds:
                name, marker = LOOKS[kind]
                line = pd.concat([none, own[own["kind"] == kind].sort_values("rung")]).assign(kind=kind)
                x, colour, main = line["displacement"], plots.PALETTE[name], kind in DIRECTIONS
                if main:
                    ax.fill_between(x, line["low"], line["high"], color=colour, alpha=0.12, lw=0)
                size, width = (4.5, 1.8) if main else (3, 0.9)
                ax.plot(x, line["mean"], color=colour, marker=marker, ms=size, lw=width, label=KINDS[kind].words)
                drawn.append(line)
            ax.set(xlabel="displacement, sigma of the reference", ylabel=SCORE[get_task(task).score])
            ax.set_title(short(task), fontsize=9.5)
        marks, texts = axes[0].get_legend_handles_labels()
        figure.legend(marks, texts, loc="outside lower center", ncols=2, fontsize=8)
    return figure, pd.concat(drawn, ignore_index=True)


def table_lines(rows: pd.DataFrame, task: str) -> Iterator[str]:
    """Yield a markdown table of one task: kinds down, displacements across, mean and interval in a cell.

    A cell whose rung was out of reach says where it ended instead. The steps of each kind stand in its row.
    """
    table = summary(rows[rows["task"] == task])
    rungs = sorted(table["rung"].unique())
    yield f"| {short(task)} | steps | {' | '.join(f'{r:g} sigma' if r else 'not moved' for r in rungs)} |"
    yield f"|---|--:|{'--:|' * len(rungs)}"
    for kind, own in table.groupby("kind", sort=False):
        cells = []
        for rung in rungs:
            at = own[own["rung"] == rung]
            row = None if at.empty else at.iloc[0]
            text = "–" if row is None else f"{row['mean']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"
            cells.append(text if row is None or row["reached"] else f"{text} at {row['displacement']:.2f}")
        yield f"| {KINDS[str(kind)].words} | {own['steps'].iloc[0]:.0f} | {' | '.join(cells)} |"
