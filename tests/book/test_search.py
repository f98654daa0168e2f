"""What readers look for is found on the right page, first: the built index, ranked by the site's own script."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

WANTED = {
    "reward hacking": "notebooks/03_bandit.html",
    "overestimation": "notebooks/21_choosing_a_budget.html",
    "own data": "notebooks/20_your_data.html",
    "limitations": "book/not_reproduced.html",
    "GPU": "book/faq.html",
    "GPU hours": "book/not_reproduced.html",
    "bring your own dataset": "notebooks/20_your_data.html",
    "test-time scaling": "notebooks/12_test_time.html",
    "cite": "book/cite.html",
    "related work": "book/related.html",
    "hopper": "notebooks/09_d4rl.html",
    "errata": "book/changes.html",
}


def first(browser: Browser, site_url: str, query: str) -> str:
    """Return where the first result of a search leads, within the site."""
    page = browser.new_page()
    page.goto(f"{site_url}/search.html?q={query.replace(' ', '+')}")
    link = page.locator("#search-results ul.search li a").first
    link.wait_for()
    address = link.evaluate("a => a.href")
    page.close()
    return address.removeprefix(f"{site_url}/").split("#")[0].split("?")[0]


@pytest.mark.parametrize(("query", "page"), WANTED.items())
def test_a_search_finds_the_right_page_first(browser: Browser, site_url: str, query: str, page: str) -> None:
    assert first(browser, site_url, query) == page


def test_a_word_that_is_nowhere_is_not_found(browser: Browser, site_url: str) -> None:
    page = browser.new_page()
    page.goto(f"{site_url}/search.html?q=zzyzxqqq")
    page.wait_for_function("document.querySelector('#search-results p.search-summary')?.textContent.length > 0")
    assert page.locator("#search-results ul.search li").count() == 0
    page.close()
