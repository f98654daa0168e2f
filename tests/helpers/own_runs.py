"""Somebody's own data and environment, tiny: arrays of a few trajectories, and an environment of five steps."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from vgf.agents import VGFConfig

CONFIG = VGFConfig(hidden=(8,), particles=2, flow_steps=2, train_steps=1)
SIZES: dict[str, Any] = {"updates": 2, "batch_size": 4}
EPISODES: dict[str, Any] = {"episodes": 2, "episode_steps": 5, "test_steps": (0,)}
LENGTH = 5


def trajectories(count: int = 3, steps: int = 6, observation: int = 3, action: int = 1) -> dict[str, np.ndarray]:
    """Return arrays in our layout: the last row of a trajectory holds its final observation."""
    rng, rows = np.random.default_rng(0), count * (steps + 1)
    ends = np.zeros(rows)
    ends[steps :: steps + 1] = 1
    return {
        "observations": rng.normal(size=(rows, observation)).astype(np.float32),
        "actions": rng.uniform(-1, 1, (rows, action)).astype(np.float32),
        "rewards": rng.normal(size=rows).astype(np.float32),
        "terminals": ends,
    }


class Walk(gym.Env[Any, Any]):
    """A seeded start, five steps, each of reward 1; observes the start, the time and the last action."""

    def __init__(self, low: Any = -1.0, high: Any = 1.0, size: int = 1) -> None:
        self.observation_space = gym.spaces.Box(-10.0, 10.0, (3,), np.float32)
        low, high = (np.broadcast_to(np.asarray(end, np.float32), (size,)) for end in (low, high))
        self.action_space: gym.Space[Any] = gym.spaces.Box(low, high, dtype=np.float32)
        self.actions: list[np.ndarray] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin."""
        super().reset(seed=seed)
        self.time, self.start, self.last = 0, float(self.np_random.normal()), 0.0
        return self.look(), {}

    def look(self) -> np.ndarray:
        """Return the observation."""
        return np.array([self.start, self.time, self.last], np.float32)

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        """Go on."""
        self.time, self.last = self.time + 1, float(np.asarray(action).flat[0])
        self.actions.append(np.array(action))
        return self.look(), 1.0, False, self.time >= LENGTH, {}


class Says(Walk):
    """A `Walk` whose answers a function changes: of step number and the usual five, from `step` on."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self.change = change

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        """Go on, and say something else."""
        return self.change(self.time + 1, list(super().step(action)))
