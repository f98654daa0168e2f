"""Which rows of a dataset an update sees, how many updates a call does, and whether they were counted.

Rows are drawn for each seed from a stream of its own, in one order for all who train.

The training loop and the training of references that runs share (`vgf.training.clones`) draw here and see the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vgf.agents import Agent, Reported
from vgf.datasets import Transitions
from vgf.networks import SeedStreams

PURPOSE = "batches"  # of the stream that training draws its rows from
CALL_SECONDS = 0.5  # of updates in one call: long enough to be cheap, short enough to be interrupted and watched


def draw_rows(transitions: Transitions, streams: SeedStreams, size: int, updates: int) -> Tensor:
    """Draw the rows of some updates' batches, [k, S, B], for each seed from its own stream.

    What a seed sees depends neither on the other seeds nor on how many updates are drawn for at once.
    """
    drawn = [
        [torch.randint(len(transitions), (size,), generator=g, device=g.device) for _ in range(updates)]
        for g in streams.generators
    ]
    return torch.stack([torch.stack(seed) for seed in drawn], 1)


def next_count(count: int, seconds: float) -> int:
    """Return how many updates the next call should do, given how many the last did and how long it took."""
    return max(1, min(2 * count, int(count * CALL_SECONDS / max(seconds, 1e-6))))


def counted(agent: Agent, before: int, reports: Sequence[Reported]) -> Sequence[Reported]:
    """Return what some updates reported, once it is seen that the agent counted each: else training has no end.

    Args:
        agent: which did them.
        before: its `updates` until then.
        reports: of them.

    Raises:
        ValueError: naming the method, if it counted others.
    """
    if agent.updates != before + sum(len(each.updates) for each in reports):
        raise ValueError(f"update() of {agent.name} did not count; add self.updates += 1, once in each update")
    return reports
