"""Figures of `data/experiments/critic.yaml`: scores over a critic's age, and its values over the floor of a maze.

Both are small multiples on shared axes, one panel for each way to train, so that panels can be compared without a
legend for each. Values are drawn as they are less the highest in the panel: how far a critic's favourite place is ahead
of others is comparable between ages, its level is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vgf.book import plots
from vgf.datasets.maze_layouts import UNIT, Layout, middle
from vgf.results import collapse, stats
from vgf.results.tables import Study

BUDGETS = {0: ("green", "o", "-"), 1: ("blue", "s", "--"), 3: ("orange", "D", ":")}  # L_test: colour, marker, line
CHOICES = {  # of the reference's actions, by the critic: colour, marker, line
    ("any", 5): (None, "x", "--"),
    ("best", 5): ("blue", "o", "-"),
    ("best", 32): ("blue", "s", ":"),
    ("worst", 5): ("orange", "o", "-"),
    ("worst", 32): ("orange", "s", ":"),
}
ACROSS = 2  # panels in a row, so that a figure can be read on a phone


def draw_ages(study: Study, words: Mapping[str, str], clone: float) -> tuple[Figure, pd.DataFrame]:
    """Draw the score over the critic's updates, a panel for each way to train and a line for each test budget.

    Args:
        study: the records, of one task.
        words: for each method drawn, what its panel is called.
        clone: score of the reference alone, a dashed line.

    Returns:
        The figure, and what is drawn: method, test_steps, update, mean, low, high, seeds.
    """
    drawn = []
    with plots.style():
        figure, axes = _panels(words, 2.2)
        for ax, method in zip(axes, words, strict=True):
            (source,) = (s for s in study.sources if s.method == method)
            ax.axhline(clone, color=plots.MUTED, lw=1, ls="--", label="the clone")
            for steps in sorted(set(source.scores["test_steps"]) & set(BUDGETS)):
                line = _with_intervals(collapse.ages(source, int(steps)))
                name, marker, dashes = BUDGETS[int(steps)]
                colour, text = plots.PALETTE[name], f"L = {steps}"
                ax.fill_between(line["update"], line["low"], line["high"], color=colour, alpha=0.12, lw=0)
                ax.plot(line["update"], line["mean"], dashes, color=colour, marker=marker, ms=4, label=text)
                drawn.append(line.assign(method=method, test_steps=steps))
        _finish(figure, axes, drawn[0]["update"], 4)
    return figure, pd.concat(drawn, ignore_index=True)


def _panels(words: Mapping[str, str], height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with a titled panel for each way to train, and its panels; each row is `height` inches."""
    rows = -(-len(words) // ACROSS)
    size = (plots.WIDTH, height * rows + 0.4)
    figure, axes = plt.subplots(
        rows, min(ACROSS, len(words)), figsize=size, layout="constrained", squeeze=False, sharex=True, sharey=True
    )
    for ax in axes.flat[len(words) :]:
        ax.remove()
    for ax, title in zip(axes.flat, words.values(), strict=False):
        ax.set_title(title, fontsize=9)
    return figure, list(axes.flat[: len(words)])


def _finish(figure: Figure, axes: Sequence[Axes], updates: pd.Series, across: int) -> None:
    """Name the outer axes, put marks where there was an evaluation, and give all panels one legend."""
    for place, ax in enumerate(axes):
        ax.set(xticks=list(updates), ylim=(-4, 104))
        ax.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:.0f}k")
        if place % ACROSS == 0:
            ax.set_ylabel("success, %")
        if place + ACROSS >= len(axes):
            ax.set_xlabel("updates of the critic")
            ax.xaxis.set_tick_params(labelbottom=True)
    shown = {text: mark for ax in axes for mark, text in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=across, fontsize=8)


def _with_intervals(ages: pd.DataFrame) -> pd.DataFrame:
    """Return mean, interval over seeds and number of seeds for each age."""
    found = []
    for update, own in ages.groupby("update"):
        score = stats.of_mean([own["score"].to_numpy()], (0, 100))
        found.append({"update": update, "mean": score.value, "low": score.low, "high": score.high, "seeds": len(own)})
    return pd.DataFrame(found)


