"""How long episodes last: which methods end most of them alike, on tasks where a fall ends an episode before its limit.

A score is a mean. A policy that does the same in every episode and one that sometimes falls at once and sometimes never
can have equal ones. A method ends most of its episodes *alike* on a task if in each of its seeds no episode reaches the
limit and the middle half of the episodes spans at most `NARROW` of the seed's median length. The rule was written after
the records were seen, so it describes them and tests nothing.
"""

from __future__ import annotations

import pandas as pd

from vgf.datasets import get_task
from vgf.results.judgement import listed, plural
from vgf.results.study_text import NAMES, short
from vgf.results.tables import Study

NARROW = 0.1  # of a seed's median length, that the middle half of its episodes spans at most
FEWEST = 4  # methods of a task that is shown
COLUMNS = ("task", "method", "seed", "episode", "length")


def lengths(study: Study) -> pd.DataFrame:
    """Return the length of every episode after the last update, acting with no test step, where falls end episodes.

    Returns:
        Columns `COLUMNS`, steps of the environment; tasks as in the study, methods of the longest mean first. Left
        out are tasks of goals, which end an episode too, those where every episode reaches the limit, and those with
        fewer than `FEWEST` methods.
    """
    parts = []
    for task in study.tasks:
        own = [
            _last(source.record.episodes, task, source.method) for source in study.sources if source.task.name == task
        ]
        every = pd.concat(own, ignore_index=True)
        falls = get_task(task).kind == "gait" and (every["length"] < get_task(task).episode_steps).any()
        if falls and every["method"].nunique() >= FEWEST:
            mean = every.groupby("method")["length"].transform("mean")
            parts.append(every.assign(mean=-mean).sort_values(["mean", "method", "seed", "episode"]))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


def _last(episodes: pd.DataFrame, task: str, method: str) -> pd.DataFrame:
    """Return a method's episodes after its last update, with no test step."""
    own = episodes[(episodes["update"] == episodes["update"].max()) & (episodes["test_steps"] == 0)]
    return own.assign(task=task, method=method)[list(COLUMNS)]


def ends(found: pd.DataFrame) -> pd.DataFrame:
    """Return how episodes end by task and method, of what `lengths` returns, in its order.

    Returns:
        Columns task, method, shortest and longest (lowest and highest median length of a seed), spread (widest middle
        half of a seed, as a share of its median), reached (episodes at the limit) and alike.
    """
    rows = []
    for (task, method), own in found.groupby(["task", "method"], sort=False):
        by_seed = own.groupby("seed")["length"]
        median = by_seed.median()
        spread = float(((by_seed.quantile(0.75) - by_seed.quantile(0.25)) / median).max())
        reached = int((own["length"] >= get_task(str(task)).episode_steps).sum())
        alike = reached == 0 and spread <= NARROW
        rows.append((task, method, float(median.min()), float(median.max()), spread, reached, alike))
    return pd.DataFrame(rows, columns=["task", "method", "shortest", "longest", "spread", "reached", "alike"])


def ends_in_words(table: pd.DataFrame) -> str:
    """Return which methods end most episodes alike, and how many others reach the limit, of what `ends` returns."""
    said = []
    for task, own in table.groupby("task", sort=False):
        same, rest = own[own["alike"]], own[~own["alike"]]
        where = f"On {short(str(task))}"
        if same.empty:
            said.append(f"{where} no method ends most of its episodes alike.")
        else:
            names = listed([NAMES.get(method, method) for method in same["method"]])
            span = f"a seed's median length is {same['shortest'].min():.0f} to {same['longest'].max():.0f} steps"
            said.append(f"{where} {names} end{'s' * (len(same) == 1)} most episodes alike: {span}.")
        if len(same) and len(rest):
            reach = (rest["reached"] > 0).sum()
            said.append(f"Of {plural(len(rest), 'other method')}, {reach} reach the limit in some episodes.")
    return " ".join(said) or "No task has enough methods yet."


def ends_counted(table: pd.DataFrame) -> str:
    """Return the finding in a short sentence, of the task that most methods were run on."""
    if table.empty:
        return "No task has enough methods yet"
    task = table["task"].value_counts().index[0]
    own = table[table["task"] == task]
    return f"Of {plural(len(own), 'method')}, {own['alike'].sum()} end most episodes alike on {short(str(task))}"


def ends_table(table: pd.DataFrame, task: str) -> str:
    """Return a markdown table of one task, of what `ends` returns: methods down."""
    head = [
        f"| {short(task)} | median length, by seed | widest middle half, of the median | at the limit | alike |",
        "|---|--:|--:|--:|---|",
    ]
    lines = [
        f"| {NAMES.get(r.method, r.method)} | {r.shortest:.0f} to {r.longest:.0f} "
        f"| {100 * r.spread:.0f} % | {r.reached} | {'yes' if r.alike else 'no'} |"
        for r in table[table["task"] == task].itertuples()
    ]
    return "\n".join([*head, *lines])
