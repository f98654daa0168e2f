"""The explorer's page in use: by keyboard, by touch, without motion, from a disk, and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.explorer import PAGE, PHONE, PRESETS, address, faults_of, go_on, opened, run_of, settled, stop
from tests.helpers.site import SITE
from vgf.book import explorer
from vgf.book.explorer import RANGES, Preset


@pytest.fixture(scope="module")
def page(browser: Browser, site_url: str) -> Iterator[Page]:
    """Open the explorer once, at desk width, without motion: a walk is at its end at once, and the end is the same."""
    with opened(browser, f"{site_url}/{PAGE}", reduced_motion="reduce") as page:
        yield page


def cells(page: Page) -> dict[str, list[str]]:
    """Return the rows of both tables: what stands beside each name."""
    return page.evaluate(
        "() => Object.fromEntries([...document.querySelectorAll('.vgf-explorer tbody tr')].filter(r => !r.hidden)"
        ".map(r => [r.querySelector('th').textContent, [...r.querySelectorAll('td')].map(td => td.textContent)]))"
    )


def bars(page: Page) -> list[str]:
    """Return the numbers beside the map: promised, truly worth, and best-of-N's."""
    return page.locator(".vgf-number").all_inner_texts()


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.ident)
def test_a_preset_sets_the_controls_and_shows_its_end(page: Page, preset: Preset) -> None:
    button = page.get_by_role("button", name=preset.name, exact=True)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".vgf-see")).to_have_text(preset.see)
    settled(page)
    assert page.locator("[aria-pressed=true]").count() == 1
    assert page.evaluate("vgfExplorer.page.walk.measures.length") == RANGES["steps"].high + 1  # the whole curve over L
    for control in RANGES:
        assert float(page.locator(f"#vgf-{control}").input_value()) == pytest.approx(getattr(preset.settings, control))
    expect(page.locator(".vgf-position")).to_have_text(f"step {preset.settings.steps} of {preset.settings.steps}")
    now, shown = run_of(page), cells(page)
    assert shown["squared MMD"] == [f"{now['mmd2']:.3f}"]
    assert shown["truly worth"][1] == f"{now['real']:.2f}"
    assert shown["promised"][1] == f"{now['promised']:.2f}"
    assert bars(page) == [f"{now['promised']:.2f}", f"{now['real']:.2f}", shown["truly worth"][0]]
    assert shown["the paper's bound"][0].startswith(f"{now['paper']:.3f}" if now["paperApplies"] else "does not apply")
    assert shown["our bound"][0].startswith(f"{now['ours']:.3f}")


def test_the_curve_is_a_handle_for_the_number_of_steps(page: Page) -> None:
    page.get_by_role("button", name="Rise and fall").click()
    settled(page)
    box = page.locator(".vgf-side .vgf-chart").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    settled(page)
    steps = page.evaluate("vgfExplorer.page.settings.steps")
    assert 15 < steps < 25
    expect(page.locator(".vgf-position")).to_have_text(f"step {steps} of {steps}")
    assert page.locator("#vgf-steps").input_value() == str(steps)


def test_the_state_is_said_in_words_when_it_has_come_to_rest(page: Page) -> None:
    page.get_by_role("button", name="Too far: the error wins").click()
    settled(page)
    summary, now = page.locator(".vgf-summary"), run_of(page)
    expect(summary).to_have_attribute("aria-live", "polite")
    loss = run_first(page)["real"] - now["real"]
    expect(summary).to_contain_text(f"promised {now['promised']:.2f} and worth {now['real']:.2f}")
    for words in (summary, page.locator(".vgf-verdict")):
        expect(words).to_contain_text(f"The walk loses {loss:.2f} against best-of-N")
    label = page.locator(".vgf-map").get_attribute("aria-label") or ""
    lower, higher, wrong = now["near"]
    assert f"{lower} are on the lower hill, {higher} on the higher, {wrong} on the false one" in label


def run_first(page: Page) -> dict[str, Any]:
    """Return the measures of best-of-N at the page's present setting."""
    return page.evaluate("() => vgfExplorer.run(vgfExplorer.page.settings).measures[0]")


def test_where_there_is_no_bound_the_page_says_so(page: Page) -> None:
    page.get_by_role("button", name="Where the bounds apply").click()
    settled(page)
    assert "ours with the first bandwidth" not in cells(page)
    page.get_by_label("median", exact=True).check()
    settled(page)
    shown, now = cells(page), run_of(page)
    assert shown["the paper's bound"] == ["does not apply: the bandwidth changes on the way"]
    assert shown["our bound"][0].startswith(f"{now['ours']:.3f}, known only after the walk")
    assert shown["ours with the first bandwidth"][0].startswith(f"{now['naive']:.3f}, no bound")
    page.get_by_label("Adam", exact=True).check()
    settled(page)
    assert cells(page)["the paper's bound"] == ["does not apply: it is about fixed steps"]


def test_another_sample_is_another_walk(page: Page) -> None:
    page.get_by_role("button", name="The authors' code").click()
    settled(page)
    seen = set()
    for _ in range(explorer.SAMPLES):
        seen.add(page.locator(".vgf-summary").inner_text())
        page.get_by_role("button", name="Another sample").click()
        settled(page)
    assert len(seen) > 1
    assert page.evaluate("vgfExplorer.page.settings.sample") == 0


