"""How long a frame of the explorer takes with its most particles: `python -m tests.helpers.frames`, after `make book`.

The page itself says how long its script worked in a frame; the browser says how far frames were apart. Both are
medians, of a walk that plays and of a hill that is dragged, each with every particle there can be. At 60 frames a
second a frame has 16.7 ms. Headless Chromium draws without a graphics card; a reader's browser has one.
"""

from __future__ import annotations

import statistics
import sys

from playwright.sync_api import Page, sync_playwright

from tests.helpers.site import SITE, chromium
from vgf.book import explorer

PAGE = "book/explore.html"
# Press what plays, then note every frame until nothing moves.
PLAY = """
async () => {
  const gaps = [], works = [];
  document.querySelector(".vgf-play").click();
  let last = await new Promise(requestAnimationFrame);
  while (vgfExplorer.page.at.playing) {
    const now = await new Promise(requestAnimationFrame);
    gaps.push(now - last);
    works.push(vgfExplorer.page.spent);
    last = now;
  }
  return { gaps, works, particles: vgfExplorer.page.walk.path[0].length / 2 };
}
"""
# Drag the false hill a little further in every frame, as a pointer does.
DRAG = """
async () => {
  const map = document.querySelector(".vgf-map"), box = map.getBoundingClientRect(), gaps = [], works = [];
  const at = k => [box.left + box.width * (0.975 - 0.003 * k), box.top + box.height * (0.025 + 0.003 * k)];
  const send = (type, k, buttons) => map.dispatchEvent(new PointerEvent(type, {
    bubbles: true, isPrimary: true, pointerId: 1, pointerType: "mouse",
    button: type === "pointermove" ? -1 : 0, buttons, clientX: at(k)[0], clientY: at(k)[1],
  }));
  map.setPointerCapture = () => {};
  send("pointerdown", 0, 1);
  let last = await new Promise(requestAnimationFrame);
  for (let k = 1; k <= 120; k++) {
    const begun = performance.now();
    send("pointermove", k, 1);
    const moved = performance.now() - begun, now = await new Promise(requestAnimationFrame);
    gaps.push(now - last);
    works.push(vgfExplorer.page.spent + moved);
    last = now;
  }
  send("pointerup", 120, 0);
  return { gaps, works, particles: vgfExplorer.page.walk.path[0].length / 2 };
}
"""


def measure(page: Page) -> dict[str, tuple[int, float, float]]:
    """Return for a walk that plays and a hill that is dragged: particles, and two medians in milliseconds.

    The first median is of the script's work in a frame, the second of the time from frame to frame. `page` is the
    explorer's, loaded; its state is changed.
    """
    page.evaluate(f"location.hash = 'L=40&eps=0.025&alpha=0.1&N={explorer.MOST}&error=1.5&step=adam&sigma=median'")
    found = {}
    for name, script in {"play": PLAY, "drag": DRAG}.items():
        page.wait_for_function("!vgfExplorer.page.busy")
        taken = page.evaluate(script)
        found[name] = (taken["particles"], statistics.median(taken["works"]), statistics.median(taken["gaps"]))
    return found


def main() -> int:
    """Measure the built page and print one line for each; 2 without the page or a browser."""
    if chromium() is None or not (SITE / PAGE).exists():
        print("frames: needs Chromium and the built book; make browser, make book", file=sys.stderr)
        return 2
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto((SITE / PAGE).as_uri(), wait_until="load")
        for name, (particles, work, gap) in measure(page).items():
            print(f"{name}: {particles} particles, script {work:.1f} ms a frame, frames {gap:.1f} ms apart")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
