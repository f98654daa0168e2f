"""One environment with its own global random state: what others draw does not change it.

Some simulators draw from numpy's global generator, some from an action space that nobody seeded; two environments in
one process would disturb each other, and the same seed would not give the same episode. Here each has a source of its
own behind the global generator while it runs. An exchange of sources takes less than a microsecond (a copy of the
state would take a tenth of a simulator's step); its price is that the second half of a pair of Gaussians, which the
old generator keeps back, is dropped. Every answer is checked as it comes (`vgf.support.answers`).
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, SupportsFloat

import gymnasium
import numpy as np

from vgf.support.answers import read_reset, read_step, read_success
from vgf.support.environment import EnvironmentFault, environment_errors, make_all

Make = Callable[[], gymnasium.Env]
REHEARSED = 2  # steps of a rehearsal


class IsolatedEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment with its own copy of numpy's global randomness, that tells of its info only what is read.

    Args:
        env: whose spaces are supported (`vgf.support.environment`).
        success_key: of info; None for the usual ones.
    """

    def __init__(self, env: gymnasium.Env, success_key: str | None = None) -> None:
        """Draw from a state of its own from now on."""
        super().__init__(env)
        self._source, self._key = np.random.MT19937(), success_key
        self._seed: int | None = None
        self._steps = 0
        self.told = dict[str, None]()  # keys of every step's info, where one of them is named to be read

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset; a seed fixes what follows, the global generator and the action space included.

        A cube task's `info["goal"]` is the exception: its arm stands where actions of an unseeded space left it.
        Its columns of objects repeat, and only they decide success (`findings/ogbench_goal_of_no_seed.sh`).
        """
        self._seed, self._steps = seed, 0
        where = f"{self._name}, reset(seed={seed})"
        with self._randomness(), environment_errors(where):
            if seed is not None:
                np.random.seed(seed)  # noqa: NPY002
                self.env.action_space.seed(seed)
            found: Any = self.env.reset(seed=seed, options=options)
        observation, info = read_reset(found, self.env.observation_space, where)
        return observation, _goal(info)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step; EnvironmentFault where an answer is none that can be used, with seed and step."""
        self._steps += 1
        where = f"{self._name}, step {self._steps} after reset(seed={self._seed})"
        if not np.isfinite(action).all():
            raise ValueError(f"{where}: the policy's action is not finite, so it was not taken")
        with self._randomness(), environment_errors(where):
            found: Any = self.env.step(action)
        *rest, info = read_step(found, self.env.observation_space, where)
        success = read_success(info, self._key, where)
        if self._key is not None:
            self.told |= dict.fromkeys(map(str, info))
        return (*rest, _goal(info) | ({} if success is None else {"success": success}))  # type: ignore[return-value]

    def unread(self) -> list[str]:
        """Return a line where no step's info had the key that is named, though some had others."""
        if self._key is None or self._key in self.told or not self.told:
            return []
        told = f"no info of the first steps had {self._key!r}, which success_key names, but {', '.join(self.told)}"
        return [f"{self._name}: {told}; success stays empty unless a later step has it"]

    @property
    def _name(self) -> str:
        return type(self.env.unwrapped).__name__

    @contextlib.contextmanager
    def _randomness(self) -> Iterator[None]:
        outside = np.random.get_bit_generator()  # type: ignore[attr-defined]
        np.random.set_bit_generator(self._source)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            np.random.set_bit_generator(outside)  # type: ignore[attr-defined]


