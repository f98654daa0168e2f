"""A study's numbers as text: markdown for the book, LaTeX for a paper, csv for a program.

Every table is headed by what it must not be read without: score, seeds, episodes, scale, dataset, what the interval
is worth and how the checkpoint was chosen. The words come from the records, so a table cannot be shown without them.
Numbers are formatted from the rounded csv, so that all three formats show the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vgf.results import stats
from vgf.results.tables import ALL, Key, Study

Cells = list[list[str]]  # rows of a table, the first one its head
CHOICE = {
    "last": "last checkpoint: the policy after the last update",
    "best": "best checkpoint: for each seed the highest of all evaluated, chosen by the very score shown and so biased "
    "upwards; compare it with nothing but numbers chosen alike",
    "offline": "offline checkpoint: the policy that fine-tuning online began with",
}


def markdown(study: Study) -> str:
    """Return the study's tables in markdown: last, best, and the probabilities of improvement."""
    parts = []
    for title, lines, rows in _tables(study):
        parts += [f"**{title}**", "", *(f"- {line}" for line in lines), ""]
        parts += [f"| {' | '.join(row)} |" for row in [rows[0], ["---", *["--:"] * (len(rows[0]) - 1)], *rows[1:]]]
        parts.append("")
    return "\n".join(parts)


def latex(study: Study) -> str:
    """Return the study's tables in LaTeX, for the package booktabs."""
    parts = []
    for title, lines, rows in _tables(study):
        caption = ". ".join(_escape(line) for line in (title, *lines))
        body = [" & ".join(map(_escape, row)) + r" \\" for row in rows]
        parts += [
            r"\begin{table}",
            rf"\caption{{{caption}.}}",
            r"\small",
            rf"\begin{{tabular}}{{l{'r' * (len(rows[0]) - 1)}}}",
            *[r"\toprule", body[0], r"\midrule", *body[1:], r"\bottomrule"],
            *[r"\end{tabular}", r"\end{table}", ""],
        ]
    return "\n".join(parts)


def csv(study: Study) -> str:
    """Return every number of the study, one a row."""
    return study.csv


FORMATS: Mapping[str, Callable[[Study], str]] = {"csv": csv, "md": markdown, "tex": latex}


def _tables(study: Study) -> list[tuple[str, list[str], Cells]]:
    """Return title, heading lines and cells of each table."""
    found = {
        (r.checkpoint, r.statistic, r.task, r.method, r.test_steps, r.against): r for r in study.numbers.itertuples()
    }
    facts = header(study)
    tables = []
    for checkpoint in study.checkpoints:
        rows = _scores(study, found, checkpoint)
        tables.append((f"{study.label}, {checkpoint} checkpoint", [CHOICE[checkpoint], *facts], rows))
    if len(study.keys) > 1 and study.shared:
        lines = [
            "probability that a run of the row beats a run of the column on a task drawn at random, ties counting "
            "half; last checkpoint",
            *facts,
        ]
        tables.append((f"{study.label}, probability of improvement", lines, _pairs(study, found)))
    return tables


def _scores(study: Study, found: Mapping[Any, Any], checkpoint: str) -> Cells:
    """Return tasks by methods and budgets, the paper's number after its method, sums over tasks below."""
    columns: list[tuple[str, Key | str]] = []
    for i, key in enumerate(study.keys):
        columns.append((label(study, key), key))
        last = i + 1 == len(study.keys) or study.keys[i + 1][0] != key[0]
        if last and any(
            ("paper", "mean", task, key[0], "", "") in found for task in [*study.tasks, *study.environments]
        ):
            columns.append((f"{key[0]}, paper", key[0]))
    rows = [["task", *(title for title, _ in columns)]]
    for task in [*study.tasks, *study.environments]:
        keys = [
            ("paper", "mean", task, k, "", "") if isinstance(k, str) else _key(checkpoint, task, k) for _, k in columns
        ]
        title = f"{task}, mean of {len(study.environments[task])} tasks" if task in study.environments else task
        rows.append([title, *(_cell(found.get(key)) for key in keys)])
    for statistic, words in (("mean", "mean"), ("iqm", "IQM")) if study.shared else ():
        keys = [() if isinstance(k, str) else _key(checkpoint, ALL, k, statistic) for _, k in columns]
        count = len(study.shared)
        rows.append([f"{words} over {count} task{'s' * (count > 1)}", *(_cell(found.get(key)) for key in keys)])
    return rows


def _pairs(study: Study, found: Mapping[Any, Any]) -> Cells:
    """Return methods and budgets by the same."""
    rows = [["", *(label(study, key) for key in study.keys)]]
    for key in study.keys:
        cells = [
            _cell(found.get(_key("last", ALL, key, "improvement", f"{other[0]}/{other[1]}")), digits=2)
            for other in study.keys
        ]
        rows.append([label(study, key), *cells])
    return rows


def _key(checkpoint: str, task: str, key: Key, statistic: str = "mean", against: str = "") -> tuple[str, ...]:
    return checkpoint, statistic, task, key[0], str(key[1]), against


def label(study: Study, key: Key) -> str:
    """Return a column's title: the method, with its test budget where it has several."""
    several = sum(method == key[0] for method, _ in study.keys) > 1
    return f"{key[0]}, {key[1]} step{'s' * (key[1] != 1)}" if several else key[0]


