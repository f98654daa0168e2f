"""Every page of the built book in headless Chromium: what a reader's browser would complain about.

One browser serves all tests. Each page is seen in three views: at desk width in light, at desk width in dark, and at
the width of a phone. Three pages are opened anew for each view, since how a page loads is the same code on all; the
others are opened once and then switched, with what fails meanwhile noted. Pages come over loopback; any other request
is a fault. Accessibility is judged by axe-core, by all of its default rules; `tests/helpers/axe.py` says how.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, Response, TimeoutError

from tests.helpers import axe
from tests.helpers.axe import COLOURS, Looks, violations
from tests.helpers.site import CHAPTERS, PAGES, SITE

PATIENCE = 10.0  # seconds for what a page has asked for
UNFOLD = "() => document.querySelectorAll('details').forEach(d => d.open = true)"
LONGEST = 14_000  # pixels that a page may be high at desk width
LONG = {"book/figures", *(page for page in PAGES if page.startswith("book/api"))}  # collections to look things up in
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
VIEWS = {"light": ("light", DESK), "dark": ("dark", DESK), "phone": ("light", PHONE)}
# Wide things that are cut off: they pass the right edge and nothing between them and the article scrolls.
CUT_OFF = """
() => [...document.querySelectorAll("article :is(table, pre, svg, img)")].filter(element => {
  if (!element.getClientRects().length || element.getBoundingClientRect().right <= window.innerWidth) return false;
  for (let e = element; e.tagName !== "ARTICLE"; e = e.parentElement)
    if (["auto", "scroll"].includes(getComputedStyle(e).overflowX)) return false;
  return true;
}).map(e => `${e.tagName}: ${e.textContent.slice(0, 40)}`)
"""
# Tables and code that scroll sideways without the shadow at the edge behind which there is more.
SILENT = """
() => {
  document.documentElement.style.removeProperty("--scroll-hint");  // axe-core is asked without it
  return [...document.querySelectorAll("article *")].filter(element => {
    const style = getComputedStyle(element), scrolls = ["auto", "scroll"].includes(style.overflowX);
    return scrolls && element.clientWidth && element.scrollWidth > element.clientWidth &&
      (element.matches("pre") || element.querySelector("table")) && !style.backgroundImage.includes("gradient");
  }).map(e => `${e.tagName} ${e.className}: ${e.textContent.trim().slice(0, 40)}`);
}
"""

# What axe-core judges anew in each view: in dark what colours decide, at the width of a phone what layout decides. The
# rest is the same markup in all of them, judged once a page at desk width. The bars and menus of a phone are those of
# all pages, so there one page is judged by all rules, and those of `ANEW` by colours too, in both themes.
LAYOUT = ["scrollable-region-focusable", "target-size"]
SEEN = COLOURS + LAYOUT
ANEW = {PAGES[0], "book/explore", CHAPTERS[0]}


@dataclass
class Opened:
    """A page, opened and settled, with what went wrong while it loaded, and the view that it shows."""

    page: Page
    view: str
    faults: list[str] = field(default_factory=list)
    waiting: set[Request] = field(default_factory=set)

    def settle(self) -> list[str]:
        """Wait until all that was asked for has come, and return what went wrong so far."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        until = time.monotonic() + PATIENCE
        while self.waiting and time.monotonic() < until:
            self.page.wait_for_timeout(20)
        return self.faults + [f"never finished: {request.url}" for request in self.waiting]


SCROLLS_BY_KEY = """() => [...document.querySelectorAll('[tabindex="-1"]')].every(
  part => part.matches('a, button, input, dialog *') || !part.clientWidth ||
  (part.scrollWidth <= part.clientWidth && part.scrollHeight <= part.clientHeight))"""


@dataclass
class Visit:
    """A page in one view."""

    opened: Opened
    view: str

    @property
    def page(self) -> Page:
        """Return the page after it was switched to this view."""
        if self.opened.view != self.view:
            theme, size = VIEWS[self.view]
            self.opened.page.set_viewport_size(size)  # type: ignore[arg-type]
            self.opened.page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            with suppress(TimeoutError):  # the theme does this some time after the size has changed; axe-core judges it
                self.opened.page.wait_for_function(SCROLLS_BY_KEY)
            self.opened.view = self.view
        return self.opened.page

    def evaluate(self, script: str) -> Any:
        """Run a script in the page."""
        return self.page.evaluate(script)


