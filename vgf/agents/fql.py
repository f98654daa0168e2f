"""Flow Q-learning (park2025fql): a flow clones the data, a one-step policy distils it and follows the critic.

With mu_F the Euler integral of the cloned flow and pi(s, z) a network that takes the flow's noise to an action at once,

    L_pi = alpha * E |pi(s, z) - mu_F(s, z)|^2 - E mean_e Q_e(s, clip(pi(s, z))),     z ~ N(0, I),

so the flow is never differentiated through time. The mean of the square is over coordinates as well. The critics
regress on r + gamma * mask * Q_target at an action of pi. The flow is the one that `bc` and `vgf` train with the same
seed and batches. As in the release, all losses see the same weights, and the target follows the critic as it was
before the step.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from vgf.agents import fused
from vgf.agents.base import Agent, Dims, Precision
from vgf.agents.heads import follow, frozen
from vgf.agents.reported import Metrics
from vgf.datasets.transitions import Batch
from vgf.flow import Budget
from vgf.networks import Critic, Draw, SeedStreams, VectorField
from vgf.reference import ACTION_BOUNDS, FlowReference
from vgf.support.config import check_config


@dataclass(frozen=True)
class FQLConfig:
    """FQL; every default is park2025fql's. The weight alpha is chosen per task, which is what the presets are for.

    Attributes:
        alpha: weight of distillation against the value.
        flow_steps: Euler steps of the flow.
        target_q: the target takes the ensemble's "mean" or "min".
        normalise_q: divide the value in the policy's loss by its mean absolute value.
        hidden: widths of the hidden layers, of every network.
        layer_norm: normalise before the activations of the critics.
        precision: of the products, see `vgf.agents.base.Precision`.
        learning_rate: of Adam, for every network.
        tau: rate at which the target critic follows.
        discount: gamma; experiment files leave it to the task.
    """

    alpha: float = 10.0
    flow_steps: int = 10
    target_q: Literal["mean", "min"] = "mean"
    normalise_q: bool = False
    hidden: tuple[int, ...] = (512, 512, 512, 512)
    layer_norm: bool = True
    precision: Precision = "float32"
    learning_rate: float = 3e-4
    tau: float = 0.005
    discount: float = 0.99

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        check_config(self, positive=("flow_steps", "learning_rate", "tau", "discount"), nonnegative=("alpha",))


class FQL(Agent):
    """The cloned flow, the one-step policy, the critics and their target."""

    name: ClassVar[str] = "fql"
    presets: ClassVar[Mapping[str, Any]] = {  # park2025fql, by family of tasks
        "default": FQLConfig(),
        "antmaze": FQLConfig(alpha=10, target_q="min"),
        "humanoidmaze": FQLConfig(alpha=30, discount=0.995),
        "antsoccer": FQLConfig(alpha=10, discount=0.995),
        "cube": FQLConfig(alpha=300),
        "scene": FQLConfig(alpha=300),
        "puzzle": FQLConfig(alpha=1000),
        "d4rl-antmaze": FQLConfig(alpha=10),
        "d4rl-antmaze-large": FQLConfig(alpha=3),
    }
    transports: ClassVar[bool] = False
    fine_tunes: ClassVar[bool] = True
    config: FQLConfig

    def __init__(self, config: FQLConfig, dims: Dims, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        super().__init__(config, dims, seeds, device)
        hidden, init = config.hidden, self._init_streams
        self.reference = FlowReference(*dims, hidden, init("reference"), steps=config.flow_steps)
        self.actor = VectorField(*dims, hidden, init("actor"), timed=False)
        self.critic = Critic(*dims, hidden, init("critic"), layer_norm=config.layer_norm)
        self.target = copy.deepcopy(self.critic).requires_grad_(False)
        self.networks = {"reference": self.reference, "actor": self.actor, "critic": self.critic, "target": self.target}
        for name in ("reference", "actor", "critic"):
            self._adam(name, config.learning_rate)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Loss of cloning; loss, value and target of the critics; the two parts of the one-step policy's loss."""
        return ("reference/loss", "critic/loss", "critic/q", "critic/target", "actor/distillation", "actor/q")

    def recipe(self, batch: int) -> fused.Recipe:
        """Return how the fused core does an update; see `Agent.recipe`."""
        c, d, role, flag = self.config, self.dims.action, fused.Role, fused.Flag
        draw = Draw("particles", "normal", (batch, d))
        return fused.Recipe(
            fused.Method.FQL,
            {
                role.REFERENCE: fused.Network.of(self.reference.velocity.net, "reference"),
                role.ACTOR: fused.Network.of(self.actor.net, "actor"),
                role.CRITIC: fused.Network.of(self.critic.net, "critic"),
                role.TARGET: fused.Network.of(self.target.net),
            },
            dict(enumerate((draw, draw, *self.clone_draws(batch)))),
            (c.discount, c.tau, c.alpha),
            fused.Flag.of({flag.TARGET_MIN: c.target_q == "min", flag.NORMALISE_Q: c.normalise_q}),
            dict(zip(self.metric_names, (7, 0, 1, 2, 3, 4), strict=True)),
            counts={"flow_steps": c.flow_steps},
        )

    def update(self, batch: Batch) -> Metrics:
        """Take one step on the critics, the one-step policy and the flow."""
        size, d = batch.actions.shape[1:]
        draw = self.streams["particles"]
        target = self.td_target(batch, draw.normal(size, d))
        follow(self.target, self.critic, self.config.tau)
        with frozen(self.critic):
            distillation, pull = self.actor_losses(batch, draw.normal(size, d))
            self._descend("actor", self.config.alpha * distillation + pull)
        critic_loss, values = self.critic_loss(batch, target)
        self._descend("critic", critic_loss)
        reported = (
            critic_loss.detach(),
            values.detach().mean((1, 2)),
            target.mean(-1),
            distillation.detach(),
            pull.detach(),
        )
        metrics = self._clone(self.reference, batch) | dict(zip(self.metric_names[1:], reported, strict=True))
        self.updates += 1
        return metrics

    def one_step(self, observations: Tensor, noise: Tensor) -> Tensor:
        """Return the one-step policy's actions in the box, [S, B, d]."""
        return self.actor(observations, noise).clamp(*ACTION_BOUNDS)

    @torch.no_grad()
    def td_target(self, batch: Batch, noise: Tensor) -> Tensor:
        """Return the TD target, [S, B], at the actions the one-step policy makes of noise [S, B, d]."""
        q = self.target(batch.next_observations, self.one_step(batch.next_observations, noise))
        value = q.mean(1) if self.config.target_q == "mean" else q.amin(1)
        return batch.rewards + self.config.discount * batch.masks * value

    def critic_loss(self, batch: Batch, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the squared error, [S], its mean over the two critics (park2025fql), and their values, [S, 2, B]."""
        values = self.critic(batch.observations, batch.actions)
        return (values - target.unsqueeze(1)).square().mean((1, 2)), values

    def actor_losses(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return the one-step policy's distance from the flow and its negative value, [S] each, of noise [S, B, d]."""
        with torch.no_grad():
            flowed = self.reference.sample(batch.observations, noise)
        actions = self.actor(batch.observations, noise)
        distillation = (actions - flowed).square().mean((-2, -1))
        q = self.critic(batch.observations, actions.clamp(*ACTION_BOUNDS)).mean(1)
        scale = q.detach().abs().mean(-1) if self.config.normalise_q else 1.0
        return distillation, -q.mean(-1) / scale

    @torch.no_grad()
    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams | None = None) -> Tensor:
        """Return one action of the one-step policy; the budget has nothing to move."""
        del budget
        noise = (streams or self.streams["acting"]).normal(observations.shape[1], self.dims.action)
        return self.one_step(observations, noise)
