"""What every results chapter shows of a study: one table, and three figures, made the same way for each.

A chapter reads records through `vgf.results.tables`, whose numbers have addresses that `vgf tables --check` computes
again; nothing here computes a statistic of its own. The trade-off of one set of figures is that no chapter can tune its
picture to its message: the same methods, in the same order and colours, on the same axes. Tasks on which nobody scores
are drawn by none of them; `study_text.score_table` has a sentence on each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vgf.book import plots
from vgf.results.study_text import NAMES, SCORE, label, ordered, short, telling
from vgf.results.tables import Key, Study, table_cell

MARKERS, LINES = "osD^vP", ("-", "--", ":", "-.")  # of budgets of one method, which have one colour


def draw_scores(study: Study, names: Mapping[str, str] = NAMES) -> tuple[Figure, pd.DataFrame]:
    """Draw a panel a task: methods and budgets down, seeds as dots, mean and interval as a bar; and what is drawn."""
    rows, table = ordered(study, names), []
    with plots.style():
        tasks = telling(study)
        figure, axes = panels(tasks, height=0.24 * len(rows) + 0.9)
        for ax, task in zip(axes, tasks, strict=True):
            for place, (key, text) in enumerate(reversed(rows)):
                cell = table_cell(study, task, key)
                if cell is None:
                    continue
                runs, colour = study.runs("last", key)[task], plots.method_colour(key[0])
                marker = "s" if key[0] == "vgf" else "o"
                ax.plot(runs, np.full(len(runs), place), ".", color=plots.MUTED, ms=4)
                ax.plot([cell.low, cell.high], [place, place], color=colour, lw=2.2, alpha=0.6)
                ax.plot(cell.value, place, marker, color=colour, ms=5)
                facts = {"task": task, "method": text, "mean": cell.value, "low": cell.low, "high": cell.high}
                table += [{**facts, "run": i, "score": score} for i, score in enumerate(runs)]
            ax.set_yticks(range(len(rows)), [text for _, text in reversed(rows)])
            ax.set_ylim(-0.6, len(rows) - 0.4)
            _name(ax, study, task, "x")
    return figure, pd.DataFrame(table)


def draw_budgets(study: Study, methods: Sequence[str], names: Mapping[str, str] = NAMES) -> tuple[Figure, pd.DataFrame]:
    """Draw a panel a task: the score over the test budget L_test, a line a method, bars its interval."""
    table = []
    with plots.style():
        tasks = telling(study)
        figure, axes = panels(tasks, height=2.6)
        for ax, task in zip(axes, tasks, strict=True):
            for i, method in enumerate(methods):
                steps = sorted(k[1] for k in study.keys if k[0] == method)
                cells = [(s, cell) for s in steps if (cell := table_cell(study, task, (method, s))) is not None]
                if not cells:
                    continue
                x, y = [s for s, _ in cells], np.array([c.value for _, c in cells])
                low, high = (np.array([getattr(c, end) for _, c in cells]) for end in ("low", "high"))
                colour, marker = plots.method_colour(method), MARKERS[i % len(MARKERS)]
                shift = np.array(x) + 0.06 * (i - (len(methods) - 1) / 2)
                bars, text = [y - low, high - y], names.get(method, method)
                ax.errorbar(shift, y, bars, label=text, color=colour, marker=marker, ms=4, lw=1.3, capsize=2)
                table += [
                    {"task": task, "method": method, "test_steps": s, "mean": c.value, "low": c.low, "high": c.high}
                    for s, c in cells
                ]
            ax.set_xlabel("test steps L")
            _name(ax, study, task, "y")
        if len(methods) > 1:
            axes[0].legend(fontsize=8)
    return figure, pd.DataFrame(table)


def draw_curves(
    study: Study, keys: Sequence[Key], names: Mapping[str, str] = NAMES, column: str = "update"
) -> tuple[Figure, pd.DataFrame]:
    """Draw a panel a task: the score over training, thin lines seeds, thick ones their mean.

    Args:
        study: whose records.
        keys: methods and test budgets to draw.
        names: of methods.
        column: what training is measured in, "update" or "environment_steps" (taken online).
    """
    table = []
    with plots.style():
        tasks = telling(study)
        figure, axes = panels(tasks, height=2.6)
        for ax, task in zip(axes, tasks, strict=True):
            for i, (method, steps) in enumerate(keys):
                source = next((s for s in study.sources if (s.task.name, s.method) == (task, method)), None)
                if source is None:
                    continue
                own = source.scores[source.scores["test_steps"] == steps]
                if column == "environment_steps":
                    own = own[own["update"] >= source.scores.loc[source.scores[column] == 0, "update"].max()]
                colour, marker = plots.method_colour(method), MARKERS[i % len(MARKERS)]
                for _, seed in own.groupby("seed"):
                    ax.plot(seed[column], seed["score"], color=colour, lw=0.7, alpha=0.45)
                mean = own.groupby(column)["score"].mean()
                text = label((method, steps), sum(k[0] == method for k in keys) > 1, names)
                line = LINES[[k[1] for k in keys if k[0] == method].index(steps) % len(LINES)]
                ax.plot(mean.index, mean, color=colour, ls=line, marker=marker, ms=4, label=text)
                table.append(own[["seed", column, "score"]].assign(task=task, method=text))
            ax.set_xlabel({"update": "update", "environment_steps": "environment steps online"}[column])
            ax.locator_params(axis="x", nbins=4)
            _name(ax, study, task, "y")
        marks, texts = axes[0].get_legend_handles_labels()
        figure.legend(marks, texts, loc="outside lower center", ncols=min(3, len(tasks) + 1), fontsize=8)
    return figure, pd.concat(table)


def draw_ranking(ranked: pd.DataFrame, score: str) -> Figure:
    """Draw a panel a task: the score by which of the reference's actions is taken; dots are seeds, squares their mean.

    Args:
        ranked: as `vgf.results.critic_ranking` leaves it.
        score: a key of `SCORE`.
    """
    tasks = list(dict.fromkeys(ranked["task"]))
    with plots.style():
        figure, axes = panels(tasks, height=2.8)
        for ax, task in zip(axes, tasks, strict=True):
            own = ranked[ranked["task"] == task].set_index(["choice", "particles"])["score"]
            order = sorted(set(own.index), key=lambda key: {"worst": -key[1], "any": 0, "best": key[1]}[key[0]])
            for place, key in enumerate(order):
                seeds = own.loc[[key]]
                ax.plot([place] * len(seeds), seeds, ".", color=plots.MUTED, ms=5)
            ax.plot(range(len(order)), [own.loc[[key]].mean() for key in order], "s-", color=plots.METHODS["vgf"], ms=5)
            ax.set_xticks(range(len(order)), ["any" if c == "any" else f"{c}\nof {n}" for c, n in order])
            ax.set_ylim(min(0, own.min()), None)
            ax.set_title(short(task), fontsize=9.5)
            ax.set_ylabel(SCORE[score])
    return figure


def panels(tasks: Sequence[str], height: float, most: int = 2) -> tuple[Figure, list[Axes]]:
    """Return a figure of at most `most` panels a row, so that it can be read on a phone."""
    columns = min(most, len(tasks))
    rows = -(-len(tasks) // columns)
    size = (plots.WIDTH if columns == 2 else 4.6, height * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for ax in axes.flat[len(tasks) :]:
        ax.remove()
    return figure, list(axes.flat[: len(tasks)])


def _name(ax: Axes, study: Study, task: str, score_axis: str) -> None:
    """Title a panel with its task and name the axis that has the score."""
    kind = next(source.task.score for source in study.sources if source.task.name == task)
    ax.set_title(short(task), fontsize=9.5)
    (ax.set_xlabel if score_axis == "x" else ax.set_ylabel)(SCORE[kind])
    if score_axis == "x":
        ax.tick_params(axis="y", labelcolor=plots.INK, labelsize=8)
