"""What a comparison with the paper needs beside scores: the budget VGF acts with, and what the data score.

Both suites choose the budget by the same rule, written down here once so that no chapter can bend it. It is the one
that scored highest in the tuning records, whose seed the compared records do not use. Whether VGF is then ahead of its
rivals is judged by `vgf.results.verdicts.ahead`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from vgf.results.tables import Study
from vgf.sources.check import recorded_files

KINDS = {"gait": "locomotion", "goal": "tasks with a goal"}  # of `Task.kind`, in words


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
