"""Best-of-N: value gradient flow without the flow.

The critic's target is the mean value of N actions of the reference, and acting takes the best of N: `vgf` with L_train
and L_test both 0, line by line. What sets it apart from `vgf` evaluated at L_test = 0 is the critic, which has never
valued a moved action. It is a method of its own so that a record can hold both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from vgf.agents.base import Dims
from vgf.agents.vgf import VGF
from vgf.agents.vgf_config import VGFConfig
from vgf.flow import Budget
from vgf.networks import SeedStreams


class BestOfN(VGF):
    """`VGF` at zero steps, in training and at test; the fields of its config that only the flow reads do nothing."""

    name: ClassVar[str] = "best_of_n"
    presets: ClassVar[Mapping[str, Any]] = {
        name: replace(config, train_steps=0, direction="autograd") for name, config in VGF.presets.items()
    }
    transports: ClassVar[bool] = False
    fine_tunes: ClassVar[bool] = False

    def __init__(self, config: VGFConfig, dims: Dims, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        if config.train_steps != 0 or config.direction != "autograd":
            raise ValueError("best_of_n moves nothing: train_steps must be 0 and direction autograd")
        super().__init__(config, dims, seeds, device)

    @torch.no_grad()
    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams | None = None) -> Tensor:
        """Return the best of N reference actions, whatever the budget's length."""
        del budget
        return super().act(observations, self.budget(0), streams)

    def budget(self, steps: int) -> Budget:
        """Return the budget of zero steps."""
        del steps
        return self.config.budget(0)
