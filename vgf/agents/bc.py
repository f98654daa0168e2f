"""Behaviour cloning: the reference policy alone, as a baseline and as VGF's starting point.

One sample of the reference is the action; there is no critic and no transport. Trained with the same seed, its
reference is the one VGF trains, update for update.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from vgf.agents import fused
from vgf.agents.base import Dims, Precision
from vgf.agents.cloning import ALWAYS, Cloning, clone_recipe
from vgf.agents.reported import Metrics
from vgf.agents.stepped import SteppedAgent
from vgf.datasets.transitions import Batch
from vgf.flow import Budget
from vgf.networks import Draw, SeedStreams
from vgf.reference import FlowReference, make_reference
from vgf.support.config import check_config


@dataclass(frozen=True)
class BCConfig:
    """Behaviour cloning.

    Attributes:
        reference: "flow" (flow matching, lipman2023flow) or "gaussian".
        flow_steps: Euler steps of the flow.
        hidden: widths of the hidden layers.
        precision: of the products, see `vgf.agents.base.Precision`.
        learning_rate: of Adam.
    """

    reference: Literal["flow", "gaussian"] = "flow"
    flow_steps: int = 10
    hidden: tuple[int, ...] = (512, 512, 512, 512)
    precision: Precision = "float32"
    learning_rate: float = 3e-4

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        check_config(self, positive=("flow_steps", "learning_rate"))

    @property
    def cloning(self) -> Cloning:
        """What is trained, and nothing else; see `Agent.cloning`."""
        return Cloning(ALWAYS, self.reference, self.hidden, self.learning_rate, self.precision)


class BC(SteppedAgent):
    """The cloned behaviour policy."""

    name: ClassVar[str] = "bc"
    presets: ClassVar[Mapping[str, Any]] = {"default": BCConfig()}
    transports: ClassVar[bool] = False
    config: BCConfig

    def __init__(self, config: BCConfig, dims: Dims, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        super().__init__(config, dims, seeds, device)
        self.reference = make_reference(
            config.reference, *dims, config.hidden, self._init_streams("reference"), flow_steps=config.flow_steps
        )
        self.networks = {"reference": self.reference}
        self._adam("reference", config.learning_rate)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The reference's loss."""
        return ("reference/loss",)

    def recipe(self, batch: int) -> fused.Recipe:
        """Return how the fused core does an update; see `Agent.recipe`."""
        if not isinstance(self.reference, FlowReference):
            raise fused.Unavailable("its reference is a Gaussian")
        return clone_recipe(self.reference, self.clone_draws(batch))

    def draws(self, size: int, batch: Batch | None = None) -> tuple[Draw, ...]:
        """Return what the loss draws; see `SteppedAgent.draws`."""
        del batch
        return self.clone_draws(size)

    def step(self, batch: Batch, noise: Sequence[Tensor]) -> Metrics:
        """Take one step on the reference's loss; see `SteppedAgent.step`."""
        return self._clone(self.reference, batch, noise)

    @torch.no_grad()
    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams | None = None) -> Tensor:
        """Return one sample of the reference for each observation; the budget has nothing to move."""
        del budget
        noise = (streams or self.streams["acting"]).normal(observations.shape[1], self.dims.action)
        return self.reference.sample(observations, noise)
