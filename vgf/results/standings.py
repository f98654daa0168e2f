"""How the methods of a study stand on a task that most of them were trained on, by their last scores.

A method that can act with several numbers of test steps stands there with none, which all such methods have and
nobody has to choose. The price is that a method which scores more with steps is shown below its best.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from vgf.results import stats
from vgf.results.judgement import listed, plural
from vgf.results.long_trainings import missing
from vgf.results.study_text import NAMES, short, with_interval
from vgf.results.tables import Study

MOST = 0.8  # share of a task's planned methods that must be on record
LEADING = 3  # methods a sentence names from the top
OWN, CLONE = "vgf", "bc"


def standings(study: Study, task: str) -> pd.DataFrame:
    """Return the methods on record for a task, the highest mean first.

    Args:
        study: the records.
        task: its name.

    Returns:
        Columns method, value (the mean), low, high (Student's 95 % interval over seeds), seeds.
    """
    rows = []
    for source in study.sources:
        if source.task.name == task:
            scores = source.by_seed("last", 0).to_numpy()
            found = stats.of_mean([scores], study.range([task]))
            rows.append((source.method, found.value, found.low, found.high, len(scores)))
    table = pd.DataFrame(rows, columns=["method", "value", "low", "high", "seeds"])
    return table.sort_values("value", ascending=False, ignore_index=True)


def whole_tasks(study: Study, planned: Sequence[tuple[str, str]]) -> list[str]:
    """Return the tasks of which most planned methods are on record, in the study's order.

    Args:
        study: the records.
        planned: tasks and methods of the experiment file.
    """
    wanted, lacking = (Counter(task for task, _ in pairs) for pairs in (planned, missing(study, planned)))
    return [task for task in study.tasks if wanted[task] - lacking[task] >= MOST * wanted[task] > 0]


def standings_in_words(table: pd.DataFrame, task: str) -> str:
    """Return who leads on a task, and where the clone and VGF stand, each with its interval.

    Args:
        table: of `standings`, with rows of VGF and the clone.
        task: its name.
    """
    scored = {str(row.method): with_interval(row) for row in table.itertuples()}
    leading = [f"{NAMES[method]} {scored[method]}" for method in scored if method not in (OWN, CLONE)][:LEADING]
    said = f"Of {plural(len(scored), 'method')} on {short(task)} the highest scores beside VGF's and the clone's are "
    return f"{said}{listed(leading)}. {NAMES[OWN]} with no step scores {scored[OWN]}, the clone {scored[CLONE]}"
