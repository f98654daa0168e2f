"""The small explorer of the front page: it plays once, stops, and leads to the whole one in the same state."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from tests.helpers.explorer import CLOSE, FRONT, PHONE, address, expected, go_on, opened, preset, stop
from vgf.book import explorer

RISE = preset("rise").settings


def at_rest(page: Page) -> None:
    """Wait until nothing moves."""
    page.wait_for_function("!vgfExplorer.small.busy")


def test_it_plays_once_and_tells_promise_from_truth(browser: Browser, site_url: str) -> None:
    with opened(browser, f"{site_url}/{FRONT}") as page:
        page.locator("#vgf-small .vgf-map").scroll_into_view_if_needed()
        stop(page, "vgfExplorer.small.at.playing && vgfExplorer.small.at.shown > 1")
        expect(page.locator(".vgf-play")).to_have_text("Pause")
        go_on(page)
        page.wait_for_function("vgfExplorer.small.at.goal === 40 && !vgfExplorer.small.busy")
        last = expected(RISE, explorer.start(RISE))[1][-1]
        found = page.evaluate("vgfExplorer.small.walk.measures.at(-1)")
        assert abs(found["promised"] - last["promised"]) < CLOSE
        assert abs(found["real"] - last["real"]) < CLOSE
        assert page.locator(".vgf-number").all_inner_texts()[:2] == [f"{last['promised']:.2f}", f"{last['real']:.2f}"]
        expect(page.locator(".vgf-verdict")).to_contain_text("loses")
        expect(page.locator(".vgf-play")).to_have_text("Play")


def test_its_slider_moves_the_walk_and_its_link_keeps_the_state(browser: Browser, site_url: str) -> None:
    with opened(browser, f"{site_url}/{FRONT}", reduced_motion="reduce") as page:
        at_rest(page)
        assert page.evaluate("vgfExplorer.small.at.shown") == RISE.steps  # nothing played
        page.get_by_label("Steps L").fill("9")
        at_rest(page)
        worth = page.locator(".vgf-number").all_inner_texts()
        expect(page.locator(".vgf-verdict")).to_contain_text("gains")
        link = page.get_by_role("link", name="Open the explorer")
        expect(link).to_have_attribute("href", re.compile(r"explore\.html#L=9&"))
        link.click()
        page.wait_for_function("window.vgfExplorer?.page && !vgfExplorer.page.busy")
        assert re.search(r"explore\.html#L=9&", address(page))
        assert page.evaluate("vgfExplorer.page.settings.steps") == 9
        assert page.locator(".vgf-number").all_inner_texts() == worth


def test_it_fits_a_phone_and_loads_nothing_it_does_not_need(browser: Browser, site_url: str) -> None:
    with opened(browser, "about:blank", viewport=PHONE, has_touch=True, is_mobile=True) as page:
        loaded: list[str] = []
        page.on("request", lambda request: loaded.append(request.url))
        page.goto(f"{site_url}/{FRONT}")
        at_rest(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert page.locator(".vgf-play").bounding_box()["height"] >= 44  # type: ignore[index]
        names = {url.rpartition("/")[2].partition("?")[0] for url in loaded if "/explorer/" in url}
        assert "small.js" in names
        assert not names & {"page.js", "view.js", "hands.js", "tasks.js", "sheet.js"}
        held = page.evaluate("vgfExplorer.data.samples.map(sample => sample.length)")
        assert held == [2 * RISE.particles]


def test_without_javascript_the_front_page_says_so(browser: Browser, site_url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site_url}/{FRONT}")
    expect(page.locator(".vgf-without")).to_contain_text("needs JavaScript")
    context.close()
