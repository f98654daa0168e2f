"""How scores change with the age of the critic: over studies of several lengths, and in the last two evaluations.

Records of one task come from studies of several lengths of training. Each score is put under the number of updates that
its critic had, so that a reference trained first does not count. Studies differ in seeds, and may differ in the amount
of data. The price of one table is that a difference between two ages of different studies is of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from vgf.results import collapse, stats
from vgf.results.study_text import short
from vgf.results.tables import MethodScores, Study

ROWS = {("vgf", 0): "VGF without a test step", ("best_of_n", 0): "Best-of-N"}  # method and budget: what they are called
COLUMNS = ("task", "study", "method", "steps", "age", "seed", "score")


def ages(studies: Sequence[Study], methods: Sequence[str], tasks: Sequence[str]) -> pd.DataFrame:
    """Return every evaluated score of some methods on some tasks, by the age of the critic.

    Args:
        studies: of different lengths of training.
        methods: whose; a clone, which has no critic, is put under its own updates.
        tasks: names.

    Returns:
        Columns `COLUMNS`; age is in updates of the critic.
    """
    rows = []
    for study in studies:
        for source in study.sources:
            if source.method not in methods or source.task.name not in tasks:
                continue
            for steps in sorted(source.scores["test_steps"].unique()):
                own = collapse.ages(source, int(steps)).rename(columns={"update": "age"})
                facts = {"task": source.task.name, "study": study.name, "method": source.method, "steps": int(steps)}
                rows.append(own[own["age"] > 0].assign(**facts))
    return pd.concat(rows)[list(COLUMNS)] if rows else pd.DataFrame(columns=list(COLUMNS))


class Change(NamedTuple):
    """How a row's score changed between the last two evaluations, seed by seed.

    Attributes:
        before, after: ages of the critic, in updates.
        first, last: mean scores there.
        by: last less first, over the seeds that have both.
    """

    before: int
    after: int
    first: float
    last: float
    by: stats.Student


def change_with_age(source: MethodScores) -> Change | None:
    """Return how a row with no test step changed between its last two evaluations; None with one, or one seed."""
    table = collapse.ages(source).pivot(index="seed", columns="update", values="score").dropna()
    if table.shape[1] < 2 or len(table) < 2:
        return None
    before, after = table.columns[-2:]
    by = stats.student([(table[after] - table[before]).to_numpy()])
    return Change(before, after, table[before].mean(), table[after].mean(), by)


def ages_in_words(source: MethodScores, name: str, clear: bool = False) -> str:
    """Return in a sentence how a row with no test step changed with the age of its critic; empty with one evaluation.

    Args:
        source: of a method with a critic.
        name: of the row.
        clear: empty, too, where the change may be none.
    """
    change = change_with_age(source)
    if change is None or (clear and change.by.word() == "not clearly apart"):
        return ""
    low, high = change.by.interval()
    said = f"{name} goes from {change.first:.1f} to {change.last:.1f} on {short(source.task.name)}"
    ages_of = f"From {change.before:,} to {change.after:,} updates"
    return f"{ages_of} {said} ({change.by.value:+.1f} [{low:.1f}, {high:.1f}])"


def ages_table(study: Study) -> str:
    """Return a markdown table: for VGF with no test step and best-of-N, by task, the change with the critic's age."""
    lines = []
    for (method, _), name in ROWS.items():
        for source in study.sources:
            if source.method == method and (change := change_with_age(source)) is not None:
                low, high = change.by.interval()
                scores = f"{change.first:.1f} | {change.last:.1f} | {change.by.value:+.1f} [{low:.1f}, {high:.1f}]"
                lines.append(
                    f"| {name} | {short(source.task.name)} | {change.before:,} to {change.after:,} | {scores} |"
                )
    head = ["| row | task | updates of the critic | before | after | change |", "|---|---|---|--:|--:|--:|"]
    return "\n".join([*head, *lines]) if lines else "No critic of this study has been evaluated at two ages yet."


def aged_in_words(study: Study) -> list[str]:
    """Return how VGF and best-of-N changed with the age of their critics where they clearly did, in sentences."""
    said = [
        ages_in_words(s, name, clear=True) for key, name in ROWS.items() for s in study.sources if s.method == key[0]
    ]
    return list(filter(None, said))