def test_the_map_is_drawn_and_follows_the_theme(page: Page) -> None:
    drawing = "() => document.querySelector('.vgf-map').toDataURL()"
    page.get_by_role("button", name="Best-of-N").click()
    settled(page)
    blank = page.evaluate(
        "() => { const c = document.querySelector('.vgf-map'), e = document.createElement('canvas');"
        "[e.width, e.height] = [c.width, c.height]; return e.toDataURL(); }"
    )
    theme = page.evaluate("document.documentElement.dataset.theme")
    pictures = [blank, page.evaluate(drawing)]
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    settled(page)
    pictures.append(page.evaluate(drawing))
    page.evaluate("theme => (document.documentElement.dataset.theme = theme)", theme)
    settled(page)
    page.locator("#vgf-error").fill("0")
    settled(page)
    pictures.append(page.evaluate(drawing))
    assert len(set(pictures)) == 4


def test_without_motion_nothing_plays(browser: Browser, site_url: str) -> None:
    with opened(browser, f"{site_url}/{PAGE}", reduced_motion="reduce") as page:
        page.get_by_role("button", name="The authors' code").click()
        page.get_by_role("button", name="Reset", exact=True).click()
        expect(page.locator(".vgf-position")).to_have_text("step 0 of 3")
        expect(page.locator(".vgf-play")).to_have_text("To the end")
        seen = page.evaluate(
            """async () => {
              const seen = new Set();
              document.querySelector(".vgf-play").click();
              for (let k = 0; k < 30; k++) {
                await new Promise(requestAnimationFrame);
                seen.add(vgfExplorer.page.at.shown);
              }
              return [...seen];
            }"""
        )
        assert seen[-1] == 3
        assert set(seen) <= {0, 3}  # there at once, nothing in between


def test_it_works_by_touch_on_a_phone(browser: Browser, site_url: str) -> None:
    with opened(browser, f"{site_url}/{PAGE}", viewport=PHONE, has_touch=True, is_mobile=True) as page:
        page.get_by_role("button", name="Too far: the error wins").tap()
        settled(page)
        slider = page.locator("#vgf-particles")
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box is not None
        slider.tap(position={"x": box["width"] / 2, "y": box["height"] / 2})
        settled(page)
        assert 200 <= page.evaluate("vgfExplorer.page.settings.particles") <= 300
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        heights = page.evaluate(
            "[...document.querySelectorAll('.vgf-explorer :is(button, select)')].map(b => b.offsetHeight)"
            ".filter(height => height)"
        )
        assert min(heights) >= 44
        for part in (".vgf-map", ".vgf-bars"):  # what the slider changes stays in view while it is used
            box = page.locator(part).bounding_box()
            assert box is not None
            assert 40 < box["y"] < box["y"] + box["height"] < 600


def test_the_lesson_is_in_view_while_it_plays(browser: Browser, site_url: str) -> None:
    with opened(browser, f"{site_url}/{PAGE}", viewport={"width": 1280, "height": 900}) as page:
        for part in (".vgf-map", ".vgf-bars", ".vgf-verdict", ".vgf-side .vgf-chart", "#vgf-steps", ".vgf-play"):
            box = page.locator(part).bounding_box()
            assert box is not None
            assert box["y"] + box["height"] < 900, part
        page.locator(".vgf-play").click()
        stop(page, "vgfExplorer.page.at.shown > 3")
        shown = page.evaluate(
            """() => {
              const { at, walk } = vgfExplorer.page;
              vgfExplorer.page.draw(at.shown);
              const { promised, real } = walk.measures[Math.floor(at.shown)];
              const texts = [...document.querySelectorAll(".vgf-number")].map(element => element.textContent);
              return [at.playing, texts, promised, real];
            }"""
        )
        playing, texts, promised, real = shown
        assert playing
        assert texts[:2] == [f"{promised:.2f}", f"{real:.2f}"]
        expect(page.locator(".vgf-play")).to_have_text("Pause")
        go_on(page)
        settled(page)
        expect(page.locator(".vgf-position")).to_have_text("step 40 of 40")
        expect(page.locator(".vgf-play")).to_have_text("Play")


def test_it_opens_from_a_disk(browser: Browser) -> None:
    with opened(browser, "about:blank") as page:
        faults = faults_of(page)
        page.goto((SITE / PAGE).as_uri())
        settled(page)
        page.get_by_role("button", name="Best-of-N", exact=True).click()
        settled(page)
        assert address(page).partition("#")[2].startswith("L=0&")
        assert faults == []


def test_without_javascript_the_page_says_so_and_shows_the_figure(browser: Browser, site_url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site_url}/{PAGE}")
    expect(page.locator(".vgf-without")).to_contain_text("needs JavaScript")
    expect(page.locator(".vgf-without")).to_be_visible()
    assert page.locator("article figure img").count() >= 1
    assert page.locator(".vgf-explorer button").count() == 0
    context.close()
