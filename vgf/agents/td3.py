"""What TD3+BC and ReBRAC share: a deterministic policy against two critics, updated half as often as they are.

The critics regress on the smaller of two target values at a perturbed action of the target policy,

    y = r + gamma * mask * (min_e Q_target,e(s', a') - penalty),    a' = clip(pi_target(s') + clip(noise)),

and every `policy_delay` updates the policy takes one step and all targets follow (fujimoto2021td3bc). One seed's
policy loss is normalised by its own values, so that seeds trained together stay independent.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from vgf.agents import fused
from vgf.agents.base import Agent, Dims, Precision
from vgf.agents.heads import Policy, follow, frozen
from vgf.agents.reported import Metrics
from vgf.datasets.transitions import Batch
from vgf.flow import Budget
from vgf.networks import Critic, Draw, SeedStreams
from vgf.reference import ACTION_BOUNDS
from vgf.support.config import check_config


@dataclass(frozen=True)
class TD3Config:
    """Settings of the critics and of the delayed policy.

    Attributes:
        policy_noise: spread of the noise on the target policy's action, in action units (fujimoto2021td3bc).
        noise_clip: most that noise may be, in action units (fujimoto2021td3bc).
        policy_delay: updates of the critics for one of the policy and the targets (fujimoto2021td3bc).
        hidden: widths of the hidden layers, of every network (park2025fql).
        layer_norm: normalise before the activations of the critics (tarasov2023rebrac, park2025fql).
        precision: of the products, see `vgf.agents.base.Precision`.
        learning_rate: of Adam, for every network (fujimoto2021td3bc, park2025fql).
        tau: rate at which the targets follow (fujimoto2021td3bc).
        discount: gamma; experiment files leave it to the task.
    """

    policy_noise: float = 0.2
    noise_clip: float = 0.5
    policy_delay: int = 2
    hidden: tuple[int, ...] = (512, 512, 512, 512)
    layer_norm: bool = True
    precision: Precision = "float32"
    learning_rate: float = 3e-4
    tau: float = 0.005
    discount: float = 0.99

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        positive = ("policy_delay", "learning_rate", "tau", "discount")
        check_config(self, positive=positive, nonnegative=("policy_noise", "noise_clip"))


class TD3(Agent):
    """Two critics, a delayed deterministic policy, and the targets of both."""

    transports: ClassVar[bool] = False
    config: TD3Config

    def __init__(self, config: TD3Config, dims: Dims, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        super().__init__(config, dims, seeds, device)
        self.actor = Policy(*dims, config.hidden, self._init_streams("actor"), squash=True)
        self.critic = Critic(*dims, config.hidden, self._init_streams("critic"), layer_norm=config.layer_norm)
        self.actor_target = copy.deepcopy(self.actor).requires_grad_(False)
        self.target = copy.deepcopy(self.critic).requires_grad_(False)
        self.networks = {
            "actor": self.actor,
            "critic": self.critic,
            "actor_target": self.actor_target,
            "target": self.target,
        }
        self._adam("actor", config.learning_rate)
        self._adam("critic", config.learning_rate)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Loss, value and target of the critics; loss of the policy and its distance from the dataset's actions."""
        return ("critic/loss", "critic/q", "critic/target", "actor/loss", "actor/distance")

    def recipe(self, batch: int) -> fused.Recipe:
        """Return how the fused core does an update; see `Agent.recipe`."""
        c, role = self.config, fused.Role
        pull, penalty, flags = self.policy_recipe()
        return fused.Recipe(
            fused.Method.TD3,
            {
                role.ACTOR: fused.Network.of(self.actor.net, "actor"),
                role.CRITIC: fused.Network.of(self.critic.net, "critic"),
                role.ACTOR_TARGET: fused.Network.of(self.actor_target.net),
                role.TARGET: fused.Network.of(self.target.net),
            },
            {0: Draw("particles", "normal", (batch, self.dims.action))},
            (c.discount, c.tau, c.policy_noise, c.noise_clip, pull, penalty),
            flags,
            {name: place for place, name in enumerate(self.metric_names)},
            delayed=self.metric_names[3:],
            counts={"delay": c.policy_delay},
        )

    @abstractmethod
    def policy_recipe(self) -> tuple[float, float, fused.Flag]:
        """Return weight of value or cloning in the policy's loss, the target's penalty, and the loss's flags."""

    def update(self, batch: Batch) -> Metrics:
        """Take a step on the critics and, when it is due, one on the policy, after which all targets follow."""
        noise = self.streams["particles"].normal(*batch.actions.shape[1:], dtype=batch.actions.dtype)
        target = self.td_target(batch, noise)
        loss, values = self.critic_loss(batch, target)
        self._descend("critic", loss)
        metrics = {
            "critic/loss": loss.detach(),
            "critic/q": values.detach().mean((1, 2)),
            "critic/target": target.mean(-1),
        }
        self.updates += 1
        if self.updates % self.config.policy_delay == 0:
            with frozen(self.critic):
                loss, actions = self.actor_loss(batch)
                self._descend("actor", loss)
            follow(self.target, self.critic, self.config.tau)
            follow(self.actor_target, self.actor, self.config.tau)
            metrics["actor/loss"] = loss.detach()
            metrics["actor/distance"] = (actions.detach() - batch.actions).norm(dim=-1).mean(-1)
        return metrics

    @torch.no_grad()
    def td_target(self, batch: Batch, noise: Tensor) -> Tensor:
        """Return the TD target, [S, B].

        Args:
            batch: rewards, masks and next observations are used.
            noise: standard normal, [S, B, d]; scaled and clipped here.
        """
        clip = self.config.noise_clip
        smoothing = (self.config.policy_noise * noise).clamp(-clip, clip)
        actions = (self.actor_target(batch.next_observations) + smoothing).clamp(*ACTION_BOUNDS)
        value = self.target(batch.next_observations, actions).amin(1) - self.target_penalty(batch, actions)
        return batch.rewards + self.config.discount * batch.masks * value

    def critic_loss(self, batch: Batch, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the squared error summed over the two critics, [S], and their values, [S, 2, B]."""
        values = self.critic(batch.observations, batch.actions)
        return (values - target.unsqueeze(1)).square().sum(1).mean(-1), values

    def target_penalty(self, batch: Batch, actions: Tensor) -> Tensor:
        """Return what is taken off the target's value at the next actions, [S, B]: nothing."""
        del batch
        return actions.new_zeros(actions.shape[:-1])

    @abstractmethod
    def actor_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the policy's loss, [S], and its actions, [S, B, d]."""

    @torch.no_grad()
    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams | None = None) -> Tensor:
        """Return the policy's action; it draws nothing and the budget has nothing to move."""
        del budget, streams
        return self.actor(observations)
