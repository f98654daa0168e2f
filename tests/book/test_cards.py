"""Hover cards: cut from the page they lead to, shown on hover and on focus, put away, and nothing else."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, expect

from tests.helpers.axe import violations
from tests.helpers.site import PAGES, ROOT, SITE

spec = importlib.util.spec_from_file_location("cards", ROOT / "book" / "_ext" / "cards.py")
assert spec is not None
assert spec.loader is not None
cards = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cards)

LINK = re.compile(r'<a class="reference internal" href="([^"]*#(?:term|equation|fig|thm|lem|cor)-[^"]+)"')
PICTURE = '<img alt="A walk." src="_images/walk.svg"/>'
HTML = """
<article>
<dl class="simple glossary"><dt id="term-bank">bank<a class="headerlink" href="#term-bank">#</a></dt>
<dd><p>Actions of <a href="#term-clone">a clone</a>.</p></dd></dl>
<div class="math nohighlight" id="equation-one"><span class="eqno">(1.2)<a class="headerlink">#</a></span>\\[a\\]</div>
<figure id="fig-walk"><img src="../_images/walk.svg" alt="A walk." loading="lazy" id="x"/><figcaption><p>
<span class="caption-number">Fig. 1.1 </span>
<span class="caption-text">It rises to <a href="#y">a peak</a>. Then it falls.</span>
</p><div class="figure-files">SVG</div></figcaption></figure>
<div class="proof theorem admonition" id="thm-one"><p class="admonition-title"><span>Theorem 1.1 </span>(Boltzmann)</p>
<section class="theorem-content"><p>It is so.</p></section></div>
</article>
"""


@cache
def written() -> dict[str, dict[str, str]]:
    """Return the cards of the built site."""
    text = (SITE / "_static" / "cards-data.js").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = json.loads(text.removeprefix("window.vgfCards = ").rstrip().rstrip(";"))
    return found


@pytest.fixture
def opened(browser: Browser, site_url: str) -> Iterator[Callable[[str], Page]]:
    """Open pages of the book as at a desk."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})

    def open_page(name: str) -> Page:
        page = context.new_page()
        page.goto(f"{site_url}/{name}.html")
        return page

    yield open_page
    context.close()


def test_a_card_is_cut_from_each_kind_of_place() -> None:
    found = dict(cards.places(BeautifulSoup(HTML, "lxml"), "../"))
    assert found == {
        "term-bank": {"title": "bank", "html": "<p>Actions of a clone.</p>"},
        "equation-one": {"title": "Equation (1.2)", "html": '<div class="math">\\[a\\]</div>'},
        "fig-walk": {"title": "Fig. 1.1", "html": f"{PICTURE}<p>It rises to a peak.</p>"},
        "thm-one": {"title": "Theorem 1.1 (Boltzmann)", "html": "<p>It is so.</p>"},
    }


def test_every_link_to_a_term_an_equation_a_figure_or_a_theorem_has_a_card() -> None:
    missing, seen = set(), 0
    for page in PAGES:
        html = (SITE / f"{page}.html").read_text()
        article = html[html.index("<article") : html.index("</article>")]
        for address in LINK.findall(article):
            path, _, name = address.partition("#")
            target = (SITE / page).parent / path if path else SITE / f"{page}.html"
            key = f"{target.resolve().relative_to(SITE.resolve()).as_posix()}#{name}"
            seen += 1
            missing |= {key} - set(written())
    assert seen > 100
    assert missing == set()


def test_a_card_holds_no_link_no_name_and_no_address_that_is_not_there() -> None:
    for key, card in written().items():
        soup = BeautifulSoup(card["html"], "html.parser")
        assert soup.select("a, [id], script, iframe") == [], key
        assert [i["src"] for i in soup.select("img") if not (SITE / str(i["src"])).exists()] == [], key
        assert card["title"], key
    assert Path(SITE / "_static" / "cards-data.js").stat().st_size < 600_000


def test_a_card_shows_on_hover_stays_under_the_pointer_and_goes_on_escape(opened: Callable[[str], Page]) -> None:
    page = opened("notebooks/00_standalone_vgf")
    link, card = page.locator('article a[href*="glossary.html#term-"]').first, page.locator("#vgf-card")
    link.scroll_into_view_if_needed()
    expect(card).to_have_count(0)
    link.hover()
    expect(card).to_be_visible()
    expect(link).to_have_attribute("aria-describedby", "vgf-card")
    card.hover()
    expect(card).to_be_visible()
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    assert link.get_attribute("aria-describedby") is None
    link.hover()
    expect(card).to_be_visible()
    page.mouse.move(5, 5)
    expect(card).to_be_hidden()


def test_a_card_shows_on_keyboard_focus_with_its_formula_set(opened: Callable[[str], Page]) -> None:
    page = opened("notebooks/01b_stein_direction")
    link, card = page.locator('article a[href*="#equation-"]:not(.headerlink)').first, page.locator("#vgf-card")
    page.keyboard.press("Tab")  # from now on focus is the keyboard's
    link.focus()
    expect(card).to_be_visible()
    expect(card.locator("mjx-container")).to_have_count(1)
    assert "\\[" not in card.inner_text()
    link.blur()
    expect(card).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_card_is_accessible_and_shows_the_drawing_of_the_theme(opened: Callable[[str], Page], theme: str) -> None:
    page = opened("notebooks/03_bandit")
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    link, card = page.locator('article p > a[href*="#fig-"]:visible').first, page.locator("#vgf-card")
    link.hover()
    expect(card).to_be_visible()
    expect(card.locator("img:visible")).to_have_count(1)
    shown = card.locator("img:visible").get_attribute("src") or ""
    assert ("-dark" in shown) == (theme == "dark")
    assert violations(page) == []


def test_a_page_without_a_hover_loads_no_cards(opened: Callable[[str], Page]) -> None:
    page = opened("notebooks/00_standalone_vgf")
    loaded = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in loaded if name.endswith("cards-data.js")] == []
