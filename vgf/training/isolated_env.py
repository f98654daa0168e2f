"""One environment with its own global random state: what others draw does not change it.

Some simulators draw from numpy's global generator, some from an action space that nobody seeded; two environments in
one process would disturb each other, and the same seed would not give the same episode. Here each has a source of its
own behind the global generator while it runs. An exchange of sources takes less than a microsecond (a copy of the
state would take a tenth of a simulator's step); its price is that the second half of a pair of Gaussians, which the
old generator keeps back, is dropped.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, SupportsFloat

import gymnasium
import numpy as np

KEPT_INFO = ("success", "goal")  # a simulator's full info can cost more to send than its step


class IsolatedEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment with its own copy of numpy's global randomness, that tells of its info only what is read."""

    def __init__(self, env: gymnasium.Env) -> None:
        """Draw from a state of its own from now on."""
        super().__init__(env)
        self._source = np.random.MT19937()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset; a seed fixes all that follows, the global generator and the action space included."""
        with self._randomness():
            if seed is not None:
                np.random.seed(seed)  # noqa: NPY002
                self.env.action_space.seed(seed)
            observation, info = self.env.reset(seed=seed, options=options)
        return observation, _kept(info)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step."""
        with self._randomness():
            observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, _kept(info)

    @contextlib.contextmanager
    def _randomness(self) -> Iterator[None]:
        outside = np.random.get_bit_generator()  # type: ignore[attr-defined]
        np.random.set_bit_generator(self._source)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            np.random.set_bit_generator(outside)  # type: ignore[attr-defined]


def _kept(info: dict[str, Any]) -> dict[str, Any]:
    return {key: info[key] for key in KEPT_INFO if key in info}
