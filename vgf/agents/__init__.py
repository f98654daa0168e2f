"""Every method by name: its agent, and its config with named presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vgf.agents.base import Agent, Dims, Metrics
from vgf.agents.bc import BC, BCConfig
from vgf.agents.vgf import PRESETS, VGF, VGFConfig

AGENTS: Mapping[str, type[Agent]] = {agent.name: agent for agent in (BC, VGF)}
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "bc": {"default": BCConfig()},
    "vgf": {"default": VGFConfig(), **PRESETS},
}

__all__ = ["AGENTS", "BC", "CONFIGS", "VGF", "Agent", "BCConfig", "Dims", "Metrics", "VGFConfig"]
