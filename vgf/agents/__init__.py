"""Every method by name: its agent, and its config with named presets; a method is a module of this folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from importlib import import_module
from inspect import isabstract
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from vgf.agents.base import Agent, Dims
from vgf.agents.bc import BC, BCConfig
from vgf.agents.diffusion_ql import DiffusionQLConfig
from vgf.agents.fql import FQLConfig
from vgf.agents.idql import IDQLConfig
from vgf.agents.iql import IQLConfig
from vgf.agents.rebrac import ReBRACConfig
from vgf.agents.reported import Metrics, Reported
from vgf.agents.td3_bc import TD3BCConfig
from vgf.agents.vgf import VGF
from vgf.agents.vgf_config import VGFConfig


def by_name(modules: Iterable[ModuleType]) -> dict[str, type[Agent]]:
    """Return the methods that modules define, by name.

    Raises:
        ValueError: if two have one name, naming both modules, or a class lacks what a method has, naming it.
    """
    found: dict[str, type[Agent]] = {}
    for module in modules:
        for member in vars(module).values():
            if not (isinstance(member, type) and issubclass(member, Agent)) or member.__module__ != module.__name__:
                continue
            if "name" not in vars(member) and isabstract(member):
                continue  # what methods have in common
            if fault := _fault(member):
                raise ValueError(f"{module.__name__}.{member.__name__} {fault}")
            other = found.setdefault(member.name, member)
            if other is not member:
                raise ValueError(f"{other.__module__} and {module.__name__} both call a method {member.name!r}")
    return found


def _fault(member: type[Agent]) -> str | None:
    """Return what a method's class lacks and what to add, or None; see `Agent`."""
    if "name" not in vars(member):
        return 'has no name of its own; add name = "..."'
    if not isinstance(member.name, str) or not member.name.isidentifier():
        return f"has a name {member.name!r} that is no word; take letters, digits and _"
    if missing := sorted(getattr(member, "__abstractmethods__", ())):
        return f"has no {' and no '.join(missing)}; see vgf.agents.base.Agent"
    presets = getattr(member, "presets", None)
    if not isinstance(presets, Mapping) or "default" not in presets:
        return 'has no "default" among its presets; add presets = {"default": ...Config()}'
    for key, config in presets.items():
        if isinstance(config, type) or not is_dataclass(config):
            return f"has a preset {key!r} that is no instance of a dataclass; add () to its class"
    return None if hasattr(member, "transports") else "does not say transports; add transports = False, or True"


#: Class of every method, by the name experiment files call it.
AGENTS: Mapping[str, type[Agent]] = by_name(
    import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)
)
#: Named presets of every method's config; each has "default".
CONFIGS: Mapping[str, Mapping[str, Any]] = {name: agent.presets for name, agent in AGENTS.items()}

__all__ = [
    "AGENTS",
    "BC",
    "CONFIGS",
    "VGF",
    "Agent",
    "BCConfig",
    "DiffusionQLConfig",
    "Dims",
    "FQLConfig",
    "IDQLConfig",
    "IQLConfig",
    "Metrics",
    "ReBRACConfig",
    "Reported",
    "TD3BCConfig",
    "VGFConfig",
]
