"""Every method by name: its agent, and its config with named presets; a method is a module of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from vgf.agents.base import Agent, Dims
from vgf.agents.bc import BC, BCConfig
from vgf.agents.reported import Metrics, Reported
from vgf.agents.vgf import VGF
from vgf.agents.vgf_config import VGFConfig

_MODULES = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
#: Class of every method, by the name experiment files call it.
AGENTS: Mapping[str, type[Agent]] = {
    member.name: member
    for module in _MODULES
    for member in vars(module).values()
    if isinstance(member, type) and issubclass(member, Agent)
    if "name" in vars(member) and member.__module__ == module.__name__
}
#: Named presets of every method's config; each has "default".
CONFIGS: Mapping[str, Mapping[str, Any]] = {name: agent.presets for name, agent in AGENTS.items()}

__all__ = ["AGENTS", "BC", "CONFIGS", "VGF", "Agent", "BCConfig", "Dims", "Metrics", "Reported", "VGFConfig"]
