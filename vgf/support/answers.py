"""What an environment may answer: each number, flag and word of `reset` and `step` read once, or refused by its name.

An answer of NaN, a reward that is a vector or a success that is a dict can be added up and recorded like any other. So
every answer passes here before anything is made of it, and what is refused is told with the step and the seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vgf.support.environment import EnvironmentFault
from vgf.support.given import scalar, shown

SUCCESS_KEYS = ("success", "is_success")  # of info; the first that is there is read


def read_reset(found: Any, space: Any, where: str) -> tuple[np.ndarray, Mapping[str, Any]]:
    """Return observation and info of what `reset` returned; EnvironmentFault where it is not both."""
    if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[1], Mapping):
        raise EnvironmentFault(f"{where}: reset returned {shown(found)}; it must return (observation, info)")
    return read_observation(found[0], space, where), found[1]


def read_step(found: Any, space: Any, where: str) -> tuple[np.ndarray, float, bool, bool, Mapping[str, Any]]:
    """Return observation, reward, terminated, truncated and info of what `step` returned.

    Raises:
        EnvironmentFault: saying which of the five is not what it must be.
    """
    if not isinstance(found, tuple) or len(found) != 5:
        count = f"{len(found)} values" if isinstance(found, tuple) else shown(found)
        wanted = "(observation, reward, terminated, truncated, info)"
        old = "; an environment of the old gym is made new by the package shimmy" if count == "4 values" else ""
        raise EnvironmentFault(f"{where}: step returned {count}; it must return {wanted}{old}")
    observation, reward, terminated, truncated, info = found
    if not isinstance(info, Mapping):
        raise EnvironmentFault(f"{where}: info is {shown(info)}; it must be a dict")
    value = one_number(reward)
    if value is None or not np.isfinite(value):
        raise EnvironmentFault(f"{where}: the reward is {shown(reward)}; it must be a finite number")
    ends = []
    for name, end in (("terminated", terminated), ("truncated", truncated)):
        flag = one_number(end)
        if flag not in (0.0, 1.0):
            raise EnvironmentFault(f"{where}: {name} is {shown(end)}; it must be True or False")
        ends.append(bool(flag))
    return read_observation(observation, space, where), value, ends[0], ends[1], info


def read_observation(found: Any, space: Any, where: str) -> np.ndarray:
    """Return a copy of an observation as an array of its space's shape, finite in every number; else EnvironmentFault.

    A copy, because an environment may write the next one into the same memory.
    """
    try:
        values = np.array(found.detach().cpu() if hasattr(found, "detach") else found)
    except (TypeError, ValueError, RuntimeError):
        values = np.array(None)
    if values.dtype.kind not in "fiub" or values.shape != space.shape:
        what = f"of shape {values.shape}" if values.dtype.kind in "fiub" else shown(found)
        raise EnvironmentFault(f"{where}: the observation is {what}; its space says {space.shape} real numbers")
    if not np.isfinite(values).all():
        i = int(np.flatnonzero(~np.isfinite(values))[0])
        raise EnvironmentFault(f"{where}: number {i} of the observation is {values[i]}; it must be finite")
    return values


def read_success(info: Mapping[str, Any], key: str | None, where: str) -> bool | None:
    """Return whether the goal is met, as info says under a key; None where nothing is said.

    Args:
        info: of a step.
        key: its name; None for the first of `SUCCESS_KEYS` that is there.
        where: for the message.

    Raises:
        EnvironmentFault: if what it says is neither a truth value nor 0 or 1, or two keys contradict each other.
    """
    said: dict[str, bool] = {}
    for name in SUCCESS_KEYS if key is None else (key,):
        if name in info:
            value = one_number(info[name])
            if value not in (0.0, 1.0):
                raise EnvironmentFault(
                    f"{where}: info[{name!r}] is {shown(info[name])}; it must be True, False, 0 or 1"
                )
            said[name] = bool(value)
    if len(set(said.values())) > 1:
        raise EnvironmentFault(f"{where}: info has {said}; name the one that counts with success_key")
    return next(iter(said.values()), None)


def one_number(value: Any) -> float | None:
    """Return a number, a truth value, or an array or tensor of one of them as a float; None where it is none."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if getattr(value, "size", None) == 1 and hasattr(value, "reshape"):
        value = value.reshape(())
    if callable(getattr(value, "numel", None)) and value.numel() == 1:
        value = value.reshape(())
    plain = scalar(value)
    return float(plain) if isinstance(plain, bool | int | float) else None
