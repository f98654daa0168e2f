"""From records to tables, and back: every number a page shows can be computed again from the per-seed files.

A table is first a list of numbers, each with an address of words joined by slashes,

    STUDY.SCALE/CHECKPOINT/STATISTIC/TASK/METHOD/TEST_STEPS      for example d4rl.cpu/last/mean/hopper-medium-v2/vgf/1

kept in `data/tables/STUDY.SCALE.csv`; `table_text` makes markdown and LaTeX of it. A chapter glues a number under its
address, so `vgf tables --check` (`commands`) finds what the prose shows too, computes everything anew, and names
what differs. The price is a second copy of numbers that the records hold already; what it buys is that a record, a
table and a page cannot drift apart unseen. Statistics and their intervals are those of `stats`: Student's for a mean,
percentiles of a bootstrap for the two sums over runs (agarwal2021rliable).

Checkpoints are reported apart, never mixed. `last` is the policy after the last update. `best` is, for each seed, the
evaluated checkpoint with the highest score on the very episodes it is then reported on: it is picked by what it is
judged by, so it is too high on average, and only useful beside others picked the same way. Where a run was fine-tuned
online, `offline` is the policy it began with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field
from functools import cached_property
from io import StringIO
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from vgf import records
from vgf.datasets import Task, get_task
from vgf.results import stats
from vgf.support.paths import data_folder

CHECKPOINTS = ("last", "best", "offline")
ALL = "all-tasks"  # in the place of a task
ADDRESS = ("checkpoint", "statistic", "task", "method", "test_steps", "against")
COLUMNS = (*ADDRESS, "value", "low", "high", "runs")

Key = tuple[str, int]  # a column of a table: a method at a test budget


@dataclass(frozen=True)
class MethodScores:
    """One method on one task, reduced to a score a seed, update and budget.

    Attributes:
        task, method: whose.
        agent: name of the method's agent.
        record: where it comes from.
        scores: columns seed, update, environment_steps (taken online), test_steps, episodes, score (of
            `Task.normalised`).
    """

    task: Task
    method: str
    agent: str
    record: records.Record
    scores: pd.DataFrame
    _kept: dict[tuple[str, int], pd.Series] = field(default_factory=dict, init=False, repr=False, compare=False)

    def by_seed(self, checkpoint: str, test_steps: int) -> pd.Series:
        """Return the score of each seed at one budget and checkpoint, indexed by seed; kept, as a table asks often."""
        if (checkpoint, test_steps) not in self._kept:
            own = self.scores[self.scores["test_steps"] == test_steps]
            offline = self.scores[self.scores["environment_steps"] == 0]
            last = (offline if checkpoint == "offline" else self.scores)["update"].max()
            trained = own[own["update"] > 0].groupby("seed")["score"]
            found = trained.max() if checkpoint == "best" else own[own["update"] == last].set_index("seed")["score"]
            self._kept[checkpoint, test_steps] = found
        return self._kept[checkpoint, test_steps]

    def runs(self, checkpoint: str, test_steps: int) -> np.ndarray:
        """Return the seeds' scores [K] at one budget and checkpoint."""
        return self.by_seed(checkpoint, test_steps).to_numpy()


@dataclass(frozen=True)
class Study:
    """The records of a study at one scale."""

    name: str
    scale: str
    sources: tuple[MethodScores, ...]

    @property
    def label(self) -> str:
        """Return STUDY.SCALE."""
        return f"{self.name}.{self.scale}"

    @cached_property
    def tasks(self) -> list[str]:
        """Tasks, in order."""
        return list(dict.fromkeys(source.task.name for source in self.sources))

    @cached_property
    def keys(self) -> list[Key]:
        """Methods and budgets, in order."""
        return sorted({(s.method, int(steps)) for s in self.sources for steps in s.scores["test_steps"].unique()})

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The checkpoints there are to report."""
        return CHECKPOINTS if any((s.scores["environment_steps"] > 0).any() for s in self.sources) else CHECKPOINTS[:2]

    def range(self, tasks: Sequence[str]) -> tuple[float, float]:
        """Return the least and highest mean score there can be on some tasks: a share of episodes has ends."""
        goals = {source.task.name for source in self.sources if source.task.kind == "goal"}
        return (0.0, 100.0) if goals.issuperset(tasks) else (-math.inf, math.inf)

    def runs(self, checkpoint: str, key: Key) -> dict[str, np.ndarray]:
        """Return the seeds' scores of a method at a budget, by task."""
        own = {s.task.name: s.runs(checkpoint, key[1]) for s in self.sources if s.method == key[0]}
        return {task: runs for task, runs in own.items() if len(runs)}

    @cached_property
    def shared(self) -> list[str]:
        """Tasks on which every method has been run at every one of its budgets: what may be averaged over."""
        every = [self.runs("last", key) for key in self.keys]
        return [task for task in self.tasks if all(task in own for own in every)]

    @cached_property
    def by_dataset(self) -> dict[str, list[str]]:
        """The tasks by the dataset they learn from."""
        own = {source.task.name: source.task.dataset for source in self.sources}
        return {dataset: [task for task in own if own[task] == dataset] for dataset in dict.fromkeys(own.values())}

    @property
    def environments(self) -> dict[str, list[str]]:
        """Datasets that several of the tasks share: OGBench's environments."""
        return {dataset: tasks for dataset, tasks in self.by_dataset.items() if len(tasks) > 1}

    def environment_runs(self, checkpoint: str, key: Key) -> dict[str, np.ndarray]:
        """Return the seeds' means over an environment's tasks [K], by dataset, where a method has all of its tasks."""
        own = {s.task.name: s.by_seed(checkpoint, key[1]) for s in self.sources if s.method == key[0]}
        found = {}
        for dataset, tasks in self.environments.items():
            if all(task in own for task in tasks):
                found[dataset] = pd.concat([own[task] for task in tasks], axis=1, join="inner").mean(axis=1).to_numpy()
        return {dataset: runs for dataset, runs in found.items() if len(runs)}

    @cached_property
    def csv(self) -> str:
        """Every number, one a row, as it is kept: columns `COLUMNS`, six digits."""
        table = pd.DataFrame(self._rows(), columns=list(COLUMNS))
        return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """The same as a table; rounded, so that what is shown does not hang on the last bit."""
        return parse(self.csv)

    def _rows(self) -> Iterator[tuple[object, ...]]:
        """Yield the numbers: means and the paper's by task, sums over the shared tasks, comparisons in pairs."""
        for checkpoint in self.checkpoints:
            own = {key: self.runs(checkpoint, key) for key in self.keys}
            for key, runs in own.items():
                for task in runs:
                    found = astuple(stats.of_mean([runs[task]], self.range([task])))
                    yield checkpoint, "mean", task, *key, "", *found, len(runs[task])
                for dataset, over_tasks in self.environment_runs(checkpoint, key).items():
                    found = astuple(stats.of_mean([over_tasks], self.range(self.environments[dataset])))
                    yield checkpoint, "mean", dataset, *key, "", *found, len(over_tasks)
                if self.shared:
                    over = [runs[task] for task in self.shared]
                    mean, iqm = stats.of_mean(over, self.range(self.shared)), stats.estimate(stats.iqm, over)
                    for name, found_over in (("mean", mean), ("iqm", iqm)):
                        yield checkpoint, name, ALL, *key, "", *astuple(found_over), len(over)
        for task, method, value in paper_numbers(self):
            yield "paper", "mean", task, method, "", "", value, math.nan, math.nan, 0
        for key, other in combinations(self.keys, 2) if self.shared else ():
            x, y = ([self.runs("last", which)[task] for task in self.shared] for which in (key, other))
            value, low, high = astuple(stats.estimate(stats.improvement, x, y))
            for a, b, triple in ((key, other, (value, low, high)), (other, key, (1 - value, 1 - high, 1 - low))):
                yield "last", "improvement", ALL, *a, f"{b[0]}/{b[1]}", *triple, len(self.shared)


