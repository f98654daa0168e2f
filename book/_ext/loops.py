"""The directive `loops`: a row of films, each as the still of its end until a reader starts them.

`vgf.book.loops` writes the films: a chapter into `data/figures`, its command into `book/_static/loops`. The argument is
the name of the set. Nothing moves by itself: `loops.js` starts all films of a row together, and stops them. A page
loads no film before that. Without JavaScript, in print and in the readable notebooks there are stills and their words.
"""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copyfile
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PLACES = ("data/figures", "book/_static/loops")
PLACE = "_static/loops"  # of the films in the site
ALT = "Seen from above, the end of the film: {}."
MADE = "One start, one clock, seen from above. Made by "


class Loops(SphinxDirective):
    """Put a row of films here."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return stills with a line of words each, and below them how they were made."""
        name, root = self.arguments[0], Path(self.env.srcdir)
        found = [folder for folder in PLACES if (root / folder / f"{name}.json").exists()]
        if not found:
            raise self.error(f"no films {name} in {' or '.join(PLACES)}; vgf.book.loops makes them")
        said = root / found[0] / f"{name}.json"
        self.env.note_dependency(str(said))
        told = json.loads(said.read_text(encoding="utf-8"))
        row = nodes.container(classes=["loops"], loops=name)
        for actor, words in told["films"].items():
            line = ": ".join(filter(None, (words["title"], words["outcome"])))
            picture = nodes.image(
                uri=f"/{found[0]}/{name}-{actor}-still.png", alt=ALT.format(line), classes=["dark-light"]
            )
            row += nodes.container("", picture, nodes.paragraph("", line))
            copies = self.env.app.__dict__.setdefault("vgf_films", {})
            copies[f"{name}-{actor}.webp"] = said.with_name(f"{name}-{actor}.webp")
        by = told["made"]  # a command keeps its dashes
        by = nodes.literal("", by) if by.startswith("python ") else nodes.Text(by)
        made = nodes.paragraph("", MADE, by, nodes.Text("."), classes=["loops-made"])
        return [row, made]


def add_files(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Load the script on a page that has films."""
    if doctree is not None and any("loops" in node for node in doctree.findall(nodes.container)):
        app.add_js_file("loops.js", loading_method="defer")


def copy_films(app: Sphinx, exception: Exception | None) -> None:
    """Copy the films, which no page names, into the site."""
    for name, source in app.__dict__.get("vgf_films", {}).items():
        target = Path(app.outdir) / PLACE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copyfile(source, target)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("loops", Loops)
    app.connect("html-page-context", add_files)
    app.connect("build-finished", copy_films)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
