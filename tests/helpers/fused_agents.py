"""Agents of the fused core at the edges of its settings, and their data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from vgf.agents import AGENTS, CONFIGS, Agent, Dims, Reported, VGFConfig, fused
from vgf.datasets.transitions import Transitions
from vgf.networks import SeedStreams
from vgf.training.batches import draw_rows

DIMS = Dims(7, 3)
BASE = VGFConfig(hidden=(24, 17), particles=5, train_steps=3, flow_steps=4, step_size=0.05)

MISSING = fused.reason() or fused.fault(fused.PRECISIONS["bfloat16"])
BFLOAT16 = pytest.mark.skipif(MISSING is not None, reason=f"no fused core in bfloat16 here: {MISSING}")


def data(rows: int = 300) -> Transitions:
    g = torch.Generator().manual_seed(0)
    s, s2 = torch.randn(rows, DIMS.observation, generator=g), torch.randn(rows, DIMS.observation, generator=g)
    a, ends = 2 * torch.rand(rows, DIMS.action, generator=g) - 1, torch.zeros(rows)
    ends[-1] = 1
    masks = (torch.rand(rows, generator=g) > 0.1).to(s.dtype)
    return Transitions(s, a, torch.randn(rows, generator=g), masks, s2, ends)


def make(name: str, seeds: tuple[int, ...] = (3, 5), **changes: Any) -> Agent:
    config = BASE if name == "vgf" else replace(CONFIGS[name]["default"], hidden=(24, 17))
    return AGENTS[name].create(replace(config, **changes), DIMS, seeds)


def rows_of(seeds: Sequence[int], batch: int, updates: int, rows: int = 300) -> Tensor:
    return draw_rows(data(rows), SeedStreams(seeds, "batches"), batch, updates)


def loop(agent: Agent, transitions: Transitions, index: Tensor) -> list[Reported]:
    """Train by the eager twin: `Agent.update_many` without the core."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VGF_FUSED", "0")
        return agent.update_many(transitions, index)


def numbers(reported: list[Reported]) -> dict[tuple[int, str], Tensor]:
    return {(u, n): v[i] for each in reported for i, u in enumerate(each.updates) for n, v in each.metrics.items()}
