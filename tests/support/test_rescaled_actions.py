"""Actions stretched to an environment's own bounds lie in its Box, ends included."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import RescaleAction

from vgf.support.environment import EnvironmentFault, Rescaled


class Bounded(gymnasium.Env[Any, Any]):
    """An environment of which only the spaces matter."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, low: np.ndarray, high: np.ndarray) -> None:
        self.action_space = gymnasium.spaces.Box(low, high, dtype=np.float32)


def test_every_action_is_in_the_box_and_the_ends_are_the_bounds() -> None:
    rng = np.random.default_rng(0)
    low, high = np.sort(rng.uniform(-3, 3, (2, 3000)).astype(np.float32), axis=0)
    inner = Bounded(low, high)
    ours, theirs = Rescaled(inner), RescaleAction(inner, -1.0, 1.0)
    beyond = 0
    for share in (-1.0, -1 / 3, 0.0, 0.9999999, 1.0):
        action = np.full(3000, share, np.float32)
        found = ours.action(action)
        assert inner.action_space.contains(found)
        np.testing.assert_allclose(found, theirs.action(action), rtol=0, atol=1e-6)
        beyond += not inner.action_space.contains(theirs.action(action))
    np.testing.assert_array_equal(ours.action(np.full(3000, -1.0, np.float32)), low)
    np.testing.assert_array_equal(ours.action(np.full(3000, 1.0, np.float32)), high)
    assert beyond, "gymnasium's own wrapper now stays inside: use it"


def test_bounds_that_are_not_finite_are_refused() -> None:
    with pytest.raises(EnvironmentFault, match="rescale_actions needs bounds, and Bounded has"):
        Rescaled(Bounded(np.array([-np.inf], np.float32), np.array([1.0], np.float32)))
