"""What the tests of the explorer share: the package's own computation of a walk, and a reader's browser on the page."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from playwright.sync_api import Browser, BrowserContext, Page
from torch import Tensor

from vgf import toy
from vgf.book import explorer
from vgf.book.explorer import Preset, Settings
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
from vgf.toy import Bumps

PAGE = "book/explore.html"
FRONT = "book/intro.html"
PRESETS = explorer.presets()
CLOSE = 1e-4  # what is promised; on one machine the two differ in the last digits only
DESK = {"width": 1280, "height": 1000}
PHONE = {"width": 390, "height": 844}
Place = list[float]
FALSE_HILL: Place = list(explorer.ERROR_CENTRE)


@dataclasses.dataclass(frozen=True)
class Edits:
    """What was placed by hand, named as in the page's state.

    Attributes:
        hills: centres of the true hills that were moved, by index.
        wrong: centres of the false hills, None for the usual one.
    """

    hills: dict[int, Place] = dataclasses.field(default_factory=dict)
    wrong: list[Place] | None = None

    def rewards(self, error: float) -> tuple[Bumps, Bumps]:
        """Return the true reward and the one the particles follow, as the package has them."""
        true = explorer.bandit().reward
        centres = [self.hills.get(k, centre) for k, centre in enumerate(true.centres.tolist())]
        true = dataclasses.replace(true, centres=true.centres.new_tensor(centres))
        seen = true
        for place in (self.wrong or [FALSE_HILL]) if error > 0 else []:
            seen = seen.adding(place, explorer.ERROR_WIDTH, error)
        return true, seen

    def in_page(self) -> dict[str, Any]:
        """Return the same as the page's script takes it."""
        return {"moved": {}, "dropped": [], **dataclasses.asdict(self)}


UNTOUCHED = Edits()


def preset(ident: str) -> Preset:
    """Return the preset of that name."""
    return next(preset for preset in PRESETS if preset.ident == ident)


def expected(settings: Settings, start: Tensor, edits: Edits = UNTOUCHED) -> tuple[Trajectory, list[dict[str, Any]]]:
    """Compute with the package what the page should find, step by step."""
    true, seen = edits.rewards(settings.error)
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
    measures = []
    for step, particles in enumerate(record.particles):
        chosen = best_of(particles, seen.value(particles))
        measures.append(
            {
                "mmd2": mmd2(start, particles, sigma).item(),
                "paper": mmd2_bound_paper(step, settings.step_size, settings.temperature, seen.lipschitz, sigma),
                "paperApplies": fixed and settings.optimizer == "none",
                "ours": our_bound(settings, step, sigma, seen.lipschitz, record.bandwidths),
                "promised": seen.value(chosen).item(),
                "real": true.value(chosen).item(),
                "bestReal": true.value(particles).max().item(),
            }
        )
    return record, measures


def our_bound(settings: Settings, step: int, sigma: float, c: float, bandwidths: Tensor) -> float:
    """Return our bound after some steps: for Adam, for a fixed bandwidth, or afterwards for the median."""
    step_size, temperature, repulsion = settings.step_size, settings.temperature, settings.repulsion
    if settings.optimizer == "adam":
        return mmd2_bound_adam(step, step_size, 2, sigma)
    if settings.bandwidth == "fixed":
        reach = displacement_bound(step, step_size, temperature, c, sigma, repulsion)
        return mmd2_from_displacement(reach, sigma)
    widths = bandwidths[:step].flatten().tolist()  # one a step
    reach = step_size * sum(direction_bound(temperature, c, width, repulsion) for width in widths)
    return mmd2_from_displacement(reach, sigma)


def off(page: Page, settings: Settings, start: Tensor, edits: Edits = UNTOUCHED) -> float:
    """Return by how much the page and the package differ at most, over particles and everything measured."""
    found = page.evaluate(
        "([settings, start, edits]) => vgfExplorer.run(settings, start, edits)",
        [dataclasses.asdict(settings), start.flatten().tolist(), edits.in_page()],
    )
    record, measures = expected(settings, start, edits)
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


@contextmanager
def opened(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """Open an address as a reader does, at desk width unless told; the reader leaves at the end."""
    context = reader(browser, **({"viewport": DESK} | options))
    page = context.new_page()
    page.goto(address, wait_until="load")
    yield page
    context.close()


def faults_of(page: Page) -> list[str]:
    """Return a list that fills with what goes wrong on a page from now on: its errors, and those in the console."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    return faults


def settled(page: Page) -> None:
    """Wait until nothing moves and the words are those of what is shown."""
    page.wait_for_function("!vgfExplorer.page.busy")


def stop(page: Page, moment: str) -> None:
    """Wait for a moment of a film, a condition in JavaScript, and hold the film there: no frame is drawn any more."""
    page.wait_for_function(
        f"() => {{ if (!({moment})) return false; window.held = []; window.running = requestAnimationFrame;"
        " window.requestAnimationFrame = frame => held.push(frame); return true; }"
    )


def go_on(page: Page) -> None:
    """Let a film go on that was stopped."""
    page.evaluate("() => { window.requestAnimationFrame = running; held.forEach(frame => running(frame)); }")


def address(page: Page) -> str:
    """Return what the page has in its address; `page.url` hears of it some time later."""
    return page.evaluate("location.href")


def state(page: Page) -> dict[str, Any]:
    """Return what the reader has set."""
    return page.evaluate("() => ({ ...vgfExplorer.page.state, task: vgfExplorer.page.state.task?.ident ?? null })")


def press(page: Page, name: str) -> None:
    """Press a button and wait."""
    page.get_by_role("button", name=name).click()
    settled(page)


def run_of(page: Page) -> dict[str, Any]:
    """Return the measures of the page's present state at the step it shows, computed anew."""
    measures = page.evaluate(
        "() => { const { settings, edits } = vgfExplorer.page.state;"
        " return vgfExplorer.run(settings, undefined, edits).measures; }"
    )
    return measures[page.evaluate("() => vgfExplorer.page.at.goal")]


def on_map(page: Page, place: Place) -> tuple[float, float]:
    """Return where in the window an action of the box is drawn."""
    left, top, side = page.evaluate(
        "() => { const map = document.querySelector('.vgf-map'), box = map.getBoundingClientRect();"
        " return [box.left + map.clientLeft, box.top + map.clientTop, map.clientWidth]; }"
    )
    low, high = toy.BOX
    return left + side * (place[0] - low) / (high - low), top + side * (high - place[1]) / (high - low)


def drag(page: Page, start: Place, end: Place) -> None:
    """Drag with the mouse from one action to another."""
    page.locator(".vgf-map").scroll_into_view_if_needed()
    page.mouse.move(*on_map(page, start))
    page.mouse.down()
    page.mouse.move(*on_map(page, [(a + b) / 2 for a, b in zip(start, end, strict=True)]), steps=3)
    page.mouse.move(*on_map(page, end), steps=3)
    page.mouse.up()
