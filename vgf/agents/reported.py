"""What an update reports: numbers for each seed, which stay on the device until someone reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

Metrics = dict[str, Tensor]  #: name to one number a seed, [S], on the device


ROUNDING = 1e-3  # how far an action may leave its box; bfloat16 has three digits


class Reported(NamedTuple):
    """Metrics of several updates that report the same names.

    Attributes:
        updates: numbers of the updates, n of them, ascending; the first update of a run is number 1.
        metrics: name to one number for each update and seed, [n, S], on the device.
    """

    updates: Sequence[int]
    metrics: Metrics


def one_update(method: str, number: int, metrics: Any, names: Sequence[str], seeds: int) -> Reported:
    """Return what one call of `update` gave, once it is seen to be what a method has to give.

    Args:
        method: its name.
        number: of the update.
        metrics: name to a number for each seed, [S].
        names: the method's `metric_names`.
        seeds: S.

    Raises:
        ValueError: naming the method and the metric, if it has no such name or shape.
    """
    if not isinstance(metrics, Mapping):
        raise ValueError(f"update() of {method} must return a dict of metrics, got {type(metrics).__name__}")
    for name, value in metrics.items():
        if name not in names:
            raise ValueError(
                f"update() of {method} reports {name!r}; add it to metric_names, or take one of {list(names)}"
            )
        if not isinstance(value, Tensor) or value.shape != (seeds,):
            got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"{name} of {method} must be a tensor [{seeds}], a number for each seed, got {got}")
    return Reported((number,), {name: value[None] for name, value in metrics.items()})


def check_actions(method: str, actions: Any, shape: tuple[int, ...]) -> None:
    """Refuse what `act` gave unless it is a tensor [S, B, d] in [-1, 1] up to rounding; waits for the device.

    Raises:
        ValueError: naming the method and what it gave.
    """
    if not isinstance(actions, Tensor) or actions.shape != shape:
        got = list(actions.shape) if isinstance(actions, Tensor) else type(actions).__name__
        raise ValueError(f"act() of {method} must return a tensor {list(shape)}, [seeds, states, action], got {got}")
    if bool((actions.abs() > 1 + ROUNDING).any()):
        raise ValueError(f"act() of {method} must return actions in [-1, 1], got {float(actions.abs().max()):g}")
