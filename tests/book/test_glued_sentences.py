"""A glued number or word stays bold, and a sentence that code assembled is set like any other text."""

from __future__ import annotations

import importlib.util
import re

from docutils import nodes, utils

from tests.helpers.site import ROOT

spec = importlib.util.spec_from_file_location("glued_sentences", ROOT / "book" / "_ext" / "glued_sentences.py")
assert spec
assert spec.loader
glued_sentences = importlib.util.module_from_spec(spec)
spec.loader.exec_module(glued_sentences)


def test_only_a_long_glued_text_gets_the_class_that_the_style_sheet_knows() -> None:
    document = utils.new_document("page")
    texts = [
        "12.3",
        "held in part",
        "VGF is first on one task and third on another.",
        "no glued text, and of many words",
    ]
    kinds = [["pasted-text"]] * 3 + [["other"]]
    for text, classes in zip(texts, kinds, strict=True):
        document += nodes.inline(text, text, classes=list(classes))
    glued_sentences.mark(None, document, "page")
    marked = [node.astext() for node in document.findall(nodes.inline) if "pasted-sentence" in node["classes"]]
    assert marked == [texts[2]]
    style = (ROOT / "book" / "_static" / "vgf.css").read_text()
    assert re.search(r"\.pasted-sentence \{ font-weight: inherit; \}", style)
