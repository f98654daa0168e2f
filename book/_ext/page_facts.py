"""Facts of each page. At its foot: how to cite it and, where it computes, when, on what machine and at which scale.

Below a chapter's title: what a run takes, and where to run it: on Colab, on Binder, or as a notebook to download.

The facts are those the executed notebook carries: papermill's time, duration and scale, and the machine and commit
that `chapter` of .ci/steps.sh writes into it. The machine that builds the book is not asked: it may be another one.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from citation import Book, bibtex, read_book, sentence, whole
from docutils import nodes
from readable import addresses, cost
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

GIB = 1 << 30


@lru_cache
def book_of(path: Path, year: str) -> Book:
    """Return the book's own facts, read once."""
    return read_book(path, year)


class CiteBook(SphinxDirective):
    """The directive `cite-book`: the BibTeX entry of the whole book."""

    def run(self) -> list[nodes.Node]:
        """Return the entry as a block of code."""
        path = Path(self.env.app.confdir) / "CITATION.cff"
        self.env.note_dependency(str(path))
        entry = whole(book_of(path, self.env.app.config.copyright))
        return [nodes.literal_block(entry, entry, language="bibtex")]


def set_address(app: Sphinx, config: Config) -> None:
    """Give every page its published address as the canonical one."""
    config["html_baseurl"] = f"{book_of(Path(app.confdir) / 'CITATION.cff', config.copyright).address}/"


def plain_title(title: nodes.title) -> str:
    """Return a page's title as text, its mathematics between dollars."""
    return "".join(f"${n.astext()}$" if isinstance(n, nodes.math) else n.astext() for n in title.children)


def last_run(metadata: dict[str, Any]) -> str:
    """Return the sentence on when and where a notebook ran, as HTML; empty for one that papermill did not run.

    Args:
        metadata: of the executed notebook. Without `machine` (a chapter run by hand) only time and scale are told.
    """
    run, machine = metadata.get("papermill"), metadata.get("machine")
    if not run or not run.get("end_time"):
        return ""
    end, scale = datetime.fromisoformat(run["end_time"]), run["parameters"].get("scale", "")
    text = (
        f'Computed on <time datetime="{escape(run["end_time"])}">{end.day} {end:%B %Y}</time>'
        f" in {max(1, round(run['duration']))} s at scale <code>{escape(scale)}</code>"
    )
    if not machine:
        return f"<p>{text}.</p>"
    cores = machine["cores"]
    parts = [machine["processor"], f"{cores} core{'s' if cores != 1 else ''}"]
    if machine.get("memory_bytes"):
        parts.append(f"{machine['memory_bytes'] / GIB:.0f} GiB of memory")
    parts += [machine.get("gpu") or "no GPU", machine["system"]]
    software = f"Python {machine['python']}, PyTorch {machine['versions']['torch']}"
    commit = f"commit <code>{escape(machine['commit'][:7])}</code>" if machine.get("commit") else "outside git"
    changed = ", with changes not committed" if machine["dirty"] else ""
    return f"<p>{text} on {escape(', '.join(parts))}. {escape(software)}; {commit}{changed}.</p>"


def facts(book: Book, page: str, title: str, metadata: dict[str, Any]) -> str:
    """Return a page's foot as HTML."""
    entry, line = escape(bibtex(book, page, title)), escape(sentence(book, page, title))
    return (
        f'<section class="page-facts" aria-label="About this page">{last_run(metadata)}'
        f'<details class="page-cite"><summary>Cite this page</summary><p>{line}</p>'
        f'<div class="highlight-bibtex notranslate"><div class="highlight"><pre>{entry}\n</pre></div></div></details>'
        "</section>"
    )


def opening(app: Sphinx, page: str, source: str, metadata: dict[str, Any]) -> str:
    """Return the line below a chapter's title, as HTML; `source` is where the page's notebook is in the site."""
    links = [f'<a href="{escape(address)}">Run on {name}</a>' for name, address in addresses(app, page).items()]
    home = "../" * page.count("/")
    links.append(f'<a href="{home}_sources/{escape(source)}" download>Download the notebook</a>')
    return f'<p class="chapter-opening">{" · ".join(filter(None, [escape(cost(metadata)), *links]))}</p>'


def add_facts(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """Put the foot below the body of each page of the contents; pages without a source have none."""
    if doctree is None or app.builder.name != "html":
        return
    source = Path(app.env.doc2path(pagename))
    metadata = json.loads(source.read_text(encoding="utf-8"))["metadata"] if source.suffix == ".ipynb" else {}
    book = book_of(Path(app.confdir) / "CITATION.cff", app.config.copyright)
    if metadata:
        line = opening(app, pagename, context["sourcename"], metadata)
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{line}", 1)
    context["body"] += facts(book, pagename, plain_title(app.env.titles[pagename]), metadata)


def name_print_button(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """Call the theme's button that opens the browser's print dialog what it is; `make pdf` adds files beside it."""
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("label") == "download-pdf-button":
                button |= {"text": "Print", "tooltip": "Print, or save as PDF", "icon": "fas fa-print"}


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("cite-book", CiteBook)
    app.connect("config-inited", set_address)
    app.connect("html-page-context", add_facts, priority=900)
    app.connect("html-page-context", name_print_button, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
