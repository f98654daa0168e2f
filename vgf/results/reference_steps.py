"""What the Euler steps of a cloned flow do to its score: rows of one training that differ in sampling alone.

The study `reference_steps` has a row for each number of steps, named `euler_K`. Seeds share their weights across rows,
so rows are compared seed by seed. What was predicted is written in data/experiments/reference_steps.yaml.
"""

from __future__ import annotations

from typing import Literal

import pandas as pd

from vgf.datasets import get_task
from vgf.results import long_trainings, stats
from vgf.results.judgement import listed
from vgf.results.study_text import short, with_interval
from vgf.results.tables import Study

PREFIX = "euler_"
FEW, MANY = 1, 50  # steps that the prediction compares
Answer = Literal["as predicted", "otherwise", "tells nothing"]


def by_steps(study: Study) -> pd.DataFrame:
    """Return the mean score of each task and number of Euler steps.

    Args:
        study: its rows named `euler_K` are read.

    Returns:
        Columns task, steps, mean, low, high (Student's 95 % interval over seeds) and seeds, steps ascending.
    """
    rows = []
    for method in {source.method for source in study.sources if source.method.startswith(PREFIX)}:
        for task, scores in study.runs("last", (method, 0)).items():
            found = stats.of_mean([scores], study.range([task]))
            rows.append((task, int(method.removeprefix(PREFIX)), found.value, found.low, found.high, len(scores)))
    table = pd.DataFrame(rows, columns=["task", "steps", "mean", "low", "high", "seeds"])
    places = {task: place for place, task in enumerate(study.tasks)}
    return table.sort_values(["task", "steps"], key=lambda column: column.replace(places)).reset_index(drop=True)


def compared(study: Study) -> pd.DataFrame:
    """Return how the score with `FEW` steps stands to that with `MANY` on each task that has both, seed by seed.

    Returns:
        Columns task, gain, low, high, seeds and word of `long_trainings.beside_clone`, few and many (mean scores), and
        answer: of the prediction. Nothing is in it where no task has both.
    """
    found = long_trainings.beside_clone(study, (f"{PREFIX}{FEW}", 0), (f"{PREFIX}{MANY}", 0))
    means = by_steps(study).pivot(index="task", columns="steps", values="mean").reindex(found["task"])
    found = found.assign(few=means[FEW].to_numpy(), many=means[MANY].to_numpy()) if len(found) else found
    answers = [answer(get_task(r.task).kind == "goal", max(r.few, r.many), r.word) for r in found.itertuples()]
    return found.assign(answer=answers)


def answer(goal: bool, best: float, word: str) -> Answer:
    """Return what a comparison says of the prediction.

    Args:
        goal: the task is of goals, whose data have several ways; else of locomotion, whose data one noisy policy made.
        best: the higher of the two mean scores.
        word: how few steps stand to many, as `stats.Student.word`.
    """
    if goal and best < stats.WORTH:
        return "tells nothing"
    return "as predicted" if (word == "below" if goal else word != "below") else "otherwise"


def other_files(study: Study, other: Study, steps: int = 10, method: str = "bc") -> str:
    """Return in sentences how a clone of another study scores on tasks whose files differ from this study's.

    A recipe that runs with another kernel of numpy's OpenBLAS gives another file. Empty where all files are equal, and
    where a file differs in more.

    Args:
        study: its row of so many Euler steps has the seeds and settings of the clone.
        other: the study with the clone.
        steps: Euler steps of the clone.
        method: the clone's name there.
    """
    own, clones = ({s.task.name: s for s in of.sources if s.method == name} for of, name in (
        (study, f"{PREFIX}{steps}"), (other, method)
    ))  # fmt: skip
    said = []
    for task in [task for task in own if task in clones]:
        first, second = own[task], clones[task]
        files = [source.record.runs[-1]["dataset"] for source in (first, second)]
        kernels = [file.get("blas") for file in files]
        alike = [{name: file.get(name) for name in ("recipe", "source", "rows", "seed")} for file in files]
        if alike[0] == alike[1] and all(kernels) and len({*kernels}) > 1:
            means = [stats.of_mean([source.runs("last", 0)], study.range([task])) for source in (first, second)]
            scores = [with_interval(one) for one in means]
            said.append(
                f"On {short(task)} the file is another one of the same recipe, made with numpy's OpenBLAS kernel "
                f"{kernels[0]} in place of {kernels[1]}. The clone scores {scores[0]} on it, {scores[1]} on the other."
            )
    return " ".join(said)


def in_words(table: pd.DataFrame) -> str:
    """Return, of what `compared` returns, how few steps stand to many, in a sentence without a full stop."""
    ways = {
        "above": "scores clearly more",
        "below": "scores clearly less",
        "not clearly apart": "does not score clearly more or less",
    }
    parts = [f"{ways[word]} on {tasks}" for word, tasks in long_trainings.by_word(table).items()]
    return f"With one Euler step in place of {MANY} the clone {listed(parts)}" if parts else "No task has both yet"
