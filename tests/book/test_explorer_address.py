"""What a reader takes away from the explorer: its state in the address, a link, a picture."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.explorer import FALSE_HILL, PAGE, address, drag, on_map, opened, preset, press, settled, state


def test_the_address_holds_the_whole_state(page: Page, browser: Browser) -> None:
    press(page, "The authors' code")
    drag(page, FALSE_HILL, [0.1, 0.3])
    settled(page)
    page.mouse.click(*on_map(page, [-0.25, 0.75]))
    settled(page)
    page.get_by_label("fixed σ").check()
    page.locator("#vgf-sigma").fill("0.45")
    page.get_by_role("button", name="Another sample").click()
    page.locator(".vgf-map").focus()
    page.keyboard.press("ArrowLeft")
    settled(page)
    told = address(page)
    with opened(browser, told) as other:
        settled(other)
        assert state(other) == state(page)
        walk, at = "[...vgfExplorer.page.walk.path.at(-1)]", "vgfExplorer.page.at.goal"
        assert other.evaluate(walk) == page.evaluate(walk)
        assert other.evaluate(at) == page.evaluate(at) == preset("authors").settings.steps - 1
        assert address(other) == told


@pytest.mark.parametrize(
    ("address", "faults"),
    [
        ("L=99", ["L=99"]),
        ("L=2.5&eps=oops&alpha=1e9&N=-1", ["L=2.5", "eps=oops", "alpha=1e9", "N=-1"]),
        ("L=7&colour=red&__proto__=x", ["colour=red", "__proto__=x"]),
        ("false=0,0;0,2&dropped=1&moved=1:0&sample=9", ["false=0,0;0,2", "dropped=1", "moved=1:0", "sample=9"]),
        ("task=none&chosen=9999&repulsion=maybe&sigma=7", ["task=none", "chosen=9999", "repulsion=maybe", "sigma=7"]),
        ("step=hop", ["step=hop"]),
    ],
)
def test_an_address_that_cannot_be_used_is_said_and_does_no_harm(
    browser: Browser, site_url: str, address: str, faults: list[str]
) -> None:
    with opened(browser, f"{site_url}/{PAGE}#{address}") as page:
        settled(page)
        note = page.locator(".vgf-note")
        for fault in faults:
            expect(note).to_contain_text(fault)
        expect(note).to_contain_text("usual value")
        settings = state(page)["settings"]
        if "L=7" in address:
            assert settings["steps"] == 7
        else:
            usual = preset("rise").settings
            assert (settings["steps"], settings["particles"], settings["sigma"]) == (40, usual.particles, usual.sigma)


def test_an_address_of_a_section_is_left_alone(browser: Browser, site_url: str) -> None:
    with opened(browser, f"{site_url}/{PAGE}#what-to-look-at") as page:
        settled(page)
        assert address(page).endswith("#what-to-look-at")
        expect(page.locator(".vgf-note")).to_have_text("")


def test_the_link_is_copied_or_at_least_shown(page: Page) -> None:
    press(page, "Best-of-N")
    page.evaluate("() => { navigator.clipboard.writeText = async () => { throw new Error('not allowed'); }; }")
    press(page, "Copy link")
    assert page.get_by_label("Link to this state").input_value() == address(page)
    page.evaluate("() => { navigator.clipboard.writeText = async text => { window.copied = text; }; }")
    press(page, "Another sample")
    expect(page.get_by_label("Link to this state")).to_be_hidden()
    press(page, "Copy link")
    expect(page.locator(".vgf-shared")).to_have_text("Link copied.")
    assert page.evaluate("copied") == address(page)


def test_the_picture_is_an_svg_of_what_is_shown(page: Page) -> None:
    press(page, "The authors' code")
    press(page, "Next particle")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save picture").click()
    assert download.value.suggested_filename == "vgf-explorer-step-3.svg"
    root = ElementTree.fromstring(download.value.path().read_text())
    inside = [element.tag.partition("}")[2] for element in root.iter()]
    assert {"title", "desc", "path", "text"} <= set(inside)
    assert not {"script", "foreignObject"} & set(inside)
    (image,) = [element for element in root.iter() if element.tag.endswith("image")]
    assert image.get("href", "").startswith("data:image/png")
    words = "".join(root.itertext())
    now = page.evaluate("vgfExplorer.page.walk.measures[3]")
    for expected in (f"promised {now['promised']:.2f}", f"truly worth {now['real']:.2f}", "attraction", "L=3&eps=0.1"):
        assert expected in words
    arcs = sum(element.get("d", "").count("a3 3 0") for element in root.iter())  # two make a ring
    assert arcs / 2 == preset("authors").settings.particles
