"""What every results chapter says of a study: its markdown tables and a few sentences, made the same way for each.

A chapter reads records through `vgf.results.tables`, whose numbers have addresses that `vgf tables --check` computes
again; nothing here computes a statistic of its own. The trade-off of one set of tables is that no chapter can choose
its rows: the same methods stand in the same order everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vgf.datasets import get_task
from vgf.results.stats import WORTH, Estimate
from vgf.results.tables import ALL, Key, Study, table_cell

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
    "vgf_amortised": "VGF (amortised)",
}
SCORE = {"success": "success, %", "return": "normalised score"}


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


def with_interval(row: pd.Series | Estimate) -> str:
    """Return a cell's mean, and its interval where there is one: a single seed has none."""
    return f"{row.value:.1f}" if np.isnan(row.low) else f"{row.value:.1f} [{row.low:.1f}, {row.high:.1f}]"


def silent(study: Study) -> dict[str, tuple[Key, float]]:
    """Return the tasks that tell nothing, since no method reaches `WORTH` points: the highest there, and its mean."""
    found = {}
    for task in study.tasks:
        means = {key: float(runs[task].mean()) for key in study.keys if task in (runs := study.runs("last", key))}
        best = max(means, key=lambda key: means[key])
        if means[best] < WORTH:
            found[task] = (best, means[best])
    return found


def telling(study: Study) -> list[str]:
    """Return the tasks on which some method scores; all of them where none does."""
    nothing = silent(study)
    return [task for task in study.tasks if task not in nothing] or study.tasks


def silent_in_words(study: Study, names: Mapping[str, str] = NAMES) -> str:
    """Return a sentence for each task that is left out because nobody scores there; empty where there is none."""
    labels = dict(ordered(study, names))
    return " ".join(
        f"On {short(task)} nobody scores, so it is left out."
        if f"{mean:.1f}" in ("0.0", "-0.0")
        else f"On {short(task)} no method reaches {WORTH:g} points (highest: {labels[key]}, {mean:.1f}): left out."
        for task, (key, mean) in silent(study).items()
    )


def price_in_words(studies: Sequence[Study], seeds: int, keys: Sequence[str] = ()) -> str:
    """Return a sentence on the core-hours of one more task with the methods of some studies, as their records took.

    Args:
        studies: whose runs are counted, training and evaluation; a run is one process on one core.
        seeds: of each method.
        keys: these methods alone; all when empty.
    """
    hours = []
    for study in studies:
        for task in study.tasks:
            own = [s.record.runs[-1] for s in study.sources if s.task.name == task and (not keys or s.method in keys)]
            hours.append(sum(sum(run["seconds"].values()) / len(run["seeds"]) for run in own) * seeds / 3600)
    return (
        f"By the times of these records, one more task with {seeds} seeds of each method takes about "
        f"{max(hours):.1f} core-hours at this size of training, and in proportion more with more updates."
    )


def score_table(study: Study, names: Mapping[str, str] = NAMES, checkpoint: str = "last") -> str:
    """Return a markdown table: methods and budgets down, tasks across, mean and interval in a cell.

    Several tasks of an environment are one column, their mean. A task on which nobody scores is a sentence below it;
    where that is every task, there is no table.
    """
    left = silent_in_words(study, names)
    if len(silent(study)) == len(study.tasks):
        return left
    shared = {task: dataset for dataset, tasks in study.environments.items() for task in tasks}
    rows = list(dict.fromkeys(shared.get(task, task) for task in telling(study)))
    tasks = [*rows, *([ALL] if len(study.tasks) > 1 and len(study.shared) > 1 else [])]
    titles = [f"mean over {len(study.shared)} tasks" if task == ALL else _title(study, task) for task in tasks]
    lines = [f"| method | {' | '.join(titles)} |", f"|---|{'--:|' * len(tasks)}"]
    for key, text in ordered(study, names):
        cells = []
        for task in tasks:
            row = table_cell(study, task, key, checkpoint)
            cells.append("–" if row is None else with_interval(row))
        if any(cell != "–" for cell in cells):
            lines.append(f"| {text} | {' | '.join(cells)} |")
    return "\n".join([*lines, *(["", left] if left else [])])


def _title(study: Study, row: str) -> str:
    """Return what a task, or the mean of an environment's tasks, is called."""
    return short(row) + (f", {len(study.environments[row])} tasks" if row in study.environments else "")


