"""What a machine is, as far as a time depends on it; nothing names its host, its user or a path.

Seconds mean something only together with the machine they were taken on, and with what else it was doing: so the
average number of runnable processes is part of its facts, before and after.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from vgf.agents.hardware import FUSED
from vgf.support.provenance import code_provenance
from vgf.training.vector_env import cores


def machine() -> dict[str, Any]:
    """Return processor, cores, memory, accelerator, versions and commit."""
    facts = code_provenance()
    return {
        "processor": processor(),
        "kind": processor_kind(),
        "cores": cores(),
        "memory_bytes": memory_bytes(),
        "bfloat16_in_hardware": FUSED,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": facts["system"],
        "python": facts["python"],
        "versions": facts["versions"],
        "commit": facts["commit"],
        "dirty": facts["dirty"],
    }


def processor() -> str:
    """Return the processor's name, as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [row.split(":", 1)[1].strip() for row in info.read_text().splitlines() if row.startswith("model name")]
        if names:
            return names[0]
    if sys.platform == "darwin":
        asked = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True)
        if asked.returncode == 0:
            return asked.stdout.strip()
    return platform.processor() or platform.machine()


def processor_kind() -> str:
    """Return the kind of processor, as far as the speed of its products goes: the folder of its measurements.

    `amx`, `avx512-bf16`, `avx512` or `avx2` by what Linux lists among the processor's abilities, else the architecture.
    """
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set())
    kinds = {"amx_bf16": "amx", "avx512_bf16": "avx512-bf16", "avx512f": "avx512", "avx2": "avx2"}
    return next((kind for flag, kind in kinds.items() if flag in flags), platform.machine())


def memory_bytes() -> int | None:
    """Return the machine's memory in bytes, None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def load() -> float | None:
    """Return how many processes wanted a core, on average over the last minute; None where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def runnable() -> int | None:
    """Return how many processes want a core now, this one included; None where the system does not tell."""
    told = Path("/proc/loadavg")
    return int(told.read_text().split()[3].partition("/")[0]) if told.exists() else None
