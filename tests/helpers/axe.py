"""What axe-core finds against a page."""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

# A page of code has thousands of words with a dozen colours: of each colour in each kind of cell the first is enough
# with two letters: axe-core leaves single ones undecided and passes signs over.
ONE_WORD_A_COLOUR = """
() => {
  const seen = new Set();
  for (const word of document.querySelectorAll("pre span")) {
    const cell = word.closest(".highlight")?.parentElement, cells = word.closest(".cell_input, .cell_output");
    const kind = [word.className, word.parentElement.className, cell?.className, cells?.className].join();
    if (seen.has(kind) || !/[a-z0-9]{2}/i.test(word.textContent)) word.replaceWith(...word.childNodes);
    else seen.add(kind);
  }
}
"""
# A colour on its way from one theme's to the other's is nobody's: what is in transition is brought to its end first.
AT_REST = """() => {
    for (const one of document.getAnimations())
        if (one.effect?.getComputedTiming().endTime !== Infinity) one.finish();
}"""


def violations(page: Page, rules: list[str] | None = None) -> list[str]:
    """Return what axe-core finds against an open page, a line for each element; all its rules or those named."""
    page.evaluate(ONE_WORD_A_COLOUR)
    page.evaluate(AT_REST)
    page.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"]} | ({"runOnly": {"type": "rule", "values": rules}} if rules else {})
    found = page.evaluate("options => axe.run(options)", options)["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]
