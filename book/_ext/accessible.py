"""Corrects what docutils writes that assistive technology cannot use; tests/book/test_browser.py judges the rest.

docutils gives a bibliography's entries a role that WAI-ARIA deprecates, inside a list that may hold only items: here an
entry is an item of the list. What the theme lacks is in book/_templates and vgf.css.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

EMPTY_HEADER = re.compile(r"<th(?P<attributes>[^>]*)>(?P<inside>\s*(?:<p>\s*</p>)?\s*)</th>")


def correct_page(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """Correct one page's body."""
    if "body" in context:
        body = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')
        context["body"] = EMPTY_HEADER.sub(r"<td\g<attributes>>\g<inside></td>", body)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", correct_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
