"""PDFs: bookmarks and pages of contents as printed, the author in their properties, links in the download menu."""

from __future__ import annotations

import re
import sys
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from pypdf import PdfReader

from tests.helpers.site import CHAPTERS, PAGES, ROOT, SITE

sys.path.insert(0, str(ROOT / ".ci"))
import pdf
import pdf_file

TITLES = [f"Part {number} whose title is so long that it takes more than a line of the page" for number in range(12)]


@pytest.fixture(scope="module")
def printed(browser: Browser) -> bytes:
    """Print a small document: chapters, each on a sheet of its own and named, under the book's print style."""
    chapters = [
        f'<section class="chapter" id="document-book/{i}"><h2>{title}</h2><p>Text.</p>{"<p>More.</p>" * 40}</section>'
        for i, title in enumerate(TITLES)
    ]
    links = "".join(f'<a href="#document-book/{i}">{i}</a>' for i in range(len(TITLES)))
    style = (ROOT / "book" / "_static" / "print.css").read_text()
    page = browser.new_page()
    page.set_content(
        f"<title>A \N{GREEK SMALL LETTER PHI}</title><style>{style}</style>"
        f'<article class="bd-article">{links}{"".join(chapters)}</article>'
    )
    made = pdf.printed(page)
    page.close()
    return made


def test_every_heading_has_one_bookmark_that_reads_as_it_does(printed: bytes) -> None:
    assert pdf_file.bookmarks(printed) == TITLES


def test_the_pages_of_named_places_are_those_of_the_document(printed: bytes) -> None:
    places = pdf_file.places(printed)
    pages = [places[f"document-book/{i}"] for i in range(len(TITLES))]
    sheets = len(PdfReader(BytesIO(printed)).pages)
    assert pages == sorted(set(pages))
    assert pages[0] == 2  # the links before it take the first
    assert len(set(pages)) < sheets, "chapters of more than a page"


def test_a_signed_pdf_names_its_author_and_is_otherwise_the_same(printed: bytes) -> None:
    author = "Jo D\N{LATIN SMALL LETTER O WITH DIAERESIS}e, The makers"
    signed = pdf_file.signed(printed, author)
    before, after = PdfReader(BytesIO(printed)), PdfReader(BytesIO(signed))
    assert after.metadata == {**(before.metadata or {}), "/Author": author, "/Creator": pdf_file.MADE_WITH}
    assert b"Mozilla" not in signed
    assert after.pdf_header == before.pdf_header
    assert pdf_file.bookmarks(signed) == TITLES
    assert pdf_file.places(signed) == pdf_file.places(printed)
    assert [p.extract_text() for p in after.pages] == [p.extract_text() for p in before.pages]
    for reader in (before, after):  # tagged, for screen readers
        assert {"/MarkInfo", "/StructTreeRoot", "/Lang"} <= set(reader.root_object)


def opened(browser: Browser, name: str) -> Page:
    """Open a built page for print."""
    page = browser.new_page()
    page.goto((SITE / f"{name}.html").as_uri(), wait_until="load")
    pdf.settle(page)
    page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    return page


@pytest.mark.parametrize("name", ["book/intro", CHAPTERS[-1]])
def test_no_link_of_a_pdf_leads_to_this_machine(browser: Browser, tmp_path: Path, name: str) -> None:
    pdf.print_page(browser, SITE, name, tmp_path / "page.pdf")
    content = (tmp_path / "page.pdf").read_bytes()
    links = pdf_file.links(content)
    assert any(link.startswith(f"{pdf.address()}/") for link in links)
    for text in (*links, content.decode("latin-1")):  # a string in the file may be written in another way
        assert "file:" not in text
        assert str(ROOT) not in text


@pytest.mark.parametrize("chapter", [CHAPTERS[0], CHAPTERS[-1]])
def test_on_paper_a_figure_is_shown_once_and_light_and_provenance_without_its_bibtex(
    browser: Browser, chapter: str
) -> None:
    page = opened(browser, chapter)
    shown = page.evaluate(
        "() => [...document.querySelectorAll('article figure')].map(figure => [...figure.querySelectorAll('img')]"
        ".filter(image => image.offsetParent).map(image => image.className))"
    )
    assert shown
    assert all(len(images) == 1 and "only-dark" not in images[0] for images in shown)
    assert page.locator(".figure-origin").first.is_visible()
    assert not page.locator(".figure-origin div.highlight").first.is_visible()
    assert page.locator("details.hide:visible, .figure-files:visible, .copybtn:visible").count() == 0
    page.close()


def test_each_page_offers_its_pdf_and_the_books_once(tmp_path: Path) -> None:
    site, out = tmp_path / "html", tmp_path / "pdf"
    for name in PAGES:
        source = re.sub(
            r"<li><a href=\"[^\"]*_pdf/.*?</li>\n", "", (SITE / f"{name}.html").read_text(), flags=re.DOTALL
        )
        for path, content in ((site / f"{name}.html", source), (out / "pages" / f"{name}.pdf", "%PDF")):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    (out / pdf.BOOK).write_text("%PDF")
    for _ in range(2):  # printing again changes nothing
        pdf.link_pages(site, out, PAGES)
        for name in PAGES:
            links = re.findall(r'href="([^"]*_pdf/[^"]*)"', (site / f"{name}.html").read_text())
            found = [((site / f"{name}.html").parent / link).resolve() for link in links]
            assert found == [site / "_pdf" / "pages" / f"{name}.pdf", site / "_pdf" / pdf.BOOK]
            assert all(path.exists() for path in found)
