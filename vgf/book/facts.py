"""Numbers that a page without code may quote: what executed chapters have glued, and what the records of trainings say.

The front page, its scoreboard and the page on what was not reproduced are written by hand in `book/board.yaml`, with
fields where numbers belong. The fields are filled here, so a sentence changes with its result and no number is typed.
The trade-off is a second reader of the chapters' outputs; it reads the same names as the text of the chapters does.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from vgf import records
from vgf.results import comparison, standings, step_verdicts, tables, units
from vgf.results.judgement import TASKS, listed
from vgf.results.stats import WORTH, student
from vgf.results.study_text import NAMES, short, silent
from vgf.support.json_text import read_json
from vgf.support.paths import data_folder, project_folder
from vgf.training.experiments import Experiment, read_experiment

Fact = float | int | str
CPU, PAPER = "cpu", "paper"  # the scale with records in git, and the paper's


def facts(chapters: Path | None = None) -> dict[str, Fact]:
    """Return every fact by its name: of the records, and of the chapters that have been executed.

    Args:
        chapters: folder of the executed notebooks; default that of the checkout.
    """
    return {**of_records(), **glued(chapters or project_folder() / "notebooks")}


def glued(folder: Path) -> dict[str, Fact]:
    """Return what executed chapters have glued: a number or a word by its name.

    Raises:
        ValueError: for a chapter that cannot be read, naming it.
    """
    found: dict[str, Fact] = {}
    for path in sorted(folder.glob("*.ipynb")):
        try:
            cells = read_json(path)["cells"]
        except (ValueError, KeyError) as error:
            raise ValueError(f"{path.name}: not an executed chapter ({error}); run it with `make chapter`") from None
        for output in (output for cell in cells for output in cell.get("outputs", [])):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name", "")
            texts = [text for mime, text in output.get("data", {}).items() if mime.endswith("text/plain")]
            if name and texts:
                found[name] = _value("".join(texts[0]))
    return found


@cache
def of_records() -> dict[str, Fact]:
    """Return what the records in git and the experiment files say, computed from the per-seed files."""
    longer, d4rl, ogbench, maze = (tables.read_study(n, CPU) for n in ("campaign", "d4rl", "ogbench", "medium_maze"))
    steps = _steps(units.once((longer, d4rl, ogbench, maze), ("bc", "vgf")))
    return _sizes() | _tables(d4rl, ogbench) | steps | _whole(longer) | _others()


def _value(text: str) -> Fact:
    """Return a glued value: a number, or a string without its quotes."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    return value if isinstance(value, float | int | str) else text


def plan(name: str, scale: str) -> Experiment:
    """Return an experiment of `data/experiments/` at a scale."""
    return read_experiment(data_folder() / "experiments" / f"{name}.yaml", scale)


def _sizes() -> dict[str, Fact]:
    """Return how much of the paper's training was done."""
    ours, full, longest = plan("d4rl", CPU), plan("d4rl", PAPER), plan("campaign", CPU)
    small, large = (
        next(m.config for m in experiment.task("hopper-medium-v2").methods if m.name == "vgf")
        for experiment in (ours, full)
    )
    return {
        "updates": ours.scale.updates,
        "updates-paper": full.scale.updates,
        "share": 100 * ours.scale.updates / full.scale.updates,
        "longest-share": 100 * longest.scale.updates / full.scale.updates,
        "longest-updates": longest.scale.updates,
        "longest-planned": sum(len(task.methods) for task in longest.tasks),
        "network": f"{len(small.hidden)} layers of {small.hidden[0]}",
        "network-paper": f"{len(large.hidden)} layers of {large.hidden[0]}",
        "seeds": len(ours.scale.seeds),
        "needed-tasks": TASKS,
    }


def _tables(d4rl: tables.Study, ogbench: tables.Study) -> dict[str, Fact]:
    """Return what the two tables of scores say at the budget that tuning chose."""
    _, budgets = comparison.chosen_budgets(tables.read_study("tuning", CPU), d4rl, "temperature")
    kinds = {source.task.name: source.task.kind for source in d4rl.sources}
    own = [_mean(d4rl, ("vgf", budgets[kinds[task]]), task) for task in d4rl.shared]
    clone = [_mean(d4rl, ("bc", 0), task) for task in d4rl.shared]
    most = max(_mean(ogbench, key, task) for key in ogbench.keys for task in ogbench.runs("last", key))
    none = len(silent(ogbench))
    ran = {key[0] for key in d4rl.keys}
    return {
        "d4rl-tasks": len(d4rl.shared),
        "d4rl-others": listed([NAMES[name] for name in NAMES if name in ran - {"vgf", "bc"}]),
        "d4rl-vgf": float(np.mean(own)),
        "d4rl-bc": float(np.mean(clone)),
        "ogbench-tasks": len(ogbench.tasks),
        "ogbench-most": most,
        "ogbench-none": none,
    }


