"""The explorer of the transport budget: the page computes what the package does, for everyone who can open it.

`window.vgfExplorer.run(settings, particles)` is the page's own computation; it is compared with `vgf.flow` and
`vgf.theory` on the same particles. The rest uses the page as a reader does: by keyboard, by touch, without motion, from
a disk, and without JavaScript.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, BrowserContext, Page, expect
from torch import Tensor

from tests.helpers.site import SITE
from vgf import toy
from vgf.book import explorer
from vgf.book.explorer import RANGES, Preset, Settings
from vgf.flow import Budget, Trajectory, best_of, transport
from vgf.kernels import median_bandwidth
from vgf.theory import (
    direction_bound,
    displacement_bound,
    mmd2,
    mmd2_bound_adam,
    mmd2_bound_paper,
    mmd2_from_displacement,
)

PAGE = "book/explore.html"
PRESETS = explorer.presets()
CLOSE = 1e-4  # what is promised; on one machine the two differ in the last digits only
HAND_PICKED = (
    Settings(40, 0.05, 0.1, 10, "adam", True, "median", error=1.5),
    Settings(12, 0.02, 0.5, 60, "none", True, "fixed", 0.3, error=1.0),
    Settings(12, 0.02, 0.5, 61, "none", True, "median", error=1.0),
    Settings(12, 0.05, 0.3, 40, "none", False, "fixed", 0.2, error=0.0),
    Settings(12, 0.1, 0.05, 40, "adam", False, "fixed", 1.0, error=2.0),
    Settings(5, 0.2, 0.05, 1, "none", True, "median", error=0.0),
    Settings(5, 0.2, 1.0, 2, "adam", True, "median", error=0.5),
    Settings(8, 0.2, 0.05, 30, "none", True, "fixed", 0.3, error=2.0),  # into the walls of the box
    Settings(0, 0.1, 1.0, 500, "none", True, "median", error=1.0),
    Settings(6, 0.01, 1.0, 500, "none", True, "fixed", 0.5, error=1.0),
)


def name(settings: Settings) -> str:
    """Return a setting as the tests show it."""
    return "-".join(f"{value:g}" if isinstance(value, int | float) else value for value in vars(settings).values())


def preset(ident: str) -> Preset:
    """Return the preset of that name."""
    return next(preset for preset in PRESETS if preset.ident == ident)


def expected(settings: Settings, start: Tensor) -> tuple[Trajectory, list[dict[str, Any]]]:
    """Compute with the package what the page should find, step by step."""
    true, seen = explorer.bandit().reward, explorer.followed(explorer.bandit().reward, settings.error)
    fixed = settings.bandwidth == "fixed"
    sigma = settings.sigma if fixed else median_bandwidth(start).item()
    record = transport(
        start,
        seen.score,
        Budget(settings.steps, settings.step_size, settings.temperature, settings.optimizer),
        bandwidth=settings.sigma if fixed else "median",
        repulsion=settings.repulsion,
        bounds=toy.BOX,
        trace=True,
    )
    step_size, temperature, c, measures = settings.step_size, settings.temperature, seen.lipschitz, []
    for step, particles in enumerate(record.particles):
        if settings.optimizer == "adam":
            ours = mmd2_bound_adam(step, step_size, 2, sigma)
        elif fixed:
            reach = displacement_bound(step, step_size, temperature, c, sigma, settings.repulsion)
            ours = mmd2_from_displacement(reach, sigma)
        else:  # one bandwidth a step: known afterwards
            widths = record.bandwidths[:step].flatten().tolist()
            reach = step_size * sum(direction_bound(temperature, c, width, settings.repulsion) for width in widths)
            ours = mmd2_from_displacement(reach, sigma)
        chosen = best_of(particles, seen.value(particles))
        measures.append(
            {
                "mmd2": mmd2(start, particles, sigma).item(),
                "paper": mmd2_bound_paper(step, step_size, temperature, c, sigma),
                "paperApplies": fixed and settings.optimizer == "none",
                "ours": ours,
                "promised": seen.value(chosen).item(),
                "real": true.value(chosen).item(),
                "bestReal": true.value(particles).max().item(),
            }
        )
    return record, measures


def off(page: Page, settings: Settings, start: Tensor) -> float:
    """Return by how much the page and the package differ at most, over particles and everything measured."""
    found = page.evaluate(
        "([settings, start]) => vgfExplorer.run(settings, start)",
        [dataclasses.asdict(settings), start.flatten().tolist()],
    )
    record, measures = expected(settings, start)
    path = torch.tensor(found["path"], dtype=torch.float64).reshape(record.particles.shape)
    differences = [(path - record.particles).abs().max().item()]
    for page_has, package_has in zip(found["measures"], measures, strict=True):
        assert page_has["paperApplies"] == package_has["paperApplies"]
        differences += [abs(page_has[key] - value) / max(1, abs(value)) for key, value in package_has.items()]
        assert page_has["mmd2"] <= page_has["ours"] + 1e-12, "our bound is broken"
        if page_has["paperApplies"]:
            assert page_has["ours"] <= page_has["paper"] + 1e-12, "ours is above the paper's"
    return max(differences)


def reader(browser: Browser, **options: Any) -> BrowserContext:
    """Return a reader's profile, the theme's own choice of light or dark made already: it complains when it is not."""
    context = browser.new_context(**options)
    context.add_init_script("localStorage.setItem('mode', 'light'); localStorage.setItem('theme', 'light')")
    return context


@pytest.fixture(scope="module")
def page(browser: Browser, site_url: str) -> Iterator[Page]:
    """Open the explorer once, at desk width."""
    context = reader(browser, viewport={"width": 1280, "height": 1000})
    opened = context.new_page()
    opened.goto(f"{site_url}/{PAGE}", wait_until="load")
    yield opened
    context.close()


def settled(page: Page) -> None:
    """Wait until nothing moves and the words are those of what is shown."""
    page.wait_for_function("!vgfExplorer.page.busy")


def run_of(page: Page) -> dict[str, Any]:
    """Return the measures of the page's present setting at the step it shows, computed anew."""
    measures = page.evaluate("() => vgfExplorer.run(vgfExplorer.page.settings).measures")
    return measures[page.evaluate("() => vgfExplorer.page.at.goal")]


