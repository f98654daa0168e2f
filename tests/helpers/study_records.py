"""Records of a small study, written by hand, and its statistics computed again."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from vgf import records
from vgf.datasets import get_task
from vgf.results.tables import MethodScores, Study, read_study
from vgf.results.target_steps import LOGGED

HOPPER, CUBE = "hopper-medium-v2", "cube-double-play-singletask-v0"
SEEDS, EPISODES = (0, 1, 2), 4
NOWHERE = Path("results/campaign.cpu/task/method")
BUDGETS = {"bc": (0,), "iql": (0,), "vgf": (0, 1)}


def returns(task: str, method: str, seed: int, update: int, steps: int) -> np.ndarray:
    """Return the outcome of each episode: a return on hopper, success on the cube."""
    rng = np.random.default_rng([*f"{task} {method}".encode(), seed, update, steps])
    return rng.uniform(100, 3000, EPISODES).round(2) if task == HOPPER else (rng.random(EPISODES) < 0.6).astype(float)


def write_record(root: Path, task: str, method: str, study: str = "both", scale: str = "cpu") -> Path:
    """Leave a record as a run does."""
    folder = records.record_folder(study, scale, task, method, root)
    for seed in SEEDS:
        frames = []
        for update, budgets in ((0, BUDGETS[method][:1]), (50, BUDGETS[method]), (100, BUDGETS[method])):
            for steps in budgets:
                values = returns(task, method, seed, update, steps)
                frames.append(
                    pd.DataFrame(
                        {
                            "update": update,
                            "test_steps": steps,
                            "episode": range(EPISODES),
                            "return": values if task == HOPPER else -100.0,
                            "success": 0 if task == HOPPER else values,
                        }
                    )
                )
        records.append_rows(records.seed_file(folder, seed), pd.concat(frames), records.EPISODE_KEYS)
        curve = pd.DataFrame({"update": [100], "loss": [0.5]})
        records.append_rows(records.seed_file(folder, seed, curve=True), curve, records.CURVE_KEYS)
    source = "official" if task == HOPPER else "regenerated"
    dataset = {"source": source, "sha256": f"{len(task):02x}" * 32, "file": "x"}
    if source == "regenerated":
        dataset["episodes"] = 20
    records.merge_run(
        folder, {"id": "a", "seeds": list(SEEDS), "settings": {"agent": method}, "dataset": dataset, "commit": "c"}
    )
    return folder


def write_study(root: Path, tasks: Iterable[str], methods: Iterable[str]) -> Study:
    """Leave a record of each method on each task; return the study that they are."""
    for task, method in product(tasks, methods):
        write_record(root, task, method)
    return read_study("both", "cpu", root)


def by_hand(checkpoint: str, task: str, method: str, steps: int) -> np.ndarray:
    """Return the seeds' scores from what was written, without the records."""
    row, out = get_task(task), []
    for seed in SEEDS:
        scores = [row.normalised(returns(task, method, seed, update, steps).mean()) for update in (50, 100)]
        out.append(scores[1] if checkpoint == "last" else max(scores))
    return np.array(out)


def one_task_study(
    scores: dict[tuple[str, int], list[float]], name: str = "campaign", pretrain: int = 0, task: str = HOPPER
) -> Study:
    """Return a study of one task, each row's seeds the same after both of its evaluations."""
    sources = []
    for method in dict.fromkeys(key[0] for key in scores):
        rows = [
            (seed, update, steps, float(own[seed]), 0)
            for (of, steps), own in scores.items()
            if of == method
            for seed in range(len(own))
            for update in (0, pretrain + 50, pretrain + 100)
        ]
        frame = pd.DataFrame(rows, columns=["seed", "update", "test_steps", "score", "environment_steps"])
        record: Any = SimpleNamespace(runs=[{"settings": {"config": {"pretrain": pretrain}}}], folder=NOWHERE)
        sources.append(MethodScores(get_task(task), method, method, record, frame))
    return Study(name, "cpu", tuple(sources))


BASE = [50.0, 52, 48, 51, 49]
APART = [-1.0, 0, 1, 0, 0]  # of seeds: equal differences would be judged by their signs alone
LINES = 30  # logged a seed


def target_study(moved: float, value: list[float], without: str = "") -> Study:
    """Return best-of-N beside VGF, whose score moves by so much at 3 steps; critics' values of best-of-N and VGF."""
    scores = {
        ("bc", 0): BASE,
        ("best_of_n", 0): BASE,
        ("vgf", 0): [s + 1 for s in BASE],
        ("vgf", 3): [s + moved + apart for s, apart in zip(BASE, APART, strict=True)],
    }
    study = one_task_study({key: own for key, own in scores.items() if key[0] != without})
    levels = dict(zip(("best_of_n", "vgf"), value, strict=True))
    for source in study.sources:
        level = levels.get(source.method, 0.0)
        # a curve that rises to its level: the last lines alone are the value
        rows = [
            (seed, update, level + APART[seed] * (source.method == "vgf") if update >= LINES - LOGGED else -1e6)
            for seed in range(5)
            for update in range(LINES)
        ]
        source.record.curve = pd.DataFrame(rows, columns=["seed", "update", "critic/q"])
        source.record.runs[-1]["settings"]["config"]["train_steps"] = 3
    return study