@pytest.fixture(scope="session")
def contexts(browser: Browser) -> Iterator[dict[str, BrowserContext]]:
    """Make one browser profile for each view."""
    made = {}
    for view, (theme, viewport) in VIEWS.items():
        made[view] = browser.new_context(viewport=viewport)  # type: ignore[arg-type]
        made[view].add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')")
    yield made
    for context in made.values():
        context.close()


def visit(context: BrowserContext, site_url: str, name: str, view: str) -> Opened:
    """Open a page and wait until it has settled, equations included."""
    opened = Opened(context.new_page(), view)

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            opened.faults.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        opened.waiting.add(request)
        if not request.url.startswith((site_url, "data:", "blob:")):
            opened.faults.append(f"remote request: {request.url}")

    def on_response(response: Response) -> None:
        if response.status >= 400:
            opened.faults.append(f"status {response.status}: {response.url}")

    opened.page.on("console", on_console)
    opened.page.on("request", on_request)
    opened.page.on("requestfinished", lambda request: opened.waiting.discard(request))
    opened.page.on("requestfailed", lambda request: opened.waiting.discard(request))
    opened.page.on("response", on_response)
    opened.page.on("pageerror", lambda error: opened.faults.append(f"script: {error}"))
    opened.page.goto(f"{site_url}/{name}.html", wait_until="load")
    opened.page.evaluate("() => window.MathJax?.startup?.promise")
    return opened


@pytest.fixture(scope="module")
def looks() -> dict[str, Looks]:
    """Looks that earlier pages showed, by theme."""
    return {"light": Looks(), "dark": Looks()}


@pytest.fixture(scope="module", params=PAGES)
def page_name(request: pytest.FixtureRequest) -> str:
    """Go through the pages one after the other, so that a page stays open for all its tests."""
    return request.param


@pytest.fixture(scope="module")
def views(contexts: dict[str, BrowserContext], site_url: str, page_name: str) -> Iterator[dict[str, Visit]]:
    """Open the page, and give it in each view."""
    opened = {"light": visit(contexts["light"], site_url, page_name, "light")}
    if page_name in ANEW:
        opened |= {view: visit(contexts[view], site_url, page_name, view) for view in ("dark", "phone")}
    yield {view: Visit(opened.get(view, opened["light"]), view) for view in VIEWS}
    for one in opened.values():
        one.page.close()


@pytest.fixture
def light(views: dict[str, Visit]) -> Visit:
    """Return the page at desk width in light."""
    return views["light"]


@pytest.fixture
def dark(views: dict[str, Visit]) -> Visit:
    """Return the page at desk width in dark."""
    return views["dark"]


@pytest.fixture
def phone(views: dict[str, Visit]) -> Visit:
    """Return the page at the width of a phone."""
    return views["phone"]


def test_axe_finds_a_fault(contexts: dict[str, BrowserContext]) -> None:
    page = contexts["light"].new_page()
    page.set_content("<p style='color: #aaa'>Faint</p><img src='data:,'>")
    found = {line.partition(":")[0] for line in violations(page)}
    assert {"color-contrast", "image-alt", "document-title"} <= found
    assert {line.partition(":")[0] for line in violations(page, SEEN)} == {"color-contrast"}
    page.close()


FAINT = """
<style>p { color: #767676 } p.odd { color: #bbb } .dim { background: #ddd } .thin { opacity: 0.5 }</style>
<p>One two <b>three</b> + four</p><p>Five</p><p>Six</p><p>Seven</p><p class=odd>9</p><p class=odd>Eight</p>
<div class=dim><p>Ground</p></div><div class=thin><p>Through</p></div><p hidden class=odd>Not shown</p>
<label>Name <input style='color: #ccc' value='typed'></label>
"""


def test_every_look_is_judged_for_its_contrast_and_none_of_them_often(contexts: dict[str, BrowserContext]) -> None:
    page = contexts["light"].new_page()
    page.set_content(FAINT)
    faint = [line.partition(": ")[2] for line in violations(page, COLOURS)]
    assert [next(word for word in ("Eight", "Ground", "Through", "input") if word in line) for line in faint] == [
        "Eight", "Ground", "Through", "input",
    ]  # fmt: skip
    page.add_style_tag(content="p { color: #aaa !important }")
    assert sum(line.startswith(axe.CONTRAST) for line in violations(page, COLOURS)) < page.locator("p:visible").count()
    page.close()


