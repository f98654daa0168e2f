"""Runs of methods that clone first, on toy data, with a cache and without; and the paths of computation to try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.helpers.toy_runs import CPU, EXPERIMENT, toy_data, toy_envs
from vgf.agents import fused
from vgf.datasets import Transitions, get_task
from vgf.training import loop
from vgf.training.experiments import read_experiment
from vgf.training.inputs import TrainingInputs
from vgf.training.runs import Run

SIZES: dict[str, Any] = {
    "agent": {"hidden": [8], "particles": 2, "flow_steps": 2},
    "reference_updates": 5,
    "evaluate_every": 4,
}
ROWS: dict[str, Any] = {
    "bc": {},
    "vgf": {"preset": "release"},
    "best_of_n": {"preset": "release"},
    "idql": {"preset": "ifql"},
    "gaussian": {"agent": "vgf", "reference": "gaussian"},
}
PATHS = [
    pytest.param("1", marks=pytest.mark.skipif(fused.reason() is not None, reason="no fused core here")),
    "0",
]


def a_run(folder: Path, method: str, **sizes: Any) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    table = EXPERIMENT | {"methods": ROWS}
    table["scales"] = {"quick": EXPERIMENT["scales"]["quick"] | SIZES | sizes}
    (folder / "study.yaml").write_text(yaml.safe_dump(table))
    experiment = read_experiment(folder / "study.yaml")
    plan = experiment.task()
    task, chosen = replace(get_task(plan.name), episode_steps=3), next(m for m in plan.methods if m.name == method)
    return Run(experiment, plan, chosen, task, {"sha256": "0"}, folder / "record", folder / "work")


def do(run: Run, cache: Path | None, stop_at: int | None = None, data: Callable[[], Transitions] = toy_data) -> bool:
    envs = toy_envs()
    try:
        return loop.train(run, TrainingInputs(data(), envs, CPU, cache=cache), stop_at=stop_at)
    finally:
        envs.close()


def others_rewards() -> Transitions:
    """The same trajectories, labelled for another task."""
    return replace(toy_data(), rewards=torch.arange(40.0), masks=torch.zeros(40))
