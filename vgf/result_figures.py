"""What every results chapter shows of a study: one table, and three figures, made the same way for each.

A chapter reads records through `vgf.tables`, whose numbers have addresses that `vgf tables --check` computes again;
nothing here computes a statistic of its own. The trade-off of one set of figures is that no chapter can tune its
picture to its message: the same methods, in the same order and colours, on the same axes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vgf import plots
from vgf.tables import ALL, Key, Study

NAMES = {  # of agents, as the literature writes them
    "bc": "BC (flow)",
    "best_of_n": "best-of-N",
    "td3_bc": "TD3+BC",
    "rebrac": "ReBRAC",
    "iql": "IQL",
    "idql": "IDQL",
    "diffusion_ql": "Diffusion-QL",
    "fql": "FQL",
    "vgf": "VGF",
}
SCORE = {"success": "success, %", "return": "normalised score"}
OWN, OTHER = plots.PALETTE["orange"], plots.PALETTE["blue"]


def short(task: str) -> str:
    """Return a task's name without what all names of its suite share."""
    return re.sub(r"-v\d+$|-singletask|-play|-navigate", "", task)


def label(key: Key, several: bool, names: Mapping[str, str] = NAMES) -> str:
    """Return what a method at a test budget is called; the budget only where a method has several."""
    return f"{names.get(key[0], key[0])}, L = {key[1]}" if several else names.get(key[0], key[0])


def ordered(study: Study, names: Mapping[str, str] = NAMES) -> list[tuple[Key, str]]:
    """Return a study's methods and budgets in the order of `names`, each with its label."""
    order = list(names)
    keys = sorted(study.keys, key=lambda k: (order.index(k[0]) if k[0] in order else len(order), k))
    return [(key, label(key, sum(k[0] == key[0] for k in keys) > 1, names)) for key in keys]


def found(study: Study, task: str, key: Key, checkpoint: str = "last", statistic: str = "mean") -> pd.Series | None:
    """Return the row (value, low, high, runs) of one cell of a study's table, or None where nothing was run."""
    n = study.numbers
    own = n[(n["checkpoint"] == checkpoint) & (n["statistic"] == statistic) & (n["task"] == task)]
    own = own[(own["method"] == key[0]) & (own["test_steps"] == str(key[1])) & (own["against"] == "")]
    return None if own.empty else own.iloc[0]


def score_table(study: Study, names: Mapping[str, str] = NAMES, checkpoint: str = "last") -> str:
    """Return a markdown table: methods and budgets down, tasks across, mean and interval in a cell."""
    tasks = [*study.tasks, *([ALL] if len(study.shared) > 1 else [])]
    titles = [short(task) if task != ALL else f"mean over {len(study.shared)} tasks" for task in tasks]
    lines = [f"| method | {' | '.join(titles)} |", f"|---|{'--:|' * len(tasks)}"]
    for key, text in ordered(study, names):
        cells = []
        for task in tasks:
            row = found(study, task, key, checkpoint)
            cells.append("–" if row is None else f"{row.value:.1f} [{row.low:.1f}, {row.high:.1f}]")
        lines.append(f"| {text} | {' | '.join(cells)} |")
    return "\n".join(lines)


