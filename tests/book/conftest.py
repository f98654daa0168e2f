"""Fixtures of the book's tests: the built site behind a loopback server, and one browser."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.helpers.explorer import PAGE, opened, settled
from tests.helpers.site import SITE, chromium

expect.set_options(timeout=30_000)  # as long as Playwright's other waits: five seconds are short on a busy machine


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
    """Start the one browser that serves all tests; without one they are skipped."""
    if chromium() is None:
        pytest.skip("no Chromium; `make browser` looks for a way to install it")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, site_url: str) -> Iterator[Page]:
    """Open the explorer, at desk width and without motion."""
    with opened(browser, f"{site_url}/{PAGE}", reduced_motion="reduce") as page:
        settled(page)
        yield page
