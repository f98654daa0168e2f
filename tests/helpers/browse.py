"""What the tests of the results browser share: where it is, how to go to a state, and what it shows."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

PAGE = "book/browse.html"
HOPPER = "study=d4rl.cpu&task=hopper-medium-v2"
SILENT = "study=ogbench.cpu&task=cube-double-play-singletask-task1-v0"
ONLINE = "study=online.cpu&task=hopper-medium-v2"


def go(page: Page, address: str) -> None:
    """Go to another state of the page by its address.

    The page reads its address in a listener of its own. It was registered first, so it is done when this one is called.
    """
    page.evaluate(
        "hash => new Promise(resolve => {"
        " const before = location.href; location.hash = hash;"
        " if (location.href === before) resolve();"
        " else window.addEventListener('hashchange', () => resolve(), { once: true }); })",
        address,
    )


def state(page: Page) -> dict[str, Any]:
    """Return what is chosen."""
    return page.evaluate(
        "() => { const { view, ...state } = vgfBrowse.page.state;"
        " return { ...state, study: view.study, task: view.task }; }"
    )


def rows(page: Page) -> list[list[str]]:
    """Return the table's cells, row by row."""
    return page.evaluate(
        "() => [...document.querySelectorAll('.vgf-compare tbody tr')]"
        ".map(row => [...row.cells].map(cell => cell.textContent))"
    )


def names(page: Page) -> list[str]:
    """Return what the key below the chart names."""
    return page.locator(".vgf-key li > span:first-of-type").all_inner_texts()
