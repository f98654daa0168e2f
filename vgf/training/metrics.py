"""Means of metrics over some updates, and the first update that was not finite, without waiting for the device.

An update's metrics are stacked and summed where they are; whether all were finite so far is counted there too. Only
`rows` asks for numbers, so a GPU never waits for the reader. The price: a fault is noticed at the next logged update,
though it is told with the update at which it happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor

from vgf.agents import Agent, Reported


class NotFinite(ValueError):
    """A metric or a weight that is NaN or infinite; names it and the update."""


class MetricWindow:
    """Collects metrics, grouped by which are reported together: a phase of training may leave some out."""

    def __init__(self) -> None:
        self.groups: dict[tuple[str, ...], _MetricGroup] = {}

    def add(self, reported: Reported) -> None:
        """Add the metrics of some updates."""
        values = torch.stack(list(reported.metrics.values()), 1)
        self.groups.setdefault(tuple(reported.metrics), _MetricGroup(values[0])).add(reported.updates, values)

    def rows(self, agent: Agent) -> pd.DataFrame:
        """Return one row a seed and start anew; a metric that was not reported is NaN.

        Raises:
            NotFinite: if a metric was not finite, naming it and the first update that reported it so.
        """
        sums: dict[str, Tensor] = {}
        counts: dict[str, int] = {}
        faults = []
        for names, group in self.groups.items():
            totals, finite_updates = group.totals.cpu(), group.finite_updates.tolist()
            for name, total, good in zip(names, totals, finite_updates, strict=True):
                sums[name] = sums[name] + total if name in sums else total
                counts[name] = counts.get(name, 0) + len(group.updates)
                if good < len(group.updates):
                    faults.append((group.updates[good], name))
        self.groups = {}
        if faults:
            update, name = min(faults)
            raise NotFinite(f"{name} is not finite at update {update}")
        missing = [float("nan")] * len(agent.seeds)
        columns = {
            name: (sums[name] / counts[name]).tolist() if name in sums else missing for name in agent.metric_names
        }
        return pd.DataFrame({"seed": agent.seeds, "update": agent.updates, **columns})


class _MetricGroup:
    """Sums of metrics [M, S] that are reported together, and how many updates went by before each was not finite."""

    def __init__(self, like: Tensor) -> None:
        self.totals = torch.zeros_like(like)
        self.finite_updates = torch.zeros(len(like), dtype=torch.int64, device=like.device)
        self.finite = torch.ones(len(like), dtype=torch.bool, device=like.device)
        self.updates: list[int] = []

    def add(self, updates: Sequence[int], values: Tensor) -> None:
        """Add the values [n, M, S] of n updates."""
        for each in values:  # one after the other: a mean must not depend on how many updates one call did
            self.totals += each
        finite = self.finite & values.isfinite().all(-1).cummin(0).values  # [n, M]: finite up to and with each update
        self.finite_updates += finite.sum(0)
        self.finite = finite[-1]
        self.updates.extend(updates)


def check_finite(state: Mapping[str, Tensor], update: int) -> None:
    """Refuse a state with a number that is not finite; waits for the device.

    Raises:
        NotFinite: naming a tensor and the update after which it is so.
    """
    names = [name for name, value in state.items() if value.is_floating_point()]
    good = torch.stack([state[name].isfinite().all() for name in names]).tolist()
    if not all(good):
        raise NotFinite(f"{names[good.index(False)]} is not finite after update {update}")
