"""What the long trainings say: how VGF and best-of-N stand to a clone, what a step costs, and what is still to train.

How scores change with the age of the critic is in `vgf.results.critic_ages`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from vgf.results import collapse, stats, step_verdicts, units
from vgf.results.critic_ages import ROWS, aged_in_words
from vgf.results.judgement import listed, plural
from vgf.results.study_text import NAMES, short
from vgf.results.tables import Study

SHOWN = 2  # tasks whose runs a sentence names
SAID = 3  # tasks whose scores a sentence says


def of_suite(study: Study, suite: str) -> Study:
    """Return the part of a study that is on tasks of one suite."""
    return replace(study, sources=tuple(source for source in study.sources if source.task.suite == suite))


def beside_clone(study: Study, own: tuple[str, int] = ("vgf", 0), other: tuple[str, int] = ("bc", 0)) -> pd.DataFrame:
    """Return how much more a row scores than behaviour cloning on each task that has both, seed by seed.

    Args:
        study: the records.
        own: method and test budget.
        other: the row in the clone's place.

    Returns:
        Columns task, gain, low, high (Student's 95 % interval over seeds), seeds and word: above, below, or not clearly
        apart.
    """
    rows = []
    for task in study.tasks:
        unit = units.collect(study, [other, own], [task])
        if unit is None or unit.seeds < 2:
            continue
        found = stats.student([unit.scores[1] - unit.scores[0]])
        rows.append((task, found.value, *found.interval(), unit.seeds, found.word()))
    return pd.DataFrame(rows, columns=["task", "gain", "low", "high", "seeds", "word"])


def by_word(table: pd.DataFrame) -> dict[str, str]:
    """Return the tasks of each word of `beside_clone`, each with its gain; a word without a task is left out."""
    found = {}
    for word in ("above", "below", "not clearly apart"):
        own = table[table["word"] == word]
        gains = [f"{short(r.task)} ({r.gain:+.1f} [{r.low:.1f}, {r.high:.1f}])" for r in own.itertuples()]
        if gains:
            found[word] = listed(gains)
    return found


def beside_clone_in_words(table: pd.DataFrame, name: str) -> str:
    """Return how a row stands to behaviour cloning, of what `beside_clone` returns: a sentence for each way.

    Args:
        table: at least one task.
        name: of the row.
    """
    parts = []
    for word, tasks in by_word(table).items():
        than = "not clearly apart from" if word == "not clearly apart" else f"clearly {word}"
        parts.append(f"{than} behaviour cloning on {tasks}")
    return f"{name} is {'. It is '.join(parts)}"


def beside_clone_counted(table: pd.DataFrame, name: str) -> str:
    """Return in a short sentence on how many tasks a row is clearly above and below behaviour cloning."""
    above, below = ((table["word"] == word).sum() for word in ("above", "below"))
    return f"{name} is clearly above behaviour cloning on {above} of {plural(len(table))}, clearly below on {below}"


def found_in_words(study: Study) -> dict[str, str]:
    """Return what the records say, by topic: full sentences, or that there is no record.

    Topics are clone, vgf and best_of_n (beside the clone), choosing (among unmoved actions), age (of the critics; only
    changes that are clearly not none) and steps.
    """
    own = {task: study.runs("last", ("bc", 0)).get(task) for task in study.tasks}
    scores = [f"{runs.mean():.1f} on {short(task)}" for task, runs in own.items() if runs is not None]
    beside = {key[0]: (beside_clone(study, key), name) for key, name in ROWS.items()}
    said = {
        "clone": [f"Behaviour cloning scores {listed(scores)}"] if scores else [],
        **{method: [beside_clone_in_words(*row)] if len(row[0]) else [] for method, row in beside.items()},
        "choosing": [choosing_in_words(study)],
        "age": aged_in_words(study),
        "steps": [steps_in_words(study)],
    }
    return {topic: " ".join(f"{part}." for part in parts if part) or "No record yet." for topic, parts in said.items()}


def counted(study: Study) -> dict[str, str]:
    """Return how VGF and best-of-N, each without a step, stand to the clone: a short sentence by method."""
    return {key[0]: beside_clone_counted(beside_clone(study, key), name) for key, name in ROWS.items()}


def counted_in_words(study: Study) -> str:
    """Return the finding in a short sentence: VGF beside the clone, or best-of-N where VGF has no record."""
    return next((said for key, said in counted(study).items() if len(beside_clone(study, (key, 0)))), "")


def choosing_in_words(study: Study, method: str = "vgf") -> str:
    """Return what a critic's choice among a few unmoved actions scores, `SAID` tasks a sentence; empty without any."""
    parts = [
        f"{own['best'].mean():.1f} on {short(task)} ({'' if place else 'any one of them '}{own['any'].mean():.1f})"
        for place, (task, own) in enumerate(units.rankings(study, method).items())
    ]
    sentences = [listed(parts[first : first + SAID]) for first in range(0, len(parts), SAID)]
    start = f"By {NAMES[method]}'s critic the best of a few unmoved actions scores "
    return start + ". It scores ".join(sentences) if sentences else ""


def steps_in_words(study: Study, method: str = "vgf") -> str:
    """Return in a sentence on how many tasks the most test steps score less, and more, than none, seed by seed.

    Empty where no task has both budgets.
    """
    less = more = tasks = most = 0
    for task in study.tasks:
        budgets = units.steps_of(study, [method], [task])
        if 0 not in budgets or len(budgets) < 2:
            continue
        tasks, most = tasks + 1, max(most, budgets[-1])
        unit = units.collect(study, [(method, 0), (method, budgets[-1])], [task])
        assert unit is not None  # both budgets are there
        word = stats.student([unit.scores[1] - unit.scores[0]]).word()
        less, more = less + (word == "below"), more + (word == "above")
    if not tasks:
        return ""
    than = f"with {most} test steps than with none"
    return f"VGF scores clearly less {than} on {less} of {plural(tasks)}, and clearly more on {more}"


def ranking_table(study: Study, methods: Sequence[str] = ("best_of_n", "vgf")) -> str:
    """Return a markdown table: by task, method and age, the score of the worst, any and the best of unmoved actions.

    The fourth column is the answer of `step_verdicts.generalises`, which judges the last age alone.
    """
    lines = []
    for source in study.sources:
        if source.method not in methods or not len(getattr(source.record, "ranking", ())):
            continue
        every = collapse.orders(source)
        for age, rows in every.groupby("update"):
            scores, last = units.of_few(rows), age == every["update"].max()
            unit = units.Unit(source.task.name, scores.to_numpy().T)
            answer = step_verdicts.generalises(unit) if last else "not asked"
            cells = " | ".join(f"{mean:.1f}" for mean in scores.mean())
            name = f"{short(source.task.name)} | {NAMES[source.method]} | {age:,}"
            lines.append(f"| {name} | {answer} | {cells} |")
    if not lines:
        return "No critic of this study has been ranked yet."
    head = ["| task | critic of | updates | it generalises | worst | any | best |", "|---|---|--:|---|--:|--:|--:|"]
    return "\n".join([*head, *lines])


def hours(study: Study) -> pd.DataFrame:
    """Return core-hours by task and method, training and evaluation, as the records took."""
    rows = [
        (s.task.name, s.method, sum(sum(run["seconds"].values()) for run in s.record.runs) / 3600)
        for s in study.sources
    ]
    return pd.DataFrame(rows, columns=["task", "method", "hours"])


def missing(study: Study, planned: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the tasks and methods of a plan that have no record."""
    there = {(s.task.name, s.method) for s in study.sources}
    return [pair for pair in planned if pair not in there]


def there_in_words(left: Sequence[tuple[str, str]], planned: Sequence[tuple[str, str]], own: str = "vgf") -> str:
    """Return in a clause which runs of a plan are on record, or how many where they are many."""
    done = [pair for pair in planned if pair not in left]
    if not done:
        return f"none of {plural(len(planned), 'run')} is on record"
    named = {task: [NAMES.get(m, m) for t, m in done if t == task] for task, _ in done}
    said = f"{len(done)} of {plural(len(planned), 'run')} are on record"
    if len(named) <= SHOWN:
        said += f": {'; '.join(f'{listed(methods)} on {short(task)}' for task, methods in named.items())}"
    return said if any(method == own for _, method in done) else f"{said}. {NAMES[own]} is not among them"


def missing_in_words(left: Sequence[tuple[str, str]], planned: Sequence[tuple[str, str]]) -> str:
    """Return in a sentence how much of a plan is on record, and what comes next."""
    done = len(planned) - len(left)
    said = f"On record are {done} of {plural(len(planned), 'run')} of the file"
    if not left:
        return said
    return f"{said}; next is {NAMES.get(left[0][1], left[0][1])} on {short(left[0][0])}"
