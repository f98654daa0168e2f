"""The directive `explorer`: a place for the explorer of the transport budget, its data and its scripts.

With the option `small`, the walk alone, for the front page. Only the page that has the directive loads the scripts.
They are classic ones, deferred, and the data stands in the page itself: modules and `fetch` are refused by browsers on
a page opened from a disk.
"""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

DATA = "data/figures/explorer.json"  # by vgf.book.explorer_figure
PAGE = "book/explore"  # which has the whole explorer
SMALL = "rise"  # the preset that the small one plays
SHARED = ("numerics", "state", "walk", "words", "canvas", "map", "chart", "player", "controls", "address")
SCRIPTS = {  # by the place's id, in the order they build on each other
    "vgf-explorer": (*SHARED, "tasks", "sheet", "hands", "view", "actions", "page"),
    "vgf-small": (*SHARED, "small"),
}


class Explorer(SphinxDirective):
    """Put the explorer here; the content is what readers without JavaScript are told instead."""

    has_content = True
    option_spec = {"small": directives.flag}  # noqa: RUF012 - docutils declares it so

    def run(self) -> list[nodes.Node]:
        """Return the page's part, data included."""
        path = Path(self.env.srcdir) / DATA
        self.env.note_dependency(str(path))
        if not path.exists():
            raise self.error(f"{DATA} is missing; `make book` writes it")
        data = path.read_text(encoding="utf-8")
        ident, place = "vgf-explorer", ""
        if "small" in self.options:
            ident, data = "vgf-small", part_of(data)
            place = f' data-explorer="{self.env.app.builder.get_relative_uri(self.env.docname, PAGE)}"'
        data = data.replace("</", "<\\/")
        said = nodes.container(classes=["vgf-without"])
        self.state.nested_parse(self.content, self.content_offset, said)
        root = f'<div id="{ident}" class="vgf-explorer"{place}></div>'
        return [
            nodes.raw("", root + "<noscript>", format="html", explorer=ident),
            said,
            nodes.raw(
                "",
                f'</noscript><script type="application/json" id="{ident}-data">{data}</script>',
                format="html",
            ),
        ]


def part_of(data: str) -> str:
    """Return the data of the small explorer: one preset, and of the samples no more than it moves."""
    whole = json.loads(data)
    preset = next(preset for preset in whole["presets"] if preset["ident"] == SMALL)
    count = 2 * preset["settings"]["particles"]
    small = whole | {"presets": [preset], "samples": [whole["samples"][0][:count]]}
    return json.dumps(small, separators=(",", ":"), ensure_ascii=False)


def add_files(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Load the scripts and the style on the page that has the explorer."""
    found = [] if doctree is None else [node["explorer"] for node in doctree.findall(nodes.raw) if "explorer" in node]
    if found:
        app.add_css_file("explorer/explorer.css")
    for script in dict.fromkeys(script for ident in found for script in SCRIPTS[ident]):  # a page may have both
        app.add_js_file(f"explorer/{script}.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("explorer", Explorer)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
