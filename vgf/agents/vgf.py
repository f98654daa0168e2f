"""Value gradient flow, the method of the paper (xu2026vgf): no policy network, an implicit policy by transport.

With particles a^0_i ~ mu(.|s'), i = 1 ... N, moved L_train steps by `vgf.flow.transport` along the gradient of the
online critic, the critic regresses on

    y = r + gamma * mask * 1/N sum_i Q_target(s', a^L_i),      loss = E sum_e (Q_e(s, a) - y)^2,

and acting moves N particles L_test steps and takes the one of highest value. Training and test budgets are
separate; L_test = 0 is best-of-N.

The paper's summary and the authors' public code differ, so every choice is a field and two presets are given.
`paper`: 5 particles, fixed steps along the attraction alone (the alpha -> 0 form), a reference trained first and then
frozen, a network f(s, a) in place of the gradient; it gives no step size, so the 0.1 is ours. `release`: 10 particles,
Adam on the full direction, reference and critic trained together; its scripts loop over step sizes and temperatures
without saying which was reported, so the preset takes the first of each list.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from vgf.agents.base import Agent, Dims, Metrics, check_config
from vgf.datasets.transitions import Batch
from vgf.flow import Budget, best_of, transport, value_gradient
from vgf.networks import Critic, SeedStreams, VectorField
from vgf.reference import ACTION_BOUNDS, make_reference

CRITIC_METRICS = (
    "critic/loss",  # squared TD error, summed over the ensemble
    "critic/q",  # value of the dataset's actions
    "critic/target",
    "flow/displacement",  # mean distance a particle moved, in action units
    *("flow/spread_before", "flow/spread_after"),  # variance of a state's particles, summed over coordinates
)
Aggregate = Literal["mean", "min"]


@dataclass(frozen=True)
class VGFConfig:
    """Value gradient flow; the defaults are the `release` preset, for OGBench.

    Attributes:
        particles: N, actions sampled from the reference for each state.
        train_steps: L_train, flow steps inside the TD target.
        step_size: epsilon of a fixed step, or the learning rate of the Adam flow.
        temperature: alpha; divides the value gradient.
        optimizer: "none" (fixed steps) or "adam".
        repulsion: whether particles repel each other; False with temperature 1 is the alpha -> 0 form.
        bandwidth: sigma of the kernel, or "median".
        direction: "autograd", or "amortised": a network f(s, a) fitted to the gradient at dataset actions.
        unit_gradient: fit f to the gradient's direction alone (the release's option for the amortised variant).
        flow_q: the ensemble's value whose gradient moves particles: its "mean" or its "min".
        target_q: the same for the value of moved particles in the TD target, and for choosing an action.
        target_particles: the target is the "mean" or the "max" over particles.
        reference: "flow" or "gaussian".
        flow_steps: Euler steps of the reference flow.
        pretrain: updates of the reference alone, which is then frozen; 0 trains reference and critic together.
        hidden: widths of the hidden layers, of every network.
        layer_norm: normalise before the activations of the critic.
        learning_rate: of Adam, for every network.
        tau: rate at which the target critic follows the critic.
        discount: gamma; experiment files leave it to the task.
    """

    particles: int = 10
    train_steps: int = 3
    step_size: float = 0.01
    temperature: float = 0.2
    optimizer: Literal["none", "adam"] = "adam"
    repulsion: bool = True
    bandwidth: float | Literal["median"] = "median"
    direction: Literal["autograd", "amortised"] = "autograd"
    unit_gradient: bool = False
    flow_q: Aggregate = "mean"
    target_q: Aggregate = "mean"
    target_particles: Literal["mean", "max"] = "mean"
    reference: Literal["flow", "gaussian"] = "flow"
    flow_steps: int = 10
    pretrain: int = 0
    hidden: tuple[int, ...] = (512, 512, 512, 512)
    layer_norm: bool = True
    learning_rate: float = 3e-4
    tau: float = 0.005
    discount: float = 0.99

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        choices = {
            "direction": ("autograd", "amortised"),
            "flow_q": ("mean", "min"),
            "target_q": ("mean", "min"),
            "target_particles": ("mean", "max"),
            "reference": ("flow", "gaussian"),
        }
        check_config(self, choices, ("particles", "flow_steps", "learning_rate", "tau", "discount"))
        if self.pretrain < 0:
            raise ValueError(f"pretrain must be >= 0, got {self.pretrain}")
        self.budget(self.train_steps)

    def budget(self, steps: int) -> Budget:
        """Return the transport budget with `steps` flow steps."""
        return Budget(steps, self.step_size, self.temperature, self.optimizer)


PRESETS = {
    "release": VGFConfig(),
    "paper": VGFConfig(
        particles=5,
        step_size=0.1,
        temperature=1.0,
        optimizer="none",
        repulsion=False,
        direction="amortised",
        pretrain=100_000,
    ),
}


class VGF(Agent):
    """The agent: a reference policy, a critic with its target, and the flow between them."""

    name: ClassVar[str] = "vgf"
    transports: ClassVar[bool] = True
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

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Loss of the reference; loss, value and target of the critic; what the flow does to the particles."""
        amortised = ("gradient/loss",) if self.config.direction == "amortised" else ()
        return ("reference/loss", *CRITIC_METRICS, *amortised)

    def update(self, batch: Batch) -> Metrics:
        """Train reference, critic and amortised gradient, as far as the phase trains them; see `pretrain`."""
        cloning = self.updates < self.config.pretrain
        metrics = {} if cloning else self._update_critic(batch)
        if cloning or self.config.pretrain == 0:
            metrics |= self._clone(self.reference, batch)
        self.updates += 1
        return metrics

    @torch.no_grad()
    def td_target(self, batch: Batch, particles: Tensor) -> tuple[Tensor, Tensor]:
        """Return the TD target, [S, B], and the moved particles, [S, B, N, d].

        Args:
            batch: rewards, masks and next observations are used.
            particles: reference actions at the next observations, [S, B, N, d].
        """
        moved = self.flow(batch.next_observations, particles, self.config.budget(self.config.train_steps))
        values = aggregate(self.target(batch.next_observations, moved), self.config.target_q)
        value = values.mean(-1) if self.config.target_particles == "mean" else values.amax(-1)
        return batch.rewards + self.config.discount * batch.masks * value, moved

    def flow(self, observations: Tensor, particles: Tensor, budget: Budget) -> Tensor:
        """Move particles [S, B, N, d] at observations [S, B, o] along the online critic."""
        moved = transport(
            particles,
            lambda a: self.score(observations, a),
            budget,
            bandwidth=self.config.bandwidth,
            repulsion=self.config.repulsion,
            bounds=ACTION_BOUNDS,
            validate=False,
        )
        assert isinstance(moved, Tensor)  # no trace was asked for
        return moved

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
            particles.var(-2, correction=0).sum(-1).mean(-1),
            moved.var(-2, correction=0).sum(-1).mean(-1),
        )
        return loss, dict(zip(CRITIC_METRICS, reported, strict=True))

    def _update_critic(self, batch: Batch) -> Metrics:
        """Regress the critic on the TD target; the target follows the critic of before the step, as the release's."""
        with torch.no_grad():
            particles = self._particles(batch.next_observations, self.streams["particles"])
        loss, metrics = self.critic_loss(batch, particles)
        with torch.no_grad():
            torch._foreach_lerp_(list(self.target.parameters()), list(self.critic.parameters()), self.config.tau)
        if self.config.direction == "amortised":
            metrics |= self._update_gradient(batch)
        self._descend("critic", loss)
        return metrics

    def _update_gradient(self, batch: Batch) -> Metrics:
        """Fit f(s, a) to the online critic's gradient at the dataset's actions (release)."""
        gradient = value_gradient(lambda a: self.value(batch.observations, a, "mean"))(batch.actions)
        if self.config.unit_gradient:
            gradient = gradient / (gradient.norm(dim=-1, keepdim=True) + 1e-8)
        loss = (self.gradient(batch.observations, batch.actions) - gradient).square().mean((-2, -1))
        self._descend("gradient", loss)
        return {"gradient/loss": loss.detach()}


def aggregate(values: Tensor, over: Aggregate) -> Tensor:
    """Reduce the ensemble axis of [S, E, ...] by its mean or minimum."""
    return values.mean(1) if over == "mean" else values.amin(1)
