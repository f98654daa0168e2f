"""Diffusion-QL (wang2023dql): a diffusion policy pulled by the critic through its whole chain.

The policy minimises the loss of cloning plus a normalised value of its own samples, differentiated through all steps,

    L = L_clone + eta * L_Q,    L_Q = -mean Q_i(s, a) / mean |Q_j(s, a)|,    a ~ pi(.|s),

with (i, j) the two critics in an order drawn anew at every update and the denominator taken as a constant. The target
takes the smaller critic at an action of the policy's running mean, on sparse tasks each critic's largest over 10
actions. Acting draws 50 actions and one of them with probability softmax(Q). The paper's decay of the learning rate is
left out.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from vgf.agents import fused
from vgf.agents.base import Agent, Dims, Precision
from vgf.agents.diffusion import Diffusion
from vgf.agents.heads import clip_gradients, follow, frozen, gumbel
from vgf.agents.reported import Metrics
from vgf.datasets.transitions import Batch
from vgf.flow import Budget, best_of
from vgf.networks import Critic, Draw, SeedStreams
from vgf.support.config import check_config


@dataclass(frozen=True)
class DiffusionQLConfig:
    """Diffusion-QL; every default without another source is wang2023dql's.

    Attributes:
        eta: weight of the value against cloning; chosen per task, 1 on locomotion and 0.5 to 4.5 on antmaze.
        diffusion_steps: T of the diffusion.
        backup_samples: next actions of which the target takes each critic's largest; 10 on all antmaze but umaze.
        particles: actions drawn for acting.
        average_rate, average_every, average_start: how fast, how often and from which update on the running mean of the
            policy follows it.
        gradient_norm: largest norm of a seed's gradient, for policy and critic each; chosen per task, 1 to 10.
        hidden: widths of the hidden layers, of every network (park2025fql).
        layer_norm: normalise before the activations of the critics (park2025fql).
        precision: of the products, see `vgf.agents.base.Precision`.
        learning_rate: of Adam, for every network.
        tau: rate at which the target critic follows.
        discount: gamma; experiment files leave it to the task.
    """

    eta: float = 1.0
    diffusion_steps: int = 5
    backup_samples: int = 1
    particles: int = 50
    average_rate: float = 0.005
    average_every: int = 5
    average_start: int = 1000
    gradient_norm: float = 1.0
    hidden: tuple[int, ...] = (512, 512, 512, 512)
    layer_norm: bool = True
    precision: Precision = field(default="float32", metadata={"before": "float32"})
    learning_rate: float = 3e-4
    tau: float = 0.005
    discount: float = 0.99

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        positive = ("diffusion_steps", "backup_samples", "particles", "average_rate", "average_every", "gradient_norm")
        shared = ("learning_rate", "tau", "discount")
        check_config(self, positive=positive + shared, nonnegative=("eta", "average_start"))


class DiffusionQL(Agent):
    """A diffusion policy, its running mean, two critics and their target."""

    name: ClassVar[str] = "diffusion_ql"
    presets: ClassVar[Mapping[str, Any]] = {
        "default": DiffusionQLConfig(),
        # wang2023dql, locomotion; relu for its mish
        "paper": DiffusionQLConfig(hidden=(256, 256, 256), layer_norm=False),
    }
    transports: ClassVar[bool] = False
    config: DiffusionQLConfig

    def __init__(
        self, config: DiffusionQLConfig, dims: Dims, seeds: Sequence[int], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(config, dims, seeds, device)
        streams = self._init_streams("actor")
        self.actor = Diffusion(*dims, config.hidden, streams, steps=config.diffusion_steps, sampler="posterior")
        self.critic = Critic(*dims, config.hidden, self._init_streams("critic"), layer_norm=config.layer_norm)
        self.average = copy.deepcopy(self.actor).requires_grad_(False)
        self.target = copy.deepcopy(self.critic).requires_grad_(False)
        self.networks = {"actor": self.actor, "critic": self.critic, "average": self.average, "target": self.target}
        self._adam("actor", config.learning_rate)
        self._adam("critic", config.learning_rate)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Loss, value and target of the critics; the two parts of the policy's loss."""
        return ("critic/loss", "critic/q", "critic/target", "actor/cloning", "actor/q")

    def recipe(self, batch: int) -> fused.Recipe:
        """Return how the fused core does an update; see `Agent.recipe`."""
        c, role, d = self.config, fused.Role, self.dims.action
        draws = (
            Draw("particles", "normal", self.average.noise_shape(batch, c.backup_samples, d)),
            Draw("particles", "normal", (batch, d)),
            Draw("particles", "uniform", (batch,)),
            Draw("particles", "normal", self.actor.noise_shape(batch, d)),
            Draw("particles", "uniform", ()),
        )
        return fused.Recipe(
            fused.Method.DIFFUSION_QL,
            {
                role.ACTOR: fused.Network.of(self.actor.net, "actor"),
                role.CRITIC: fused.Network.of(self.critic.net, "critic"),
                role.ACTOR_TARGET: fused.Network.of(self.average.net),
                role.TARGET: fused.Network.of(self.target.net),
            },
            dict(enumerate(draws)),
            (c.discount, c.tau, c.eta, c.gradient_norm, c.average_rate, c.average_start),
            fused.Flag.DIFFUSION,
            {name: place for place, name in enumerate(self.metric_names)},
            counts={"flow_steps": c.diffusion_steps, "particles": c.backup_samples, "delay": c.average_every},
        )

    def update(self, batch: Batch) -> Metrics:
        """Take a step on the critics and one on the policy; then the target and the running mean follow."""
        size, d = batch.actions.shape[1:]
        draw, samples = self.streams["particles"], self.config.backup_samples
        target = self.td_target(batch, draw.normal(*self.average.noise_shape(size, samples, d)))
        loss, values = self.critic_loss(batch, target)
        self._descend("critic", loss)
        with frozen(self.critic):
            cloning, pull = self.actor_losses(
                batch,
                noise=draw.normal(size, d),
                uniform=draw.uniform(size),
                chain=draw.normal(*self.actor.noise_shape(size, d)),
                first=draw.uniform() < 0.5,
            )
            self._descend("actor", cloning + self.config.eta * pull)
        if self.updates >= self.config.average_start and self.updates % self.config.average_every == 0:
            follow(self.average, self.actor, self.config.average_rate)
        follow(self.target, self.critic, self.config.tau)
        self.updates += 1
        reported = (loss.detach(), values.detach().mean((1, 2)), target.mean(-1), cloning.detach(), pull.detach())
        return dict(zip(self.metric_names, reported, strict=True))

    @torch.no_grad()
    def td_target(self, batch: Batch, chain: Tensor) -> Tensor:
        """Return the TD target, [S, B], at actions the running mean makes of noise [S, T, B, samples, d]."""
        actions = self.average.sample(batch.next_observations, chain)
        value = self.target(batch.next_observations, actions).amax(-1).amin(1)
        return batch.rewards + self.config.discount * batch.masks * value

    def critic_loss(self, batch: Batch, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the squared error summed over the two critics, [S], and their values, [S, 2, B]."""
        values = self.critic(batch.observations, batch.actions)
        return (values - target.unsqueeze(1)).square().sum(1).mean(-1), values

    def actor_losses(
        self, batch: Batch, *, noise: Tensor, uniform: Tensor, chain: Tensor, first: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return L_clone and L_Q, [S] each.

        Args:
            batch: observations and actions are used.
            noise: of cloning, standard normal, [S, B, d].
            uniform: in [0, 1), [S, B]; chooses the step of cloning.
            chain: noise of the sampled actions, [S, T, B, d].
            first: whether the first critic is followed and the second one normalises, [S].
        """
        cloning = self.actor.loss(batch.observations, batch.actions, noise, uniform)
        q = self.critic(batch.observations, self.actor.sample(batch.observations, chain))
        mean, size = q.mean(-1), q.detach().abs().mean(-1)
        return cloning, -torch.where(first, mean[:, 0] / size[:, 1], mean[:, 1] / size[:, 0])

    @torch.no_grad()
    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams | None = None) -> Tensor:
        """Return one of N samples, drawn by softmax of the target's smaller value; the budget has nothing to move."""
        del budget
        draw, rows, n = streams or self.streams["acting"], observations.shape[1], self.config.particles
        chain = draw.normal(*self.actor.noise_shape(rows, n, self.dims.action))
        actions = self.actor.sample(observations, chain)
        q = self.target(observations, actions).amin(1)
        return best_of(actions, q + gumbel(draw.uniform(rows, n)))

    def _clip(self, network: str) -> None:
        """Clip every seed's gradient on its own."""
        clip_gradients(self.networks[network].parameters(), self.config.gradient_norm)