def draw_orders(study: Study, words: Mapping[str, str]) -> tuple[Figure, pd.DataFrame]:
    """Draw the score by which of the reference's unmoved actions is taken, over the critic's updates.

    Args:
        study: the records, of one task, with a ranking at every evaluation.
        words: for each method drawn, what its panel is called.

    Returns:
        The figure, and what is drawn: method, choice, particles, update, mean, low, high, seeds.
    """
    drawn = []
    with plots.style():
        figure, axes = _panels(words, 2.4)
        for ax, method in zip(axes, words, strict=True):
            (source,) = (s for s in study.sources if s.method == method)
            every = collapse.orders(source)
            for (choice, count), (name, marker, dashes) in CHOICES.items():
                line = _with_intervals(every[(every["choice"] == choice) & (every["particles"] == count)])
                text = "any one" if choice == "any" else f"{choice} of {count}"
                colour = plots.MUTED if name is None else plots.PALETTE[name]
                if choice != "any":
                    ax.fill_between(line["update"], line["low"], line["high"], color=colour, alpha=0.1, lw=0)
                ax.plot(line["update"], line["mean"], dashes, color=colour, marker=marker, ms=4, label=text)
                drawn.append(line.assign(method=method, choice=choice, particles=count))
        _finish(figure, axes, drawn[0]["update"], 3)
    return figure, pd.concat(drawn, ignore_index=True)


def draw_floor(
    maps: pd.DataFrame, layout: Layout, goal: tuple[int, int], words: Mapping[str, str], side: float
) -> tuple[Figure, pd.DataFrame]:
    """Draw the data over a maze's floor, and beside them what critics say of it.

    Args:
        maps: as `vgf.results.value_map` leaves them, of one task.
        layout: the maze.
        goal: cell of it.
        words: for each method drawn, what its panel is called.
        side: of a square, in metres.

    Returns:
        The figure, and what is drawn: method, x, y, rows, value, below (the panel's highest value less this one).
    """
    panels: Sequence[str] = ["data", *words]
    rows, drawn = -(-len(panels) // ACROSS), []
    with plots.style():
        figure, axes = plt.subplots(
            rows, ACROSS, figsize=(plots.WIDTH, 2.5 * rows), layout="constrained", squeeze=False
        )  # fmt: skip
        for ax in axes.flat[len(panels) :]:
            ax.remove()
        first = maps[maps["method"] == next(iter(words))]
        picture = _floor(axes.flat[0], first, np.log10(first["rows"]), layout, goal, side, "Greys")
        figure.colorbar(picture, ax=axes.flat[0], shrink=0.8, label="rows of data, log10")
        axes.flat[0].set_title("the data", fontsize=9)
        for ax, (method, title) in zip(list(axes.flat)[1:], words.items(), strict=False):
            own = maps[maps["method"] == method]
            own = own.assign(below=own["value"].max() - own["value"])
            picture = _floor(ax, own, own["below"], layout, goal, side, "viridis_r")
            figure.colorbar(picture, ax=ax, shrink=0.8, label="value below the highest")
            ax.set_title(title, fontsize=9)
            drawn.append(own[["method", "x", "y", "rows", "value", "below"]])
    return figure, pd.concat(drawn, ignore_index=True)


def _floor(
    ax: Axes, rows: pd.DataFrame, shown: pd.Series, layout: Layout, goal: tuple[int, int], side: float, colours: str
) -> plt.cm.ScalarMappable:
    """Draw one panel and return what its colour bar is of."""
    high, wide = len(layout), len(layout[0])
    for i in range(high):
        for j in range(wide):
            if layout[i][j] == "#":
                corner = middle((i, j)) - UNIT / 2
                ax.add_patch(Rectangle((float(corner[0]), float(corner[1])), UNIT, UNIT, color=plots.GRID, lw=0))
    x, y = (np.round(rows[axis] / side - 0.5).astype(int) for axis in ("x", "y"))
    picture = np.full((y.max() - y.min() + 1, x.max() - x.min() + 1), np.nan)
    picture[y - y.min(), x - x.min()] = shown
    ends = (x.min() * side, (x.max() + 1) * side, y.min() * side, (y.max() + 1) * side)
    image = ax.imshow(picture, origin="lower", extent=ends, cmap=colours, interpolation="nearest", zorder=2)
    ax.plot(*middle(goal), marker="*", ms=11, color=plots.PALETTE["orange"], mec="white", mew=0.8, zorder=3)
    low, top = middle((0, 0)) - UNIT / 4, middle((high - 1, wide - 1)) + UNIT / 4
    ax.set(xlim=(low[0], top[0]), ylim=(low[1], top[1]), aspect="equal", xticks=[], yticks=[])
    return image
