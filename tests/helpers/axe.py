"""What axe-core, by its default rules or some of them, finds against a page at rest.

Its rule of contrast looks at every word on its own: on a page with thousands it takes ten times as long as all other
rules together. Words of one colour, size and weight on one ground have one contrast, so of each such look it is asked
about the first few; all other rules are asked about everything.
"""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

CONTRAST = "color-contrast"
OF_A_LOOK = 3  # words that are judged: one may stand where axe-core leaves it undecided
# A colour on its way from one theme's to the other's is nobody's: what is in transition is brought to its end first.
# The hint at what scrolls (book/_static/scroll.css) goes, since axe-core leaves words on a gradient undecided.
AT_REST = """() => {
    document.documentElement.style.setProperty("--scroll-hint", "none");
    for (const one of document.getAnimations())
        if (one.effect?.getComputedTiming().endTime !== Infinity) one.finish();
}"""
# Mark what contrast is judged by: controls, and the first elements of each look that have a word of their own. axe-core
# leaves single letters undecided and passes signs over, so a word has two letters.
MARK_LOOKS = """most => {
  const seen = new Map(), grounds = new Map();
  const ground = element => {
    if (!element) return "";
    if (!grounds.has(element)) {
      const { backgroundColor, backgroundImage, opacity } = getComputedStyle(element);
      const own = [backgroundColor, backgroundImage, opacity].join();
      const behind = ground(element.parentElement);
      grounds.set(element, own === "rgba(0, 0, 0, 0),none,1" ? behind : `${own}/${behind}`);
    }
    return grounds.get(element);
  };
  const hasWord = ({ childNodes }) =>
    [...childNodes].some(node => node.nodeType === Node.TEXT_NODE && /[a-z0-9]{2}/i.test(node.data));
  const isSeen = element => {
    const { width, height, right } = element.getBoundingClientRect();
    const shown = element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    return shown && Math.min(width, height, right) > 2;
  };
  for (const element of document.querySelectorAll("body *")) {
    delete element.dataset.look;
    if (element.matches("input, select, textarea")) element.dataset.look = "";
    else if (hasWord(element) && isSeen(element)) {
      const { color, fontSize, fontWeight, textShadow } = getComputedStyle(element);
      const look = [color, fontSize, fontWeight, textShadow, ground(element)].join();
      seen.set(look, (seen.get(look) ?? 0) + 1);
      if (seen.get(look) <= most) element.dataset.look = "";
    }
  }
}"""


def violations(page: Page, rules: list[str] | None = None, within: str = "html") -> list[str]:
    """Return what is wrong with an open page, a line for each element; by all rules or those named."""
    page.evaluate(AT_REST)
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE_SCRIPT)
    found = []
    if rules is None:
        found += _run(page, within, {"rules": {CONTRAST: {"enabled": False}}})
    elif others := [rule for rule in rules if rule != CONTRAST]:
        found += _run(page, within, {"runOnly": {"type": "rule", "values": others}})
    if rules is None or CONTRAST in rules:
        page.evaluate(MARK_LOOKS, OF_A_LOOK)
        if page.locator(f"{within} [data-look]").count():
            found += _run(page, f"{within} [data-look]", {"runOnly": {"type": "rule", "values": [CONTRAST]}})
    return found


def _run(page: Page, within: str, options: dict[str, object]) -> list[str]:
    """Ask axe-core about the elements that a selector names and what is in them."""
    asked = [{"include": [[within]]}, {"resultTypes": ["violations"], **options}]
    found = page.evaluate("([within, options]) => axe.run(within, options)", asked)["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]
