"""The page of all figures: a section a chapter, in it a thumbnail and the finding of each of its figures.

Figures of a section stand in the order in which their chapter shows them, which is the order of their numbers. A
chapter's declaration lists them too, but in the order in which its code draws them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vgf.book import declared
from vgf.book.citable import FIGURES, ROOT, SHOWS, chapter_of, downloads, finding
from vgf.support.json_text import read_facts


def gallery(pages: Sequence[str], folder: Path = FIGURES) -> str:
    """Return the figures of some pages in MyST: a section a page, a thumbnail and what it says for each figure.

    Args:
        pages: as the table of contents names them, in its order.
        folder: where their figures lie.

    Raises:
        FileNotFoundError: if a chapter has not been run.
    """
    lines = []
    for page in pages:
        text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
        folder_name, _, name = page.partition("/")
        shown = re.findall(SHOWS.format("[\\w-]+"), text)  # in the order of their numbers
        if folder_name == "notebooks":
            idents = sorted(declared.declared(name).figures, key=shown.index)
        else:  # generated tables are included in the same way
            idents = [ident for ident in shown if (folder / f"{ident}.svg").exists() and chapter_of(ident) == page]
        figures = [read_facts(folder / f"{ident}.json") for ident in idents]
        if figures:
            title = re.search(r"^# (.+)$", text, re.MULTILINE)
            lines += [f"## {title[1] if title else page}", "", "`````{grid} 1 1 2 2", ":gutter: 4", ""]
            lines += [*map(_exhibit, figures), "`````", ""]
    return "\n".join(lines)


def _exhibit(figure: dict[str, Any]) -> str:
    """Return one item of the gallery."""
    ident = figure["id"]
    return (
        f"````{{grid-item}}\n:class: exhibit\n\n"
        f"```{{image}} /data/figures/{ident}.small.png\n:alt: {figure['alt']}\n:loading: lazy\n```\n\n"
        f"{{numref}}`fig-{ident}`: {finding(figure['caption'])}\n\n"
        f":::{{div}} figure-files\n`{ident}` {downloads(ident)}\n:::\n````"
    )