def _goal(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the goal's observation where info has one that is numbers: full info can cost more to send than a step."""
    return {"goal": info["goal"]} if getattr(info.get("goal"), "dtype", np.dtype(object)).kind in "fiub" else {}


def rehearse(envs: Sequence[IsolatedEnv], seeds: Sequence[int]) -> list[str]:
    """Reset each environment and take a step, and see whether the first two leave each other alone.

    Returns:
        What should be known of them and is no fault, a line each.

    Raises:
        EnvironmentFault: as `IsolatedEnv` does, or if one environment's episode depends on what another does.
    """
    for env, seed in zip(envs, seeds, strict=True):
        _play(env, seed)
    if len(envs) < 2:
        return []
    (other, env), seed = envs[:2], seeds[1]
    alone = _play(env, seed)
    if not _equal(alone, _play(env, seed)):
        return [f"{env._name}: two episodes reset with one seed differ, so its scores cannot be repeated exactly"]
    if _equal(alone, _beside(env, other, seeds, len(alone), contextlib.nullcontext)):
        return []
    if _equal(alone, _beside(env, other, seeds, len(alone), _pythons_randomness)):
        return [
            f"{env._name}: it draws from Python's global random, which other environments disturb; scores vary with it"
        ]
    raise EnvironmentFault(
        f"{env._name}: an episode changes when another environment of make_env is stepped; they share a simulator, so "
        "make it inside the function too"
    )


def _beside(
    env: IsolatedEnv,
    other: IsolatedEnv,
    seeds: Sequence[int],
    count: int,
    apart: Callable[[], contextlib.AbstractContextManager[Any]],
) -> list[Any]:
    """Return what an episode answers while another environment is reset and stepped in between, `apart` from it."""
    found: list[Any] = [env.reset(seed=seeds[1])[:1]]
    for _ in range(count - 1):
        with apart():
            _play(other, seeds[0])
        found.append(env.step(_still(env))[:4])
    return found


@contextlib.contextmanager
def _pythons_randomness() -> Iterator[None]:
    """Put Python's global random back as it was."""
    before = random.getstate()
    try:
        yield
    finally:
        random.setstate(before)


def _play(env: IsolatedEnv, seed: int) -> list[Any]:
    """Return what the first steps of an episode answer, without info."""
    found: list[Any] = [env.reset(seed=seed)[:1]]
    while len(found) <= REHEARSED and not any(found[-1][2:]):
        found.append(env.step(_still(env))[:4])
    return found


def _still(env: IsolatedEnv) -> np.ndarray:
    return np.zeros(env.action_space.shape or (), np.float32)


def _equal(one: Sequence[Any], other: Sequence[Any]) -> bool:
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(np.array_equal(a, b) for x, y in pairs for a, b in zip(x, y, strict=False))


class EnvGroup:
    """Some of the environments, stepped one after another; one whose episode has ended rests until it is reset."""

    def __init__(self, make: Make, count: int, success_key: str | None = None) -> None:
        self.envs = [IsolatedEnv(env, success_key) for env in make_all(make, count)]
        self.last: list[Any] = [None] * count

    def spaces(self) -> tuple[Any, Any]:
        """Return the spaces of one observation and one action."""
        return self.envs[0].observation_space, self.envs[0].action_space

    def rehearse(self, seeds: Sequence[int]) -> list[str]:
        """Play a few steps in each; see `vgf.training.isolated_env.rehearse`."""
        return [*rehearse(self.envs, seeds), *self.envs[0].unread()]

    def reset(self, seeds: Sequence[int | None], chosen: Sequence[bool]) -> list[Any]:
        """Reset the chosen ones; return (observation, info) of each, an empty info for the others."""
        for i, env in enumerate(self.envs):
            if chosen[i]:
                observation, info = env.reset(seed=seeds[i])
                self.last[i] = (observation, 0.0, False, False, info)
        return [(last[0], last[4] if c else {}) for last, c in zip(self.last, chosen, strict=True)]

    def step(self, actions: np.ndarray) -> list[Any]:
        """Step those whose episode goes on; return what each answered, without reward where one rests."""
        for i, env in enumerate(self.envs):
            observation, _, terminated, truncated, info = self.last[i]
            if terminated or truncated:
                self.last[i] = (observation, 0.0, terminated, truncated, info)
            else:
                self.last[i] = env.step(actions[i])
        return self.last

    def close(self) -> None:
        """Close them."""
        for env in self.envs:
            env.close()
