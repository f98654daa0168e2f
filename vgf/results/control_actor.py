"""An actor for each control: the particles a trained policy would act by, moved by another kind of step.

`settings` finds for every kind and rung the step size of each seed and what the critic promises for it; a `StepActor`
acts by one such setting, in the place of the agent, so that `vgf.training.evaluate` runs the episodes as for any agent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vgf.agents.vgf import VGF
from vgf.flow import Budget, best_of
from vgf.networks import SeedStreams
from vgf.results.control_steps import STILL, StepKind, calibrate, directions, displacement, move, spread


class Setting(NamedTuple):
    """One kind of step at one rung, as it is set for every seed of an agent; tensors are [S]."""

    kind: StepKind
    rung: float
    step_size: Tensor
    displacement: Tensor  # on the states of calibration, in sigma
    promised: Tensor
    sigma: Tensor  # action units


def settings(agent: VGF, observations: Tensor, kinds: Sequence[StepKind], rungs: Sequence[float]) -> Iterator[Setting]:
    """Yield each of `STILL` at rung 0, then each of `kinds` at each of `rungs`.

    Args:
        agent: S seeds of value gradient flow.
        observations: states to set step sizes on, [B, o], the same for every seed.
        kinds: of steps, that move.
        rungs: displacements in sigma, > 0.
    """
    own = observations.to(agent.device).expand(len(agent.seeds), -1, -1)
    shape = (len(observations), agent.config.particles, agent.dims.action)
    start = agent.reference.sample(own, SeedStreams(agent.seeds, "controls, noise", agent.device).normal(*shape))
    turn = directions(SeedStreams(agent.seeds, "controls, directions", agent.device), *shape)
    sigma, zeros = spread(agent, own), torch.zeros(len(agent.seeds), device=agent.device)
    before = agent.value(own, start, "mean").mean((1, 2))
    for kind in STILL:
        yield Setting(kind, 0.0, zeros, zeros, zeros, sigma)
    for kind in kinds:
        for rung in rungs:
            size, reached = calibrate(agent, own, start, kind, rung * sigma, turn)
            after = agent.value(own, move(agent, own, start, kind, size, turn), "mean").mean((1, 2))
            yield Setting(kind, rung, size, reached / sigma, after - before, sigma)


class StepActor:
    """Acts as an agent does, with another kind of step.

    Attributes:
        transports: there is one setting, so there is no budget to vary.
        seeds, device: the agent's.
    """

    transports = False

    def __init__(self, agent: VGF, setting: Setting) -> None:
        self.agent, self.setting = agent, setting
        self.seeds, self.device = agent.seeds, agent.device
        self._squares, self._acts = torch.zeros(len(agent.seeds), device=agent.device), 0
        self._round: SeedStreams | None = None
        self._rounds = 0

    def budget(self, steps: int) -> Budget:
        """Return the agent's budget; what moves its particles here is the setting."""
        return self.agent.budget(steps)

    @property
    def acted(self) -> Tensor:
        """Displacement in sigma over the states acted in so far, those of ended episodes included, [S]."""
        return (self._squares / max(self._acts, 1)).sqrt() / self.setting.sigma

    @torch.no_grad()
    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams) -> Tensor:
        """Return actions [S, B, d]; every setting sees the same particles."""
        agent, kind = self.agent, self.setting.kind
        shape = (observations.shape[1], agent.config.particles, agent.dims.action)
        particles: Tensor = agent.reference.sample(observations, streams.normal(*shape))
        if kind.moves:
            turn = directions(self._directions(streams), *shape) if kind.turned else None
            start, particles = particles, move(agent, observations, particles, kind, self.setting.step_size, turn)
            self._squares += displacement(start, particles).square()
        self._acts += 1
        if not kind.chooses:
            return particles[..., 0, :]
        return best_of(particles, agent.value(observations, particles, agent.config.target_q))

    def _directions(self, streams: SeedStreams) -> SeedStreams:
        """Return the streams of directions of a round, apart from those of the particles, which no kind may shift."""
        if streams is not self._round:
            self._round, self._rounds = streams, self._rounds + 1
            purpose = f"controls, directions of round {self._rounds}"
            self._turns = SeedStreams(self.agent.seeds, purpose, self.agent.device)
        return self._turns
