"""A run on a toy environment: its experiment, data, environments, and what it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
import yaml

from vgf.datasets import Transitions, get_task
from vgf.training import loop
from vgf.training.experiments import read_experiment
from vgf.training.inputs import TrainingInputs
from vgf.training.runs import Run
from vgf.training.vector_env import Workers

CPU = torch.device("cpu")
TASK = "cube-single-play-singletask-task2-v0"
EXPERIMENT: dict[str, Any] = {
    "about": "a test",
    "tasks": {TASK: {}},
    "methods": {"bc": {}, "mine": {"agent": "vgf", "preset": "release", "step_size": 0.05}},
    "scales": {
        "quick": {
            "dataset": {"episodes": 1},
            "seeds": [0, 3],
            "updates": 10,
            "batch_size": 4,
            "log_every": 2,
            "evaluate_every": 6,
            "checkpoint_every": 4,
            "episodes": 2,
            "episodes_at_once": 1,
            "test_steps": [0, 2],
            "agent": {"hidden": [8], "particles": 2, "flow_steps": 2, "pretrain": 3},
        }
    },
}


class Push(gymnasium.Env[Any, Any]):
    """A point with seeded start that actions push; never done."""

    observation_space = gymnasium.spaces.Box(-10, 10, (3,), dtype=np.float64)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), dtype=np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.x = self.np_random.normal(size=3)
        return self.x, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.x = self.x + 0.1 * np.append(action, 0.0)
        return self.x, float(-np.abs(self.x).sum()), False, False, {"success": False}


def toy_envs(*_: Any) -> Workers:
    return Workers(Push, 2, processes=1)


def toy_data() -> Transitions:
    g = torch.Generator().manual_seed(0)
    s, s2 = torch.randn(40, 3, generator=g), torch.randn(40, 3, generator=g)
    a, ends = 2 * torch.rand(40, 2, generator=g) - 1, torch.zeros(40)
    ends[-1] = 1
    return Transitions(s, a, torch.randn(40, generator=g), torch.ones(40), s2, ends)


def write(folder: Path, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(EXPERIMENT | changes))
    return path


def a_run(folder: Path, method: str = "mine", sizes: dict[str, Any] | None = None, **fields: Any) -> Run:
    scale = EXPERIMENT["scales"]["quick"] | (sizes or {})
    methods = {method: EXPERIMENT["methods"][method]} if sizes else EXPERIMENT["methods"]
    experiment = read_experiment(write(folder, scales={"quick": scale}, methods=methods))
    plan = experiment.task()
    chosen = next(m for m in plan.methods if m.name == method)
    chosen = replace(chosen, config=replace(chosen.config, **fields))
    task = replace(get_task(plan.name), episode_steps=3)
    return Run(experiment, plan, chosen, task, {"sha256": "0"}, folder / "record", folder / "work")


def do(run: Run, stop_at: int | None = None) -> bool:
    return loop.train(run, TrainingInputs(toy_data(), toy_envs(), CPU, toy_envs()), stop_at=stop_at)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a record but run.json, which holds times."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".csv", ".safetensors")}


def trained(run: Run, stops: Sequence[int] = ()) -> dict[str, bytes]:
    """Train to the end, stopping on the way where said, which leaves no record; return its files."""
    for stop in stops:
        assert not do(run, stop)
        assert not run.folder.exists()
    assert do(run)
    return contents(run.folder)
