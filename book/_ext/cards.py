"""Hover cards: what a link to a term, an equation, a figure or a theorem shows before it is followed.

When the site is written, every such place is cut out of its page and put into one script, `_static/cards-data.js`. The
script `cards.js` loads it when a reader first hovers over or focuses a link that may have a card: a page is no heavier,
and a script, unlike `fetch`, works from a disk too. In a card links become plain words, since it is a tooltip, and
a figure keeps the first sentence of its caption. The trade-off: all cards come at once, some hundred kilobytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag
from bs4.filter import SoupStrainer
from sphinx.application import Sphinx

DATA = "_static/cards-data.js"
GONE = ".headerlink, .eqno, .figure-files, .figure-origin, details, script, iframe, .caption-number"
KINDS = {"dl": "glossary", "div": "math proof", "figure": ""}  # elements that may have a card, with their classes
FIRST = re.compile(r"(.+?[.!?])\s+(?=[A-Z])", re.DOTALL)


class HasCard(SoupStrainer):
    """Keeps of a page what a card may be cut from; building the rest of the tree takes most of the time."""

    def allow_tag_creation(self, nsprefix: str | None, name: str, attrs: Mapping[Any, str] | None) -> bool:
        """Say whether an element is kept, with all inside it."""
        classes = KINDS.get(name)
        return classes is not None and (
            not classes or not {*classes.split()}.isdisjoint((attrs or {}).get("class", "").split())
        )


def words(tag: Tag) -> str:
    """Return the text of an element on one line."""
    return " ".join(tag.get_text().split())


def cut(tag: Tag, home: str) -> str:
    """Return an element's inside as HTML without links, names and what only its page needs.

    Args:
        tag: taken from a page, and left as it is.
        home: what leads from the page to the site's root; addresses of pictures start at the root then.
    """
    inside = BeautifulSoup(str(tag), "html.parser")
    for gone in inside.select(GONE):
        gone.decompose()
    for link in inside.select("a"):
        link.unwrap()
    for one in inside.find_all(True):
        one.attrs.pop("id", None)
    for picture in inside.select("img"):
        picture["src"] = str(picture["src"]).removeprefix(home)
        picture.attrs.pop("loading", None)
    (outer,) = inside.find_all(True, recursive=False)
    return str(outer.decode_contents()).strip()


def places(soup: BeautifulSoup, home: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the name of each place of a page that has a card, and the card: a title and HTML."""
    for term in soup.select("dl.glossary > dt[id]"):
        meaning = term.find_next_sibling("dd")
        if isinstance(meaning, Tag):
            title = words(BeautifulSoup(cut(term, home), "html.parser"))
            yield str(term["id"]), {"title": title, "html": cut(meaning, home)}
    for block in soup.select("div.math[id]"):
        mark = block.select_one(".eqno")
        title = f"Equation {words(mark).rstrip('#')}" if mark else ""
        yield str(block["id"]), {"title": title, "html": f'<div class="math">{cut(block, home)}</div>'}
    for figure in soup.select("figure[id]"):
        mark, caption = figure.select_one(".caption-number"), figure.select_one(".caption-text")
        if caption is None:
            continue
        pictures = "".join(str(one) for one in BeautifulSoup(cut(figure, home), "html.parser").select("img"))
        first = FIRST.match(cut(caption, home))
        said = first[1] if first else cut(caption, home)
        yield str(figure["id"]), {"title": words(mark) if mark else "", "html": f"{pictures}<p>{said}</p>"}
    for theorem in soup.select("div.proof.admonition[id]"):
        head = theorem.select_one(".admonition-title")
        content = theorem.select_one("section")
        if head and content:
            yield str(theorem["id"]), {"title": words(head), "html": cut(content, home)}


def cards(site: Path, pages: list[str]) -> dict[str, dict[str, str]]:
    """Return the cards of a site by address from its root."""
    found: dict[str, dict[str, str]] = {}
    for page in pages:
        path = site / f"{page}.html"
        soup = BeautifulSoup(path.read_text(encoding="utf-8"), "lxml", parse_only=HasCard())
        home = "../" * page.count("/")
        found |= {f"{page}.html#{name}": card for name, card in places(soup, home)}
    return found


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write the script with all cards."""
    if exception is None and app.builder.name == "html":
        pages = sorted(page for page in app.env.found_docs if (Path(app.outdir) / f"{page}.html").exists())
        text = json.dumps(cards(Path(app.outdir), pages), ensure_ascii=False, separators=(",", ":"))
        (Path(app.outdir) / DATA).write_text(f"window.vgfCards = {text};\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("build-finished", write)
    app.add_js_file("cards.js", loading_method="defer")
    app.add_css_file("cards.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