def test_a_look_is_judged_on_a_few_pages_and_a_new_one_on_the_next(contexts: dict[str, BrowserContext]) -> None:
    page, known = contexts["light"].new_page(), Looks()
    for number in range(axe.PAGES_OF_A_LOOK):
        page.set_content(f"<style>p {{ color: #333 }}</style><p>Page {number}</p>")
        assert violations(page, COLOURS, known=known) == []
    assert set(known.values()) == {axe.PAGES_OF_A_LOOK}
    page.set_content("<style>p { color: #333 }</style><p>Page</p><p style='color: #aaa'>Faint</p>")
    for _ in range(2):  # a fault is not taken for known
        assert len(violations(page, COLOURS, known=known)) == 1
    page.set_content(
        "<style>p { color: #333 } a { color: #222; text-decoration: none }</style><p>A <a href=x>link</a> here</p>"
    )
    assert [line.partition(":")[0] for line in violations(page, COLOURS, known=known)] == ["link-in-text-block"]
    page.set_content("<style>p { color: #333 }</style><p>Page</p><img src='data:,'>")
    assert "image-alt" in {line.partition(":")[0] for line in violations(page, known=known)}
    page.close()


EQUATION = "<mjx-container><img src='data:,'></mjx-container>"
REPEATED = f"""
<pre><span>def</span> <span>two</span> <span>three</span> <span>four</span> <b style='color: #bbb'>faint</b></pre>
<p>{" ".join([EQUATION] * (axe.EQUATIONS + 2))}</p>
"""


def test_what_repeats_is_judged_a_few_times_and_the_page_stays_as_it_was(contexts: dict[str, BrowserContext]) -> None:
    page, all_of_them = contexts["light"].new_page(), axe.EQUATIONS + 2
    page.set_content(REPEATED)
    found = [line.partition(":")[0] for line in violations(page)]
    assert found.count("image-alt") == axe.EQUATIONS
    assert found.count(axe.CONTRAST) == 1
    for fails in ("#none", "("):  # whatever becomes of the judgement
        with pytest.raises(Error):
            violations(page, within=fails)
    assert page.locator("mjx-container img").count() == all_of_them
    assert page.locator("pre").inner_text() == "def two three four faint"
    assert page.locator("pre span").count() == 4
    page.evaluate(axe.TAKE_OUT_WORDS)
    assert page.locator("pre span").count() == axe.OF_A_LOOK
    page.evaluate(axe.PUT_BACK)
    page.add_style_tag(content="mjx-container { display: block; width: 3px; overflow-x: auto } img { width: 50px }")
    page.evaluate(axe.TAKE_OUT_EQUATIONS, axe.EQUATIONS)
    assert page.locator("mjx-container img").count() == all_of_them, "what scrolls is judged"
    page.close()


# From here on a page is seen in light, then in dark, then on a phone: a switch lays it out anew.
def test_a_page_is_short_enough_to_be_read(light: Visit, page_name: str) -> None:
    height = light.evaluate("() => document.documentElement.scrollHeight")
    assert height <= LONGEST or page_name in LONG, f"{height} pixels"


