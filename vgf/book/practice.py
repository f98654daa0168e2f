"""A small problem with a known answer, to practise on: a drone that must come home, with a motor that stalls.

State s = (x, y) is where it is, the action a in [-1, 1]^2 where it flies next, home is the origin:

    s' = s + STEP a   while |a| <= STALL,      s' = s   beyond: the motor stalls,      r = -|s'|.

Within the stall speed no step shortens the way home by more than STEP * STALL, and flying straight at that speed, then
stopping at home, attains this at every step. So the highest return from s is known exactly:

    sum_{t = 1}^{HORIZON} -max(|s| - t STEP STALL, 0).

The pilot whose flights are the data errs in direction and never flies faster than CAREFUL: the data say that faster is
better, and nothing in them says where that ends. A method that goes a little beyond its data gains, one that trusts its
value too far stalls. The trade-off is that of any toy: it shows how a choice acts, and no size of an effect elsewhere.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

STEP, STALL, CAREFUL, HORIZON = 0.1, 0.8, 0.5, 25
ERROR = 0.9  # standard deviation of the pilot's direction, in radians


class Drone(gymnasium.Env[np.ndarray, np.ndarray]):
    """The problem as an environment; an episode starts anywhere in the unit square and lasts HORIZON steps."""

    home = np.zeros(2)
    observation_space = gymnasium.spaces.Box(-4, 4, (2,), np.float32)  # nothing flies farther in an episode
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; equal seeds start at the same place."""
        super().reset(seed=seed)
        self.place, self.step_count = self.np_random.uniform(-1, 1, 2).astype(np.float32), 0
        return self.place, {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Fly one step; the time limit truncates and never terminates."""
        self.place, self.step_count = fly(self.place, action), self.step_count + 1
        return self.place, -float(np.linalg.norm(self.place)), False, self.step_count == HORIZON, {}


def fly(places: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Return where actions lead, [..., 2] and [..., 2] to [..., 2], float32."""
    moves = np.linalg.norm(actions, axis=-1, keepdims=True) <= STALL
    return (places + STEP * actions * moves).astype(np.float32)


def pilot(places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the behaviour's actions at places [..., 2]: roughly home, at a speed drawn from [0, CAREFUL]."""
    home = np.arctan2(-places[..., 1], -places[..., 0])
    angle = home + ERROR * rng.normal(size=home.shape)
    speed = CAREFUL * rng.uniform(size=home.shape)
    return (speed[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)).astype(np.float32)


def flights(episodes: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the pilot's flights in the layout of `vgf.datasets.own_transitions`, HORIZON + 1 rows each.

    Args:
        episodes: >= 1; they start anywhere in the unit square.
        seed: of starts and errors.

    Returns:
        `observations` and `actions` [R, 2], `rewards` and `terminals` [R].
    """
    rng = np.random.default_rng(seed)
    place = rng.uniform(-1, 1, (episodes, 2)).astype(np.float32)
    rows = []
    for _ in range(HORIZON + 1):
        action = pilot(place, rng)
        after = fly(place, action)
        rows.append((place, action, -np.linalg.norm(after, axis=-1)))
        place = after
    observations, actions, rewards = (np.stack(column, 1) for column in zip(*rows, strict=True))
    terminals = np.zeros((episodes, HORIZON + 1), dtype=bool)
    terminals[:, -1] = True
    return {
        "observations": observations.reshape(-1, 2),
        "actions": actions.reshape(-1, 2),
        "rewards": rewards.reshape(-1),
        "terminals": terminals.reshape(-1),
    }


def best_return(starts: np.ndarray) -> np.ndarray:
    """Return the highest return possible from starts [..., 2], [...]; see the module for why it is that."""
    distance = np.linalg.norm(starts, axis=-1)[..., None]
    return -np.maximum(distance - STEP * STALL * np.arange(1, HORIZON + 1), 0).sum(-1)
