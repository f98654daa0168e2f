"""What a machine is, as far as a time depends on it; nothing names its host, its user or a path.

Seconds mean something only together with the machine they were taken on, and with what else it was doing: so the
average number of runnable processes is part of its facts, before and after.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from vgf.agents.hardware import FUSED
from vgf.support.host import host


def machine() -> dict[str, Any]:
    """Return processor, cores, memory, accelerator, versions and commit."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return host() | {"bfloat16_in_hardware": FUSED, "gpu": gpu}


def load() -> float | None:
    """Return how many processes wanted a core, on average over the last minute; None where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def runnable() -> int | None:
    """Return how many processes want a core now, this one included; None where the system does not tell."""
    told = Path("/proc/loadavg")
    return int(told.read_text().split()[3].partition("/")[0]) if told.exists() else None
