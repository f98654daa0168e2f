"""What the method refuses: each check is one line that names the argument, and what to do.

They look at types, shapes and signs; the few that read a tensor's numbers say so, as a device is then waited for, and
stand where a caller asks for them alone. Kernel, flow and theory share them, so that one slip reads the same in all.
"""

from __future__ import annotations

import math
import operator
from typing import Any, Literal

import torch
from torch import Tensor

Bandwidth = float | Tensor | Literal["median"]
SHOWN = 80  # characters of a value in a message


def shown(value: Any) -> str:
    """Return a value's repr on one short line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def check_bandwidth(bandwidth: Bandwidth, values: bool = True, like: Tensor | None = None) -> None:
    """Refuse a bandwidth that is not "median", a number > 0 or a tensor [..., 1, 1], at most one a set of `like`."""
    if isinstance(bandwidth, str):
        if bandwidth != "median":
            raise ValueError(f"bandwidth must be 'median' or a number > 0, got {shown(bandwidth)}")
    elif isinstance(bandwidth, Tensor):
        if bandwidth.numel() != 1 and bandwidth.shape[-2:] != (1, 1):
            raise ValueError(f"bandwidth must be a number or [..., 1, 1], got shape {tuple(bandwidth.shape)}")
        if like is not None and bandwidth.numel() != 1 and not _fits(bandwidth.shape[:-2], like.shape[:-2]):
            one = f"one a set, [{', '.join(map(str, (*like.shape[:-2], 1, 1)))}]"
            raise ValueError(f"bandwidth must be a number or {one}, got shape {tuple(bandwidth.shape)}")
        if values and not bool(((bandwidth > 0) & torch.isfinite(bandwidth)).all()):
            raise ValueError("bandwidth must be finite and > 0 in every entry")
    elif not (math.isfinite(as_real(bandwidth)) and bandwidth > 0):
        raise ValueError(f"bandwidth must be a finite number > 0, got {shown(bandwidth)}")


def _fits(own: torch.Size, sets: torch.Size) -> bool:
    """Say whether a shape broadcasts to that of the sets and does not widen it."""
    return len(own) <= len(sets) and all(a in (1, b) for a, b in zip(reversed(own), reversed(sets), strict=False))


def as_count(value: Any) -> int:
    """Return an integer of Python, numpy or torch; -1 where it is none."""
    try:
        return -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return -1


def as_real(value: Any) -> float:
    """Return a number of Python, numpy or torch as a float; NaN where it is none."""
    try:
        return math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # torch's own, and an integer past every float
        return math.nan


def checked_bounds(bounds: Any) -> tuple[float, float] | None:
    """Return (low, high) as numbers, or None for all of space; ValueError where low < high does not hold."""
    if bounds is None:
        return None
    ends = [as_real(end) for end in bounds] if hasattr(bounds, "__len__") else []
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise ValueError(f"bounds must be (low, high) with low < high, got {shown(bounds)}")
    return ends[0], ends[1]


def check_tensors(**given: Any) -> None:
    """Refuse what is no tensor; ValueError by its name."""
    for name, value in given.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"{name} must be a tensor, got {type(value).__name__}; torch.as_tensor makes one")


def check_sets(particles: Any) -> None:
    """Refuse what is no tensor [..., N, d] with particles in it; looks at no number."""
    check_tensors(particles=particles)
    if particles.ndim < 2 or particles.shape[-2] == 0 or particles.shape[-1] == 0:
        raise ValueError(f"particles must be [..., N, d] with N >= 1 and d >= 1, got shape {tuple(particles.shape)}")


def check_pair(x: Any, y: Any) -> None:
    """Refuse what are no tensors [..., N, d] and [..., M, d] of one d, whose leading axes stand beside each other."""
    check_tensors(x=x, y=y)
    fits = min(x.ndim, y.ndim) >= 2 and x.shape[-1] == y.shape[-1]
    leads = zip(reversed(x.shape[:-2]), reversed(y.shape[:-2]), strict=False)
    if not fits or any(a != b and 1 not in (a, b) for a, b in leads):
        raise ValueError(f"x must be [..., N, d] and y [..., M, d], got {list(x.shape)} and {list(y.shape)}")


def check_sigma(bandwidth: Any, values: bool = True) -> None:
    """Refuse a bandwidth that is no number > 0 and no tensor [..., 1, 1] of them; "median" is neither."""
    if isinstance(bandwidth, str):
        raise ValueError(f"bandwidth must be a number > 0, got {bandwidth!r}; median_bandwidth gives one")
    check_bandwidth(bandwidth, values)


def check_particles(particles: Any, values: bool = True) -> None:
    """Refuse particles that are no tensor [..., N, d] of float32 or float64, or, with `values`, not finite."""
    check_sets(particles)
    if particles.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"particles must be float32 or float64, got {particles.dtype}; particles.float() makes them so"
        )
    if values and not bool(torch.isfinite(particles).all()):
        raise ValueError("particles hold NaN or infinite values")


def check_moved(particles: Tensor, step: int) -> None:
    """Refuse particles that a step has led out of the numbers, although its score was finite; waits for the device."""
    if not bool(torch.isfinite(particles).all()):
        remedy = "take a smaller step_size or a larger bandwidth, or scale the particles down"
        raise ValueError(f"particles hold NaN or infinite values after step {step}, of a finite score; {remedy}")


def check_values(name: str, values: Any, particles: Tensor) -> None:
    """Refuse what is not one value for each particle, [...] of [..., d]; ValueError by its name."""
    check_tensors(**{name: values})
    if values.shape != (wanted := particles.shape[:-1]):
        raise ValueError(
            f"{name} must be {tuple(wanted)}, one for each particle, got {tuple(values.shape)}; "
            "of an ensemble take .mean(0) or .amin(0)"
        )


def check_score(score: Tensor, particles: Tensor, name: str = "score") -> None:
    """Refuse a score that is no tensor like the particles, or not finite; ValueError by `name`."""
    check_tensors(**{name if name == "score" else f"what {name} gives": score})
    if score.shape != particles.shape:
        raise ValueError(f"{name} must have the particles' shape {tuple(particles.shape)}, got {tuple(score.shape)}")
    if score.dtype != particles.dtype:
        raise ValueError(f"{name} must have the particles' dtype {particles.dtype}, got {score.dtype}")
    if not bool(torch.isfinite(score).all()):
        raise ValueError(f"{name} holds NaN or infinite values: the critic's gradient is not finite at some particle")


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is not a finite number > 0."""
    if not (math.isfinite(as_real(temperature)) and temperature > 0):
        raise ValueError(f"temperature must be a finite number > 0, got {shown(temperature)}")


def check_positive(zero: bool = False, **numbers: Any) -> None:
    """Refuse what is no number, or one not above 0, or not at least 0; ValueError by its name."""
    for name, value in numbers.items():
        if not (as_real(value) >= 0 if zero else as_real(value) > 0):
            raise ValueError(f"{name} must be {'>= 0' if zero else '> 0'}, got {shown(value)}")


def check_count(value: Any, name: str = "steps", least: int = 0) -> int:
    """Return a count; refuse what is no integer, or too small a one; ValueError by its name."""
    if as_count(value) < least:
        raise ValueError(f"{name} must be an integer >= {least}, got {shown(value)}")
    return as_count(value)


def check_one_shape(shape: str, **given: Tensor) -> None:
    """Refuse tensors that broadcast where a sum over their coordinates would count some twice; ValueError by name."""
    check_tensors(**given)
    if len({part.shape for part in given.values()}) > 1:
        found = ", ".join(f"{name} {list(part.shape)}" for name, part in given.items())
        raise ValueError(f"all must have one shape {shape}, got {found}")
