"""Value gradient flow, the method of the paper (xu2026vgf): no policy network, an implicit policy by transport.

With particles a^0_i ~ mu(.|s'), i = 1 ... N, moved L_train steps by `vgf.flow.transport` along the gradient of the
online critic, the critic regresses on

    y = r + gamma * mask * 1/N sum_i Q_target(s', a^L_i),      loss = E sum_e (Q_e(s, a) - y)^2,

and acting moves N particles L_test steps and takes the one of highest value. Training and test budgets are
separate; L_test = 0 is best-of-N.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from vgf.agents import bank_file, fused
from vgf.agents.bank import ActionBank
from vgf.agents.base import Dims
from vgf.agents.fast import Core
from vgf.agents.reported import Metrics
from vgf.agents.step_unit import StepUnit, transport_in
from vgf.agents.stepped import SteppedAgent
from vgf.agents.vgf_config import CRITIC_METRICS, PRESETS, Aggregate, VGFConfig
from vgf.agents.vgf_recipe import vgf_recipe
from vgf.datasets.transitions import Batch, Transitions
from vgf.flow import Budget, ScoreFn, best_of, value_gradient
from vgf.networks import Critic, Draw, SeedStreams, VectorField
from vgf.reference import ACTION_BOUNDS, make_reference


class VGF(SteppedAgent):
    """The agent: a reference policy, a critic with its target, and the flow between them."""

    name: ClassVar[str] = "vgf"
    presets: ClassVar[Mapping[str, Any]] = {"default": VGFConfig(), **PRESETS}
    transports: ClassVar[bool] = True
    fine_tunes: ClassVar[bool] = True
    eager_precisions: ClassVar[tuple[str, ...]] = ("float32", "bfloat16")
    draws_by_state: ClassVar[bool] = True  # see `vgf.training.evaluate.Actor`
    config: VGFConfig

    def __init__(self, config: VGFConfig, dims: Dims, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        super().__init__(config, dims, seeds, device)
        hidden, init = config.hidden, self._init_streams
        self.reference = make_reference(
            config.reference, *dims, hidden, init("reference"), flow_steps=config.flow_steps
        )
        self.critic = Critic(*dims, hidden, init("critic"), layer_norm=config.layer_norm)
        self.target = copy.deepcopy(self.critic).requires_grad_(False)
        self.networks = {"reference": self.reference, "critic": self.critic, "target": self.target}
        if config.direction == "amortised":
            self.gradient = VectorField(*dims, hidden, init("gradient"), timed=False)
            self.networks["gradient"] = self.gradient
        for name in self.networks.keys() - {"target"}:
            self._adam(name, config.learning_rate)
        self.unit: StepUnit | None = None
        if config.step_unit == "sigma" and self.transports:
            self.unit = self.networks["unit"] = StepUnit(self.seeds, dims.action, self.device)
        self.bank: ActionBank | None = None
        gradient = self.gradient if config.direction == "amortised" else None
        dtype = None if config.precision == "float32" else torch.bfloat16
        # None lets the modules themselves do it: the eager twin, for tests and benchmarks
        self.core: Core | None = Core(self.reference, self.critic, self.target, gradient, config.flow_q, dtype)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Loss of the reference; loss, value and target of the critic; what the flow does to the particles."""
        amortised = ("gradient/loss",) if self.config.direction == "amortised" else ()
        return ("reference/loss", *CRITIC_METRICS, *amortised)

    @property
    def measured(self) -> dict[str, Tensor]:
        """The reference's spread, where steps are measured in it; see `Agent.measured`."""
        return {} if self.unit is None else {"sigma": self.unit.sigma}

    def prepare(self, transitions: Transitions) -> None:
        """Measure the step's unit and fill the bank, where they are asked for and the reference is done."""
        if self.updates < self.config.pretrain:
            return
        if self.unit is not None:
            self.unit.measure(self.reference, transitions.observations)
        if self.config.bank and self.bank is None:
            self._refresh()
            streams = SeedStreams(self.seeds, "bank", self.device)
            states, core = transitions.next_observations, self if self.is_fused else None
            file = bank_file.of_agent(self, states)
            self.bank = ActionBank(states, self._sample, streams, self.config.bank, self.dims, core, file)

    def draws(self, size: int, batch: Batch | None = None) -> tuple[Draw, ...]:
        """Return what the particles need, then what the reference does, as far as the phase trains them."""
        if self.updates < self.config.pretrain:
            return self.clone_draws(size)
        particles = self.particle_draw(size, batch)
        return (particles, *self.clone_draws(size)) if self.config.pretrain == 0 else (particles,)

    def step(self, batch: Batch, noise: Sequence[Tensor]) -> Metrics:
        """Train reference, critic and amortised gradient, as far as the phase trains them; see `pretrain`."""
        if self.updates < self.config.pretrain:
            return self._clone(self.reference, batch, noise)
        metrics = self._update_critic(batch, noise[0])
        return metrics | self._clone(self.reference, batch, noise[1:]) if self.config.pretrain == 0 else metrics

    def same_updates(self) -> int:
        """Return how many updates are left of training the reference alone, or no end of them after it."""
        left = self.config.pretrain - self.updates
        return left if left > 0 else sys.maxsize

    def constants(self) -> list[Tensor]:
        """Return the bank and the step's unit, where there are any; see `SteppedAgent.constants`."""
        return ([self.bank.actions] if self.bank else []) + ([self.unit.sigma] if self.unit else [])

    def forget(self) -> None:
        """Let the core take over all weights at the next update; see `SteppedAgent.forget`."""
        if self.core:
            self.core.forget()

    def recipe(self, batch: int) -> fused.Recipe:
        """Return how the fused core does the updates of this phase; see `Agent.recipe`."""
        return vgf_recipe(self, batch)

    @torch.no_grad()
    def td_target(self, batch: Batch, particles: Tensor) -> tuple[Tensor, Tensor]:
        """Return the TD target, [S, B], and the moved particles, [S, B, N, d].

        Args:
            batch: rewards, masks and next observations are used.
            particles: reference actions at the next observations, [S, B, N, d].
        """
        s, core = batch.next_observations, self.core
        budget = self.config.budget(self.config.train_steps)
        moved = self.flow(s, particles, budget, core.scorer(s, particles.shape[-2]) if core else None)
        values = aggregate((core.value if core else self.target)(s, moved), self.config.target_q)
        value = values.mean(-1) if self.config.target_particles == "mean" else values.amax(-1)
        return batch.rewards + self.config.discount * batch.masks * value, moved

    def flow(self, observations: Tensor, particles: Tensor, budget: Budget, score_fn: ScoreFn | None = None) -> Tensor:
        """Move particles [S, B, N, d] at observations [S, B, o] along the online critic, or along `score_fn`."""
        score_fn = score_fn or (lambda a: self.score(observations, a))
        kernel: Any = {"bandwidth": self.config.bandwidth, "repulsion": self.config.repulsion, "bounds": ACTION_BOUNDS}
        return transport_in(self.unit, particles, score_fn, budget, **kernel)

    def score(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return what moves particles: grad_a Q of the online critic, or the network fitted to it; [S, ..., d]."""
        if self.config.direction == "amortised":
            return self.gradient(observations, actions)
        return value_gradient(lambda a: self.value(observations, a, self.config.flow_q))(actions)

    def value(self, observations: Tensor, actions: Tensor, over: Aggregate) -> Tensor:
        """Return the online critic's value over its ensemble, [S, ...]."""
        return aggregate(self.critic(observations, actions), over)

    @torch.no_grad()
    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams | None = None) -> Tensor:
        """Move N reference particles by `budget` and return the one of highest value; zero steps are best-of-N."""
        particles = self._particles(observations, streams or self.streams["acting"])
        moved = self.flow(observations, particles, budget)
        return best_of(moved, self.value(observations, moved, self.config.target_q))

    def budget(self, steps: int) -> Budget:
        """Return the configured budget with another number of flow steps."""
        return self.config.budget(steps)

    def _particles(self, observations: Tensor, streams: SeedStreams) -> Tensor:
        """Sample N reference actions for each observation, [S, B, N, d]."""
        noise = streams.normal(observations.shape[1], self.config.particles, self.dims.action)
        return self.reference.sample(observations, noise)

    @torch.no_grad()
    def _draw(self, batch: Batch, noise: Tensor | None = None) -> Tensor:
        """Return N reference actions at a batch's next observations, [S, B, N, d]; see `particle_draw`."""
        self._refresh()
        if noise is None:
            (noise,) = self.numbers([self.particle_draw(batch.next_observations.shape[1], batch)])
        if self.bank is not None and batch.row_index is not None:
            return self.bank.take(batch.row_index, noise, self.config.particles)
        return self._sample(batch.next_observations, noise)

    def particle_draw(self, size: int, batch: Batch | None) -> Draw:
        """Return the random numbers of `_draw`: where to look in the bank, or noise to integrate.

        The bank serves where there is one and the batch says which of its states these are; a batch drawn online has
        states that no bank has seen.
        """
        if self.bank is not None and (batch is None or batch.row_index is not None):
            return Draw("particles", "uniform", (size, 1))
        return Draw("particles", "normal", (size, self.config.particles, self.dims.action))

    def _sample(self, observations: Tensor, noise: Tensor) -> Tensor:
        """Integrate noise [S, B, N, d] to reference actions in the configured precision."""
        return (self.core or self.reference).sample(observations, noise)

    def _refresh(self) -> None:
        """Let the core see the weights as they are."""
        if self.core:
            self.core.refresh()

    def critic_loss(self, batch: Batch, particles: Tensor) -> tuple[Tensor, Metrics]:
        """Return the TD loss, [S], and what is reported of it; `particles` as in `td_target`."""
        target, moved = self.td_target(batch, particles)
        values = self.critic(batch.observations, batch.actions)
        loss = (values - target.unsqueeze(1)).square().sum(1).mean(-1)
        reported = (
            loss.detach(),
            values.detach().mean((1, 2)),
            target.mean(-1),
            (moved - particles).norm(dim=-1).mean((1, 2)),
            _spread(particles),
            _spread(moved),
        )
        return loss, dict(zip(CRITIC_METRICS, reported, strict=True))

    def _update_critic(self, batch: Batch, noise: Tensor) -> Metrics:
        """Regress the critic on the TD target; the target follows the critic of before the step, as the release's."""
        particles = self._draw(batch, noise)
        loss, metrics = self.critic_loss(batch, particles)
        with torch.no_grad():
            torch._foreach_lerp_(list(self.target.parameters()), list(self.critic.parameters()), self.config.tau)
        if self.config.direction == "amortised":
            metrics |= self._update_gradient(batch)
        self._descend("critic", loss)
        return metrics

    def _update_gradient(self, batch: Batch) -> Metrics:
        """Fit f(s, a) to the online critic's gradient at the dataset's actions (release)."""
        s = batch.observations
        if self.core:
            gradient = self.core.critic_scorer(s, 1, "mean")(batch.actions.unsqueeze(-2)).squeeze(-2)
        else:
            gradient = value_gradient(lambda a: self.value(s, a, "mean"))(batch.actions)
        if self.config.unit_gradient:
            gradient = gradient / (gradient.norm(dim=-1, keepdim=True) + 1e-8)
        loss = (self.gradient(s, batch.actions) - gradient).square().mean((-2, -1))
        self._descend("gradient", loss)
        return {"gradient/loss": loss.detach()}


def aggregate(values: Tensor, over: Aggregate) -> Tensor:
    """Reduce the ensemble axis of [S, E, ...] by its mean or minimum."""
    return values.mean(1) if over == "mean" else values.amin(1)


def _spread(particles: Tensor) -> Tensor:
    """Return the variance of each state's particles, summed over coordinates and averaged over states, [S]."""
    return (particles - particles.mean(-2, keepdim=True)).square().sum(-1).mean((1, 2))
