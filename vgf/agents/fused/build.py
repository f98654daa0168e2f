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
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from filelock import FileLock

SOURCE = Path(__file__).with_name("update.cpp")
SOURCES = (SOURCE, *(SOURCE.with_name(f"{name}.h") for name in ("diffusion", "flow", "perceptron", "rivals", "worker")))
FLAGS = (
    *("-O3", "-march=native", "-std=c++20", "-fPIC", "-shared", "-pthread"),
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"),  # sums may be reordered
)
BUILD_SECONDS = 300  # a compiler that takes longer is given up


class Unavailable(Exception):
    """The fused core cannot run here; the message is the reason."""


def library() -> ctypes.CDLL:
    """Return the loaded core, building it if need be; a failure is remembered for the life of the process.

    Raises:
        Unavailable: with the reason.
    """
    found = _load()
    if isinstance(found, str):
        raise Unavailable(found)
    return found


@functools.cache
def fault(precision: int) -> str | None:
    """Return why this processor cannot multiply in a precision (a number of `job.PRECISIONS`), None where it can."""
    said: bytes | None = library().vgf_check(precision)
    return first_line(said.decode()) if said is not None else None


def first_line(said: str) -> str:
    """Return what a library says without the C++ frames that torch appends to its errors, closed where it is cut."""
    line = said.strip().splitlines()[0] if said.strip() else "no reason given"
    return line + ")" * max(0, line.count("(") - line.count(")"))


@functools.cache
def _load() -> ctypes.CDLL | str:
    """Return the loaded core, or why there is none; a damaged file in the cache is made anew once."""
    try:
        path = _built()
        try:
            return _open(path)
        except (OSError, AttributeError):
            path.unlink(missing_ok=True)
            return _open(_built())
    except Unavailable as reason:
        return str(reason)
    except (OSError, AttributeError) as error:
        return f"the built core cannot be loaded ({' '.join(str(error).split())})"


def _open(path: Path) -> ctypes.CDLL:
    """Load a library and declare its functions."""
    core = ctypes.CDLL(str(path))
    core.vgf_run.restype = core.vgf_check.restype = ctypes.c_char_p
    return core


def compiler() -> str:
    """Return the C++ compiler: `CXX` where it is set, else g++ or clang++.

    Raises:
        Unavailable: if there is none.
    """
    own = os.environ.get("CXX")
    found = next((path for name in ((own,) if own else ("g++", "clang++")) if (path := shutil.which(name))), None)
    if found is None and own:
        raise Unavailable(f"CXX names {own}, which is not there")
    if found is None:
        raise Unavailable("there is no C++ compiler; install g++ or clang++, or set CXX")
    return found


def cache_folder() -> Path:
    """Return the folder of built cores: VGF_CACHE, or the user's cache folder."""
    own = os.environ.get("VGF_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home folder
        home = Path(_temporary())
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "vgf"


@functools.cache
def library_name() -> str:
    """Return the file name of this machine's core, which names all that its numbers depend on.

    Raises:
        Unavailable: if there is no compiler.
    """
    return f"update-{_fingerprint(compiler())}.so"


def _built() -> Path:
    """Return the library's path, made now if it is not there."""
    if sys.platform == "win32":
        raise Unavailable("it is not built on Windows")
    cxx = compiler()
    name = f"update-{_fingerprint(cxx)}.so"
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        if path.exists():
            return path
        with FileLock(folder / f"{name}.lock"):
            return path if path.exists() else _compile(cxx, path)
    except OSError:  # a cache that cannot be written, or is full: for this process alone
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
    try:
        done = _run([*command, f"-Wl,-rpath,{home / 'lib'}", "-o", str(half)])
        if done.returncode:
            if "No space left" in done.stderr:
                raise OSError(done.stderr)
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise Unavailable(f"its build failed ({next((row for row in lines if 'error' in row), lines[-1])})")
        if not half.exists():
            raise Unavailable(f"its build failed ({cxx} made nothing)")
        with half.open("rb") as stream:
            os.fsync(stream.fileno())
        half.replace(path)
    finally:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
    return path


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the compiler to its end; where it is given up, or this process is stopped, what it has started ends too.

    Raises:
        Unavailable: if it cannot be started, or does not end.
    """
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    try:
        # g++ has the work done by other programs, which its own end would not stop: so a group of their own
        process = subprocess.Popen(command, text=True, errors="replace", start_new_session=True, **pipes)  # type: ignore[call-overload]
    except OSError as error:
        raise Unavailable(f"{command[0]} cannot be started ({error.strerror})") from None
    with process:
        try:
            out, said = process.communicate(timeout=BUILD_SECONDS)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise Unavailable(f"{command[0]} took more than {BUILD_SECONDS} s") from None
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, said)


def _fingerprint(cxx: str) -> str:
    """Return a digest of what the library depends on."""
    info = Path("/proc/cpuinfo")
    rows = info.read_text().splitlines() if info.exists() else []
    processor = next((row for row in rows if row.startswith(("flags", "Features"))), platform.processor())
    sources = (path.read_text(encoding="utf-8") for path in SOURCES)
    parts = (*sources, *FLAGS, _run([cxx, "--version"]).stdout, torch.__version__, platform.machine(), processor)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
