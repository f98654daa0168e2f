"""Hands on the explorer's map: clicking, dragging and dropping, by mouse, finger and keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.explorer import FALSE_HILL, PAGE, PHONE, drag, on_map, opened, preset, press, settled, state

HIGHER = [0.5, 0.5]


def test_a_click_on_a_particle_shows_its_forces_and_one_elsewhere_drops_another(page: Page) -> None:
    press(page, "The same with repulsion")
    press(page, "Reset")
    bare = page.evaluate("document.querySelector('.vgf-map').toDataURL()")
    place = page.evaluate("[...vgfExplorer.page.walk.path[0].slice(6, 8)]")
    page.mouse.click(*on_map(page, place))
    settled(page)
    assert state(page)["chosen"] == {"kind": "particle", "index": 3}
    forces = page.evaluate("vgfExplorer.forcesAt(vgfExplorer.page.walk, 0, 3)")
    for name, (x, y) in forces.items():
        expect(page.locator(".vgf-forces")).to_contain_text(f"{name} {(x * x + y * y) ** 0.5:.2f}")
    assert page.evaluate("document.querySelector('.vgf-map').toDataURL()") != bare
    page.mouse.click(*on_map(page, [-0.25, 0.75]))
    settled(page)
    (dropped,) = state(page)["edits"]["dropped"]
    assert dropped == pytest.approx([-0.25, 0.75], abs=0.01)
    assert page.evaluate("vgfExplorer.page.walk.path[0].length / 2") == preset("repulsion").settings.particles + 1
    assert state(page)["chosen"] == {"kind": "particle", "index": preset("repulsion").settings.particles}


def test_hills_and_particles_can_be_dragged_and_put_back(page: Page) -> None:
    page.emulate_media(reduced_motion="no-preference")
    press(page, "The authors' code")
    before = page.evaluate("[...vgfExplorer.page.walk.path.at(-1)]")
    drag(page, FALSE_HILL, [0.7, -0.1])
    settled(page)
    assert state(page)["edits"]["wrong"][0] == pytest.approx([0.7, -0.1], abs=0.02)
    drag(page, HIGHER, [0.4, -0.6])
    settled(page)
    assert state(page)["edits"]["hills"]["1"] == pytest.approx([0.4, -0.6], abs=0.02)
    begin = page.evaluate("[...vgfExplorer.page.walk.path[0].slice(0, 2)]")
    drag(page, begin, [-0.75, 0.5])
    settled(page)
    assert page.evaluate("[...vgfExplorer.page.walk.path[0].slice(0, 2)]") == pytest.approx([-0.75, 0.5], abs=0.02)
    assert page.evaluate("vgfExplorer.page.at.goal") == preset("authors").settings.steps  # it has played to its end
    expect(page.locator(".vgf-see")).not_to_have_text(preset("authors").see)
    press(page, "Put all back")
    assert page.evaluate("[...vgfExplorer.page.walk.path.at(-1)]") == before
    expect(page.locator(".vgf-see")).to_have_text(preset("authors").see)


def test_what_is_dragged_can_be_placed_without_dragging(page: Page) -> None:
    press(page, "The authors' code")
    page.get_by_label("Chosen").select_option(label="the false hill")
    page.get_by_label("x", exact=True).fill("0.2")
    page.get_by_label("x", exact=True).press("Tab")
    settled(page)
    assert state(page)["edits"]["wrong"] == [[0.2, FALSE_HILL[1]]]
    page.locator(".vgf-map").focus()
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    assert state(page)["edits"]["wrong"][0] == pytest.approx([0.22, FALSE_HILL[1] - 0.02])
    press(page, "Add a false hill")
    assert len(state(page)["edits"]["wrong"]) == 2
    assert page.evaluate("vgfExplorer.page.walk.seen.heights.length") == 4
    page.locator(".vgf-map").focus()
    page.keyboard.press("Delete")
    assert len(state(page)["edits"]["wrong"]) == 1
    press(page, "No repulsion")  # which has no error
    page.get_by_role("button", name="Add a false hill").click()
    expect(page.locator(".vgf-note")).to_contain_text("Reward error")
    press(page, "Next particle")
    assert state(page)["chosen"] == {"kind": "particle", "index": 0}
    page.locator(".vgf-map").focus()
    page.keyboard.press("Escape")
    assert state(page)["chosen"] is None


def test_a_finger_drags_a_hill_without_scrolling_and_scrolls_beside_it(browser: Browser, site_url: str) -> None:
    with opened(browser, f"{site_url}/{PAGE}", viewport=PHONE, has_touch=True, is_mobile=True) as page:
        settled(page)
        finger = page.context.new_cdp_session(page)

        def swipe(start: list[float], end: list[float]) -> float:
            page.locator(".vgf-map").scroll_into_view_if_needed()
            before, points = page.evaluate("scrollY"), [on_map(page, start), on_map(page, end)]
            for kind, k in (("touchStart", 0), ("touchMove", 0.3), ("touchMove", 0.7), ("touchMove", 1)):
                x, y = (a + k * (b - a) for a, b in zip(*points, strict=True))
                finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
            finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
            settled(page)
            return before

        assert swipe(FALSE_HILL, [0.0, -0.2]) == page.evaluate("scrollY")
        assert state(page)["edits"]["wrong"][0] == pytest.approx([0.0, -0.2], abs=0.05)
        page.wait_for_function("before => scrollY > before + 20", arg=swipe([-0.7, 0.1], [-0.7, 0.9]))
        assert state(page)["edits"]["dropped"] == []
