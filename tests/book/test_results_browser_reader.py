"""The results browser in a reader's hands: by keyboard, on a phone, from a disk, in both themes, without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.axe import AT_REST, violations
from tests.helpers.browse import HOPPER, ONLINE, PAGE, SILENT, go, rows, state
from tests.helpers.explorer import PHONE, address, faults_of, opened
from tests.helpers.site import ROOT, SITE


@pytest.fixture(scope="module")
def page(browser: Browser, site_url: str) -> Iterator[Page]:
    """Open the browser of the results once, at desk width; a test begins by going where it wants to be."""
    with opened(browser, f"{site_url}/{PAGE}") as page:
        yield page


def test_everything_works_by_keyboard(page: Page) -> None:
    go(page, HOPPER)
    page.get_by_label("Test budget L", exact=True).focus()
    before = state(page)["budget"]
    page.keyboard.press("ArrowUp")
    assert state(page)["budget"] < before
    page.keyboard.press("Tab")  # the first method
    page.keyboard.press("Space")
    assert "vgf" not in state(page)["methods"]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.evaluate("document.activeElement.value") == "vgf"  # focus stays where it was
    head = page.get_by_role("button", name="updates", exact=True)
    head.focus()
    page.keyboard.press("Enter")
    assert state(page)["sort"] == "updates"
    assert page.evaluate("document.activeElement.textContent").startswith("updates")
    page.locator(".vgf-numbers summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".vgf-numbers table")).to_be_visible()
    stops = set()
    page.get_by_label("Suite", exact=True).focus()
    for _ in range(60):
        stops.add(page.evaluate("(e => e.id || e.className || e.textContent)(document.activeElement)"))
        page.keyboard.press("Tab")
    assert {"vgf-suite", "vgf-task", "vgf-study", "vgf-budget", "vgf-scroll", "Copy link"} <= stops


def test_it_opens_from_a_disk(browser: Browser) -> None:
    with opened(browser, "about:blank") as page:
        faults = faults_of(page)
        page.goto((SITE / PAGE).as_uri())
        assert "#" not in address(page)  # until a reader chooses
        page.get_by_label("Study", exact=True).select_option("d4rl.cpu")
        page.get_by_label("Task", exact=True).select_option("walker2d-medium-replay")
        assert address(page).partition("#")[2].startswith("study=d4rl.cpu&task=walker2d-medium-replay-v2&")
        assert rows(page)
        assert faults == []


def test_the_link_is_copied_or_at_least_shown(page: Page) -> None:
    go(page, HOPPER)
    page.evaluate("() => { navigator.clipboard.writeText = async () => { throw new Error('not allowed'); }; }")
    page.get_by_role("button", name="Copy link").click()
    assert page.get_by_label("Link to this view").input_value() == address(page)
    assert "study=" in address(page)
    page.evaluate("() => { navigator.clipboard.writeText = async text => { window.copied = text; }; }")
    page.get_by_role("button", name="None").click()
    expect(page.get_by_label("Link to this view")).to_be_hidden()
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Link copied.")).to_be_visible()
    assert page.evaluate("copied") == address(page)


def test_colours_are_the_methods_and_follow_the_theme(page: Page) -> None:
    go(page, f"{HOPPER}&methods=vgf,td3_bc")
    look = (
        "() => [...document.querySelectorAll('.vgf-curves .vgf-mean')].map(e => getComputedStyle(e))"
        ".map(style => [style.stroke, style.strokeDasharray])"
    )
    colour = "name => Object.assign(document.createElement('i').style, { color: name }).color"
    for theme in ("light", "dark"):
        page.evaluate("theme => (document.documentElement.dataset.theme = theme)", theme)
        page.evaluate(AT_REST)
        wanted = page.evaluate("theme => ['vgf', 'td3_bc'].map(method => vgfBrowse.data.methods[method][theme])", theme)
        shown = page.evaluate(look)
        assert [stroke for stroke, _ in shown] == [page.evaluate(colour, one) for one in wanted]
        assert [dash == "none" for _, dash in shown] == [True, False]  # a method without a colour is dotted


@pytest.mark.parametrize("size", [{"width": 1280, "height": 900}, PHONE], ids=["desk", "phone"])
def test_axe_has_nothing_against_it_with_everything_open(browser: Browser, site_url: str, size: dict[str, int]) -> None:
    with opened(browser, f"{site_url}/{PAGE}#{SILENT}&L=99", viewport=size) as page:
        page.locator(".vgf-numbers summary").click()
        expect(page.locator(".vgf-numbers table")).to_be_visible()
        expect(page.locator(".vgf-note")).not_to_have_text("")
        for theme in ("light", "dark"):
            page.evaluate("theme => (document.documentElement.dataset.theme = theme)", theme)
            assert violations(page, within="#vgf-browse") == []
        page.evaluate("document.querySelector('.vgf-scroll').removeAttribute('tabindex')")
        page.evaluate("document.querySelector('#vgf-task').removeAttribute('id')")
        assert any(line.startswith("select-name") for line in violations(page, within="#vgf-browse"))  # it does look


def test_a_phone_does_not_scroll_sideways_and_fingers_find_the_controls(browser: Browser, site_url: str) -> None:
    with opened(browser, f"{site_url}/{PAGE}#{HOPPER}", viewport=PHONE, has_touch=True, is_mobile=True) as page:
        page.locator(".vgf-numbers summary").tap()
        expect(page.locator(".vgf-numbers table")).to_be_visible()
        page.get_by_label("VGF", exact=True).tap()
        assert "vgf" not in state(page)["methods"]
        for place in (HOPPER, SILENT, ONLINE, "study=core.cpu"):
            go(page, place)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            assert page.locator(".vgf-curves svg").bounding_box()["width"] <= PHONE["width"]  # type: ignore[index]
        heights = page.evaluate(
            "[...document.querySelectorAll('.vgf-browse :is(button, select, .vgf-boxes label)')]"
            ".map(e => e.offsetHeight)"
        )
        assert min(heights) >= 44
        wide = page.locator(".vgf-scroll").first
        assert wide.evaluate("box => box.scrollWidth > box.clientWidth")
        wide.evaluate("box => { box.scrollLeft = 120; }")
        name = page.locator(".vgf-compare tbody th").first.bounding_box()
        assert name is not None
        assert name["x"] >= 0  # the method's name stays in sight


def test_without_javascript_the_page_says_so_and_leads_to_the_index(browser: Browser, site_url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site_url}/{PAGE}")
    said = page.locator(".vgf-without")
    expect(said).to_contain_text("needs JavaScript")
    expect(said).to_be_visible()
    assert said.locator("a").first.get_attribute("href") == "results_index.html"
    assert page.locator(".vgf-browse button").count() == 0
    context.close()


def test_page_and_data_are_light_and_scripts_short() -> None:
    assert (SITE / PAGE).stat().st_size < 500_000
    scripts = sorted((ROOT / "book" / "_static" / "browse").glob("*.js"))
    assert scripts
    assert [path.name for path in scripts if len(path.read_text().splitlines()) > 250] == []
    assert [path.name for path in scripts if "fetch(" in path.read_text() or "import " in path.read_text()] == []
