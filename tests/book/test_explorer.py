"""The explorer's numbers: the page computes what the package does.

`window.vgfExplorer.run(settings, particles, edits)` is the page's own computation; it is compared with `vgf.flow` and
`vgf.theory` on the same particles, and the forces it draws with the two terms of the Stein direction.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator

import pytest
import torch
from playwright.sync_api import Browser, Page

from tests.helpers.explorer import CLOSE, FRONT, PAGE, PRESETS, Edits, expected, off, opened, preset, settled
from tests.helpers.frames import measure
from tests.helpers.site import SITE
from vgf import toy
from vgf.book import explorer
from vgf.book.explorer import RANGES, Settings
from vgf.flow import stein_terms

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


@pytest.fixture(scope="module")
def page(browser: Browser, site_url: str) -> Iterator[Page]:
    """Open the explorer once, at desk width."""
    with opened(browser, f"{site_url}/{PAGE}") as page:
        yield page


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


def test_they_agree_when_hills_have_been_moved_and_added(page: Page) -> None:
    choose, worst = random.Random(1), 0.0

    def place() -> list[float]:
        return [round(choose.uniform(*toy.BOX), 3) for _ in range(2)]

    for count in (1, 2, 4):
        edits = Edits({choose.randrange(2): place()}, [place() for _ in range(count)])
        for settings in HAND_PICKED[:3]:
            worst = max(worst, off(page, settings, explorer.start(settings), edits))
    assert worst < CLOSE
    settings = HAND_PICKED[1]  # and the comparison notices a hill elsewhere
    start, moved = explorer.start(settings), Edits({1: [0.4, 0.5]})
    there, here = (expected(settings, start, one)[0].particles[-1] for one in (moved, Edits()))
    assert (there - here).abs().max() > CLOSE


@pytest.mark.parametrize("settings", [*HAND_PICKED[:4], preset("paper").settings], ids=name)
def test_both_forces_are_the_terms_of_the_direction(page: Page, settings: Settings) -> None:
    start = explorer.start(settings)
    record, seen = expected(settings, start)[0], Edits().rewards(settings.error)[1]
    for step in (0, min(3, settings.steps), settings.steps):
        found = page.evaluate(
            "([settings, step]) => { const walk = vgfExplorer.whole(settings);"
            " return [...Array(walk.path[0].length / 2).keys()].map(i => vgfExplorer.forcesAt(walk, step, i)); }",
            [dataclasses.asdict(settings), step],
        )
        particles = record.particles[step]
        width = "median" if settings.bandwidth == "median" else settings.sigma
        terms = stein_terms(particles, seen.score(particles), settings.temperature, width, settings.repulsion)
        for force, term in (("attraction", terms.attraction), ("repulsion", terms.repulsion)):
            page_has = torch.tensor([one[force] for one in found], dtype=torch.float64)
            torch.testing.assert_close(page_has, term, atol=CLOSE, rtol=CLOSE)


def test_a_walk_begins_with_what_was_moved_and_dropped(page: Page) -> None:
    settings = preset("authors").settings
    edits = {"moved": {"2": [0.5, -0.25], "400": [0, 0]}, "dropped": [[0.125, 1], [-1, 0]], "hills": {}, "wrong": None}
    found = page.evaluate(
        "([settings, edits]) => [...vgfExplorer.state.start(vgfExplorer.data, settings, edits)]",
        [dataclasses.asdict(settings) | {"sample": 3}, edits],
    )
    wanted = explorer.start(settings, 3).tolist()
    wanted[2] = [0.5, -0.25]  # the other one that was moved is beyond N
    assert torch.tensor(found).reshape(-1, 2).tolist() == torch.tensor([*wanted, [0.125, 1], [-1, 0]]).tolist()


def test_frames_are_timed_with_the_most_particles(page: Page) -> None:
    settled(page)
    for name, (particles, work, gap) in measure(page).items():
        print(f"{name}: {particles} particles, script {work:.1f} ms a frame, frames {gap:.1f} ms apart")
        assert particles == explorer.MOST


def test_it_is_light() -> None:
    scripts = sum(path.stat().st_size for path in (SITE / "_static" / "explorer").iterdir())
    pages = {name: (SITE / name).stat().st_size for name in (PAGE, FRONT)}
    print(pages, scripts)
    assert scripts < 120_000
    assert pages[PAGE] + scripts < 200_000
