"""An environment that tells numbers from every source of randomness."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np


class Draws(gymnasium.Env[Any, Any]):
    """Tells numbers from every source of randomness a simulator may use; ends after `length` steps."""

    observation_space = gymnasium.spaces.Box(-10, 10, (3,), dtype=np.float64)

    def __init__(self, length: int = 3) -> None:
        self.length = length
        self.action_space = gymnasium.spaces.Box(-1, 1, (1,), dtype=np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.age = 0
        return self._look(), {"goal": np.ones(2), "qpos": np.zeros(50)}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if abs(float(action[0])) > 1:
            raise ValueError("an action outside the box")
        self.age += 1
        return self._look(), float(action[0]), self.age == self.length, False, {"success": self.age > 1, "qpos": 0}

    def _look(self) -> Any:
        return np.array([self.np_random.normal(), np.random.normal(), self.action_space.sample()[0]])  # noqa: NPY002
