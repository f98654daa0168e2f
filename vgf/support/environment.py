"""What an environment must be: its interface as a whole, checked before anything is trained.

Anything that looks like an environment can be stepped, and a score comes out whatever its actions mean. So here is the
one place that says what is taken: a new gymnasium environment at each call, one vector of real numbers each way,
actions in [-1, 1]. What is not so is refused in one line with the remedy. What it may answer is in `answers`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from vgf.support.given import shown

BEYOND = 0.05  # of a space's width: how far data may leave it before that is told
BOUND_TOLERANCE = 1e-5  # float32 rounding of a bound
MOST_PARTS = 64  # objects of one environment that are looked at
FLATTEN = "wrap the environment in gymnasium.wrappers.FlattenObservation, and flatten the data's alike"
REAL = "only vectors of real numbers are supported"
EXAMPLE = "for instance make_env=lambda: gymnasium.make('Pendulum-v1')"
Make = Callable[[], Any]


class EnvironmentFault(ValueError):
    """What an environment did wrong, in one line; see `environment_traceback` where it raised something."""

    @property
    def environment_traceback(self) -> str:
        """The traceback of what the environment raised; empty where it raised nothing."""
        notes: Sequence[str] = getattr(self, "__notes__", ())
        cause = [] if self.__cause__ is None else traceback.format_exception(self.__cause__)
        return "".join([*notes, *cause])


@contextmanager
def environment_errors(where: str) -> Iterator[None]:
    """Say of an exception that an environment raises whose it is and where; what this package raises stays as it is.

    Raises:
        EnvironmentFault: from what was raised.
    """
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] == "vgf":
            raise
        words = " ".join(str(error).split())
        raise EnvironmentFault(
            f"{where}: the environment's own code raised {type(error).__name__}{': ' if words else ''}{words}"
        ) from error


def make_all(make: Make, count: int) -> list[gymnasium.Env]:
    """Return `count` environments, each new and each with spaces that are supported.

    Raises:
        EnvironmentFault: naming what is wrong and the remedy.
    """
    envs: list[gymnasium.Env] = []
    held: dict[int, Any] = {}
    for _ in range(count):
        env = make_one(make)
        own = parts(env)
        if shared := [part for part in own if id(part) in held]:
            raise EnvironmentFault(
                f"make_env returned the same environment twice ({type(shared[-1]).__name__}); it must make a new one "
                "at each call, so make it inside the function"
            )
        held |= {id(part): part for part in own}
        envs.append(env)
    return envs


def make_one(make: Make) -> gymnasium.Env:
    """Return a new environment whose spaces are supported; see `make_all`."""
    if not callable(make):
        raise EnvironmentFault(f"make_env must be a function that makes an environment, got {shown(make)}; {EXAMPLE}")
    with environment_errors("make_env()"):
        env = make()
    if isinstance(env, VectorEnv):
        raise EnvironmentFault(
            f"make_env returned {type(env).__name__}, many environments; it must make one, unvectorised"
        )
    if not isinstance(env, gymnasium.Env):
        what = "None" if env is None else f"the class {env.__name__}" if isinstance(env, type) else type(env).__name__
        raise EnvironmentFault(f"make_env returned {what}, which is no gymnasium.Env; {EXAMPLE}")
    with environment_errors("make_env()"):
        observation, action = getattr(env, "observation_space", None), getattr(env, "action_space", None)
    if fault := _observation_fault(observation) or _action_fault(action):
        raise EnvironmentFault(f"{type(env.unwrapped).__name__}: {fault}")
    return env


def parts(env: gymnasium.Env) -> list[Any]:
    """Return an environment and every environment inside it, wrapped by gymnasium's wrappers or by anyone's."""
    found: dict[int, Any] = {}
    waiting: list[Any] = [env]
    while waiting and len(found) < MOST_PARTS:
        one = waiting.pop()
        if id(one) in found or isinstance(one, type | ModuleType):
            continue
        if not all(callable(getattr(type(one), name, None)) for name in ("reset", "step")):
            continue
        found[id(one)] = one
        for value in vars(one).values() if hasattr(one, "__dict__") else ():
            waiting += value[:MOST_PARTS] if isinstance(value, list | tuple) else [value]
    return list(found.values())


def _observation_fault(space: Any) -> str | None:
    """Return what is wrong with an observation space, or None."""
    if space is None:
        return "it has no observation_space; give it a gymnasium.spaces.Box"
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return None
    remedy = FLATTEN if isinstance(space, spaces.Dict | spaces.Tuple | spaces.Box) else "put features in their place"
    what = f"of shape {space.shape}" if isinstance(space, spaces.Box) else f"a {_kind(space)}"
    return f"its observation space is {what}; {REAL}: {remedy}"


def _action_fault(space: Any) -> str | None:
    """Return what is wrong with an action space, or None; its bounds are another question."""
    if space is None:
        return "it has no action_space; give it a gymnasium.spaces.Box"
    if not isinstance(space, spaces.Box):
        discrete = isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary)
        also = "; discrete actions are not supported" if discrete else ""
        return f"its action space is a {_kind(space)}; {REAL}{also}"
    if len(space.shape) != 1:
        return f"its action space is of shape {space.shape}; {REAL}: flatten it with gymnasium.wrappers.TransformAction"
    if not np.issubdtype(space.dtype, np.floating):
        return f"its actions are of type {space.dtype}; {REAL}: discrete actions are not supported"
    return None


def _kind(space: Any) -> str:
    """Return a space in a word or two."""
    return " ".join(str(space).split())[:40] if isinstance(space, spaces.Discrete) else type(space).__name__


def bounds_fault(space: Any) -> str | None:
    """Return which actions an environment takes where they are not [-1, 1] in every dimension, or None."""
    wrong = (np.abs(space.low + 1) > BOUND_TOLERANCE) | (np.abs(space.high - 1) > BOUND_TOLERANCE)
    if not wrong.any():
        return None
    i = int(np.flatnonzero(wrong)[0])
    text = f"dimension {i} of the environment's actions is in [{space.low[i]:g}, {space.high[i]:g}]"
    if np.isfinite(space.low).all() and np.isfinite(space.high).all():
        return f"{text}, the data's are in [-1, 1]; say rescale_actions=True if the data's were divided to fit [-1, 1]"
    return f"{text}, the data's are in [-1, 1]; wrap it in gymnasium.wrappers.TransformAction with a Box(-1, 1)"


def scale_note(space: Any, low: np.ndarray, high: np.ndarray) -> str | None:
    """Return a word where observations of the data, from `low` to `high` [o], leave an environment's finite bounds."""
    width = np.where(np.isfinite(space.high - space.low), space.high - space.low, np.inf) * BEYOND
    beyond = (low < space.low - width) | (high > space.high + width)
    if not beyond.any():
        return None
    i = int(np.flatnonzero(beyond)[0])
    own, ours = f"[{low[i]:g}, {high[i]:g}]", f"[{space.low[i]:g}, {space.high[i]:g}]"
    return f"number {i} of the data's observations is in {own}, the environment's in {ours}; are they scaled alike?"


