"""Each page says what it is to those who have not opened it: a description, and a card with a picture that is there."""

from __future__ import annotations

import re
from functools import cache

import pytest
import yaml
from bs4 import BeautifulSoup

from tests.helpers.site import PAGES, ROOT, SITE

SAID = yaml.safe_load((ROOT / "book" / "pages.yaml").read_text())
ADDRESS = yaml.safe_load((ROOT / "CITATION.cff").read_text())["url"]


@cache
def head(page: str) -> dict[str, list[str]]:
    """Return what the head of a built page says: its title and its named properties."""
    soup = BeautifulSoup((SITE / f"{page}.html").read_text().partition("</head>")[0], "lxml")
    said = {"title": [title.get_text(strip=True) for title in soup.select("title")]}
    for tag in soup.select("meta[property], meta[name]"):
        said.setdefault(str(tag.get("property") or tag["name"]), []).append(str(tag.get("content", "")))
    return said


def test_every_page_is_described_and_nothing_else_is() -> None:
    assert sorted(SAID) == sorted(PAGES)
    texts = [own["says"] for own in SAID.values()]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("page", PAGES)
def test_a_description_is_a_sentence_without_numbers(page: str) -> None:
    says = SAID[page]["says"]
    assert 50 <= len(says) <= 170
    assert says.endswith((".", "?"))
    assert not re.search(r"\d", says.replace("D4RL", ""))


def test_a_word_that_is_looked_for_leads_to_one_page() -> None:
    words = [word for own in SAID.values() for word in own.get("find", [])]
    assert sorted(words) == sorted(set(words))
    assert [word for word in words if word != word.lower()] == []  # as the search compares them


@pytest.mark.parametrize("page", PAGES)
def test_a_built_page_has_title_description_and_card(page: str) -> None:
    said = head(page)
    for name in ("title", "description", "og:title", "og:type", "og:url", "og:description", "og:image", "og:image:alt"):
        assert len(said.get(name, [])) == 1, name
        assert said[name][0], name
    assert said["description"] == said["og:description"] == [SAID[page]["says"]]
    assert said["og:url"] == [f"{ADDRESS}/{page}.html"]
    assert said["og:title"][0][:20] in said["title"][0]  # behind its number, where the page has one


@pytest.mark.parametrize("page", PAGES)
def test_the_picture_of_a_card_is_in_the_site(page: str) -> None:
    (address,) = head(page)["og:image"]
    assert address.startswith(f"{ADDRESS}/")
    path = SITE / address.removeprefix(f"{ADDRESS}/")
    assert path.suffix == ".png"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_chapter_shows_its_own_figure() -> None:
    assert head("notebooks/03_bandit")["og:image"] != head("book/intro")["og:image"]
    assert "bandit-" in head("notebooks/03_bandit")["og:image"][0]