def _whole(longer: tables.Study) -> dict[str, Fact]:
    """Return who leads on the first task of the longer training that most methods have been trained on."""
    task = standings.whole_tasks(longer, plan("campaign", CPU).planned)[0]
    table = standings.standings(longer, task)
    scored = table.set_index("method")["value"]
    return {
        "longest-runs": len(longer.sources),
        "longest-task": short(task),
        "longest-methods": len(table),
        "longest-seeds": int(table["seeds"].min()),
        "longest-first": NAMES[str(table["method"].iloc[0])],
        "longest-first-score": float(scored.iloc[0]),
        "longest-vgf": float(scored["vgf"]),
        "longest-vgf-beside": "more" if scored["vgf"] > scored["bc"] else "less",
        "longest-above-bc": int((scored > scored["bc"]).sum()),
    }


def _mean(study: tables.Study, key: tables.Key, task: str) -> float:
    return float(study.runs("last", key)[task].mean())


def _steps(studies: Sequence[tables.Study]) -> dict[str, Fact]:
    """Return what the longest walk does to the score, and what critics know."""
    pairs = [pair for study in studies for pair in units.with_rankings(study)]
    walks = [unit.scores.mean(-1) for unit, _ in pairs]
    counted = [walk for walk in walks if walk[0] >= WORTH]
    kinds = [step_verdicts.generalises(ranking) for _, ranking in pairs if ranking is not None]
    return {
        "steps-tasks": len(counted),
        "steps-down": sum(bool(walk[-1] < walk[0]) for walk in counted),
        "ranked": len(kinds),
        "ranked-yes": kinds.count("yes"),
        "ranked-no": kinds.count("no"),
    }


def _others() -> dict[str, Fact]:
    """Return what the studies of one question each say."""
    online, ablations, core = (tables.read_study(name, CPU) for name in ("online", "ablations", "core"))
    acting = online.sources[0].record.runs[-1]["settings"]["online"]["test_steps"]
    task = online.tasks[0]
    release = pd.read_csv(records.results_folder() / online.label / "release.csv")
    theirs = release.groupby("test_steps")["score"].mean()
    seeds = release.pivot(index="seed", columns="test_steps", values="score")
    cost = student([(seeds.iloc[:, -1] - seeds.iloc[:, 0]).to_numpy()]).word()
    pair = units.grid(core, ("paper_autograd", "paper_amortised"), moving=True)
    hours = sum(
        run["seconds"].get("training", math.nan)
        for path in sorted(records.results_folder().glob(f"*.{CPU}/*/*/run.json"))
        for run in read_json(path)["runs"]
    )
    return {
        "online-vgf": _mean(online, ("vgf", acting), task),
        "online-fql": _mean(online, ("fql", 0), task),
        "release-task": short(task),
        "release-first": float(theirs.iloc[0]),
        "release-last": float(theirs.iloc[-1]),
        "release-seeds": len(seeds),
        "release-clear": "not clearly" if cost == "not clearly apart" else "clearly",
        "release-way": "falls" if theirs.iloc[-1] < theirs.iloc[0] else "rises",
        "train-best": " and ".join(f"{level} on {short(name)}" for name, level in _best_levels(ablations).items()),
        "amortised": float(np.mean([unit.scores[1].mean() - unit.scores[0].mean() for unit in pair])),
        "hours": hours / 3600,
    }


def _best_levels(study: tables.Study) -> Mapping[str, int]:
    """Return by task the number of training steps whose best test budget scored highest."""
    best: dict[str, tuple[float, int]] = {}
    for source in study.sources:
        if source.method == "other_step":
            continue
        level = int(source.record.runs[-1]["settings"]["config"]["train_steps"])
        score = max(float(source.runs("last", steps).mean()) for steps in source.scores["test_steps"].unique())
        best[source.task.name] = max(best.get(source.task.name, (-math.inf, 0)), (score, level))
    return {task: level for task, (_, level) in best.items()}