def cells(page: Page) -> dict[str, list[str]]:
    """Return the rows of both tables: what stands beside each name."""
    return page.evaluate(
        "() => Object.fromEntries([...document.querySelectorAll('.vgf-explorer tbody tr')].filter(r => !r.hidden)"
        ".map(r => [r.querySelector('th').textContent, [...r.querySelectorAll('td')].map(td => td.textContent)]))"
    )


# The page against the package


@pytest.mark.parametrize("settings", [*HAND_PICKED, *(preset.settings for preset in PRESETS)], ids=name)
def test_the_page_computes_what_the_package_does(page: Page, settings: Settings) -> None:
    assert off(page, settings, explorer.start(settings)) < CLOSE


def test_they_agree_wherever_the_controls_stand_and_whatever_the_sample(page: Page) -> None:
    choose, worst = random.Random(0), 0.0

    def position(control: str) -> float:
        low, high, step = RANGES[control][1:]
        return low + step * choose.randint(0, round((high - low) / step))

    for _ in range(25):
        settings = Settings(
            choose.randint(0, 15),
            position("step_size"),
            position("temperature"),
            choose.randint(1, 40),
            choose.choice(("none", "adam")),
            choose.random() < 0.7,
            choose.choice(("fixed", "median")),
            position("sigma"),
            position("error"),
        )
        worst = max(worst, off(page, settings, explorer.start(settings, choose.randrange(explorer.SAMPLES))))
    print(f"largest difference of page and package: {worst:.1e}")
    assert worst < CLOSE


def test_where_a_walk_is_chaotic_every_single_step_agrees(page: Page) -> None:
    wild = Settings(40, 0.2, 0.05, 30, "none", True, "fixed", 0.05, error=2.0)  # steps far longer than the bandwidth
    begin = explorer.start(wild)
    exact, nudged = explorer.walk(wild, begin)[-1], explorer.walk(wild, begin * (1 + 1e-15))[-1]
    assert (exact - nudged).abs().max() > CLOSE, "not chaotic: compare the whole walk"
    found = page.evaluate("s => vgfExplorer.run(s).path", dataclasses.asdict(wild))
    path = torch.tensor(found, dtype=torch.float64).reshape(wild.steps + 1, -1, 2)
    one = dataclasses.replace(wild, steps=1)
    after = torch.stack([explorer.walk(one, particles)[-1] for particles in path[:-1]])
    assert (after - path[1:]).abs().max() < CLOSE


def test_the_comparison_notices_a_difference(page: Page) -> None:
    settings = preset("bounds").settings
    start = explorer.start(settings)
    found = page.evaluate("s => vgfExplorer.run(s).path.at(-1)", dataclasses.asdict(settings))
    colder = expected(dataclasses.replace(settings, temperature=0.9 * settings.temperature), start)[0].particles[-1]
    assert (torch.tensor(found, dtype=torch.float64).reshape(-1, 2) - colder).abs().max() > CLOSE


