"""The figure of steps in the target: what critics believe beside what policies score, without and with such steps."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vgf.book import plots
from vgf.results.study_text import NAMES, short
from vgf.results.target_steps import Pair, TargetSteps

PANELS = (  # what, axis, row without steps in the target
    ("value", "critic's value of the data's actions", "best_of_n"),
    ("moved", "score, acting as trained", "bc"),
)
MARKERS = {"best_of_n": "^", "bc": "s"}
COLUMNS = ("task", "panel", "without", "within", "by", "low", "high", "seeds")


def draw_target_steps(found: Sequence[TargetSteps]) -> tuple[Figure, pd.DataFrame]:
    """Draw for each task a line from best-of-N's value to VGF's, and from the clone's score to VGF's as trained.

    Returns:
        The figure, and what is drawn with the difference and its interval; columns `COLUMNS`.
    """
    rows = []
    end = plots.method_colour("vgf")
    with plots.style():
        size = (plots.WIDTH, 0.34 * len(found) + 1.3)
        figure, axes = plt.subplots(1, 2, figsize=size, sharey=True, layout="constrained")
        for ax, (what, label, other) in zip(axes, PANELS, strict=True):
            for place, one in enumerate(found):
                pair: Pair | None = getattr(one, what)
                if pair is None:
                    continue
                a, b, clear = pair.without, pair.within, pair.by.word() != "not clearly apart"
                ax.plot(
                    (a, b), (place, place), "-" if clear else ":", color=plots.INK if clear else plots.MUTED, lw=1.5
                )
                ax.plot(a, place, MARKERS[other], color=plots.method_colour(other), ms=7)
                ax.plot(b, place, "o", color=end, ms=7)
                rows.append((one.task, what, a, b, pair.by.value, *pair.by.interval(), pair.by.runs))
            ax.set(xlabel=label, ylim=(len(found) - 0.5, -0.5))
            ax.grid(visible=False, axis="y")
        axes[1].set_xlim(left=min(0.0, *axes[1].get_xlim()))
        axes[0].set_yticks(range(len(found)), [short(one.task) for one in found])
        handles = {
            **{
                NAMES[other]: Line2D([], [], color=plots.method_colour(other), marker=marker, ls="")
                for other, marker in MARKERS.items()
            },
            "VGF": Line2D([], [], color=end, marker="o", ls=""),
            "clearly apart": Line2D([], [], color=plots.INK),
            "not clearly": Line2D([], [], color=plots.MUTED, ls=":"),
        }
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, fontsize=8)
    return figure, pd.DataFrame(rows, columns=list(COLUMNS))
