"""What the machine is, as far as it can be told without torch; nothing names its host, its user or a path."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from vgf.support.provenance import code_provenance


def host() -> dict[str, Any]:
    """Return processor, cores, memory, versions and commit."""
    facts = code_provenance()
    return {
        "processor": processor(),
        "kind": processor_kind(),
        "cores": cores(),
        "memory_bytes": memory_bytes(),
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


def cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Return how many CPU cores this process may use: those it may run on, and no more than a container's share.

    Args:
        quota: where Linux says how many microseconds of how many a container may compute, "max 100000" without a limit.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        limit, period = quota.read_text(encoding="utf-8").split()
        count = min(count, math.ceil(int(limit) / int(period)))  # "max" is no number
    return max(count, 1)
