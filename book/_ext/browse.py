"""The directive `results-browser`: a place for the browser of the results, its data and its scripts.

The page that has it loads the scripts, classic and deferred, and carries the data in itself: modules and `fetch` are
refused by browsers on a page opened from a disk. Paths in the data become addresses here, since only Sphinx knows where
a page and a download lie.
"""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

DATA = "data/figures/browser.json"  # by vgf.book.browser_data
INDEX = "book/results_index"
PLACE = "vgf-browse"
SHARED = ("controls", "address")  # of the explorer: how parts are made, and how the address bar is written
SCRIPTS = (  # in the order they build on each other
    *(f"explorer/{script}.js" for script in SHARED),
    *(f"browse/{script}.js" for script in ("views", "address", "chart", "table", "parts", "page")),
)


class ResultsBrowser(SphinxDirective):
    """Put the browser here; the content is what readers without JavaScript are told instead."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the page's part, data included."""
        path = Path(self.env.srcdir) / DATA
        self.env.note_dependency(str(path))
        if not path.exists():
            raise self.error(f"{DATA} is missing; `make book` writes it")
        data = json.dumps(self.addressed(json.loads(path.read_text(encoding="utf-8"))), separators=(",", ":"))
        said = nodes.container(classes=["vgf-without"])
        self.state.nested_parse(self.content, self.content_offset, said)
        escaped = data.replace("</", "<\\/")
        return [
            nodes.raw("", f'<div id="{PLACE}" class="{PLACE}"></div><noscript>', format="html", browser=PLACE),
            said,
            nodes.raw(
                "", f'</noscript><script type="application/json" id="{PLACE}-data">{escaped}</script>', format="html"
            ),
        ]

    def addressed(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the data with the addresses of tables, choices, chapters, the index and the repository."""
        to = self.env.app.builder.get_relative_uri
        page = self.env.docname
        for study in data["studies"].values():
            study["table"] = study["table"] and self.download(study["table"])
            study["choices"] = self.download(study["choices"])
            study["chapters"] = [[to(page, f"notebooks/{name}"), title] for name, title in study["chapters"].items()]
        repository = self.config.html_theme_options["repository_url"]
        return data | {"index": to(page, INDEX), "repository": f"{repository}/tree/HEAD"}

    def download(self, path: str) -> str:
        """Return where a file of the project lies in the site, which then has a copy of it."""
        self.env.note_dependency(str(Path(self.env.srcdir) / path))
        name = self.env.dlfiles.add_file(self.env.docname, path)
        return f"{'../' * self.env.docname.count('/')}_downloads/{name}"


def add_files(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Load the scripts and the style on the page that has the browser."""
    if doctree is not None and any("browser" in node for node in doctree.findall(nodes.raw)):
        app.add_css_file("browse/browse.css")
        for script in SCRIPTS:
            app.add_js_file(script, loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("results-browser", ResultsBrowser)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
