"""What an update reports: numbers for each seed, which stay on the device until someone reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

Metrics = dict[str, Tensor]  #: name to one number a seed, [S], on the device


class Reported(NamedTuple):
    """Metrics of several updates that report the same names.

    Attributes:
        updates: numbers of the updates, n of them, ascending; the first update of a run is number 1.
        metrics: name to one number for each update and seed, [n, S], on the device.
    """

    updates: Sequence[int]
    metrics: Metrics
