"""Put the cells that only prepare a chapter, tagged `setup`, behind one small fold.

A chapter begins with its parameter and its imports; papermill needs the first as a cell of its own and adds one after
it with the value it ran with. Readers of the page get one line, *Setup*, in the place of three bars.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

TAGS = {"tag_setup", "tag_injected-parameters"}
OPEN = '<details class="setup"><summary>Setup</summary>\n'


def is_setup(node: nodes.Node) -> bool:
    """Say whether a node is a cell that prepares the chapter."""
    return isinstance(node, nodes.container) and bool(TAGS & set(node["classes"]))


class SetupFold(SphinxTransform):
    """Wrap each run of such cells."""

    default_priority = 500

    def apply(self) -> None:
        """Change the document in place."""
        for first in [node for node in self.document.findall(nodes.container) if is_setup(node)]:
            parent = first.parent
            place = parent.index(first)
            if place and is_setup(parent[place - 1]):
                continue
            last = place
            while last + 1 < len(parent) and is_setup(parent[last + 1]):
                last += 1
            parent.insert(last + 1, nodes.raw("", "</details>\n", format="html"))
            parent.insert(place, nodes.raw("", OPEN, format="html"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_transform(SetupFold)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