def budget_table(study: Study, task: str, names: Mapping[str, str], checkpoint: str = "last") -> str:
    """Return a markdown table of one task: methods down, test budgets across, mean and interval in a cell."""
    budgets = sorted({steps for _, steps in study.keys})
    lines = [
        f"| {short(task)} | {' | '.join('no step' if s == 0 else f'L = {s}' for s in budgets)} |",
        f"|---|{'--:|' * len(budgets)}",
    ]
    for method in names:
        rows = [found(study, task, (method, steps), checkpoint) for steps in budgets]
        cells = ["–" if row is None else f"{row.value:.1f} [{row.low:.1f}, {row.high:.1f}]" for row in rows]
        if any(row is not None for row in rows):
            lines.append(f"| {names[method]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def beside_paper(study: Study, budgets: Mapping[str, int], names: Mapping[str, str] = NAMES) -> str:
    """Return a markdown table of ours and the paper's numbers where there are both; L_test by kind of task.

    Without a task that both have, it is a sentence that says so.
    """
    kinds = {source.task.name: source.task.kind for source in study.sources}
    n, lines = study.numbers, ["| task | method | ours | the paper's |", "|---|---|--:|--:|"]
    for row in n[n["checkpoint"] == "paper"].itertuples():
        keys = [key for key in study.keys if key[0] == row.method]
        key = next((k for k in keys if k[1] == budgets[kinds[row.task]]), keys[0])
        own = found(study, row.task, key)
        if own is not None:
            text = label(key, len(keys) > 1, names)
            lines.append(
                f"| {short(row.task)} | {text} | {own.value:.1f} [{own.low:.1f}, {own.high:.1f}] | {row.value:g} |"
            )
    return "\n".join(lines) if len(lines) > 2 else "The paper has no number for any task that was run here."


def starts(study: Study) -> pd.DataFrame:
    """Return task, method, start and end: each method's mean score untrained, and at the end with no flow step."""
    rows = []
    for source in study.sources:
        own = source.scores[source.scores["test_steps"] == source.scores["test_steps"].min()]
        means = own.groupby("update")["score"].mean()
        rows.append((source.task.name, source.method, float(means.loc[0]), float(means.iloc[-1])))
    return pd.DataFrame(rows, columns=["task", "method", "start", "end"])


def best_budgets_in_words(drawn: pd.DataFrame) -> str:
    """Return, of the data of `draw_budgets` for one method, with how many steps it scores highest on each task."""
    words = []
    for task, own in drawn.groupby("task", sort=False):
        scores = own.set_index("test_steps")["mean"]
        steps = int(scores.idxmax())
        most = "with no step" if steps == 0 else f"with {steps} step{'s' * (steps > 1)}"
        level = scores.max() == scores.min()
        words.append(f"{'the same at every number of steps' if level else f'highest {most}'} on {short(task)}")
    return "; ".join(words)


def second_half_in_words(drawn: pd.DataFrame) -> str:
    """Return, of the data of `draw_curves`, on how many tasks each method's mean is higher at the end than half-way."""
    words = []
    for method, own in drawn.groupby("method", sort=False):
        gains = []
        for _, task in own.groupby("task"):
            scores = task.groupby("update")["score"].mean()
            gains.append(scores.iloc[-1] > scores[scores.index >= scores.index.max() / 2].iloc[0])
        words.append(f"{method} on {sum(gains)} of {len(gains)}")
    return "; ".join(words)


def draw_scores(study: Study, names: Mapping[str, str] = NAMES) -> tuple[Figure, pd.DataFrame]:
    """Draw a panel a task: methods and budgets down, seeds as dots, mean and interval as a bar; and what is drawn."""
    rows, table = ordered(study, names), []
    with plots.style():
        figure, axes = panels(study.tasks, height=0.24 * len(rows) + 0.9)
        for ax, task in zip(axes, study.tasks, strict=True):
            for place, (key, text) in enumerate(reversed(rows)):
                cell = found(study, task, key)
                if cell is None:
                    continue
                runs, colour = study.runs("last", key)[task], OWN if key[0] == "vgf" else OTHER
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
        figure, axes = panels(study.tasks, height=2.6)
        for ax, task in zip(axes, study.tasks, strict=True):
            for i, method in enumerate(methods):
                steps = sorted(k[1] for k in study.keys if k[0] == method)
                cells = [(s, cell) for s in steps if (cell := found(study, task, (method, s))) is not None]
                if not cells:
                    continue
                x, y = [s for s, _ in cells], np.array([c.value for _, c in cells])
                low, high = (np.array([getattr(c, end) for _, c in cells]) for end in ("low", "high"))
                colour, marker = list(plots.PALETTE.values())[i % 6], "osD^vP"[i % 6]
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
        figure, axes = panels(study.tasks, height=2.6)
        for ax, task in zip(axes, study.tasks, strict=True):
            for i, (method, steps) in enumerate(keys):
                source = next((s for s in study.sources if (s.task.name, s.method) == (task, method)), None)
                if source is None:
                    continue
                own = source.scores[source.scores["test_steps"] == steps]
                if column == "environment_steps":
                    own = own[own["update"] >= source.scores.loc[source.scores[column] == 0, "update"].max()]
                colour, marker = list(plots.PALETTE.values())[i % 6], "osD^vP"[i % 6]
                for _, seed in own.groupby("seed"):
                    ax.plot(seed[column], seed["score"], color=colour, lw=0.7, alpha=0.45)
                mean = own.groupby(column)["score"].mean()
                text = label((method, steps), sum(k[0] == method for k in keys) > 1, names)
                ax.plot(mean.index, mean, color=colour, marker=marker, ms=4, label=text)
                table.append(own[["seed", column, "score"]].assign(task=task, method=text))
            ax.set_xlabel({"update": "update", "environment_steps": "environment steps online"}[column])
            ax.locator_params(axis="x", nbins=4)
            _name(ax, study, task, "y")
        marks, texts = axes[0].get_legend_handles_labels()
        figure.legend(marks, texts, loc="outside lower center", ncols=min(3, len(study.tasks) + 1), fontsize=8)
    return figure, pd.concat(table)


def ranking_in_words(ranked: pd.DataFrame) -> str:
    """Return, for each task, whether the critic picks among few and among many of the reference's actions.

    Args:
        ranked: rows as `vgf.ranking` leaves them.
    """
    words = []
    for task in dict.fromkeys(ranked["task"]):
        own = ranked[ranked["task"] == task].groupby(["choice", "particles"])["score"]
        mean = own.mean()
        few, many = (int(of(mean.loc["best"].index)) for of in (min, max))
        best, worst, any_one = mean["best", few], mean["worst", few], mean.loc["any"].iloc[0]
        picks = "picks better than chance" if best > any_one >= worst else "picks no better than chance"
        if picks.endswith("no better than chance") and own.max()["worst", few] < own.min()["best", few]:
            picks = f"tells the worst apart on every seed, but {picks}"
        then = "better still" if mean["best", many] > best else "worse"
        words.append(
            f"on {short(task)} the critic {picks} among {few} actions ({best:.0f} for the best, {any_one:.0f} for any, "
            f"{worst:.0f} for the worst) and {then} among {many} ({mean['best', many]:.0f} for the best)"
        )
    return "; ".join(words)


def draw_ranking(ranked: pd.DataFrame, score: str) -> Figure:
    """Draw a panel a task: the score by which of the reference's actions is taken; dots are seeds, squares their mean.

    Args:
        ranked: as `vgf.ranking` leaves it.
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
            ax.plot(range(len(order)), [own.loc[[key]].mean() for key in order], "s-", color=OWN, ms=5)
            ax.set_xticks(range(len(order)), ["any" if c == "any" else f"{c}\nof {n}" for c, n in order])
            ax.set_ylim(min(0, own.min()), None)
            ax.set_title(short(task), fontsize=9.5)
            ax.set_ylabel(SCORE[score])
    return figure


def panels(tasks: Sequence[str], height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure of at most two panels a row, so that it can be read on a phone."""
    columns = min(2, len(tasks))
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