def budget_table(study: Study, task: str, names: Mapping[str, str], checkpoint: str = "last") -> str:
    """Return a markdown table of one task: methods down, test budgets across, mean and interval in a cell."""
    budgets = sorted({steps for _, steps in study.keys})
    lines = [
        f"| {short(task)} | {' | '.join('no step' if s == 0 else f'L = {s}' for s in budgets)} |",
        f"|---|{'--:|' * len(budgets)}",
    ]
    for method in names:
        rows = [table_cell(study, task, (method, steps), checkpoint) for steps in budgets]
        cells = ["–" if row is None else with_interval(row) for row in rows]
        if any(row is not None for row in rows):
            lines.append(f"| {names[method]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def beside_paper(study: Study, budgets: Mapping[str, int], names: Mapping[str, str] = NAMES) -> str:
    """Return a markdown table of ours and the paper's numbers where there are both; L_test by kind of task.

    Tasks on which nobody scores here are left out, as in `score_table`. Without a task that both have, it is a sentence
    that says so.
    """
    n, lines = study.numbers, ["| task | method | ours | the paper's |", "|---|---|--:|--:|"]
    drawn = set(telling(study))
    n = n[n["task"].isin(drawn | {dataset for dataset, own in study.environments.items() if drawn & set(own)})]
    for row in n[n["checkpoint"] == "paper"].itertuples():
        keys = [key for key in study.keys if key[0] == row.method]
        key = next((k for k in keys if k[1] == budgets[get_task(row.task).kind]), keys[0])
        own = table_cell(study, row.task, key)
        if own is not None:
            text = label(key, len(keys) > 1, names)
            lines.append(f"| {_title(study, row.task)} | {text} | {with_interval(own)} | {row.value:g} |")
    return "\n".join(lines) if len(lines) > 2 else "The paper has no number for any task on which a method scores here."


def starts(study: Study) -> pd.DataFrame:
    """Return task, method, start and end: each method's mean score untrained, and at the end with no flow step."""
    rows = []
    for source in study.sources:
        own = source.scores[source.scores["test_steps"] == source.scores["test_steps"].min()]
        means = own.groupby("update")["score"].mean()
        rows.append((source.task.name, source.method, float(means.loc[0]), float(means.iloc[-1])))
    return pd.DataFrame(rows, columns=["task", "method", "start", "end"])


def starts_table(study: Study, names: Mapping[str, str] = NAMES) -> str:
    """Return `starts` as a markdown table: methods down, tasks on which somebody scores across.

    Where no untrained policy scores, that is a sentence, and a cell has the end alone.
    """
    own = starts(study)
    own = own[own["task"].isin(telling(study))].set_index(["method", "task"]).round(1)
    tasks = [task for task in study.tasks if task in own.index.get_level_values("task")]
    both = bool((own["start"] != 0).any())
    lines = [f"| method | {' | '.join(map(short, tasks))} |", f"|---|{'--:|' * len(tasks)}"]
    for method in (name for name in names if name in own.index):
        rows = [own.loc[method, task] if (method, task) in own.index else None for task in tasks]
        cells = ["–" if row is None else f"{row.start:.1f} to " * both + f"{row.end:.1f}" for row in rows]
        lines.append(f"| {names[method]} | {' | '.join(cells)} |")
    return "\n".join(lines if both else [*lines, "", "Untrained, no method scores on these tasks."])


def best_budgets_in_words(drawn: pd.DataFrame) -> str:
    """Return, of the data of `draw_budgets` for VGF, on how many tasks no step is best, and what is elsewhere."""
    none, others = 0, []
    for task, own in drawn.groupby("task", sort=False):
        scores = own.set_index("test_steps")["mean"]
        steps = int(scores.idxmax())
        if scores.max() == scores.min():
            others.append(f"any on {short(task)}")
        elif steps == 0:
            none += 1
        else:
            others.append(f"{steps} on {short(task)}")
    tasks = drawn["task"].nunique()
    found = f"VGF scores highest with no step on {none} of {tasks} task{'s' * (tasks != 1)}."
    return f"{found} Highest elsewhere: {', '.join(others)}." if others else found


def second_half_in_words(drawn: pd.DataFrame) -> str:
    """Return, of the data of `draw_curves`, how many mean curves end higher than they were half-way."""
    gains = []
    for _, own in drawn.groupby(["method", "task"], sort=False):
        scores = own.groupby("update")["score"].mean()
        gains.append(scores.iloc[-1] > scores[scores.index >= scores.index.max() / 2].iloc[0])
    return f"At the end {sum(gains)} of {len(gains)} mean scores are higher than half-way."


def ranking_in_words(ranked: pd.DataFrame) -> str:
    """Return in sentences, task by task, whether the critic picks among few and many of the reference's actions.

    Args:
        ranked: rows as `vgf.results.critic_ranking` leaves them.
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
            f"On {short(task)} the critic {picks} among {few} actions ({best:.0f} for the best, {any_one:.0f} for any, "
            f"{worst:.0f} for the worst). It picks {then} among {many} ({mean['best', many]:.0f} for the best)."
        )
    return " ".join(words)


def picked_in_words(ranked: pd.DataFrame) -> str:
    """Return on how many tasks the critic's best of a few actions scores above any one, and the worst not.

    Args:
        ranked: rows as `vgf.results.critic_ranking` leaves them.
    """
    picks, tasks = ranking_in_words(ranked).count("picks better than chance"), ranked["task"].nunique()
    return f"{picks} of {tasks} task{'s' * (tasks != 1)}"
