"""Every figure of the built book: its files are downloaded as by a reader, its numbers held against its drawing."""

from __future__ import annotations

import io
import json
import re
import urllib.request
from functools import cache
from typing import Any
from urllib.parse import unquote, urljoin

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from tests.helpers.drawn_numbers import not_in
from tests.helpers.site import CHAPTERS, PAGES, ROOT, SITE
from tests.helpers.svg_marks import Drawing, faults
from vgf.book import citable, sentences
from vgf.book.declared import declared

FIGURES = {ident: chapter for chapter in CHAPTERS for ident in declared(chapter.partition("/")[2]).figures} | {
    "explorer-presets": "book/explore",
    "learning-curves": "book/curves",
    "beside-paper": "book/curves",
}  # made by the package, shown by a page that runs no code
FINDING = 20  # words of a caption's first sentence
LATER = ("language-decoders", "language-pull", "rlhf-frontier", "rlhf-redecoded")  # longer still
ENDS = [end for _, end in citable.DOWNLOADS]


@cache
def page(name: str) -> BeautifulSoup:
    """Return a built page."""
    path = SITE / f"{name}.html"
    if not path.exists():
        pytest.fail(f"{name} is not built; `make book` builds it", pytrace=False)
    return BeautifulSoup(path.read_text(), "lxml")


def files(name: str) -> list[str]:
    """Return the links to files that a page offers."""
    offered = [str(tag["href"]) for tag in page(name).select("a[download]")]
    return [link for link in offered if "_sources/" not in link]


def download(site_url: str, name: str, file: str) -> bytes:
    """Fetch a file of a figure by the link that a page shows for it."""
    links = [link for link in files(name) if unquote(link).endswith(f"/{file}")]
    assert links, f"{name} offers no {file}"
    with urllib.request.urlopen(urljoin(f"{site_url}/{name}.html", links[0]), timeout=10) as answer:
        content: bytes = answer.read()
    return content


def words(ident: str) -> dict[str, Any]:
    """Return what a figure says of itself."""
    found: dict[str, Any] = json.loads((ROOT / "data" / "figures" / f"{ident}.json").read_text())
    return found


def test_every_figure_of_every_page_is_tested_here() -> None:
    shown = {
        ident
        for name in PAGES
        for ident in re.findall(r'<figure[^>]*\bid="fig-([\w-]+)"', (SITE / f"{name}.html").read_text())
    }
    assert shown == set(FIGURES)
    assert len(shown) > 20


@pytest.mark.parametrize("ident", FIGURES)
def test_every_file_of_a_figure_downloads_and_is_what_it_says(ident: str, site_url: str) -> None:
    found = {end: download(site_url, FIGURES[ident], f"{ident}{end}") for end in ENDS}
    for end, content in found.items():
        assert content == (ROOT / "data" / "figures" / f"{ident}{end}").read_bytes()
    assert found[".pdf"].startswith(b"%PDF-")
    assert found[".png"].startswith(b"\x89PNG\r\n")
    assert len(pd.read_csv(io.BytesIO(found[".csv"])))
    entry = found[".bib"].decode()
    assert entry == citable.bibtex(ident, words(ident)["caption"], words(ident))
    address = re.search(r"url += \{(.+)\}", entry)
    assert address
    target, _, anchor = address[1].removeprefix(f"{citable.SITE}/").partition("#")
    assert page(target.removesuffix(".html")).find(id=anchor)  # what is cited is there


@pytest.mark.parametrize("ident", [ident for ident in FIGURES if ident not in LATER])
def test_a_caption_begins_with_one_finding_of_few_words(ident: str) -> None:
    first, *_ = sentences.sentences(words(ident)["caption"], ident)
    assert first.words <= FINDING, first.text


@pytest.mark.parametrize("ident", FIGURES)
def test_the_numbers_drawn_are_in_the_csv_and_where_the_drawing_has_them(ident: str, site_url: str) -> None:
    data, drawn, svg = (download(site_url, FIGURES[ident], f"{ident}{end}") for end in (".csv", ".drawn.csv", ".svg"))
    marked, panels = pd.read_csv(io.BytesIO(drawn)), words(ident)["panels"]
    assert len(marked)
    assert faults(Drawing(svg), marked, panels) == []
    lost = not_in(pd.read_csv(io.BytesIO(data)), marked, panels)
    told = (
        f"{len(lost)} drawn numbers are not in {ident}.csv; add them to `data`, or say why in `aside`:\n{lost.head()}"
    )
    assert lost.empty == (not words(ident)["aside"]), told


@pytest.mark.parametrize("ident", FIGURES)
def test_below_a_figure_its_provenance_can_be_unfolded(ident: str) -> None:
    folds = [tag.get_text() for tag in page(FIGURES[ident]).select("details[class*=figure-origin]")]
    (fold,) = [fold for fold in folds if f"#fig-{ident}\n" in fold or f"#fig-{ident} " in fold]
    source = words(ident)
    assert source["chapter"] == FIGURES[ident]
    assert source["scale"] in ("quick", "cpu", "paper") or not FIGURES[ident].startswith("notebooks/")
    assert source["commit"][:10] in fold
    assert ("not committed" in fold) == source["dirty"]
    assert f"scale {source['scale']}" in fold
    assert citable.listed(source["seeds"]) in fold
    folder, _, chapter = source["chapter"].partition("/")
    assert (f"make chapter CH={chapter}" in fold) == (folder == "notebooks")
    assert f"@misc{{vgf-companion:{ident}," in fold
    for record in source["records"]:
        assert record["folder"] in fold


def test_the_gallery_offers_every_file_of_every_figure(site_url: str) -> None:
    offered = [unquote(link).rpartition("/")[2] for link in files("book/figures")]
    assert sorted(offered) == sorted(f"{ident}{end}" for ident in FIGURES for end in ENDS)
    html = (SITE / "book" / "figures.html").read_text()
    for ident, chapter in FIGURES.items():
        address = chapter.removeprefix("book/") if chapter.startswith("book/") else f"../{chapter}"
        assert f'href="{address}.html#fig-{ident}"' in html
        assert f"/{ident}.small.png" in html
    first = next(iter(FIGURES))
    assert download(site_url, "book/figures", f"{first}.svg") == download(site_url, FIGURES[first], f"{first}.svg")