@pytest.mark.parametrize("error", [0.0, 0.2, 1.0, 2.0])
def test_the_false_top_is_where_the_package_has_it_or_there_is_none(page: Page, error: float) -> None:
    tops = page.evaluate("error => vgfExplorer.run({ steps: 0, error }).tops.map(top => top.place)", error)
    lower, higher, *more = torch.tensor(tops)
    torch.testing.assert_close(
        torch.stack([lower, higher]).double(), explorer.bandit().reward.maxima, atol=1e-5, rtol=0
    )
    false_top = explorer.followed(explorer.bandit().reward, error).maxima[-1]
    if error < 0.5:  # the false hill has no top of its own
        assert more == []
    else:
        torch.testing.assert_close(more[0].double(), false_top, atol=1e-5, rtol=0)


def test_the_page_begins_with_the_samples_of_the_package(page: Page) -> None:
    held = page.evaluate("() => vgfExplorer.data.samples")
    assert held == explorer.samples()
    inside = torch.tensor(held).reshape(explorer.SAMPLES, explorer.MOST, 2)
    assert toy.BOX[0] <= inside.min()
    assert inside.max() <= toy.BOX[1]


def test_a_step_and_its_drawing_are_timed(page: Page) -> None:
    page.get_by_role("button", name="Too far").click()
    page.locator("#vgf-particles").fill(str(explorer.MOST))
    page.locator("#vgf-steps").fill(str(int(RANGES["steps"].high)))
    settled(page)
    step, draw, drawn = page.evaluate(
        """() => {
          const vgf = vgfExplorer, walk = vgf.begin(vgf.data, { ...vgf.page.settings }), steps = [], draws = [];
          for (let k = 1; k <= walk.settings.steps; k++) {
            const start = performance.now();
            vgf.advance(walk);
            const middle = performance.now();
            vgf.page.draw(k - 0.5);
            steps.push(middle - start);
            draws.push(performance.now() - middle);
          }
          const median = values => values.sort((a, b) => a - b)[values.length >> 1];
          return [median(steps), median(draws), vgf.page.walk.path.at(-1).length / 2];
        }"""
    )
    print(
        f"{drawn} particles: a step {step:.1f} ms, a whole drawing {draw:.1f} ms; at 60 frames a second there are 16.7"
    )
    assert drawn == explorer.MOST


# What the presets promise


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.ident)
def test_presets_can_be_set_by_the_controls_and_say_no_number(preset: Preset) -> None:
    for control, span in RANGES.items():
        value = getattr(preset.settings, control)
        assert span.low <= value <= span.high
        assert (value - span.low) / span.step == pytest.approx(round((value - span.low) / span.step))
    assert not re.search(r"\b\d", preset.see)


def end_of(ident: str, sample: int) -> tuple[Tensor, list[dict[str, Any]]]:
    """Return a preset's last particles and its measures."""
    settings = preset(ident).settings
    record, measures = expected(settings, explorer.start(settings, sample))
    return record.particles[-1], measures


def near(particles: Tensor, top: Tensor) -> int:
    """Count the particles within half a width of a top."""
    return int(((particles - top).norm(dim=-1) < 0.15).sum())


@pytest.mark.parametrize("sample", range(explorer.SAMPLES))
def test_too_far_promises_more_and_gives_less_than_best_of_n(sample: int) -> None:
    particles, measures = end_of("too-far", sample)
    false_top = explorer.followed(explorer.bandit().reward, preset("too-far").settings.error).maxima[-1]
    assert measures[-1]["promised"] > measures[0]["promised"]
    assert measures[-1]["real"] < measures[0]["real"]
    assert 0 < near(particles, false_top) < len(particles) / 4
    assert near(particles, explorer.bandit().reward.maxima[1]) == 0


@pytest.mark.parametrize("sample", range(explorer.SAMPLES))
def test_where_the_bounds_apply_they_say_something_and_little_is_gained(sample: int) -> None:
    last = end_of("bounds", sample)[1]
    assert last[-1]["mmd2"] < last[-1]["ours"] / 10 < last[-1]["ours"] < last[-1]["paper"] < 2
    assert 0 < last[-1]["real"] - last[0]["real"] < 0.2


@pytest.mark.parametrize("sample", range(explorer.SAMPLES))
def test_without_repulsion_the_particles_collapse_and_with_it_they_do_not(sample: int) -> None:
    apart, together = end_of("repulsion", sample)[0], end_of("no-repulsion", sample)[0]
    lower, higher = explorer.bandit().reward.maxima
    assert near(together, lower) + near(together, higher) > 0.85 * len(together)
    assert near(apart, lower) < 0.6 * near(together, lower)
    assert near(apart, higher) > 0
    assert near(together, higher) > 0


def test_the_authors_budget_gains_in_the_first_sample_and_in_some_other_finds_nothing() -> None:
    ends = [end_of("authors", sample) for sample in range(explorer.SAMPLES)]
    higher = explorer.bandit().reward.maxima[1]
    assert ends[0][1][-1]["real"] > 0.85 > ends[0][1][0]["real"] + 0.2
    assert any(bool(((particles - higher).norm(dim=-1) > 0.6).all()) for particles, _ in ends)


