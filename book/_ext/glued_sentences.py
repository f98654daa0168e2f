"""Sets a glued sentence in plain weight: what code puts into the text is bold, which is for numbers and single words.

A sentence that code assembles is text like any other. It is told from a number by its length.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

MOST = 4  # words that are shown in bold


def mark(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Give each long glued text of a page a class of its own."""
    for node in doctree.findall(nodes.inline):
        if "pasted-text" in node["classes"] and len(node.astext().split()) > MOST:
            node["classes"].append("pasted-sentence")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-resolved", mark)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
