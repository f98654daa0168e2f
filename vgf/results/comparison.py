"""The paper's comparison, made with our records: which budget VGF acts with, and whether it is ahead of the rivals.

Both suites are judged by the same rule, written down here once so that no chapter can bend it. The budget is the one
that scored highest in the tuning records, whose seed the compared records do not use. Only tasks of the paper's own
table count towards a verdict on it, and of them those on which somebody scores; fewer than three are no verdict on
"most tasks". Ahead means a higher mean; with few seeds that is little, and the tables beside it have the intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from vgf.results.tables import Study, table_cell
from vgf.results.verdicts import Status
from vgf.sources.check import recorded_files

ENOUGH = 3  # tasks of the paper's table, to say anything of most of them
KINDS = {"gait": "locomotion", "goal": "tasks with a goal"}  # of `Task.kind`, in words


@dataclass(frozen=True)
class Comparison:
    """VGF at its chosen budgets beside the rivals, on every task that has them all.

    Attributes:
        own: VGF's mean score by task.
        others: the rivals' mean scores by task and method.
        named: the tasks that are in the paper's table, of those.
        clear: the tasks on which VGF's interval lies above every rival's.
    """

    own: Mapping[str, float]
    others: Mapping[str, Mapping[str, float]]
    named: Sequence[str]
    clear: Sequence[str]

    @property
    def silent(self) -> list[str]:
        """The paper's tasks on which nobody scores."""
        return [task for task in self.named if max(self.own[task], *self.others[task].values()) <= 0]

    @property
    def judged(self) -> list[str]:
        """The paper's tasks on which somebody does."""
        return [task for task in self.named if task not in self.silent]

    @property
    def ahead(self) -> list[str]:
        """The paper's tasks on which VGF's mean is above every rival's."""
        return [task for task in self.judged if self.own[task] > max(self.others[task].values())]

    @property
    def status(self) -> Status:
        """What that makes of a claim about most tasks."""
        if len(self.judged) < ENOUGH:
            return "undecided"
        if len(self.ahead) > len(self.judged) / 2:
            return "held"
        return "held in part" if self.ahead else "did not hold"

    @property
    def evidence(self) -> str:
        """One sentence: on how many tasks VGF is ahead, of the paper's and of all."""
        rest = [task for task in self.own if task not in self.named]
        best = sum(self.own[task] > max(self.others[task].values()) for task in rest)
        others = f"{best} of {len(rest)} other{'s' * (len(rest) != 1)}"
        none = f" (on {len(self.silent)} more nobody scores)" if self.silent else ""
        if not self.judged:
            nobody = f"on the {len(self.named)} of the paper's table that were run nobody scores"
            nothing = nobody if self.named else "no task of the paper's table was run"
            return f"{nothing}; VGF's mean is above all its rivals' on {others}"
        won = [self.own[task] > score for task in self.judged for score in self.others[task].values()]
        of = f"{len(self.judged)} task{'s' * (len(self.judged) != 1)} of the paper's table{none}"
        text = f"VGF's mean is above all its rivals' on {len(self.ahead)} of {of}"
        clear = sum(task in self.clear for task in self.ahead)
        text += (
            f", its interval above theirs on {clear}, its mean higher in {sum(won)} of {len(won)} single comparisons"
        )
        return f"{text}, and on {others}" if rest else text


def chosen_budgets(tuned: Study, study: Study, varied: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return what was tried on a seed that `study` does not use, and the best test budget for each kind of task.

    Args:
        tuned: the tuning records, of VGF with two values of one field, of which those of the study's suite count.
        study: the records to be compared.
        varied: the field.

    Returns:
        A row for each value tried (task, the field, the score at each L_test), and the L_test of the best row for each
        kind of task.

    Raises:
        ValueError: if a kind of task in `study` has no tuning record, or VGF another value than the one that came out.
    """
    suites, rows, best = {s.task.suite for s in study.sources}, [], dict[str, tuple[float, int, Any]]()
    for source in tuned.sources:
        if source.task.suite not in suites:
            continue
        budgets = sorted(source.scores["test_steps"].unique())
        scores = {int(steps): float(runs.mean()) for steps in budgets if len(runs := source.runs("last", steps))}
        best_steps = max(scores, key=scores.__getitem__)  # the least of them when they tie
        value = source.record.runs[-1]["settings"]["config"][varied]
        row = {"task": source.task.name, varied: value}
        rows.append(row | {f"L = {steps}": f"{score:.1f}" for steps, score in scores.items()})
        if source.task.kind not in best or scores[best_steps] > best[source.task.kind][0]:
            best[source.task.kind] = (scores[best_steps], best_steps, value)
    for source in study.sources:
        name = source.task.name
        if source.task.kind not in best:
            raise ValueError(f"{name}: no tuning record says with how many test steps VGF acts there")
        own, chosen = source.record.runs[-1]["settings"].get("config", {}).get(varied), best[source.task.kind][2]
        if source.method == "vgf" and own != chosen:
            raise ValueError(f"{name}: VGF has {varied} {own}, the tuning chose {chosen}")
    return pd.DataFrame(rows), {of: steps for of, (_, steps, _) in best.items()}


def compare(study: Study, rivals: Sequence[str], budgets: Mapping[str, int]) -> Comparison:
    """Hold VGF at `budgets` against the rivals, by the table's means and intervals after the last update.

    Args:
        study: records of VGF and rivals.
        rivals: agents the paper's table has.
        budgets: of `chosen_budgets`.
    """
    own, others, clear = dict[str, float](), dict[str, dict[str, float]](), list[str]()
    for source in study.sources:
        name = source.task.name
        if source.method != "vgf":
            continue
        ours = table_cell(study, name, ("vgf", budgets[source.task.kind]))
        beside = {rival: cell for rival in rivals if (cell := table_cell(study, name, (rival, 0))) is not None}
        if ours is None or len(beside) < len(rivals):
            continue
        own[name], others[name] = ours.value, {rival: cell.value for rival, cell in beside.items()}
        clear += [name] * bool(ours.low > max(cell.high for cell in beside.values()))
    n = study.numbers
    paper = set(n[n["checkpoint"] == "paper"]["task"])
    return Comparison(own, others, [task for task in own if task in paper], clear)


def budgets_in_words(budgets: Mapping[str, int]) -> str:
    """Return with how many steps VGF acts, for each kind of task."""
    if set(budgets.values()) == {0}:
        return "no test step: VGF acts below as best-of-N, and only its critic was trained with the flow"
    words = [f"{n or 'no'} test step{'s' * (n > 1)} on {KINDS[of]}" for of, n in sorted(budgets.items())]
    return " and ".join(words)


def data_scores(study: Study) -> dict[str, float]:
    """Return the mean score of the episodes each task was learnt from, where the file is on record."""
    known = {fact["content"]: fact["score_mean"] for fact in recorded_files().values() if "score_mean" in fact}
    contents = {s.task.name: s.record.runs[-1]["dataset"].get("content") for s in study.sources}
    return {task: known[content] for task, content in contents.items() if content in known}
