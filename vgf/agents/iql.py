"""Implicit Q-learning (kostrikov2022iql): values that never look at an action outside the data.

    L_V = E |tau - [u < 0]| u^2,  u = min_e Q_target,e(s, a) - V(s)           (the tau-expectile of Q over the data)
    L_Q = E sum_e (r + gamma * mask * V(s') - Q_e(s, a))^2
    L_pi = -E min(exp(beta u), w_max) log pi(a|s)                              (advantage-weighted regression)

An update takes one step on each, in this order, then the target follows. `ImplicitQ` holds the values alone, which
IDQL shares.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from vgf.agents import fused
from vgf.agents.base import Agent, Dims, Precision
from vgf.agents.heads import Policy, Value, expectile_loss, follow
from vgf.agents.reported import Metrics
from vgf.datasets.transitions import Batch
from vgf.flow import Budget
from vgf.networks import Critic, SeedStreams
from vgf.reference import ACTION_BOUNDS, LOG_STD_BOUNDS
from vgf.support.config import check_config

VALUE_METRICS = ("value/loss", "value/v", "critic/loss", "critic/q")


@dataclass(frozen=True)
class ImplicitQConfig:
    """Settings of V and Q.

    Attributes:
        expectile: tau of L_V, in (0, 1); 0.5 is the mean (0.9: park2025fql, and kostrikov2022iql on antmaze;
            0.7 on locomotion).
        hidden: widths of the hidden layers, of every network (park2025fql).
        layer_norm: normalise before the activations of V and Q (park2025fql).
        precision: of the products, see `vgf.agents.base.Precision`.
        learning_rate: of Adam, for every network (kostrikov2022iql, park2025fql).
        tau: rate at which the target critic follows (kostrikov2022iql, park2025fql).
        discount: gamma; experiment files leave it to the task.
    """

    expectile: float = 0.9
    hidden: tuple[int, ...] = (512, 512, 512, 512)
    layer_norm: bool = True
    precision: Precision = "float32"
    learning_rate: float = 3e-4
    tau: float = 0.005
    discount: float = 0.99

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        check_config(self, positive=("learning_rate", "tau", "discount"))
        if not 0 < self.expectile < 1:
            raise ValueError(f"expectile must be between 0 and 1, got {self.expectile!r}")


@dataclass(frozen=True)
class IQLConfig(ImplicitQConfig):
    """IQL; the other fields are those of `ImplicitQConfig`.

    Attributes:
        inverse_temperature: beta >= 0; 0 is cloning (10: park2025fql, and kostrikov2022iql on antmaze; 3
            on locomotion).
        max_weight: w_max, the largest weight of a sample (kostrikov2022iql's code).
        std: "unit", a policy of spread 1, so that L_pi is a weighted squared error (park2025fql), or "learnt", a
            mean through tanh and one learnt spread per coordinate (kostrikov2022iql).
    """

    inverse_temperature: float = 10.0
    max_weight: float = 100.0
    std: Literal["unit", "learnt"] = "unit"

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        super().__post_init__()
        check_config(self, positive=("max_weight",), nonnegative=("inverse_temperature",))


class ImplicitQ(Agent):
    """V, Q and the target of Q; a subclass adds how to act."""

    transports: ClassVar[bool] = False
    config: ImplicitQConfig

    def __init__(
        self, config: ImplicitQConfig, dims: Dims, seeds: Sequence[int], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(config, dims, seeds, device)
        hidden, norm, init = config.hidden, config.layer_norm, self._init_streams
        self.value = Value(dims.observation, hidden, init("value"), layer_norm=norm)
        self.critic = Critic(*dims, hidden, init("critic"), layer_norm=norm)
        self.target = copy.deepcopy(self.critic).requires_grad_(False)
        self.networks = {"value": self.value, "critic": self.critic, "target": self.target}
        self._adam("value", config.learning_rate)
        self._adam("critic", config.learning_rate)

    def value_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return L_V, [S], and the values V(s), [S, B]."""
        q = self.target(batch.observations, batch.actions).amin(1)
        values = self.value(batch.observations)
        return expectile_loss(q - values, self.config.expectile).mean(-1), values

    def critic_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return L_Q, [S], and the values Q_e(s, a), [S, 2, B]."""
        with torch.no_grad():
            target = batch.rewards + self.config.discount * batch.masks * self.value(batch.next_observations)
        values = self.critic(batch.observations, batch.actions)
        return (values - target.unsqueeze(1)).square().sum(1).mean(-1), values

    def update_values(self, batch: Batch) -> Metrics:
        """Take one step on V, then one on Q."""
        value_loss, values = self.value_loss(batch)
        self._descend("value", value_loss)
        critic_loss, q = self.critic_loss(batch)
        self._descend("critic", critic_loss)
        reported = (value_loss.detach(), values.detach().mean(-1), critic_loss.detach(), q.detach().mean((1, 2)))
        return dict(zip(VALUE_METRICS, reported, strict=True))

    def values_recipe(self) -> tuple[dict[fused.Role, fused.Network], dict[str, int]]:
        """Return networks and metrics of V and Q as the fused core has them."""
        networks = {
            fused.Role.VALUE: fused.Network.of(self.value.net, "value"),
            fused.Role.CRITIC: fused.Network.of(self.critic.net, "critic"),
            fused.Role.TARGET: fused.Network.of(self.target.net),
        }
        return networks, dict(zip(VALUE_METRICS, (2, 3, 0, 1), strict=True))


class GaussianPolicy(nn.Module):
    """A normal distribution over actions with a spread of 1, or a mean in the box and a learnt spread."""

    def __init__(
        self, observation: int, action: int, hidden: Sequence[int], streams: SeedStreams, *, learnt: bool
    ) -> None:
        super().__init__()
        self.mean = Policy(observation, action, hidden, streams, squash=learnt)
        log_std = torch.zeros(len(streams.generators), 1, action, device=streams.device)
        self.log_std = nn.Parameter(log_std, requires_grad=learnt)

    def log_prob(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return log pi(a|s) in nats, [S, B]."""
        log_std = self.log_std.clamp(*LOG_STD_BOUNDS)
        z = (actions - self.mean(observations)) * torch.exp(-log_std)
        return -(z.square() / 2 + log_std + math.log(2 * math.pi) / 2).sum(-1)


class IQL(ImplicitQ):
    """Implicit values and the policy regressed on their advantages."""

    name: ClassVar[str] = "iql"
    presets: ClassVar[Mapping[str, Any]] = {
        "default": IQLConfig(),
        # kostrikov2022iql; its dropout and its decay of the policy's learning rate are left out
        "paper": IQLConfig(0.7, (256, 256), layer_norm=False, inverse_temperature=3.0, std="learnt"),
        "paper-antmaze": IQLConfig(0.9, (256, 256), layer_norm=False, inverse_temperature=10.0, std="learnt"),
    }
    config: IQLConfig

    def __init__(self, config: IQLConfig, dims: Dims, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        super().__init__(config, dims, seeds, device)
        streams = self._init_streams("actor")
        self.actor = GaussianPolicy(*dims, config.hidden, streams, learnt=config.std == "learnt")
        self.networks["actor"] = self.actor
        self._adam("actor", config.learning_rate)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Losses and values of V and Q; the policy's loss, its mean weight and the share of weights clipped."""
        return (*VALUE_METRICS, "actor/loss", "actor/weight", "actor/clipped")

    def recipe(self, batch: int) -> fused.Recipe:
        """Return how the fused core does an update; see `Agent.recipe`."""
        del batch
        c, role, flag = self.config, fused.Role, fused.Flag
        networks, metrics = self.values_recipe()
        networks[role.ACTOR] = fused.Network.of(self.actor.mean.net, "actor")
        networks[role.STD] = fused.Network((self.actor.log_std,), optimizer="actor" if c.std == "learnt" else None)
        return fused.Recipe(
            fused.Method.IMPLICIT,
            networks,
            {},
            (c.discount, c.tau, c.expectile, c.inverse_temperature, c.max_weight),
            fused.Flag.of({flag.WEIGHTED: True, flag.SQUASH: self.actor.mean.squash}),
            metrics | {"actor/loss": 4, "actor/weight": 5, "actor/clipped": 6},
        )

    def update(self, batch: Batch) -> Metrics:
        """Take one step on V, on Q and on the policy; then the target follows."""
        metrics = self.update_values(batch)
        loss, weights = self.actor_loss(batch)
        self._descend("actor", loss)
        follow(self.target, self.critic, self.config.tau)
        self.updates += 1
        clipped = (weights >= self.config.max_weight).to(weights.dtype)
        return metrics | {
            "actor/loss": loss.detach(),
            "actor/weight": weights.mean(-1),
            "actor/clipped": clipped.mean(-1),
        }

    @torch.no_grad()
    def weights(self, batch: Batch) -> Tensor:
        """Return min(exp(beta (Q - V)), w_max) of each transition, [S, B], with the target's smaller Q."""
        advantage = self.target(batch.observations, batch.actions).amin(1) - self.value(batch.observations)
        return torch.exp(self.config.inverse_temperature * advantage).clamp(max=self.config.max_weight)

    def actor_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return L_pi, [S], and the weights, [S, B]."""
        weights = self.weights(batch)
        return -(weights * self.actor.log_prob(batch.observations, batch.actions)).mean(-1), weights

    @torch.no_grad()
    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams | None = None) -> Tensor:
        """Return the policy's mean in the box; it draws nothing and the budget has nothing to move."""
        del budget, streams
        return self.actor.mean(observations).clamp(*ACTION_BOUNDS)
