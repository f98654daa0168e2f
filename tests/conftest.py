"""What the tests of the book share: where things are, and the built site behind a loopback server."""

from __future__ import annotations

import functools
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)  # the machine's own; nothing is downloaded


def toc_pages(node: dict[str, Any]) -> list[str]:
    """Return every page named in a table of contents, in order."""
    own = [node[key] for key in ("root", "file") if key in node]
    children = [child for key in ("parts", "chapters", "sections") for child in node.get(key, [])]
    return own + [page for child in children for page in toc_pages(child)]


PAGES = toc_pages(yaml.safe_load((ROOT / "_toc.yml").read_text()))
CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def site_url() -> Iterator[str]:
    """Serve the built book on this machine alone, for as long as the tests run."""
    if not (SITE / "index.html").exists():
        pytest.fail("the book is not built; `make book` builds it", pytrace=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the one browser that serves all tests."""
    if CHROMIUM is None:
        pytest.fail("no Chromium found; on Debian or Ubuntu: apt-get install chromium", pytrace=False)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()
