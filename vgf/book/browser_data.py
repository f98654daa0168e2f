"""What the results browser shows: every committed record as curves, intervals and costs, for one JSON in its page.

A *view* is one task in one study: the page shows one at a time, because two studies differ in settings, so their lines
cannot be compared. Numbers are those of `vgf.results.tables`, rounded as the tables are: the last point of a curve
equals its row in `data/tables/STUDY.SCALE.csv`. The points before it have the same kind of interval
(`vgf.results.stats.of_mean`) over the same seeds. The trade-off of one JSON in the page is its size, which grows with
the records; `write` refuses more than `LIMIT`.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vgf import records
from vgf.book import plots
from vgf.book.curves import MARKERS
from vgf.book.facts import plan
from vgf.book.index import chapters
from vgf.results import stats
from vgf.results.commands import present
from vgf.results.study_text import NAMES, SCORE, short, silent
from vgf.results.tables import MethodScores, Study, read_study
from vgf.support.files import write_bytes
from vgf.support.paths import data_folder, project_folder

LIMIT = 350_000  # bytes
SUITES = {"d4rl": "D4RL", "ogbench": "OGBench"}
SHAPES = tuple(MARKERS.values())  # matplotlib's letters; the page draws them itself


def write(directory: Path = plots.FIGURES) -> None:
    """Write the page's data, `browser.json`.

    Raises:
        ValueError: if it is more than a page may carry.
    """
    data = json.dumps(page_data(), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    if len(data) > LIMIT:
        raise ValueError(f"the results browser's data has {len(data)} bytes; a page may carry {LIMIT}")
    write_bytes(directory / "browser.json", data)


def page_data(results: Path | None = None) -> dict[str, Any]:
    """Return everything the page needs to know, ready for JSON; a number that is not defined is None.

    Args:
        results: folder of records, `data/results` by default.
    """
    root = results or records.results_folder()
    studies = [read_study(name, scale, root) for name, scale in present(root) if scale != "quick"]
    views = [view(study, task) for study in studies for task in study.tasks]
    views.sort(key=lambda one: (one["suite"], one["task"], one["silent"] is not None, -len(one["records"])))
    methods = dict.fromkeys(one["method"] for each in views for one in each["records"])
    return {
        "worth": stats.WORTH,
        "level": f"{100 * stats.LEVEL:.0f} %",
        "suites": {suite: SUITES[suite] for suite in dict.fromkeys(one["suite"] for one in views)},
        "methods": {name: {"name": NAMES.get(name, name)} | colours(name) for name in methods},
        "studies": {study.label: about(study) for study in studies},
        "views": views,
    }


def colours(method: str) -> dict[str, Any]:
    """Return a method's colour in both themes, and whether it is its own: methods without one share the muted one."""
    colour = plots.method_colour(method)
    return {"light": colour, "dark": plots.DARK[colour], "own": method in plots.METHODS}


def about(study: Study) -> dict[str, Any]:
    """Return what is said of a study: its question, its table and choices, and the chapters that read it."""
    table = data_folder() / "tables" / f"{study.label}.csv"
    return {
        "about": plan(study.name, study.scale).about,
        "table": f"data/tables/{table.name}" if table.exists() else None,
        "choices": f"data/experiments/{study.name}.yaml",
        "chapters": {chapter: title(chapter) for chapter in chapters(study.name)},
    }


def title(chapter: str) -> str:
    """Return a chapter's title."""
    text = (project_folder() / "notebooks" / f"{chapter}.md").read_text(encoding="utf-8")
    return next(line for line in text.splitlines() if line.startswith("# ")).removeprefix("# ")


def view(study: Study, task: str) -> dict[str, Any]:
    """Return one task in one study.

    Where nobody scores, `silent` holds method, budget and mean of the highest score, else None. `budget` is the test
    budget a reader meets first: the number of steps that most records with several budgets were trained with.
    """
    sources = [source for source in study.sources if source.task.name == task]
    nobody, row = silent(study).get(task), sources[0].task
    marks, differs = shapes([source.method for source in sources]), differences(sources)
    every = [record(study, source) for source in sorted(sources, key=_place)]
    return {
        "study": study.label,
        "task": task,
        "suite": row.suite,
        "short": short(task),
        "measure": SCORE[row.score],
        "silent": nobody and [*nobody[0], _six(nobody[1])],
        "budget": usual_budget(sources),
        "records": [one | {"shape": marks[one["method"]], "differs": differs[one["method"]]} for one in every],
    }


