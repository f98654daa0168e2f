"""What steps in the target change: the critics of VGF and best-of-N, and VGF's scores beside those of the others.

The target of best-of-N's critic is the mean over unmoved actions of the reference, so it values the clone. That of VGF
is the mean over moved actions, so it values the policy that takes any one of them. If steps improve a policy, values
rise and scores above the clone's follow. With no test step both agents act by the best of N unmoved actions; where
their settings are equal but for the steps in the target, what differs is what the critic learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from vgf.datasets import get_task
from vgf.results import stats, units
from vgf.results.judgement import listed, plural
from vgf.results.study_text import short
from vgf.results.tables import MethodScores, Study

CLONE, WITHOUT, WITH = "bc", "best_of_n", "vgf"  # rows: the clone, no step in the target, and some
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
    """A task's rows.

    Attributes:
        task: its name.
        steps: in the target, of the row that has some.
        value: that the critics give to the data's actions.
        score: of VGF beside best-of-N, both with no test step.
        moved: of VGF, acting with the steps of its target, beside the clone; None if not run.
        floor: least value that can be true, None where rewards have no bound.
    """

    task: str
    steps: int
    value: Pair
    score: Pair
    moved: Pair | None
    floor: float | None


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
    """Return the comparison on each task that has the critics of both, with two seeds or more in common."""
    found = []
    for task in study.tasks:
        clone, without, within = (units.records_of(study, task, method) for method in (CLONE, WITHOUT, WITH))
        if without is None or within is None:
            continue
        config = within.record.runs[-1]["settings"]["config"]
        steps = int(config["train_steps"])
        value = pair(value_of_data(without), value_of_data(within))
        score = pair(without.by_seed("last", 0), within.by_seed("last", 0))
        moved = pair(clone.by_seed("last", 0), within.by_seed("last", steps)) if clone else None
        # a task with a goal rewards a step by -1 until it is met
        floor = -1 / (1 - config["discount"]) if get_task(task).kind == "goal" else None
        if score is not None and value is not None:
            found.append(TargetSteps(task, steps, value, score, moved, floor))
    return found


def target_table(found: Sequence[TargetSteps]) -> str:
    """Return a markdown table: values and scores without and with steps in the target, with the difference."""
    lines = [
        "| task | value, best-of-N | VGF | score, best-of-N | VGF, no step | clone | VGF, as trained |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for one in found:
        moved = f"{one.moved.without:.1f} | {one.moved.cell()}" if one.moved else "not run | not run"
        values = f"{one.value.without:.1f} | {one.value.cell()}"
        lines.append(f"| {short(one.task)} | {values} | {one.score.without:.1f} | {one.score.cell()} | {moved} |")
    return "\n".join(lines)


def ways(pairs: Sequence[Pair | None]) -> tuple[int, int, int]:
    """Return on how many tasks a difference is clearly above zero, on how many below, and of how many."""
    known = [pair.by.word() for pair in pairs if pair is not None]
    return known.count("above"), known.count("below"), len(known)


def target_counted(found: Sequence[TargetSteps]) -> str:
    """Return in a short sentence how often values clearly rise, and scores beside the clone's rise or fall."""
    raised, _, of = ways([one.value for one in found])
    up, down, _ = ways([one.moved for one in found])
    rise = f"Steps in the target clearly raise values on {raised} of {plural(of)} and scores on {up}"
    return f"{rise}; scores fall on {down}"


def target_in_words(found: Sequence[TargetSteps]) -> str:
    """Return in sentences on how many tasks steps in the target clearly change values and scores."""
    if not found:
        return "No task has both critics yet"
    steps = listed(sorted({str(one.steps) for one in found}))
    said = [
        f"With {steps} steps in the target the critic values the data's actions "
        + _clearly([one.value for one in found], "higher", "lower"),
        "Acting without a step, VGF scores " + _clearly([one.score for one in found], "more than best-of-N", "less"),
        "Acting as trained, it scores " + _clearly([one.moved for one in found], "more than the clone", "less"),
    ]
    below = [short(o.task) for o in found if o.floor is not None and min(o.value[:2]) < o.floor]
    if below:
        said.append(f"On {listed(below)} the values are below the least that can be true")
    return ". ".join(said)


def _clearly(pairs: Sequence[Pair | None], above: str, below: str) -> str:
    """Return on how many tasks a difference is clear, each way."""
    up, down, of = ways(pairs)
    return f"clearly {above} on {up} of {plural(of)} and {below} on {down}"
