"""What steps in the target do: VGF without a test step beside best-of-N, which has no step in training either.

Both act by the best of N unmoved actions of the same reference. Where their settings are equal but for the steps that
particles take in the target of the critic, what differs is what the critic learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from vgf.results import stats, units
from vgf.results.judgement import listed, plural
from vgf.results.study_text import short
from vgf.results.tables import MethodScores, Study

WITHOUT, WITH = "best_of_n", "vgf"  # steps in the target
LOGGED = 10  # lines at the end of a curve whose mean is a seed's value


class Pair(NamedTuple):
    """A number without and with steps in the target, and the difference seed by seed."""

    without: float
    within: float
    by: stats.Student

    def cell(self) -> str:
        """Return the second number and the difference."""
        low, high = self.by.interval()
        return f"{self.within:.1f} ({self.by.value:+.1f} [{low:.1f}, {high:.1f}])"


class TargetSteps(NamedTuple):
    """A task's two rows.

    Attributes:
        task: its name.
        steps: in the target, of the row that has some.
        score: of the policies, both with no step.
        moved: of the row with steps in the target beside the other's, acting with the same steps; None if not run.
        value: that the critics give to the data's actions.
    """

    task: str
    steps: int
    score: Pair
    moved: Pair | None
    value: Pair


def value_of_data(source: MethodScores) -> pd.Series:
    """Return what the critic values the data's actions at, by seed: the mean over the last logged mini-batches."""
    known = source.record.curve.dropna(subset=["critic/q"]).sort_values("update")
    return known.groupby("seed").tail(LOGGED).groupby("seed")["critic/q"].mean()


def pair(without: pd.Series, within: pd.Series) -> Pair | None:
    """Return the comparison over the seeds that both have; None with fewer than two."""
    both = pd.concat([without, within], axis=1, join="inner").to_numpy().T
    if both.shape[1] < 2:
        return None
    return Pair(both[0].mean(), both[1].mean(), stats.student([both[1] - both[0]]))


def target_steps(study: Study) -> list[TargetSteps]:
    """Return the comparison on each task that has both rows, with two seeds or more in common."""
    found = []
    for task in study.tasks:
        without, within = (units.records_of(study, task, method) for method in (WITHOUT, WITH))
        if without is None or within is None:
            continue
        steps = int(within.record.runs[-1]["settings"]["config"]["train_steps"])
        base = without.by_seed("last", 0)
        score, moved = (pair(base, within.by_seed("last", budget)) for budget in (0, steps))
        value = pair(value_of_data(without), value_of_data(within))
        if score is not None and value is not None:
            found.append(TargetSteps(task, steps, score, moved, value))
    return found


def target_table(found: Sequence[TargetSteps]) -> str:
    """Return a markdown table: scores and values without and with steps in the target, with the difference."""
    lines = [
        "| task | score, best-of-N | VGF, no step | VGF, as trained | value, best-of-N | VGF |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for one in found:
        moved = one.moved.cell() if one.moved else "not run"
        scores = f"{one.score.without:.1f} | {one.score.cell()} | {moved}"
        lines.append(f"| {short(one.task)} | {scores} | {one.value.without:.1f} | {one.value.cell()} |")
    return "\n".join(lines)


def counts(found: Sequence[TargetSteps]) -> tuple[int, int]:
    """Return on how many tasks steps in the target clearly raise the value, and lower the score acting as trained."""
    higher = sum(one.value.by.word() == "above" for one in found)
    return higher, sum(one.moved is not None and one.moved.by.word() == "below" for one in found)


def target_counted(found: Sequence[TargetSteps]) -> str:
    """Return `counts` in a short sentence."""
    higher, less = counts(found)
    tasks = plural(len(found))
    return f"Steps in the target raise the critic's value on {higher} of {tasks} and lower the score on {less}"


def target_in_words(found: Sequence[TargetSteps]) -> str:
    """Return in sentences on which tasks steps in the target clearly change value and scores; empty of no task."""
    if not found:
        return ""
    steps = listed(sorted({str(one.steps) for one in found}))
    said = [
        f"With {steps} steps in the target the critic values the data's actions {_ways([one.value for one in found])}",
        f"Beside best-of-N's, the score without a test step is {_ways([one.score for one in found])}",
        f"Acting as trained, it is {_ways([one.moved for one in found])}",
    ]
    return ". ".join(said)


def _ways(pairs: Sequence[Pair | None]) -> str:
    """Return on how many tasks a difference is clear, each way."""
    known = [pair.by.word() for pair in pairs if pair is not None]
    return f"clearly higher on {known.count('above')} of {plural(len(known))}, clearly lower on {known.count('below')}"
