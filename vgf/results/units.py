"""Scores as rules read them: an array a task, with seeds along the last axis, from the records of a study.

OGBench has five tasks for each environment. They share their data, and often the clone, so they count as one: within a
seed their scores are averaged first, over tasks, on the seeds that every compared row has. What stands on the other
axes (methods, numbers of steps) is said where an array is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from vgf import records
from vgf.datasets import get_task
from vgf.results.study_text import short
from vgf.results.tables import Key, MethodScores, Study

CHOICES = ("worst", "any", "best")  # of the reference's actions, as `vgf.results.critic_ranking` names them
RANKING = "ranking.csv"


@dataclass(frozen=True)
class Unit:
    """A task, or the tasks of one environment as one.

    Attributes:
        name: of the task, or of the data that the tasks share; without what all names of its suite share.
        scores: [..., K], of K seeds.
        tasks: how many tasks it is the mean of.
    """

    name: str
    scores: np.ndarray
    tasks: int = 1

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return int(self.scores.shape[-1])


def collect(study: Study, keys: Sequence[Key], tasks: Sequence[str], checkpoint: str = "last") -> Unit | None:
    """Return the scores of some methods and budgets on the tasks of one environment, [rows, K].

    Args:
        study: the records.
        keys: the methods and test budgets that make the rows.
        tasks: of the environment; one that lacks a row is left out.
        checkpoint: last, best or offline.
    """
    found = {task: table for task in tasks if (table := _rows(study, task, keys, checkpoint)) is not None}
    return mean_of(found)


def mean_of(tables: Mapping[str, pd.DataFrame]) -> Unit | None:
    """Return the mean over tasks within a seed.

    Args:
        tables: by task, seeds down and rows across.
    """
    if not tables:
        return None
    whole = pd.concat(tables.values(), keys=range(len(tables)), join="inner", axis=1).dropna()
    if whole.empty:
        return None
    scores = np.mean([whole[place].to_numpy() for place in range(len(tables))], axis=0)
    names = list(tables)
    return Unit(short(names[0] if len(names) == 1 else get_task(names[0]).dataset), scores.T, len(names))


def once(studies: Sequence[Study], methods: Sequence[str]) -> list[Study]:
    """Return studies with each task in one of them alone: the first that has all of some methods on it.

    Studies of the same task at several lengths of training would otherwise count it more than once. A task that no
    study has all of them on is left out, and so is a study without a task.
    """
    taken: set[str] = set()
    found = []
    for study in studies:
        own = {t for t in study.tasks if t not in taken and all(records_of(study, t, m) is not None for m in methods)}
        taken |= own
        if own:
            found.append(replace(study, sources=tuple(s for s in study.sources if s.task.name in own)))
    return found


def steps_of(study: Study, methods: Sequence[str], tasks: Sequence[str]) -> list[int]:
    """Return the test budgets that all of some methods have on all of some tasks."""
    own = [set(s.scores["test_steps"]) for s in study.sources if s.method in methods and s.task.name in tasks]
    return sorted(map(int, set.intersection(*own))) if own else []


def side_by_side(
    studies: Sequence[Study], rivals: Sequence[str], budgets: Mapping[str, int], own: str = "vgf"
) -> tuple[list[Unit], list[Unit]]:
    """Return one method at its budget above its rivals, [1 + rivals, K]: in the paper's table, and elsewhere.

    Args:
        studies: of one suite; each task counts in the first that has all of the methods on it, at their budgets.
        rivals: methods without a budget.
        budgets: the method's test budget by kind of task, as `comparison.chosen_budgets` returns it.
        own: the method.
    """
    named: list[Unit] = []
    others: list[Unit] = []
    taken: set[str] = set()
    for study in studies:
        numbers = study.numbers
        paper = {get_task(str(task)).dataset for task in numbers.loc[numbers["checkpoint"] == "paper", "task"]}
        for dataset, tasks in study.by_dataset.items():
            keys = [(own, budgets[get_task(tasks[0]).kind]), *((rival, 0) for rival in rivals)]
            left = [task for task in tasks if task not in taken and _rows(study, task, keys, "last") is not None]
            if unit := collect(study, keys, left):
                (named if dataset in paper else others).append(unit)
                taken.update(left)
    return named, others


def grid(study: Study, methods: Sequence[str], moving: bool = False) -> list[Unit]:
    """Return every method at every test budget that all of them have, [methods, budgets, K].

    Args:
        study: the records.
        methods: the rows.
        moving: without the budget of no step.
    """
    found = []
    for tasks in study.by_dataset.values():
        budgets = [steps for steps in steps_of(study, methods, tasks) if steps or not moving]
        if budgets and (unit := collect(study, list(product(methods, budgets)), tasks)):
            found.append(replace(unit, scores=unit.scores.reshape(len(methods), len(budgets), -1)))
    return found


def with_rankings(study: Study, method: str = "vgf") -> Iterator[tuple[Unit, Unit | None]]:
    """Yield an environment's scores with no step and with more, [budgets, K], and what its critic's choice scores.

    The latter, [3, K] in the order of `CHOICES`, is that of the fewest actions ranked (`vgf.results.critic_ranking`),
    and None where none were; where a part of an environment's tasks was ranked, both are of that part.
    """
    ranked = rankings(study, method)
    for tasks in study.by_dataset.values():
        both = [task for task in tasks if task in ranked] or tasks
        budgets = steps_of(study, [method], both)
        if 0 in budgets and len(budgets) > 1 and (unit := collect(study, [(method, s) for s in budgets], both)):
            yield unit, mean_of({task: ranked[task] for task in both if task in ranked})


def rankings(study: Study, method: str = "vgf") -> dict[str, pd.DataFrame]:
    """Return by task what acting by the worst, any and the best of few actions scores: seeds down, `CHOICES` across.

    They are those of the study's ranking.csv, and before them those that a record itself keeps, after the last update.
    """
    path, found = study.sources[0].record.folder.parents[1] / RANKING, {}
    if path.exists():
        rows = records.read_csv(path)
        for task, own in rows[rows["method"] == method].groupby("task"):
            found[str(task)] = of_few(own[own["updates"] == own["updates"].max()])
    for source in study.sources:
        rows = getattr(source.record, "ranking", pd.DataFrame())  # of scales that rank while they train
        if source.method == method and len(rows):
            last = rows[rows["update"] == rows["update"].max()]
            raw = last["success" if source.task.score == "success" else "return"]
            found[source.task.name] = of_few(last.assign(score=source.task.normalised(raw)))
    return found


def of_few(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the mean score of one age by seed (down) and choice (`CHOICES` across), among the fewest actions."""
    few = rows.loc[rows["choice"] != "any", "particles"].min()
    rows = rows[(rows["particles"] == few) | (rows["choice"] == "any")]
    return rows.groupby(["seed", "choice"])["score"].mean().unstack("choice")[list(CHOICES)]


