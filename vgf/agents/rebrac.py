"""ReBRAC (tarasov2023rebrac): TD3+BC with a penalty in the policy and another in the critics' target.

The policy minimises beta_1 |pi(s) - a|^2 - Q(s, pi(s)) / mean |Q|, with Q the smaller of the two critics, and the value
in the target is lowered by beta_2 |a' - a'_data|^2, the squared distance of the next action from the dataset's own;
squares are summed over coordinates here where TD3+BC averages them.

The second penalty needs the action the dataset took at s'. At the end of a trajectory there is none: the release of
park2025fql takes the following row's; where the mask is 0 the target has no next value and it does not matter.
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
class ReBRACConfig(TD3Config):
    """ReBRAC; the other fields are those of `TD3Config`.

    Both weights are chosen per task in tarasov2023rebrac and park2025fql. The defaults are park2025fql's for
    humanoidmaze-medium; its visual cube-single has 1 and 0.

    Attributes:
        actor_penalty: beta_1 >= 0, weight of |pi(s) - a|^2 in the policy's loss.
        critic_penalty: beta_2 >= 0, weight of |a' - a'_data|^2 in the target; above 0 batches need `next_actions`.
    """

    actor_penalty: float = 0.01
    critic_penalty: float = 0.01

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        super().__post_init__()
        check_config(self, nonnegative=("actor_penalty", "critic_penalty"))


class ReBRAC(TD3):
    """TD3 with a behaviour penalty on both sides."""

    name: ClassVar[str] = "rebrac"
    presets: ClassVar[Mapping[str, Any]] = {
        "default": ReBRACConfig(),
        "paper": ReBRACConfig(hidden=(256, 256, 256), learning_rate=1e-3),  # tarasov2023rebrac, locomotion
    }
    config: ReBRACConfig

    def policy_recipe(self) -> tuple[float, float, fused.Flag]:
        """Return beta_1 and beta_2; the policy follows the smaller critic."""
        return self.config.actor_penalty, self.config.critic_penalty, fused.Flag.NONE

    def target_penalty(self, batch: Batch, actions: Tensor) -> Tensor:
        """Return beta_2 times the squared distance from the dataset's next actions, [S, B].

        Raises:
            ValueError: if it has weight and the batch carries no next actions.
        """
        if self.config.critic_penalty == 0:
            return super().target_penalty(batch, actions)
        observed: Tensor | None = getattr(batch, "next_actions", None)
        if observed is None:
            raise ValueError("rebrac's critic_penalty needs batches with next_actions; set critic_penalty to 0")
        return self.config.critic_penalty * (actions - observed).square().sum(-1)

    def actor_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the policy's loss, [S], and its actions, [S, B, d]; the smaller critic is followed."""
        actions = self.actor(batch.observations)
        q = self.critic(batch.observations, actions).amin(1)
        weight = 1 / q.detach().abs().mean(-1)
        cloning = (actions - batch.actions).square().sum(-1).mean(-1)
        return self.config.actor_penalty * cloning - weight * q.mean(-1), actions
