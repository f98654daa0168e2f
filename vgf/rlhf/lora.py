"""Low-rank updates of a frozen model: W + s B A in place of W (hu2022lora).

Training all weights of even a small model costs gigabytes of optimizer state; a low-rank update costs a hundredth and,
added in at the end, leaves a plain model that samples at full speed. peft, which the rivals need, draws other initial
numbers: with it the records could not be made anew.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

SCALE = 2.0  # the update's weight: alpha / rank of the paper


class LowRank(nn.Module):
    """A frozen linear layer with a trainable update in float32; at first the update is zero."""

    def __init__(self, base: nn.Linear, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.base = base
        rank = min(rank, base.in_features, base.out_features)
        down = torch.randn(rank, base.in_features, generator=generator) / math.sqrt(base.in_features)
        self.down = nn.Parameter(down.to(base.weight.device))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=base.weight.device))

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output, [..., out] of [..., in]."""
        low = nn.functional.linear(x, self.down.to(x.dtype))
        return self.base(x) + SCALE * nn.functional.linear(low, self.up.to(x.dtype))

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """Return the plain layer with the update added in."""
        self.base.weight += (SCALE * self.up @ self.down).to(self.base.weight.dtype)
        return self.base


def add_low_rank(model: Any, rank: int, seed: int) -> dict[str, nn.Parameter]:
    """Put an update beside every linear layer below the head; return the trainable parameters by name."""
    generator = torch.Generator().manual_seed(seed)
    body = model.base_model
    for name, layer in [(n, m) for n, m in body.named_modules() if isinstance(m, nn.Linear)]:
        _put(body, name, LowRank(layer, rank, generator))
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def merge_low_rank(model: Any) -> None:
    """Turn every updated layer back into a plain one, its update added in."""
    body = model.base_model
    for name, layer in [(n, m) for n, m in body.named_modules() if isinstance(m, LowRank)]:
        _put(body, name, layer.merged())


def _put(body: nn.Module, name: str, layer: nn.Module) -> None:
    """Replace the submodule of that dotted name."""
    parent, _, last = name.rpartition(".")
    setattr(body.get_submodule(parent), last, layer)
