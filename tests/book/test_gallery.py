"""The page of figures shows each of them, in the order of their numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.helpers.site import CHAPTERS, ROOT
from vgf.book import citable
from vgf.book.declared import declared
from vgf.book.gallery import gallery


def test_the_gallery_shows_each_figure_of_a_chapter_in_the_chapters_order(tmp_path: Path) -> None:
    idents = list(declared("00_standalone_vgf").figures)
    write(idents, tmp_path)
    page = gallery(["notebooks/00_standalone_vgf", "book/reproduce"], tmp_path)
    assert re.findall(r"\{numref\}`fig-([\w-]+)`: Finding of \1\.", page) == idents
    assert re.findall(r":alt: Alt of ([\w-]+)\.", page) == idents
    assert page.count("## ") == 1  # a page without figures has no section
    for ident in idents:
        assert {f"/data/figures/{ident}{end}" for _, end in citable.DOWNLOADS} <= set(
            re.findall(r"</?(/data/figures/[\w.-]+)>", page)
        )


def test_the_gallery_of_a_chapter_that_was_not_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="standalone-walk"):
        gallery(["notebooks/00_standalone_vgf"], tmp_path)


def write(idents: list[str], folder: Path) -> None:
    """Write what the gallery reads of some figures."""
    for ident in idents:
        words = {"id": ident, "caption": f"Finding of {ident}. More.", "alt": f"Alt of {ident}."}
        (folder / f"{ident}.json").write_text(json.dumps(words))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_figures_stand_in_the_order_in_which_a_chapter_shows_them(chapter: str, tmp_path: Path) -> None:
    write(list(declared(Path(chapter).name).figures), tmp_path)
    text = (ROOT / f"{chapter}.md").read_text()
    order = re.findall(r"\{numref\}`fig-([\w-]+)`: Finding", gallery([chapter], tmp_path))
    places = [text.index(f"data/figures/{ident}.md") for ident in order]
    assert places == sorted(places)
    assert set(order) == set(declared(Path(chapter).name).figures)
