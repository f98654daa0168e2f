"""Every method by name: its agent, and its config with named presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vgf.agents import best_of_n, diffusion_ql, fql, idql, iql, rebrac, td3_bc
from vgf.agents.base import Agent, Dims
from vgf.agents.bc import BC, BCConfig
from vgf.agents.reported import Metrics, Reported
from vgf.agents.vgf import VGF
from vgf.agents.vgf_config import PRESETS, VGFConfig

#: Class of every method, by the name experiment files call it.
AGENTS: Mapping[str, type[Agent]] = {
    agent.name: agent
    for agent in (
        BC,
        VGF,
        best_of_n.BestOfN,
        td3_bc.TD3BC,
        rebrac.ReBRAC,
        iql.IQL,
        idql.IDQL,
        fql.FQL,
        diffusion_ql.DiffusionQL,
    )
}
#: Named presets of every method's config; each has "default".
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "bc": {"default": BCConfig()},
    "vgf": {"default": VGFConfig(), **PRESETS},
    "best_of_n": {"default": best_of_n.DEFAULT, **best_of_n.PRESETS},
    "td3_bc": {"default": td3_bc.TD3BCConfig(), **td3_bc.PRESETS},
    "rebrac": {"default": rebrac.ReBRACConfig(), **rebrac.PRESETS},
    "iql": {"default": iql.IQLConfig(), **iql.PRESETS},
    "idql": {"default": idql.IDQLConfig(), **idql.PRESETS},
    "fql": {"default": fql.FQLConfig(), **fql.PRESETS},
    "diffusion_ql": {"default": diffusion_ql.DiffusionQLConfig(), **diffusion_ql.PRESETS},
}

__all__ = ["AGENTS", "BC", "CONFIGS", "VGF", "Agent", "BCConfig", "Dims", "Metrics", "Reported", "VGFConfig"]
