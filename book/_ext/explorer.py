"""The directive `explorer`: a place for the explorer of the transport budget, its data and its scripts.

Only the page that has the directive loads the scripts. They are classic ones, deferred, and the data stands in the page
itself: modules and `fetch` are refused by browsers on a page opened from a disk.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

DATA = "data/figures/explorer.json"  # by vgf.book.explorer_figure
SCRIPTS = ("numerics", "walk", "words", "drawing", "controls")  # in the order they build on each other
PLACE = '<div id="vgf-explorer" class="vgf-explorer"></div>'


class Explorer(SphinxDirective):
    """Put the explorer here; the content is what readers without JavaScript are told instead."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the page's part, data included."""
        path = Path(self.env.srcdir) / DATA
        self.env.note_dependency(str(path))
        if not path.exists():
            raise self.error(f"{DATA} is missing; `make book` writes it")
        data = path.read_text(encoding="utf-8").replace("</", "<\\/")
        said = nodes.container(classes=["vgf-without"])
        self.state.nested_parse(self.content, self.content_offset, said)
        return [
            nodes.raw("", PLACE + "<noscript>", format="html"),
            said,
            nodes.raw(
                "",
                f'</noscript><script type="application/json" id="vgf-explorer-data">{data}</script>',
                format="html",
            ),
        ]


def add_files(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Load the scripts and the style on the page that has the explorer."""
    if doctree is None or not any(node.astext().startswith(PLACE) for node in doctree.findall(nodes.raw)):
        return
    app.add_css_file("explorer/explorer.css")
    for script in SCRIPTS:
        app.add_js_file(f"explorer/{script}.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("explorer", Explorer)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