def _cell(row: Any, digits: int = 1) -> str:
    """Return a number with its interval; one run has none, and a number that is not there is a dash."""
    if row is None:
        return "–"
    value = f"{row.value:.{digits}f}"
    if math.isnan(row.low) or (row.runs == 1 and row.task != ALL):
        return value
    return f"{value} [{row.low:.{digits}f}, {row.high:.{digits}f}]"


def header(study: Study) -> list[str]:
    """Return the lines a table must not be read without."""
    return [*_score_lines(study), *_run_lines(study), *_dataset_lines(study), *_paper_lines(study)]


def not_run(study: Study, planned: Iterable[tuple[str, str]]) -> list[str]:
    """Return a line on what of an experiment file has no record, by task; none where all has one.

    Args:
        study: the records.
        planned: task and method of each row of the file.
    """
    planned, there = list(planned), {(source.task.name, source.method) for source in study.sources}
    tasks_of: dict[str, list[str]] = {}
    for task in dict.fromkeys(task for task, _ in planned):
        rows = [method for name, method in planned if name == task]
        left = [method for method in rows if (task, method) not in there]
        if left:
            tasks_of.setdefault("everything" if left == rows else ", ".join(left), []).append(task)
    parts = [f"{left} on {' and '.join(tasks)}" for left, tasks in tasks_of.items()]
    return [f"in the file and not run: {'; '.join(parts)}"] if parts else []


def _score_lines(study: Study) -> list[str]:
    """Say what a score is."""
    kinds = {source.task.score for source in study.sources}
    words = {"success": "percent of episodes that succeed", "return": "return, normalised as D4RL does"}
    return [f"score: {'; '.join(words[kind] for kind in sorted(kinds))}"]


def _run_lines(study: Study) -> list[str]:
    """Say scale, seeds, updates, episodes, and what the interval is worth."""
    seeds = sorted({tuple(sorted({seed for run in s.record.runs for seed in run["seeds"]})) for s in study.sources})
    updates = sorted({int(s.scores["update"].max()) for s in study.sources})
    episodes = sorted({int(n) for s in study.sources for n in s.scores["episodes"].unique()})
    steps = [int(s.scores["environment_steps"].max()) for s in study.sources]
    online = [f"online: the last of these updates, over {_span(steps)} environment steps a seed"] if max(steps) else []
    configs = [run["settings"].get("config", {}) for s in study.sources for run in s.record.runs]
    alone = sorted({config["pretrain"] for config in configs if config.get("pretrain")})
    first = f", of which the first {_span(alone)} train the reference alone where a method does so;" if alone else ";"
    return [
        f"scale {study.scale}: seeds {' or '.join(_listed(one) for one in seeds)}; {_span(updates)} updates{first} "
        f"{_span(episodes)} evaluation episodes for each seed and budget; "
        f"{_span([len(e) for e in _evaluated(study)])} evaluated checkpoints",
        *online,
        f"in brackets, a {100 * stats.LEVEL:.0f} % interval over seeds: of a mean Student's, of the rest percentiles "
        f"of {stats.DRAWS} bootstrap draws, stratified by task. {_coverage(min(len(one) for one in seeds))}",
    ]


def _coverage(seeds: int) -> str:
    """Say what an interval is worth with so many seeds."""
    if seeds < 2:
        return "With 1 seed there is none"
    skewed, drawn = (100 * stats.coverage(seeds, kind="student", skewed=True), 100 * stats.coverage(seeds))
    return (
        f"With {seeds} seeds Student's holds the true mean of a task {100 * stats.LEVEL:.0f} % of the time where "
        f"scores are normal; by simulation, {skewed:.0f} % where they are skewed, and percentiles {drawn:.0f} % where "
        "they are normal"
    )


def _evaluated(study: Study) -> list[set[int]]:
    return [{int(u) for u in s.scores["update"].unique() if u > 0} for s in study.sources]


def _dataset_lines(study: Study) -> list[str]:
    """Say which file each task was learnt from."""
    lines = []
    for task in study.tasks:
        facts = {}
        for source in study.sources:
            for run in source.record.runs if source.task.name == task else ():
                facts[run["dataset"]["sha256"]] = run["dataset"]
        words = []
        for digest, fact in facts.items():
            capped = fact.get("most_rows") is not None  # collected until so many rows: then `episodes` is only a cap
            sizes = [f", {fact[name]} {name}" for name in ("episodes", "rows")[capped:] if fact.get(name)]
            words.append(f"{fact['source']}{''.join(sizes)}, sha256 {digest[:8]}")
        lines.append(f"dataset of {task}: {' and '.join(words)}")
    return lines


def _paper_lines(study: Study) -> list[str]:
    """Say what the paper's numbers are, where there are any."""
    if not (study.numbers["checkpoint"] == "paper").any():
        return []
    return [
        "paper: the number of the paper's main results, on official data at its full scale, its test budget not "
        "stated. An OGBench number of the paper is the mean over an environment's five tasks, ours that of the row"
    ]


def _span(values: list[int]) -> str:
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"


def _listed(values: tuple[int, ...]) -> str:
    """Return 0 to 4 rather than 0, 1, 2, 3, 4."""
    run = values == tuple(range(values[0], values[0] + len(values)))
    return f"{values[0]} to {values[-1]}" if run and len(values) > 2 else ", ".join(map(str, values))


def _escape(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    special = {"\\": r"\textbackslash{}", "–": "--", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)
