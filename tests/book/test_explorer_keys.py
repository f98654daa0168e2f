"""The explorer by keyboard: every control, and the short cuts on the map."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.explorer import PAGE, go_on, opened, settled, stop
from vgf.book.explorer import RANGES


@pytest.fixture(scope="module")
def page(browser: Browser, site_url: str) -> Iterator[Page]:
    """Open the explorer once, at desk width."""
    with opened(browser, f"{site_url}/{PAGE}") as page:
        yield page


def test_everything_works_by_keyboard(page: Page) -> None:
    page.get_by_role("button", name="Best-of-N", exact=True).focus()
    page.keyboard.press("Enter")
    settled(page)
    before = page.locator(".vgf-map").get_attribute("aria-label")
    for control in RANGES:
        slider = page.locator(f"#vgf-{control}")
        if slider.is_disabled():
            continue
        assert page.locator(f"label[for=vgf-{control}]").inner_text() == RANGES[control].label
        value = float(slider.input_value())
        slider.focus()
        page.keyboard.press("ArrowRight")
        assert float(slider.input_value()) == pytest.approx(value + RANGES[control].step)
        shown = page.locator(f"output[for=vgf-{control}]").inner_text()
        assert float(shown) == pytest.approx(value + RANGES[control].step)
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    settled(page)
    assert page.locator(".vgf-map").get_attribute("aria-label") != before
    expect(page.locator(".vgf-position")).to_have_text("step 1 of 1")
    page.get_by_role("button", name="Step", exact=True).focus()
    page.keyboard.press("Space")
    settled(page)
    expect(page.locator(".vgf-position")).to_have_text("step 2 of 2")
    page.get_by_role("button", name="Reset", exact=True).focus()
    page.keyboard.press("Enter")
    settled(page)
    expect(page.locator(".vgf-position")).to_have_text("step 0 of 2")
    page.get_by_role("button", name="Play", exact=True).focus()
    page.keyboard.press("Enter")
    settled(page)
    expect(page.locator(".vgf-position")).to_have_text("step 2 of 2")
    page.get_by_label("Repulsion between particles").focus()
    page.keyboard.press("Space")
    assert page.evaluate("vgfExplorer.page.settings.repulsion") is False
    page.get_by_label("median", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("vgfExplorer.page.settings.bandwidth") == "fixed"
    expect(page.locator("#vgf-sigma")).to_be_enabled()


def test_space_and_arrows_work_on_the_map_and_leave_controls_alone(page: Page) -> None:
    page.get_by_role("button", name="Rise and fall").click()
    settled(page)
    where, high = page.locator(".vgf-position"), int(RANGES["steps"].high)
    page.keyboard.press("Tab")  # a reader of the keyboard sees where the focus is
    page.locator(".vgf-map").focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    scrolled = page.evaluate("scrollY")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(where).to_have_text(f"step {high - 2} of {high}")
    page.keyboard.press("ArrowRight")
    expect(where).to_have_text(f"step {high - 1} of {high}")
    page.keyboard.press("Space")
    assert page.evaluate("vgfExplorer.page.at.playing")
    settled(page)
    page.keyboard.press("Space")  # from the beginning
    stop(page, "vgfExplorer.page.at.playing && vgfExplorer.page.at.shown > 1")
    page.keyboard.press("Space")
    assert not page.evaluate("vgfExplorer.page.at.playing")
    assert page.evaluate("vgfExplorer.page.at.goal") < high
    assert page.evaluate("scrollY") == scrolled
    go_on(page)
    settled(page)
    goal = page.evaluate("vgfExplorer.page.at.goal")
    page.locator("#vgf-temperature").focus()
    page.keyboard.press("ArrowRight")  # the slider's own
    settled(page)
    assert page.evaluate("vgfExplorer.page.at.goal") == goal
    assert page.evaluate("vgfExplorer.page.settings.temperature") == pytest.approx(0.15)
