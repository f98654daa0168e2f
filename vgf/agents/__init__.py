"""Every method by name: its agent, and its config with named presets; a method is a module of this folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from vgf.agents.base import Agent, Dims
from vgf.agents.bc import BC, BCConfig
from vgf.agents.reported import Metrics, Reported
from vgf.agents.vgf import VGF
from vgf.agents.vgf_config import VGFConfig


def by_name(modules: Iterable[ModuleType]) -> dict[str, type[Agent]]:
    """Return the methods that modules define, by name.

    Raises:
        ValueError: if two have one name, naming both modules.
    """
    found: dict[str, type[Agent]] = {}
    for module in modules:
        for member in vars(module).values():
            if not (isinstance(member, type) and issubclass(member, Agent)):
                continue
            if "name" not in vars(member) or member.__module__ != module.__name__:
                continue
            other = found.setdefault(member.name, member)
            if other is not member:
                raise ValueError(f"{other.__module__} and {module.__name__} both call a method {member.name!r}")
    return found


#: Class of every method, by the name experiment files call it.
AGENTS: Mapping[str, type[Agent]] = by_name(
    import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)
)
#: Named presets of every method's config; each has "default".
CONFIGS: Mapping[str, Mapping[str, Any]] = {name: agent.presets for name, agent in AGENTS.items()}

__all__ = ["AGENTS", "BC", "CONFIGS", "VGF", "Agent", "BCConfig", "Dims", "Metrics", "Reported", "VGFConfig"]