def fine_tuned(study: Study, own: Key, rival: Key) -> list[Unit]:
    """Return start, gain and end of two rows that go from offline to online, [2, 3, K]; the rival's come first.

    The start is the offline policy's score, the end that after the last update. The gain is the mean score of the
    evaluations online less the start: of two that begin and end alike it is higher where the score rose sooner.
    """
    found = []
    for tasks in study.by_dataset.values():
        tables = {}
        for task in tasks:
            rows = [_course(source, key[1]) for key in (rival, own) if (source := records_of(study, task, key[0]))]
            if len(rows) == 2:
                tables[task] = pd.concat(rows, axis=1, join="inner", keys=(0, 1))
        if unit := mean_of(tables):
            found.append(replace(unit, scores=unit.scores.reshape(2, 3, -1)))
    return found


def displacement(study: Study, methods: Sequence[str]) -> dict[str, float]:
    """Return how far the first method's flow moved particles while training, in the reference's spread, by unit.

    It is the mean over seeds and over the last tenth of the curve of flow/displacement over sigma, the root of
    flow/spread_before as an estimate without bias (`vgf.results.control_steps`).

    Args:
        study: the records.
        methods: tasks are those that all of them were run on, as in `grid`.
    """
    found = {}
    for tasks in study.by_dataset.values():
        own = [
            s
            for task in tasks
            if all(records_of(study, task, m) for m in methods) and (s := records_of(study, task, methods[0]))
        ]
        if own:
            name = short(own[0].task.name if len(own) == 1 else own[0].task.dataset)
            found[name] = float(np.mean([_displacement(source) for source in own]))
    return found


def _displacement(source: MethodScores) -> float:
    """Return one record's displacement in sigma."""
    curve = source.record.curve.dropna(subset=["flow/displacement", "flow/spread_before"])
    last = curve[curve["update"] > 0.9 * curve["update"].max()]
    count = source.record.runs[-1]["settings"]["config"]["particles"]
    sigma = (last["flow/spread_before"] * count / (count - 1)) ** 0.5
    return float((last["flow/displacement"] / sigma).mean())


def records_of(study: Study, task: str, method: str) -> MethodScores | None:
    """Return a method's records on a task, None where there are none."""
    return next((s for s in study.sources if (s.task.name, s.method) == (task, method)), None)


def _rows(study: Study, task: str, keys: Sequence[Key], checkpoint: str) -> pd.DataFrame | None:
    """Return seeds down and rows across, or None where a row was not run."""
    own = [s.by_seed(checkpoint, k[1]) for k in keys if (s := records_of(study, task, k[0]))]
    if len(own) < len(keys) or any(series.empty for series in own):
        return None
    return pd.concat(own, axis=1, join="inner", keys=range(len(keys)))


def _course(source: MethodScores, steps: int) -> pd.DataFrame:
    """Return a row's start, gain and end by seed."""
    own = source.scores[(source.scores["test_steps"] == steps) & (source.scores["environment_steps"] > 0)]
    start, end = source.by_seed("offline", steps), source.by_seed("last", steps)
    return pd.concat([start, own.groupby("seed")["score"].mean() - start, end], axis=1, join="inner", keys=range(3))
