"""What axe-core, by its default rules or some of them, finds against a page at rest.

Its rule of contrast looks at every word on its own: on a page with thousands it takes ten times as long as all other
rules together. Words of one colour, size and weight on one ground have one contrast, so of each such look it is asked
about the first few; all other rules are asked about everything that stays on the page. A site has some dozens of looks
in all. Who judges many pages keeps a `Looks`, and colours are not judged again on a page that shows no new look.

Of equations the first few of a page are judged, and those that scroll: one library writes the thousands of elements of
all of them. Code keeps the words whose contrast is judged, and the others as plain text. Both are put back afterwards.
"""

from __future__ import annotations

from collections import Counter

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

CONTRAST = "color-contrast"
COLOURS = [CONTRAST, "link-in-text-block"]  # what looks alone decide
OF_A_LOOK = 3  # words that are judged on a page: one may stand where axe-core leaves it undecided
PAGES_OF_A_LOOK = 3  # on which it is judged, by who keeps count
EQUATIONS = 5  # that are judged on a page
# Rules run together, so that axe-core reads the page once; contrast then looks at what is marked.
CONTRAST_OF_THE_MARKED = """() => axe.configure(
  {rules: [{id: "color-contrast", selector: "[data-look]"}]})"""
# A colour on its way from one theme's to the other's is nobody's: what is in transition is brought to its end first.
# The hint at what scrolls (book/_static/scroll.css) goes, since axe-core leaves words on a gradient undecided.
AT_REST = """() => {
    document.documentElement.style.setProperty("--scroll-hint", "none");
    for (const one of document.getAnimations())
        if (one.effect?.getComputedTiming().endTime !== Infinity) one.finish();
}"""
# Mark what contrast is judged by: controls, and the first elements of each look that have a word of their own. axe-core
# leaves single letters undecided and passes signs over, so a word has two letters. What sets a link apart from the
# words around it belongs to its look. All looks are returned.
MARK_LOOKS = """([most, within]) => {
  const seen = new Map(), grounds = new Map(), inside = document.querySelector(within);
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
    const control = element.matches("input, select, textarea");
    if (inside.contains(element) && (control || hasWord(element)) && isSeen(element)) {
      const { color, fontSize, fontWeight, textShadow, textDecorationLine } = getComputedStyle(element);
      const around = element.matches("a") ? getComputedStyle(element.parentElement).color : "";
      const look = [color, fontSize, fontWeight, textShadow, textDecorationLine, around, ground(element)].join();
      seen.set(look, (seen.get(look) ?? 0) + 1);
      if (control || seen.get(look) <= most) element.dataset.look = "";
    }
  }
  return [...seen.keys()];
}"""
# Axe-core reads every element for each of its rules, so what repeats is taken out: most equations leave an empty box of
# their size, and unmarked words of code become text. The swaps are kept in the order they were made.
TAKE_OUT_EQUATIONS = """most => {
  const rest = [...document.querySelectorAll("mjx-container")].slice(most);
  const swaps = rest.filter(equation => equation.scrollWidth <= equation.clientWidth).map(equation => {
    const box = equation.cloneNode(false), { width, height } = equation.getBoundingClientRect();
    box.style.cssText += `;display:inline-block;width:${width}px;height:${height}px`;
    return [equation, box];
  });
  for (const [whole, short] of swaps) whole.replaceWith(short);
  document.takenOut = [...(document.takenOut ?? []), ...swaps];
}"""
TAKE_OUT_WORDS = """() => {
  const swaps = [...document.querySelectorAll("pre")].map(code => {
    const plain = code.cloneNode(true);
    for (const word of plain.querySelectorAll("span:not([data-look])"))
      if (!word.querySelector("[data-look]")) word.replaceWith(word.textContent);
    return [code, plain];
  });
  for (const [whole, short] of swaps) whole.replaceWith(short);
  document.takenOut = [...(document.takenOut ?? []), ...swaps];
}"""
PUT_BACK = """() => {
  for (const [whole, short] of (document.takenOut ?? []).reverse()) short.replaceWith(whole);
  document.takenOut = [];
}"""

Looks = Counter[str]  #: on how many pages each look was judged, all of them without fault


def violations(
    page: Page, rules: list[str] | None = None, within: str = "html", known: Looks | None = None
) -> list[str]:
    """Return what is wrong with an open page, a line for each element; by all rules or those named.

    Args:
        page: open, at rest.
        rules: of axe-core, by id; all of its default ones without.
        within: the part of the page that is judged, by a selector.
        known: looks whose contrast need not be judged again; those of this page are added to it.
    """
    page.evaluate(AT_REST)
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE_SCRIPT)
        page.evaluate(CONTRAST_OF_THE_MARKED)
    try:
        return _judged(page, rules, within, known)
    finally:
        page.evaluate(PUT_BACK)


def _judged(page: Page, rules: list[str] | None, within: str, known: Looks | None) -> list[str]:
    """Take out what repeats, and return what is wrong with the rest."""
    page.evaluate(TAKE_OUT_EQUATIONS, EQUATIONS)
    options: dict[str, object] = {} if rules is None else {"runOnly": {"type": "rule", "values": rules}}
    looks: list[str] = []
    if rules is None or set(rules) & set(COLOURS):
        looks = page.evaluate(MARK_LOOKS, [OF_A_LOOK, within])
        if known is not None and all(known[look] >= PAGES_OF_A_LOOK for look in looks):
            if rules is not None and set(rules) <= set(COLOURS):
                return []
            options["rules"] = {CONTRAST: {"enabled": False}}  # links are judged by the words around them, too
    page.evaluate(TAKE_OUT_WORDS)
    # "preload" fetches styles and sounds for two rules: one is no default rule, and no page has sounds.
    asked = [{"include": [[within]]}, {"resultTypes": ["violations"], "preload": False, **options}]
    faults = page.evaluate("([within, options]) => axe.run(within, options)", asked)["violations"]
    if known is not None and not {one["id"] for one in faults} & set(COLOURS):
        known.update(looks)
    return [f"{one['id']}: {node['html'][:120]}" for one in faults for node in one["nodes"]]
