"""TD3+BC (fujimoto2021td3bc): follow the critic, stay near the data.

The policy minimises

    -lambda * mean Q_1(s, pi(s)) + mean (pi(s) - a)^2,        lambda = alpha / mean |Q_1(s, pi(s))|,

with lambda taken as a constant, so alpha alone weighs value against cloning whatever the reward's scale; the second
mean is over batch and coordinates. The paper also standardises the observations, which is left to the dataset here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from vgf.agents import fused
from vgf.agents.td3 import TD3, TD3Config
from vgf.datasets.transitions import Batch
from vgf.support.config import check_config


@dataclass(frozen=True)
class TD3BCConfig(TD3Config):
    """TD3+BC; the other fields are those of `TD3Config`.

    Attributes:
        alpha: weight of the value against cloning; 0 is cloning (2.5 on every task: fujimoto2021td3bc).
    """

    alpha: float = 2.5

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        super().__post_init__()
        check_config(self, nonnegative=("alpha",))


class TD3BC(TD3):
    """A deterministic policy between the critic's maximum and the dataset's action."""

    name: ClassVar[str] = "td3_bc"
    presets: ClassVar[Mapping[str, Any]] = {
        "default": TD3BCConfig(),
        "paper": TD3BCConfig(hidden=(256, 256), layer_norm=False),  # fujimoto2021td3bc
    }
    config: TD3BCConfig

    def policy_recipe(self) -> tuple[float, float, fused.Flag]:
        """Return alpha; the policy follows the first critic, and cloning is averaged over coordinates."""
        return self.config.alpha, 0.0, fused.Flag.FIRST_CRITIC | fused.Flag.MEAN_SQUARE

    def actor_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the policy's loss, [S], and its actions, [S, B, d]; the first critic alone is followed."""
        actions = self.actor(batch.observations)
        q = self.critic(batch.observations, actions)[:, 0]
        weight = self.config.alpha / q.detach().abs().mean(-1)
        cloning = (actions - batch.actions).square().mean((-2, -1))
        return cloning - weight * q.mean(-1), actions