def test_best_of_n_moves_nothing() -> None:
    particles, measures = end_of("best-of-n", 0)
    assert torch.equal(particles, explorer.start(preset("best-of-n").settings))
    assert measures[-1]["ours"] == measures[-1]["paper"] == 0


# The page in use


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.ident)
def test_a_preset_sets_the_controls_and_shows_its_end(page: Page, preset: Preset) -> None:
    button = page.get_by_role("button", name=preset.name, exact=True)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".vgf-see")).to_have_text(preset.see)
    settled(page)
    assert page.locator("[aria-pressed=true]").count() == 1
    for control in RANGES:
        assert float(page.locator(f"#vgf-{control}").input_value()) == pytest.approx(getattr(preset.settings, control))
    expect(page.locator(".vgf-position")).to_have_text(f"step {preset.settings.steps} of {preset.settings.steps}")
    now, shown = run_of(page), cells(page)
    assert shown["squared MMD"] == [f"{now['mmd2']:.3f}"]
    assert shown["truly worth"][1] == f"{now['real']:.2f}"
    assert shown["promised"][1] == f"{now['promised']:.2f}"
    assert shown["the paper's bound"][0].startswith(f"{now['paper']:.3f}" if now["paperApplies"] else "does not apply")
    assert shown["our bound"][0].startswith(f"{now['ours']:.3f}")


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


def test_the_state_is_said_in_words_when_it_has_come_to_rest(page: Page) -> None:
    page.get_by_role("button", name="Too far").click()
    settled(page)
    summary, now = page.locator(".vgf-summary"), run_of(page)
    expect(summary).to_have_attribute("aria-live", "polite")
    loss = run_first(page)["real"] - now["real"]
    expect(summary).to_contain_text(f"promised {now['promised']:.2f} and worth {now['real']:.2f}")
    expect(summary).to_contain_text(f"the walk loses {loss:.2f}")
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
    page.get_by_role("button", name="The paper's budget").click()
    settled(page)
    seen = set()
    for _ in range(explorer.SAMPLES):
        seen.add(page.locator(".vgf-summary").inner_text())
        page.get_by_role("button", name="Another sample").click()
        page.wait_for_timeout(400)
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
    context = reader(browser, reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{site_url}/{PAGE}")
    page.get_by_role("button", name="Reset", exact=True).click()
    expect(page.locator(".vgf-position")).to_have_text("step 0 of 3")
    seen = page.evaluate(
        """async () => {
          const seen = new Set(), position = document.querySelector(".vgf-position");
          [...document.querySelectorAll(".vgf-buttons button")][0].click();
          for (let k = 0; k < 30; k++) {
            await new Promise(requestAnimationFrame);
            seen.add(vgfExplorer.page.at.shown);
          }
          return [...seen];
        }"""
    )
    assert seen[-1] == 3
    assert set(seen) <= {0, 3}  # there at once, nothing in between
    context.close()


def test_it_works_by_touch_on_a_phone(browser: Browser, site_url: str) -> None:
    context = reader(browser, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{site_url}/{PAGE}")
    page.get_by_role("button", name="Too far").tap()
    settled(page)
    slider = page.locator("#vgf-steps")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    slider.tap(position={"x": box["width"] / 4, "y": box["height"] / 2})
    settled(page)
    assert 5 <= page.evaluate("vgfExplorer.page.settings.steps") <= 15
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    heights = page.evaluate("[...document.querySelectorAll('.vgf-explorer button')].map(b => b.offsetHeight)")
    assert min(heights) >= 44
    map_box = page.locator(".vgf-map").bounding_box()
    assert map_box is not None
    assert map_box["y"] + map_box["height"] > 100  # the map stays in view while the slider is used
    context.close()


def test_it_opens_from_a_disk(browser: Browser) -> None:
    context, faults = reader(browser), []
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto((SITE / PAGE).as_uri())
    settled(page)
    assert page.evaluate("vgfExplorer.page.walk.measures.length") == preset("authors").settings.steps + 1
    assert faults == []
    context.close()


def test_without_javascript_the_page_says_so_and_shows_the_figure(browser: Browser, site_url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site_url}/{PAGE}")
    expect(page.locator(".vgf-without")).to_contain_text("needs JavaScript")
    expect(page.locator(".vgf-without")).to_be_visible()
    assert page.locator("article figure img").count() >= 1
    assert page.locator(".vgf-explorer button").count() == 0
    context.close()


def test_it_is_light() -> None:
    files = [SITE / PAGE, *(SITE / "_static" / "explorer").iterdir()]
    weight = {path.name: path.stat().st_size for path in files}
    print(weight)
    assert sum(weight.values()) < 150_000
