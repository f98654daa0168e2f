"""What a page says of itself to those who have not opened it: a description, and the card a link to it becomes.

Descriptions stand in `book/pages.yaml`, one sentence a page, since the first paragraph of a chapter begins with a
claim and is too long. The picture is the page's first figure, as the PNG that the page offers to download; a page
without figures has the front page's card. The same file holds words by which a reader may look for a page and which its
text does not have; they become entries of the index, which the search ranks before words in passing.
"""

from __future__ import annotations

from functools import lru_cache
from html import escape
from pathlib import Path
from shutil import copyfile
from typing import Any

import yaml
from citation import read_book
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

PAGES = "book/pages.yaml"
CARD = "data/figures/front/card.png"
PLACE = "_images/card.png"


@lru_cache
def pages(path: Path) -> dict[str, dict[str, Any]]:
    """Return what is said of each page: `says`, and `find`, words by which it is looked for."""
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def picture(app: Sphinx, doctree: nodes.document) -> str:
    """Return where, from the site's root, the picture of a page lies."""
    for image in doctree.findall(nodes.image):
        path = Path(image.get("uri", "")).with_suffix(".png")
        found = app.env.dlfiles.get((Path("data/figures") / path.name).as_posix())
        if found:
            return f"_downloads/{found[1]}"
    return PLACE


def add_card(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Put description, title, address and picture into the head of each page of the contents."""
    own = pages(Path(app.confdir) / PAGES).get(pagename)
    if doctree is None or own is None or app.builder.name != "html":
        return
    book = read_book(Path(app.confdir) / "CITATION.cff", app.config.copyright)
    title = app.env.titles[pagename].astext()
    facts = {
        "og:title": title,
        "og:type": "article",
        "og:url": book.address_of(pagename),
        "og:site_name": book.title,
        "og:description": own["says"],
        "og:image": f"{book.address}/{picture(app, doctree)}",
        "og:image:alt": f"A figure of {title}",
    }
    tags = [f'<meta name="description" content="{escape(own["says"])}" />']
    tags += [f'<meta property="{name}" content="{escape(text)}" />' for name, text in facts.items()]
    tags += ['<meta name="twitter:card" content="summary_large_image" />']
    context["metatags"] = context.get("metatags", "") + "\n" + "\n".join(tags)


def add_words(app: Sphinx, doctree: nodes.document) -> None:
    """Enter a page's words into the index, as the place where they are treated."""
    words = pages(Path(app.confdir) / PAGES).get(app.env.docname, {}).get("find", [])
    section = next(iter(doctree.findall(nodes.section)), None)
    if words and section is not None:
        entries = [("single", word, section["ids"][0], "main", None) for word in words]
        section.insert(0, addnodes.index(entries=entries))


def copy_card(app: Sphinx, exception: Exception | None) -> None:
    """Copy the front page's card, which no page shows, into the site."""
    source = Path(app.confdir) / CARD
    if exception is None and app.builder.name == "html" and source.exists():
        target = Path(app.outdir) / PLACE
        target.parent.mkdir(exist_ok=True)
        copyfile(source, target)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", add_words)
    app.connect("html-page-context", add_card)
    app.connect("build-finished", copy_card)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
