"""An agent whose update is a function of weights, batch and random numbers, which are drawn before it and handed in.

With the draws outside, what is left of an update is the same program each time: it can be captured in a CUDA graph
(`vgf.agents.graph`), and `update` and the graph call one function, `step`, so there is nothing to hold equal by hand.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from vgf.agents.base import Agent, Dims
from vgf.agents.graph import GraphUpdates
from vgf.agents.reported import Metrics
from vgf.datasets.transitions import Batch
from vgf.networks import Draw


class SteppedAgent(Agent):
    """One method whose random numbers are drawn ahead of its update; on CUDA it updates by graph."""

    def __init__(self, config: Any, dims: Dims, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        super().__init__(config, dims, seeds, device)
        if self.device.type == "cuda":
            self.graph = GraphUpdates(self)

    @abstractmethod
    def draws(self, size: int, batch: Batch | None = None) -> tuple[Draw, ...]:
        """Return the random numbers of the next update, in the order `step` takes them.

        Args:
            size: of a batch, B.
            batch: which one it is, where it was not gathered from the dataset by number.
        """

    @abstractmethod
    def step(self, batch: Batch, noise: Sequence[Tensor]) -> Metrics:
        """Do what `update` does with the random numbers of `draws`, [S, *shape] each, and without counting."""

    def update(self, batch: Batch) -> Metrics:
        """Draw, and train on one batch [S, B, ...]; see `Agent.update`."""
        metrics = self.step(batch, self.numbers(self.draws(batch.actions.shape[1], batch)))
        self.updates += 1
        return metrics

    def same_updates(self) -> int:
        """Return how many updates from here on do the same, as far as is known."""
        return sys.maxsize

    def tensors(self) -> list[Tensor]:
        """Return every tensor that an update writes: weights, and Adam's moments as soon as it has stepped."""
        networks = [p.detach() for network in self.networks.values() for p in network.parameters()]
        moments = [x for adam in self.optimizers.values() for state in adam.state.values() for x in state.values()]
        return networks + moments

    def constants(self) -> list[Tensor]:
        """Return what an update reads besides, batch and noise apart."""
        return []

    def forget(self) -> None:
        """Forget copies of the weights, so that the next `step` makes them anew."""

    def wrote(self) -> None:
        """Tell torch that the weights were written past its version counters."""
        increment_version([p for network in self.networks.values() for p in network.parameters()])