class StretchedBox(spaces.Box):
    """Actions in [-1, 1] that are stretched to the bounds of another space, `own`."""

    def __init__(self, own: spaces.Box) -> None:
        """Keep the other space, so that data can be held against it."""
        super().__init__(-1.0, 1.0, own.shape, np.float32)
        self.own = own


def stretch_note(space: Any, low: np.ndarray, high: np.ndarray) -> str | None:
    """Return a word where actions, from `low` to `high` [d], look as if they had not been divided by narrow bounds."""
    if not isinstance(space, StretchedBox):
        return None
    own = space.own
    narrow = (np.maximum(np.abs(own.low), np.abs(own.high)) < 1 - BOUND_TOLERANCE).any()
    within = (low >= own.low - BOUND_TOLERANCE).all() and (high <= own.high + BOUND_TOLERANCE).all()
    if not (narrow and within):
        return None
    bounds = f"[{own.low.min():g}, {own.high.max():g}]"
    return (
        f"no action of the data leaves the environment's own bounds, {bounds}; if they were not divided by them, "
        "rescale_actions stretches them once too often"
    )


class Rescaled(gymnasium.ActionWrapper[Any, Any, Any]):
    """An environment that takes actions in [-1, 1], stretched to its own bounds.

    Unlike gymnasium's RescaleAction (1.4.0) it sets on the bound what rounding puts beyond it: about one end in six,
    and some environments refuse the last digit.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        """Refuse bounds that are not finite: nothing can be stretched to them."""
        super().__init__(env)
        own = env.action_space
        assert isinstance(own, spaces.Box)
        if not (np.isfinite(own.low).all() and np.isfinite(own.high).all()):
            raise EnvironmentFault(f"rescale_actions needs bounds, and {type(env.unwrapped).__name__} has {own}")
        self.own, self.action_space = own, StretchedBox(own)

    def action(self, action: Any) -> Any:
        """Return an action of the environment inside for one in [-1, 1]."""
        share = (np.asarray(action, np.float64) + 1) / 2
        low, high = self.own.low.astype(np.float64), self.own.high.astype(np.float64)
        return np.clip(low + share * (high - low), low, high).astype(self.own.dtype)


def stretched(make: Make) -> gymnasium.Env:
    """Return a new environment that takes actions in [-1, 1], whatever its own finite bounds are."""
    return Rescaled(make_one(make))
