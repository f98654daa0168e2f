"""The figure of how episodes end: a panel a task, a row a method, a tick an episode at its length.

The ticks of a method are one line with gaps: as a mark each, thousands of them would make a page of half a megabyte.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vgf.book import plots
from vgf.book.result_figures import panels
from vgf.datasets import get_task
from vgf.results.study_text import NAMES, short

HIGH = 0.62  # of a row's height that the seeds share
TICK = 0.06  # of it, to both sides of a seed's line


def draw_ends(found: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw every episode at its length, those of a seed on a line of their own.

    Args:
        found: as `vgf.results.episode_ends.lengths` returns it.

    Returns:
        The figure, and what is drawn: `found` with the height of each tick's middle, in rows from the top.
    """
    tasks = list(dict.fromkeys(found["task"]))
    parts = []
    most = int(found.groupby("task")["method"].nunique().max())
    with plots.style():
        figure, axes = panels(tasks, height=0.32 * most + 1.0, most=1)  # names are long
        for ax, task in zip(axes, tasks, strict=True):
            own = found[found["task"] == task]
            methods = list(dict.fromkeys(own["method"]))
            for place, method in enumerate(methods):
                ticks = own[own["method"] == method]
                order = {seed: rank for rank, seed in enumerate(sorted(ticks["seed"].unique()))}
                within = np.array([order[seed] for seed in ticks["seed"]]) / max(1, len(order) - 1) - 0.5
                height = place + HIGH * within
                x = np.repeat(ticks["length"].to_numpy(float), 3)
                y = np.stack([height - TICK, height + TICK, np.full(len(height), np.nan)], 1).ravel()
                ax.plot(x, y, color=plots.method_colour(method), lw=1, solid_capstyle="butt")
                parts.append(ticks.assign(height=height))
            ax.axvline(get_task(task).episode_steps, color=plots.MUTED, lw=1, ls=":")
            ax.set(title=short(task), xlabel="length of an episode, steps", ylim=(len(methods) - 0.5, -0.5))
            ax.set_xlim(left=0)
            ax.set_yticks(range(len(methods)), [NAMES.get(method, method) for method in methods])
            ax.grid(visible=False, axis="y")
    return figure, pd.concat(parts, ignore_index=True)
