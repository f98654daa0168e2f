"""Two figures over all records: how every method learns, and our scores beside the paper's with training on the axis.

They stand on one page, since the chapters show three methods of nine. Only means are drawn: intervals are in the
chapters' tables, and nine bands in a panel hide each other. Tasks on which nobody scores have no panel; the page names
them. The paper's numbers stand at the updates of its release, because the paper's own are not stated in what we read.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from vgf.book import plots
from vgf.book.facts import CPU, PAPER, plan
from vgf.book.result_figures import panels
from vgf.results import comparison, tables
from vgf.results.study_text import NAMES, SCORE, short, silent

STUDIES = ("d4rl", "ogbench", "medium_maze")
MARKERS = dict(zip(NAMES.values(), "os^vPXD*h<>pd8", strict=False))  # of methods, which share the muted colour
OTHER = "."  # marks a method without one


def write(directory: Path = plots.FIGURES) -> None:
    """Write both figures."""
    studies = [tables.read_study(name, CPU) for name in STUDIES]
    curves = pd.concat(learning(study) for study in studies)
    best = curves.groupby(["task", "method"])["score"].last().groupby("task").idxmax()
    first = sum(method == NAMES["vgf"] for _, method in best)
    plots.save_figure(
        draw_learning(curves),
        "learning-curves",
        caption=f"VGF ends highest on {first} of {len(best)} tasks. Mean score over updates, those of a "
        "reference trained first included; VGF at its tuned budget.",
        alt="A panel for each task on which somebody scores, with a line for each of nine methods over its updates.",
        data=curves,
        directory=directory,
    )
    beside = pd.concat(side(study) for study in studies[:2])
    ours, paper = (beside[beside["whose"] == whose] for whose in ("ours", "paper"))
    times = round(paper["updates"].max() / ours["updates"].min())
    plots.save_figure(
        draw_beside(beside),
        "beside-paper",
        caption=f"The paper's scores come from about {times} times our updates, so the two ends of a line cannot be "
        "compared. Filled: ours; open: the paper's, at its release's updates.",
        alt="For each task a line for each method from our score after few updates to the paper's after many, higher.",
        data=beside,
        directory=directory,
    )


def learning(study: tables.Study) -> pd.DataFrame:
    """Return mean scores over updates on tasks where somebody scores: columns task, method, update, score, measure."""
    found, nothing = [], silent(study)
    for source in study.sources:
        if source.task.name in nothing:
            continue
        own = source.scores[source.scores["test_steps"] == 0].groupby("update")["score"].mean().reset_index()
        found.append(
            own.assign(
                task=short(source.task.name),
                method=NAMES.get(source.method, source.method),
                name=source.method,
                measure=source.task.score,
            )
        )
    return pd.concat(found) if found else pd.DataFrame()


def draw_learning(curves: pd.DataFrame) -> Figure:
    """Draw a panel a task, a line a method."""
    tasks = list(dict.fromkeys(curves["task"]))
    with plots.style():
        figure, axes = panels(tasks, height=2.5)
        for ax, task in zip(axes, tasks, strict=True):
            own = curves[curves["task"] == task]
            for method, line in _in_order(own):
                name = line["name"].iloc[0]
                style = "-" if name in plots.METHODS else ":"
                colour, marker = plots.method_colour(name), MARKERS.get(method, OTHER)
                ax.plot(line["update"], line["score"], style, color=colour, marker=marker, ms=4, lw=1.4, label=method)
            ax.set_title(task, fontsize=9.5)
            ax.set(xlabel="updates", ylabel=SCORE[own["measure"].iloc[0]], ylim=(0, None))
            ax.locator_params(axis="x", nbins=4)
        marks, texts = max((ax.get_legend_handles_labels() for ax in axes), key=lambda both: len(both[1]))
        figure.legend(marks, texts, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def side(study: tables.Study) -> pd.DataFrame:
    """Return our last mean and the paper's, for methods and tasks that have both: a row each, with its updates."""
    numbers = study.numbers
    paper = numbers[numbers["checkpoint"] == "paper"].set_index(["task", "method"])["value"]
    varied = {"d4rl": "temperature", "ogbench": "step_size"}[study.name]
    _, budgets = comparison.chosen_budgets(tables.read_study("tuning", CPU), study, varied)
    updates, rows = plan(study.name, PAPER).scale.updates, []
    for source in study.sources:
        name, method = source.task.name, source.method
        if (name, method) not in paper.index:
            continue
        steps = budgets[source.task.kind] if method == "vgf" else 0
        ours = float(source.by_seed("last", steps).mean())
        row = {"task": short(name), "method": NAMES.get(method, method), "name": method, "measure": source.task.score}
        rows.append({**row, "whose": "ours", "updates": plan(study.name, CPU).scale.updates, "score": ours})
        rows.append({**row, "whose": "paper", "updates": updates, "score": float(paper[name, method])})
    return pd.DataFrame(rows)


def draw_beside(beside: pd.DataFrame) -> Figure:
    """Draw a panel a task: from ours, filled, to the paper's, open, with the number of updates on the axis."""
    tasks = list(dict.fromkeys(beside["task"]))
    with plots.style():
        figure, axes = panels(tasks, height=2.5)
        for ax, task in zip(axes, tasks, strict=True):
            for method, line in _in_order(beside[beside["task"] == task]):
                name = line["name"].iloc[0]
                marker, colour = MARKERS.get(method, OTHER), plots.method_colour(name)
                ax.plot(line["updates"], line["score"], color=colour, lw=1.2, ls="--" if name in plots.METHODS else ":")
                ours, paper = (line[line["whose"] == whose] for whose in ("ours", "paper"))
                ax.plot(ours["updates"], ours["score"], marker, color=colour, ms=5, label=method)
                ax.plot(paper["updates"], paper["score"], marker, mfc=plots.PAPER, color=colour, ms=5)
            ax.set_title(task, fontsize=9.5)
            measure = beside.loc[beside["task"] == task, "measure"].iloc[0]
            ax.set(xscale="log", xlabel="updates", ylabel=SCORE[measure], ylim=(-3, 103))
        entries = {t: m for ax in axes for m, t in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _in_order(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return rows by method, in the order of `NAMES`, others last; a method keeps its place in every panel."""
    own = dict(iter(rows.groupby("method")))
    return [(method, own[method]) for method in dict.fromkeys([*NAMES.values(), *own]) if method in own]
