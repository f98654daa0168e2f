"""Install `.venv` from `requirements.lock`, saying how far it is: what `make setup` runs.

pip's own output goes to `.venv/install.log`; a terminal shows one line that moves, anything else a line now and
then. Only the standard library is used, because nothing else is there yet.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

VENV = Path(".venv")
LOG = VENV / "install.log"
SUPPORTED = ((3, 11), (3, 13))
EVERY = 30  # seconds between lines where there is no terminal


def check_python() -> None:
    """Stop with one line if this Python is not one the lock is made for."""
    low, high = SUPPORTED
    if not low <= sys.version_info[:2] <= high:
        found = ".".join(map(str, sys.version_info[:2]))
        sys.exit(
            f"setup: Python {found} found, but 3.{low[1]} to 3.{high[1]} is needed; try: make setup PYTHON=python3.11"
        )


def progress(total: int) -> str:
    """Say in one line what pip is doing, from its log and from what is installed already."""
    log = LOG.read_text(errors="replace")
    if "Installing collected packages" in log:
        done = len(list(VENV.glob("lib/python*/site-packages/*.dist-info")))
        return f"installing {min(done, total)}/{total}"
    names = re.findall(r"^Collecting ([\w.-]+)", log, re.MULTILINE)
    building = re.findall(r"^ *Building (?:wheels? for|editable for) ([\w.-]+)", log, re.MULTILINE)
    if building:
        return f"building {building[-1]}"
    return f"fetching {min(len(names), total)}/{total}: {names[-1]}" if names else "checking what is installed"


def pip(*arguments: str, total: int) -> None:
    """Run pip under the progress line, adding to the log; on failure show the end of it and stop."""
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--no-input", "--progress-bar", "off", *arguments]
    shown, last = "", time.monotonic()
    with LOG.open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            line, now = progress(total), time.monotonic()
            if sys.stdout.isatty():
                print(f"\r\033[K{line}", end="", flush=True)
            elif line != shown and now - last > EVERY:
                print(line, flush=True)
                shown, last = line, now
            time.sleep(0.5)
    if sys.stdout.isatty():
        print("\r\033[K", end="")
    if process.returncode:
        tail = "\n".join(LOG.read_text(errors="replace").splitlines()[-20:])
        sys.exit(f"{tail}\nsetup: pip failed; the whole log is {LOG}")


def compile_all() -> None:
    """Compile what was installed on all cores; pip does it on one, for half of its time."""
    print("compiling", flush=True)
    command = [str(VENV / "bin" / "python"), "-m", "compileall", "-q", "-j", "0", str(VENV / "lib")]
    with LOG.open("a") as log:  # a file that a package has for another Python does not compile: no reason to stop
        subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)


def main() -> None:
    """Make the environment, then put the locked packages and this one into it."""
    check_python()
    started = time.monotonic()
    if not (VENV / "bin" / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    LOG.unlink(missing_ok=True)
    pins = [line for line in Path("requirements.lock").read_text().splitlines() if "==" in line]
    print(f"Setting up .venv from requirements.lock ({len(pins)} pins)", flush=True)
    pip("--no-compile", "-r", "requirements.lock", total=len(pins))
    compile_all()
    pip("--no-deps", "--no-build-isolation", "-e", ".", total=1)
    print(f"Environment ready: .venv ({time.monotonic() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
