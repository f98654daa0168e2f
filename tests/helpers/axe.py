"""What axe-core, by its default rules or some of them, finds against a page at rest."""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

# A colour on its way from one theme's to the other's is nobody's: what is in transition is brought to its end first.
AT_REST = """() => {
    for (const one of document.getAnimations())
        if (one.effect?.getComputedTiming().endTime !== Infinity) one.finish();
}"""


def violations(page: Page, rules: list[str] | None = None, within: str = "html") -> list[str]:
    """Return what is wrong with an open page, a line for each element; by all rules or those named."""
    page.evaluate(AT_REST)
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"]} | ({"runOnly": {"type": "rule", "values": rules}} if rules else {})
    found = page.evaluate("([within, options]) => axe.run(within, options)", [within, options])["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]
