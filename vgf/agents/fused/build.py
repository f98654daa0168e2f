"""Build the fused core once for this machine, and load it.

The source is compiled by the machine's own C++ compiler with `-march=native` and linked to the libraries that torch
ships. The result lies in a cache, named by everything it depends on: the source, the flags, the compiler, torch and the
processor. A build that fails half way leaves nothing, two processes that build at once wait for each other, and where
the cache cannot be written the library is built in a temporary folder for this process alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from filelock import FileLock

SOURCE = Path(__file__).with_name("update.cpp")
FLAGS = (
    *("-O3", "-march=native", "-std=c++20", "-fPIC", "-shared", "-pthread"),
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"),  # sums may be reordered
)
BUILD_SECONDS = 300  # a compiler that takes longer is given up


class Unavailable(Exception):
    """The fused core cannot run here; the message is the reason."""


@functools.cache
def library() -> ctypes.CDLL:
    """Return the loaded core, building it if need be; a failure is remembered for the life of the process.

    Raises:
        Unavailable: with the reason.
    """
    path = _built()
    try:
        core = ctypes.CDLL(str(path))
    except OSError as error:
        raise Unavailable(f"the built core cannot be loaded ({error})") from None
    core.vgf_run.restype = core.vgf_check.restype = ctypes.c_char_p
    return core


def compiler() -> str | None:
    """Return the C++ compiler: `CXX` where it is set, else g++ or clang++; None where there is none."""
    return next(
        (path for name in (os.environ.get("CXX"), "g++", "clang++") if name and (path := shutil.which(name))), None
    )


def cache_folder() -> Path:
    """Return the folder of built cores: VGF_CACHE, or the user's cache folder."""
    own = os.environ.get("VGF_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vgf"


def _built() -> Path:
    """Return the library's path, made now if it is not there."""
    cxx = compiler()
    if cxx is None:
        raise Unavailable("there is no C++ compiler; install g++ or clang++, or set CXX")
    if sys.platform == "win32":
        raise Unavailable("it is not built on Windows")
    name = f"update-{_fingerprint(cxx)}.so"
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        if path.exists():
            return path
        with FileLock(folder / f"{name}.lock"):
            return path if path.exists() else _compile(cxx, path)
    except OSError:  # a cache that cannot be written: for this process alone
        return _compile(cxx, Path(_temporary()) / name)


@functools.cache
def _temporary() -> str:
    """Return a folder that lives as long as this process."""
    import atexit

    folder = tempfile.mkdtemp(prefix="vgf-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _compile(cxx: str, path: Path) -> Path:
    """Compile to `path`, which appears whole or not at all."""
    home = Path(torch.__file__).parent
    print(
        f"fused core: building it with {Path(cxx).name}, once on this machine, 10 to 60 s", file=sys.stderr, flush=True
    )
    half = path.with_name(f"{path.name}.{os.getpid()}.part")
    command = [cxx, *FLAGS, str(SOURCE), f"-I{home / 'include'}", f"-L{home / 'lib'}", "-ltorch_cpu", "-lc10"]
    command += [f"-Wl,-rpath,{home / 'lib'}", "-o", str(half)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise Unavailable(f"its build failed ({next((row for row in lines if 'error' in row), lines[-1])})")
        half.replace(path)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"its build took more than {BUILD_SECONDS} s") from None
    finally:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
    return path


def _fingerprint(cxx: str) -> str:
    """Return a digest of what the library depends on."""
    version = subprocess.run([cxx, "--version"], capture_output=True, text=True).stdout
    info = Path("/proc/cpuinfo")
    rows = info.read_text().splitlines() if info.exists() else []
    processor = next((row for row in rows if row.startswith(("flags", "Features"))), platform.processor())
    parts = (SOURCE.read_text(encoding="utf-8"), *FLAGS, version, torch.__version__, platform.machine(), processor)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
