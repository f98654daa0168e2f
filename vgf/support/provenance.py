"""What a number depends on besides its settings: code, libraries, machine; and a digest that names settings.

A digest is taken over values alone, never over the code that computes with them: moving a module changes no digest.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("vgf-companion", "torch", "numpy", "gymnasium", "ogbench", "mujoco", "safetensors")


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return a short digest of settings: equal for equal values, whatever their order."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def code_provenance() -> dict[str, Any]:
    """Return commit, versions of libraries and kind of machine. Nothing names host or user."""
    return {
        "commit": git("rev-parse", "HEAD"),
        "dirty": uncommitted(),
        "versions": {name: version_of(name) for name in PACKAGES},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
    }


def uncommitted() -> bool:
    """Return whether files in git differ from their commit, those that the code makes aside.

    A record that grows is no change of the code that makes it, and a pipeline removes a table before it makes it anew.
    """
    made = (f":(top,exclude)data/{folder}" for folder in ("results", "tables"))
    return bool(git("status", "--porcelain", "--untracked-files=no", "--", ":/", *made))


@cache
def blas_kernel() -> str:
    """Return which kernel numpy's OpenBLAS chose for this processor, such as SkylakeX; empty with another library.

    Kernels of other processors round otherwise, so files made with two of them differ although all else is pinned.
    """
    home = Path(np.__file__).parent
    for file in [*home.parent.glob("numpy.libs/*openblas*"), *home.glob(".dylibs/*openblas*")]:
        with suppress(OSError, AttributeError):
            name = ctypes.CDLL(str(file)).scipy_openblas_get_corename64_
            name.restype = ctypes.c_char_p
            return bytes(name()).decode()
    return ""


def git(*arguments: str) -> str:
    """Return what git says of the checkout the package is in; empty without git or outside a checkout."""
    try:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def version_of(package: str) -> str:
    """Return a package's version, or that it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
