"""Every page of the built book in headless Chromium: what a reader's browser would complain about.

One browser serves all tests. Each page is opened three times: at desk width in light, at desk width in dark, and at
the width of a phone. Pages come over loopback; any other request is a fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from conftest import CHROMIUM, PAGES
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

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

# Elements whose own text has a contrast below 4.5 (WCAG AA) against the nearest opaque background.
FAINT_TEXT = """
() => {
  const numbers = colour => {
    const found = colour.match(/[\\d.]+/g).map(Number);
    return colour.startsWith("rgb") ? found : [...found.slice(0, 3).map(v => 255 * v), found[3] ?? 1];
  };
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = colour => numbers(colour).slice(0, 3)
    .reduce((sum, v, i) => sum + linear(v / 255) * [0.2126, 0.7152, 0.0722][i], 0);
  const paper = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if ((numbers(colour)[3] ?? 1) > 0.95) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const faint = new Set();
  for (const e of document.querySelectorAll("article *")) {
    const text = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent).join("").trim();
    if (!text || !e.getClientRects().length || e.closest("svg, mjx-container, button, .headerlink")) continue;
    const [high, low] = [luminance(getComputedStyle(e).color), luminance(paper(e))].sort((x, y) => y - x);
    if ((high + 0.05) / (low + 0.05) < 4.5) faint.add(`${e.tagName}.${e.className}: ${text.slice(0, 30)}`);
  }
  return [...faint].slice(0, 8);
}
"""


@dataclass
class Visit:
    """A page, opened and settled, with what went wrong while it loaded."""

    page: Page
    faults: list[str] = field(default_factory=list)

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


def visit(context: BrowserContext, site_url: str, name: str) -> Visit:
    """Open a page and wait until it has settled, equations included."""
    opened = Visit(context.new_page())

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            opened.faults.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        if not request.url.startswith((site_url, "data:", "blob:")):
            opened.faults.append(f"remote request: {request.url}")

    def on_response(response: Response) -> None:
        if response.status >= 400:
            opened.faults.append(f"status {response.status}: {response.url}")

    opened.page.on("console", on_console)
    opened.page.on("request", on_request)
    opened.page.on("response", on_response)
    opened.page.on("pageerror", lambda error: opened.faults.append(f"script: {error}"))
    opened.page.goto(f"{site_url}/{name}.html", wait_until="load")
    opened.page.evaluate("() => window.MathJax?.startup?.promise")
    return opened


@pytest.fixture(scope="module", params=PAGES if CHROMIUM else [])
def page_name(request: pytest.FixtureRequest) -> str:
    """Go through the pages one after the other, so that a page stays open for all its tests."""
    return request.param


@pytest.fixture(scope="module")
def light(contexts: dict[str, BrowserContext], site_url: str, page_name: str) -> Iterator[Visit]:
    """Open the page at desk width in light."""
    opened = visit(contexts["light"], site_url, page_name)
    yield opened
    opened.page.close()


@pytest.fixture(scope="module")
def dark(contexts: dict[str, BrowserContext], site_url: str, page_name: str) -> Iterator[Visit]:
    """Open the page at desk width in dark."""
    opened = visit(contexts["dark"], site_url, page_name)
    yield opened
    opened.page.close()


@pytest.fixture(scope="module")
def phone(contexts: dict[str, BrowserContext], site_url: str, page_name: str) -> Iterator[Visit]:
    """Open the page at the width of a phone."""
    opened = visit(contexts["phone"], site_url, page_name)
    yield opened
    opened.page.close()


def test_a_browser_is_installed() -> None:
    if CHROMIUM is None:
        pytest.fail("no Chromium found; on Debian or Ubuntu: apt-get install chromium", pytrace=False)


def test_the_page_loads_without_error_or_remote_request(light: Visit, dark: Visit, phone: Visit) -> None:
    assert {"light": light.faults, "dark": dark.faults, "phone": phone.faults} == {"light": [], "dark": [], "phone": []}


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


def test_a_phone_does_not_scroll_sideways(phone: Visit) -> None:
    assert phone.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    phone.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
    assert phone.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]


def test_what_is_wide_scrolls_inside_itself_on_a_phone(phone: Visit) -> None:
    assert phone.evaluate(CUT_OFF) == []


def test_text_stands_out_from_its_background(light: Visit, dark: Visit) -> None:
    assert {"light": light.evaluate(FAINT_TEXT), "dark": dark.evaluate(FAINT_TEXT)} == {"light": [], "dark": []}
