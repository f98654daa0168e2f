"""A bank of reference actions: with a frozen reference, draw once for each state what every update would draw again.

Integrating the reference is nearly half of an update's work, and a frozen reference gives the same distribution
each time. A bank holds K actions for every next observation of the dataset; an update takes N of them. What is given
up is fresh noise: with K = N a state always shows the same N particles, so the target's noise does not average out over
visits; a larger K narrows that. It pays when a run visits each state more often than K / N times. Drawing it takes
minutes for a large dataset, so it is kept in a file where a run has a cache (`vgf.agents.bank_file`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vgf.agents import fused
from vgf.agents.bank_file import BankFile
from vgf.agents.base import Agent, Dims
from vgf.networks import SeedStreams
from vgf.support.progress import Progress

CHUNK = 1024  # states drawn for at once


class ActionBank:
    """K reference actions in [-1, 1] for each of T states and S seeds, kept in float16: 2 S T K d bytes.

    Args:
        observations: the states, [T, o].
        sample: takes observations [S, B, o] and noise [S, B, K, d] to actions.
        streams: source of the noise; the bank is a function of it and of the reference's weights.
        size: K.
        dims: widths of observation and action.
        agent: whose reference the fused core integrates in place of `sample`; None where it cannot.
        file: where it is kept, on a CPU; None draws it for this run alone.
    """

    @torch.no_grad()
    def __init__(
        self,
        observations: Tensor,
        sample: Callable[[Tensor, Tensor], Tensor],
        streams: SeedStreams,
        size: int,
        dims: Dims,
        agent: Agent | None = None,
        file: BankFile | None = None,
    ) -> None:
        self.dtype, seeds = observations.dtype, len(streams.generators)
        shape = (seeds, len(observations), size, dims.action)

        def fill(actions: Tensor, done: int = 0) -> None:
            with Progress("reference actions", len(observations), "state", done=done) as progress:
                for start in range(done, len(observations), CHUNK):
                    rows = observations[start : start + CHUNK]
                    noise = streams.normal(len(rows), size, dims.action)
                    if agent is not None:
                        fused.fill_bank(agent, rows, noise, actions, start)
                    else:
                        actions[:, start : start + CHUNK] = sample(rows.expand(seeds, -1, -1), noise)
                    progress.update(len(rows))
                    if file is not None:
                        file.save(start + len(rows), streams)

        if file is not None:
            self.actions = file.filled(streams, fill)
        else:
            self.actions = torch.empty(shape, dtype=torch.float16, device=observations.device)
            fill(self.actions)

    def draw(self, numbers: Tensor, streams: SeedStreams, particles: int) -> Tensor:
        """Return N of the K actions of states `numbers` [S, B], a run of them that starts anywhere: [S, B, N, d]."""
        return self.take(numbers, streams.uniform(numbers.shape[1], 1), particles)

    def take(self, numbers: Tensor, uniform: Tensor, particles: int) -> Tensor:
        """Return what `draw` returns, where the runs start as `uniform` [S, B, 1] in [0, 1) says."""
        size, device = self.actions.shape[2], self.actions.device
        start = (uniform * size).long()
        place = (start + torch.arange(particles, device=device)) % size
        seed = torch.arange(len(self.actions), device=device)[:, None, None]
        return self.actions[seed, numbers.unsqueeze(-1), place].to(self.dtype)
