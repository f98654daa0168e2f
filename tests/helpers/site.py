"""Where the project, its pages and its built site are."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"


@cache
def chromium() -> str | None:
    """Return the browser that `make test` has found or installed; nothing is downloaded here."""
    specification = importlib.util.spec_from_file_location("browser", ROOT / ".ci" / "browser.py")
    assert specification
    assert specification.loader
    browser = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(browser)
    return browser.find()


def toc_pages(node: dict[str, Any]) -> list[str]:
    """Return every page named in a table of contents, in order."""
    own = [node[key] for key in ("root", "file") if key in node]
    children = [child for key in ("parts", "chapters", "sections") for child in node.get(key, [])]
    return own + [page for child in children for page in toc_pages(child)]


PAGES = toc_pages(yaml.safe_load((ROOT / "_toc.yml").read_text()))
CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]