def _place(source: MethodScores) -> tuple[bool, int, str]:
    """Return where a method stands in every list: those with a colour of their own first, then as `NAMES` has them."""
    order = [*plots.METHODS, *NAMES]
    own = source.method in plots.METHODS
    return not own, order.index(source.method) if source.method in order else len(order), source.method


def usual_budget(sources: Sequence[MethodScores]) -> int:
    """Return the test budget that most records with several were trained with; the longest if none was evaluated."""
    budgets = {source.method: {int(steps) for steps in source.scores["test_steps"].unique()} for source in sources}
    moving = [source for source in sources if len(budgets[source.method]) > 1]
    trained = Counter(source.record.runs[-1]["settings"]["config"].get("train_steps") for source in moving)
    found = [int(steps) for steps, _ in trained.most_common() if steps in set().union(*budgets.values())]
    return found[0] if found else max(set().union(*budgets.values()))


def shapes(methods: Sequence[str]) -> dict[str, str]:
    """Return a mark for each method: the one it has in every figure, or one that no other in the view has."""
    taken = {method: MARKERS[NAMES[method]] for method in methods if method in NAMES}
    free = [shape for shape in SHAPES if shape not in taken.values()]
    others = [method for method in methods if method not in NAMES]
    return taken | {method: (free or SHAPES)[k % len(free or SHAPES)] for k, method in enumerate(others)}


def differences(sources: Sequence[MethodScores]) -> dict[str, str]:
    """Return for each method the settings in which it differs from most others of its agent, such as `train_steps: 0`.

    A field in which no value has a majority is named for all.
    """
    found: dict[str, list[str]] = {source.method: [] for source in sources}
    for agent in dict.fromkeys(source.agent for source in sources):
        configs = {s.method: s.record.runs[-1]["settings"]["config"] for s in sources if s.agent == agent}
        for field in dict.fromkeys(field for config in configs.values() for field in config):
            values = {method: json.dumps(config.get(field)) for method, config in configs.items()}
            most, count = Counter(values.values()).most_common(1)[0]
            for method, value in values.items():
                if len(set(values.values())) > 1 and (value != most or count <= len(values) / 2):
                    found[method].append(f"{field}: {value.strip(chr(34))}")
    return {method: ", ".join(fields) for method, fields in found.items()}


def record(study: Study, source: MethodScores) -> dict[str, Any]:
    """Return one record: its cost, and for each test budget its curve.

    A point of a curve is [update, mean, low, high, scores by seed], the ends None where one seed has no interval.
    `online` is the update after which a fine-tuning online began, else None.
    """
    runs, scores = source.record.runs, source.scores
    offline = scores.loc[scores["environment_steps"] == 0, "update"].max()
    seeds = sorted(int(seed) for seed in scores["seed"].unique())
    within = study.range([source.task.name])
    return {
        "method": source.method,
        "seeds": seeds,
        "updates": int(scores["update"].max()),
        "online": int(offline) if (scores["environment_steps"] > 0).any() else None,
        "minutes": round(sum(run["seconds"]["training"] for run in runs) / 60, 1),
        "budgets": {
            str(steps): {"episodes": int(own["episodes"].max()), "curve": list(points(own, seeds, within))}
            for steps, own in scores.groupby("test_steps")
        },
    }


def points(own: pd.DataFrame, seeds: Sequence[int], within: tuple[float, float]) -> Iterator[list[Any]]:
    """Yield the points of one curve.

    Args:
        own: scores of one method at one budget, as `MethodScores.scores` has them.
        seeds: of the record, in order.
        within: the least and the highest score there can be.
    """
    for update, rows in own.groupby("update"):
        by_seed = rows.set_index("seed")["score"]
        found = stats.of_mean([by_seed.to_numpy()], within)
        ends = [_six(value) for value in (found.value, found.low, found.high)]
        yield [int(str(update)), *ends, [_six(score) for score in by_seed.reindex(seeds)]]


def _six(value: float) -> float | None:
    """Return a number with the six digits that tables keep; None if it is not defined."""
    return None if math.isnan(value) else float(f"{value:.6g}")
