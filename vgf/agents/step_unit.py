r"""Flow steps measured in the reference's own spread, so that neither the reward's scale nor the actions' matters.

An absolute step is a length in action units: what it means depends on how wide the reference is, and for fixed steps
along the raw gradient on the size of the rewards, too. In units of sigma everything is a pure number. With
v(s) the variance of the reference's actions at s, summed over coordinates, and for the particles of one state

    sigma = sqrt( mean_s v(s) ),   g = rms_i |grad Q(a_i)| at the start of the flow,
    phi   = attraction(grad Q / g) / temperature + sigma * repulsion,   l = rms_i |phi_i| at the start of the flow,

a flow follows phi / l, and its step is

    fixed   a += step_size * sigma * phi / l                  the first one is, rms over particles, step_size sigma long
    Adam    rate step_size * sigma / sqrt(d) a coordinate     the first one is step_size sigma long for every particle

So the same `step_size` takes particles equally far, by either optimizer, whatever the task. Rewards times ten make g
ten times as large and change nothing, and with actions of another unit sigma and 1 / g change along. The temperature is
measured likewise: alpha = temperature * g * sigma, the value that is gained by going one sigma up the gradient. g and l
are those of the flow's first step, kept to its end: a particle that nears a maximum makes smaller fixed steps, as it
should. They are each state's own, for an action may not depend on the other states that are asked about.

Adam alone is free of the reward's scale up to its epsilon, but what it is fed is not: the repulsion has no reward in
it, so at a fixed alpha the mixture would change. sigma is one number a seed, measured once, when the reference is
done; a reference that goes on learning has none. What is given up: where the critic is flat, g is small, and what
noise the gradient has decides the direction of a step of full length, as with Adam in action units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vgf.checks import Bandwidth
from vgf.flow import Budget, FlowState, ScoreFn, sized_step, stein_terms, transport
from vgf.networks import SeedStreams
from vgf.reference import Reference

SPREAD_ACTIONS = 32  # of the reference for each state, for sigma
SPREAD_STATES = 1024  # of the dataset, the same for every seed


class StepUnit(nn.Module):
    """sigma of each seed, [S], as a part of what acting needs; zero until it is measured, and then nothing moves."""

    sigma: Tensor

    def __init__(self, seeds: Sequence[int], action: int, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.register_buffer("sigma", torch.zeros(len(seeds), device=device))
        self.seeds, self.action = seeds, action
        self.known = False  # so that the device is asked once

    @property
    def is_measured(self) -> bool:
        """Whether every seed has its sigma; waits for the device until it has."""
        self.known = self.known or bool((self.sigma > 0).all())
        return self.known

    @torch.no_grad()
    def measure(self, reference: Reference, observations: Tensor) -> None:
        """Take sigma from a reference at some of a dataset's states, [T, o], always the same ones; but once only.

        Args:
            reference: the one that particles come from, done with learning.
            observations: of the whole dataset.
        """
        if self.is_measured:
            return
        streams = SeedStreams(self.seeds, "spread", self.sigma.device)
        generator = torch.Generator().manual_seed(0)
        chosen = torch.randint(len(observations), (SPREAD_STATES,), generator=generator).to(observations.device)
        states = observations[chosen].expand(len(self.sigma), -1, -1)
        self.sigma.copy_(spread(reference, states, streams, self.action))

    def shaped(self) -> Tensor:
        """Return sigma as it stands beside particles [S, B, N, d]."""
        return self.sigma[:, None, None, None]


@torch.no_grad()
def spread(reference: Reference, observations: Tensor, streams: SeedStreams, action: int) -> Tensor:
    """Return sigma of each seed's reference at states [S, B, o], in action units, [S].

    Estimated without bias from actions of its own, so that it neither depends on N nor is zero at N = 1.

    Raises:
        ValueError: if a reference gives the same action whatever the noise: then there is no unit to measure in.
    """
    noise = streams.normal(observations.shape[1], SPREAD_ACTIONS, action)
    sigma = reference.sample(observations, noise).var(-2).sum(-1).mean(-1).sqrt()
    if not bool((sigma > 0).all()):
        raise ValueError("the reference's actions do not spread, so there is no length to measure steps in")
    return sigma


class Direction:
    """The direction of one flow's steps: phi as it is, or in units of sigma; it keeps g and l, so a flow has its own.

    Args:
        unit: of the steps; None for phi as it is.
    """

    def __init__(self, unit: StepUnit | None) -> None:
        self.sigma = None if unit is None else unit.shaped()
        self.slope: Tensor | None = None  # g, [S, B, 1, 1]
        self.length: Tensor | None = None  # l, [S, B, 1, 1]

    def __call__(
        self, particles: Tensor, score: Tensor, temperature: float, bandwidth: Bandwidth, repulsion: bool
    ) -> Tensor:
        """Return the direction of the next step, [S, B, N, d]; arguments as of `vgf.flow.stein_direction`."""
        if self.sigma is None:
            return stein_terms(particles, score, temperature, bandwidth, repulsion).direction
        self.slope = _size(score) if self.slope is None else self.slope
        terms = stein_terms(particles, score / self.slope, temperature, bandwidth, repulsion)
        phi = terms.attraction + self.sigma * terms.repulsion
        self.length = _size(phi) if self.length is None else self.length
        return phi / self.length


def transport_in(
    unit: StepUnit | None,
    particles: Tensor,
    score_fn: ScoreFn,
    budget: Budget,
    *,
    bandwidth: Bandwidth = "median",
    repulsion: bool = True,
    bounds: tuple[float, float] | None = None,
) -> Tensor:
    """Move particles by `vgf.flow.transport`, or likewise by a budget whose step and temperature are in units of sigma.

    Args:
        unit: of the budget; None for action units.
        particles: [S, B, N, d].
        score_fn: maps particles to grad Q there, of the same shape.
        budget: steps, step size, temperature, optimizer.
        bandwidth: of the kernel, in action units where it is a number.
        repulsion: whether particles repel each other.
        bounds: (low, high) of the action box.

    Returns:
        Final particles, [S, B, N, d].
    """
    if unit is None:
        kernel: Any = {"bandwidth": bandwidth, "repulsion": repulsion, "bounds": bounds}
        moved = transport(particles, score_fn, budget, validate=False, **kernel)
        assert isinstance(moved, Tensor)  # no trace was asked for
        return moved
    direction, zeros = Direction(unit), torch.zeros_like(particles)
    step_size = budget.step_size * unit.shaped()
    if budget.optimizer == "adam":
        step_size = step_size / particles.shape[-1] ** 0.5
    state = FlowState(particles, zeros, zeros, 0)
    for _ in range(budget.steps):
        score = score_fn(state.particles)
        phi = direction(state.particles, score, budget.temperature, bandwidth, repulsion)
        state = sized_step(state, phi, step_size, budget.optimizer == "adam", None)
        if bounds is not None:
            state = state._replace(particles=state.particles.clamp(*bounds))
    return state.particles


def _size(vectors: Tensor) -> Tensor:
    """Return the root mean square over particles of vectors' lengths, [..., N, d] to [..., 1, 1], never zero."""
    square = vectors.square().sum(-1, keepdim=True).mean(-2, keepdim=True)
    return square.sqrt().clamp_min(torch.finfo(vectors.dtype).tiny)