def read_study(name: str, scale: str, root: Path | None = None) -> Study:
    """Return a study's records at one scale.

    Raises:
        ValueError: if there is none, or one cannot be read, naming it.
    """
    folder = (root or records.results_folder()) / f"{name}.{scale}"
    sources = []
    for path in sorted(folder.glob("*/*/run.json")):
        record = records.read_record(path.parent)
        task = get_task(path.parent.parent.name)
        rows = (
            record.episodes if "environment_steps" in record.episodes else record.episodes.assign(environment_steps=0)
        )
        place = rows.groupby(["seed", "update", "environment_steps", "test_steps"])
        table = place["success" if task.score == "success" else "return"].agg(["mean", "size"]).reset_index()
        table = table.rename(columns={"size": "episodes"}).assign(score=task.normalised(table["mean"]))
        sources.append(MethodScores(task, path.parent.name, record.runs[-1]["settings"]["agent"], record, table))
    if not sources:
        raise ValueError(f"no record in {folder}; `vgf train data/experiments/{name}.yaml --scale {scale}` makes them")
    return Study(name, scale, tuple(sources))


def paper_numbers(study: Study) -> Iterator[tuple[str, str, float]]:
    """Yield task, method and the paper's number for each source that runs a method of the paper under its own name.

    Where several tasks of an environment were run, the number stands beside their mean alone.
    """
    folder = data_folder() / "paper"
    table = pd.concat([pd.read_csv(folder / f"{suite}.csv") for suite in ("d4rl", "ogbench")])
    known = {(row.dataset, row.agent): float(row.score) for row in table.itertuples()}
    found = {}
    for source in study.sources:
        dataset = source.task.dataset
        if source.method == source.agent and (dataset, source.agent) in known:
            row = dataset if dataset in study.environments else source.task.name
            found[row, source.method] = known[dataset, source.agent]
    yield from ((row, method, value) for (row, method), value in found.items())


def parse(text: str) -> pd.DataFrame:
    """Return a table's csv as it is kept."""
    words = dict.fromkeys(ADDRESS, str)
    return pd.read_csv(StringIO(text), dtype=words, keep_default_na=False, na_values={"low": [""], "high": [""]})


def addresses(numbers: pd.DataFrame, label: str) -> dict[str, float]:
    """Return a table's numbers by address; `.../low` and `.../high` are the ends of the interval."""
    out: dict[str, float] = {}
    for row in numbers.itertuples():
        words = [getattr(row, column) for column in ADDRESS]
        address = "/".join([label, *(word for word in words if word)])
        ends = {} if math.isnan(row.low) else {f"{address}/low": row.low, f"{address}/high": row.high}
        out |= {address: float(row.value), **{end: float(value) for end, value in ends.items()}}
    return out


def numbers(study: str, scale: str, root: Path | None = None) -> dict[str, float]:
    """Return every number of a study by address, for a chapter to glue under just that name."""
    found = read_study(study, scale, root)
    return addresses(found.numbers, found.label)


def table_cell(
    study: Study, task: str, key: Key, checkpoint: str = "last", statistic: str = "mean"
) -> pd.Series | None:
    """Return the row (value, low, high, runs) of one cell of a study's table, or None where nothing was run."""
    n = study.numbers
    own = n[(n["checkpoint"] == checkpoint) & (n["statistic"] == statistic) & (n["task"] == task)]
    own = own[(own["method"] == key[0]) & (own["test_steps"] == str(key[1])) & (own["against"] == "")]
    return None if own.empty else own.iloc[0]
