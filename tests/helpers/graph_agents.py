"""Agents that update by graph, their data, and the comparison with the loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.small_agents import AMORTISED, DIMS, FIXED, SMALL
from vgf.agents import AGENTS, BCConfig, Reported
from vgf.agents.graph import GraphUpdates
from vgf.agents.stepped import SteppedAgent
from vgf.datasets.transitions import Transitions
from vgf.networks import SeedStreams
from vgf.training.batches import draw_rows

ROWS, SIZE, K = 40, 12, 3
FROZEN = replace(SMALL, pretrain=2)
LOW = {"precision": "bfloat16"}
CONFIGS: dict[str, tuple[str, Any, tuple[int, ...]]] = {
    "adam": ("vgf", SMALL, (3, 5)),
    "fixed": ("vgf", FIXED, (1,)),
    "amortised": ("vgf", AMORTISED, (3, 5, 4)),
    "unit": ("vgf", replace(AMORTISED, unit_gradient=True), (2, 0)),
    "frozen": ("vgf", FROZEN, (3, 5)),
    "bank": ("vgf", replace(FROZEN, bank=5), (3, 5, 4)),
    "sigma": ("vgf", replace(FROZEN, step_unit="sigma", step_size=0.3), (3, 5)),
    "paper": ("vgf", replace(AMORTISED, pretrain=2, bank=3), (3, 5)),
    "cloning": ("vgf", replace(SMALL, pretrain=1000), (3, 5)),
    "min": ("vgf", replace(SMALL, flow_q="min", target_q="min", target_particles="max"), (3, 5)),
    "gaussian": ("vgf", replace(SMALL, reference="gaussian", layer_norm=False), (3,)),
    "bandwidth": ("vgf", replace(SMALL, bandwidth=0.3), (3, 5)),
    "low": ("vgf", replace(SMALL, **LOW), (3, 5)),
    "low frozen": ("vgf", replace(FROZEN, **LOW), (3,)),
    "low paper": ("vgf", replace(AMORTISED, pretrain=2, bank=3, **LOW), (3, 5)),
    "best of n": ("best_of_n", replace(SMALL, train_steps=0), (3, 5)),
    "bc": ("bc", BCConfig(hidden=(8, 8), flow_steps=2), (3, 5, 4)),
    "bc gaussian": ("bc", BCConfig(hidden=(8,), reference="gaussian"), (1,)),
}
ALL = pytest.mark.parametrize("name", CONFIGS)


def data(device: str = "cpu", rows: int = ROWS) -> Transitions:
    g = torch.Generator().manual_seed(3)
    s, a = torch.randn(rows, DIMS.observation, generator=g), torch.rand(rows, DIMS.action, generator=g) * 2 - 1
    end = torch.zeros(rows)
    end[-1] = 1
    return Transitions(s, a, torch.randn(rows, generator=g), 1 - end, s.roll(-1, 0), end).to(device)


def make(name: str, rows: Transitions, device: str = "cpu") -> SteppedAgent:
    """Return an agent of a config, past its pretraining where that is short, with its bank."""
    kind, config, seeds = CONFIGS[name]
    agent = AGENTS[kind].create(config, DIMS, seeds, device)
    assert isinstance(agent, SteppedAgent)
    agent.graph = None
    if getattr(config, "pretrain", 0) == 2:
        agent.update_many(rows, index(agent, rows, 2, seed=9))
    agent.prepare(rows)
    return agent


def index(agent: SteppedAgent, rows: Transitions, updates: int, seed: int = 0) -> Tensor:
    streams = SeedStreams(agent.seeds, f"rows {seed}", rows.device)
    return draw_rows(rows, streams, SIZE, updates)


def flat(reported: list[Reported]) -> dict[tuple[int, str], Tensor]:
    """Return each update's metrics by its number and their name."""
    return {
        (update, name): value[i]
        for r in reported
        for i, update in enumerate(r.updates)
        for name, value in r.metrics.items()
    }


def same(found: dict[Any, Tensor], expected: dict[Any, Tensor]) -> None:
    assert list(found) == list(expected)
    for key, value in expected.items():
        assert torch.allclose(found[key], value, rtol=0, atol=0, equal_nan=True), key


def hold(found: SteppedAgent, expected: SteppedAgent, rows: Transitions, updates: int, seed: int = 0) -> None:
    """Update both, the one as its graph has it and the other singly, and hold metrics and state equal."""
    drawn = index(expected, rows, updates, seed)
    same(flat(found.update_many(rows, drawn)), flat(expected.update_many(rows, drawn)))
    same(found.state_dict(), expected.state_dict())


def graph(agent: SteppedAgent, **how: Any) -> GraphUpdates:
    agent.graph = GraphUpdates(agent, K, **how)
    return agent.graph
