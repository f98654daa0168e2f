"""Small configs of VGF and a batch for them."""

from __future__ import annotations

from dataclasses import replace

import torch

from vgf.agents import Dims, VGFConfig
from vgf.datasets.transitions import Batch

DIMS = Dims(4, 2)
SMALL = VGFConfig(particles=3, hidden=(8, 8), flow_steps=2, temperature=0.5, step_size=0.05)
FIXED = replace(SMALL, optimizer="none", repulsion=False, temperature=1.0)
AMORTISED = replace(FIXED, direction="amortised")


def batch(seeds: int = 2, size: int = 16, seed: int = 0) -> Batch:
    g = torch.Generator().manual_seed(seed)
    s, s2 = (torch.randn(seeds, size, DIMS.observation, generator=g) for _ in range(2))
    a = 2 * torch.rand(seeds, size, DIMS.action, generator=g) - 1
    return Batch(s, a, torch.randn(seeds, size, generator=g), (torch.rand(seeds, size, generator=g) < 0.8).float(), s2)
