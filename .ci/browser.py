"""Chromium for the browser tests and the PDFs: find it, or get it where this machine lets us.

    python .ci/browser.py    # what `make test` and `make pdf` begin with

The machine's own browser comes first, then the one that Playwright keeps. Where there is neither, Playwright downloads
its own; where that is not allowed, the system's package is installed by apt-get, as root or with a sudo that asks no
password; else one line says so, and the tests that need a browser are skipped. Only the standard library and Playwright
are used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLAYWRIGHT = (sys.executable, "-m", "playwright")
ASK = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
DOWNLOAD_SECONDS, APT_SECONDS = 600, 900
REMEDY = "install Chromium or Chrome, on Debian or Ubuntu: apt-get install chromium"


def find() -> str | None:
    """Return the browser to use: the machine's own, else the one that Playwright keeps, else None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None) or kept_by_playwright()


def kept_by_playwright() -> str | None:
    """Return the Chromium that Playwright has downloaded, if it has."""
    asked = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True)
    path = asked.stdout.strip()
    return path if path and Path(path).exists() else None


def starts(browser: str) -> bool:
    """Say whether a browser runs here: one that was downloaded may lack libraries of the system."""
    try:
        return subprocess.run([browser, "--version"], capture_output=True, timeout=120).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def succeeds(command: Sequence[str], seconds: float) -> bool:
    """Run a command without its output; say whether it did its work within a time."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def download() -> str | None:
    """Let Playwright download its Chromium unless PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD forbids it; return one that runs."""
    if os.environ.get("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "0") not in ("", "0", "false"):
        return None
    if not succeeds([*PLAYWRIGHT, "install", "--no-shell", "chromium"], DOWNLOAD_SECONDS):
        return None
    found = kept_by_playwright()
    return found if found and starts(found) else None


def package() -> str | None:
    """Install the system's package where apt-get is there and we may; return the browser it brought."""
    if not shutil.which("apt-get"):
        return None
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if as_root and not succeeds([*as_root, "true"], 10):
        return None
    patient = [*as_root, "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]  # another program may be installing
    if not succeeds([*patient, "update"], APT_SECONDS):
        return None
    if not succeeds([*patient, "install", "-y", "--no-install-recommends", "chromium"], APT_SECONDS):
        return None
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found if found and starts(found) else None


def main() -> None:
    """Get a browser, or say in one line what is skipped without it."""
    if find():
        return
    print("No Chromium here; getting it for the browser tests and the PDFs", flush=True)
    if not (download() or package()):
        print(f"browser: none can be installed here, the tests that need it are skipped; {REMEDY}", file=sys.stderr)


if __name__ == "__main__":
    main()