def test_every_image_is_loaded_and_described(light: Visit) -> None:
    light.evaluate("() => document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    light.page.wait_for_function("[...document.images].every(image => image.complete)")
    images = light.evaluate("() => [...document.images].map(i => [i.src, i.naturalWidth, i.alt])")
    assert [src for src, width, _ in images if width == 0] == []
    inside = light.evaluate("() => [...document.querySelectorAll('article img')].map(i => [i.src, i.alt.trim()])")
    assert [src for src, alt in inside if not alt] == []


def test_every_equation_is_rendered(light: Visit) -> None:
    sources, rendered, errors = light.evaluate(
        "() => ['.math', '.math mjx-container', 'mjx-merror, mjx-container [data-mjx-error]']"
        ".map(s => document.querySelectorAll('article ' + s).length)"
    )
    assert rendered >= sources
    assert errors == 0
    raw = light.evaluate(
        "() => [...document.querySelectorAll('article p, article td, article figcaption')]"
        ".map(e => e.innerText).filter(t => /\\\\\\(|\\\\\\[|\\$\\\\/.test(t))"
    )
    assert raw == []


def test_the_download_menu_offers_what_there_is(light: Visit, page_name: str) -> None:
    entries = light.evaluate(
        "() => [...document.querySelectorAll('.dropdown-download-buttons .dropdown-item')]"
        ".map(e => [e.textContent.trim(), e.getAttribute('href')])"
    )
    names = [text for text, _ in entries]
    assert names[-1] == "Print"
    assert (".ipynb" if page_name in CHAPTERS else ".md") in names
    folder = SITE / Path(page_name).parent
    assert [address for _, address in entries if address and not (folder / address).exists()] == []


# What is folded up is judged too; it stays open for the tests that follow.
def test_the_page_is_accessible(light: Visit, looks: dict[str, Looks]) -> None:
    light.evaluate(UNFOLD)
    assert violations(light.page, known=looks["light"]) == []


def test_headings_go_down_one_level_at_a_time(light: Visit) -> None:
    levels = light.evaluate(
        "() => [...document.querySelectorAll('article :is(h1, h2, h3, h4, h5, h6)')]"
        ".filter(h => h.getClientRects().length).map(h => Number(h.tagName[1]))"
    )
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert [(a, b) for a, b in itertools.pairwise(levels) if b > a + 1] == []


def test_one_drawing_of_each_figure_shows_in_each_theme(light: Visit, dark: Visit) -> None:
    script = """
    () => [...document.querySelectorAll('article figure')].map(figure => ({
      shown: [...figure.querySelectorAll('img')].filter(i => i.getClientRects().length).map(i => i.getAttribute('src')),
      caption: figure.querySelector('figcaption')?.getClientRects().length > 0,
    }))
    """
    in_light, in_dark = light.evaluate(script), dark.evaluate(script)
    assert dark.evaluate("() => document.documentElement.dataset.theme") == "dark"
    assert light.evaluate("() => document.documentElement.dataset.theme") == "light"
    for one, other in zip(in_light, in_dark, strict=True):
        (drawing,), (twin,) = one["shown"], other["shown"]
        assert twin == drawing.replace(".svg", "-dark.svg")
        assert one["caption"]
        assert other["caption"]


def test_the_page_is_accessible_in_dark(dark: Visit, looks: dict[str, Looks]) -> None:
    dark.evaluate(UNFOLD)
    assert violations(dark.page, COLOURS, known=looks["dark"]) == []


def test_a_phone_does_not_scroll_sideways(phone: Visit) -> None:
    assert phone.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    phone.evaluate(UNFOLD)
    assert phone.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]


def test_what_is_wide_scrolls_inside_itself_on_a_phone(phone: Visit) -> None:
    assert phone.evaluate(CUT_OFF) == []
    assert phone.evaluate(SILENT) == []


def test_the_page_is_accessible_on_a_phone(phone: Visit, page_name: str) -> None:
    assert violations(phone.page, None if page_name == PAGES[0] else SEEN if page_name in ANEW else LAYOUT) == []
    if page_name in ANEW:
        phone.evaluate("() => { document.documentElement.dataset.theme = 'dark' }")
        assert violations(phone.page, SEEN) == []
        phone.evaluate("() => { document.documentElement.dataset.theme = 'light' }")


# After the others: printing opens what is folded up.
def test_a_page_prints_its_article_alone_and_light(dark: Visit) -> None:
    dark.page.emulate_media(media="print")
    dark.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    shown = "() => [...document.querySelectorAll(%r)].filter(e => e.getClientRects().length).map(e => e.outerHTML)"
    bars = ".bd-sidebar-primary, .bd-sidebar-secondary, .bd-header-article, .prev-next-footer, .headerlink"
    assert dark.evaluate(shown % bars) == []
    assert dark.evaluate(shown % "article img.only-dark, details.hide, .figure-files, .onlyprint h1") == []
    assert len(dark.evaluate(shown % "article h1")) == 1
    assert dark.evaluate("() => document.querySelectorAll('article details:not([open], .hide)').length") == 0
    assert dark.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert dark.evaluate("() => getComputedStyle(document.querySelector('article h1')).color") == "rgb(0, 0, 0)"
    dark.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    dark.page.emulate_media(media="screen")
    assert dark.evaluate("() => document.documentElement.dataset.theme") == "dark"


def test_nothing_fails_and_nothing_is_asked_of_another_server(views: dict[str, Visit]) -> None:
    faults = {view: visit.opened.settle() for view, visit in views.items()}
    assert faults == {view: [] for view in VIEWS}
