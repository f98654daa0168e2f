"""A point on a line with a goal, and an agent that steps along it: episodes whose length is known."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from vgf.flow import Budget
from vgf.networks import SeedStreams
from vgf.training.vector_env import Workers


class Line(gymnasium.Env[Any, Any]):
    """A point on a line that starts at a seeded place; each action adds to it; the goal is 1. Reward -1 a step."""

    observation_space = gymnasium.spaces.Box(-10, 10, (2,), dtype=np.float64)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), dtype=np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.x = self.np_random.uniform(-0.5, 0.5)
        return self._look(), {"goal": np.array([1.0, 0.0]), "qpos": np.zeros(50)}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.x += float(action[0])
        done = self.x >= 1
        return self._look(), -1.0 + float(done), done, False, {"success": done, "qpos": np.zeros(50)}

    def _look(self) -> Any:
        return np.array([self.x, 0.0])


class Stepper:
    """An agent that always moves by `speed` of its seed, plus the number of flow steps."""

    transports = True
    device = torch.device("cpu")

    def __init__(self, speeds: dict[int, float]) -> None:
        self.seeds, self.speeds = tuple(speeds), torch.tensor(list(speeds.values()))
        self.seen: list[tuple[int, Tensor]] = []

    def budget(self, steps: int) -> Budget:
        return Budget(steps, 0.1)

    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams) -> Tensor:
        self.seen.append((budget.steps, streams.normal(1)))
        speed = self.speeds.reshape(-1, 1, 1) * (1 + budget.steps)
        return speed.expand(*observations.shape[:2], 1)


def line_envs(count: int) -> Workers:
    return Workers(Line, count, processes=1)
