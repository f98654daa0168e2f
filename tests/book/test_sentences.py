"""Sentences of the book: the measure finds what it should, and the book keeps its limits."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

import pytest

from tests.helpers.site import PAGES, ROOT
from vgf.book import sentences
from vgf.book.facts import glued

LONG = " ".join(["word"] * 40)


def texts(text: str) -> list[str]:
    """Return the sentences of MyST text."""
    return [one.text for one in sentences.sentences(text, "page.md")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One two three. Four five six!\n", ["One two three.", "Four five six!"]),
        (
            "It is shown by Xu et al. (2026), e.g. On page five.\n",
            ["It is shown by Xu et al. (2026), e.g. On page five."],
        ),
        ("He said (as we all know.) That is all.\n", ["He said (as we all know.)", "That is all."]),
        ("# A heading of four words\n\nA text of words.\n", ["A text of words."]),
        ("| a b c | d e f |\n|---|---|\n| one two three | four |\n", []),
        ("```python\nnot a real sentence\n```\n", []),
        ("A b $x = 1$ and `code here` too.\n", ["A b \u25a1 and \u25a1 too."]),
        ("- one two three four\n- [a link of words](b.md), [c d e](f.md)\n", ["one two three four"]),
        ("{ref}`a`, {doc}`b`, {numref}`c` stand in the text.\n", ["\u25a1, \u25a1, \u25a1 stand in the text."]),
        ("term one two\n: What it means here.\n", ["What it means here."]),
        ("````{prf:theorem} Title of it\n:label: thm\n\nAll of it holds.\n````\n", ["All of it holds."]),
        ("```{list-table}\n* - one two three four\n```\n", []),
        ("```{list-table}\n:class: scoreboard\n\n* - one two three four\n```\n", ["one two three four"]),
        ("Before it stands\n\n$$x$$\n\nand after it too.\n", ["Before it stands", "and after it too."]),
        (":::{div} figure-files\nOne two three four.\n:::\n", []),
    ],
)
def test_what_counts_as_a_sentence(text: str, found: list[str]) -> None:
    assert texts(text) == found


def test_a_field_counts_with_its_value_and_a_sentence_has_its_place() -> None:
    known = {"a": "four words\nfrom code", "b": 1.25}
    (one,) = sentences.sentences(sentences.filled("\n\nIt is {glue:text}`a` at {glue:text}`b:.1f`.\n", known), "p.md")
    assert (one.text, one.words, one.place) == ("It is four words from code at 1.2.", 8, "p.md:3")
    assert sentences.filled("{glue:text}`unknown`", known) == sentences.WORD


def test_includes_and_written_markdown_are_read(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "notebooks" / "a.md").write_text("```{include} ../data/b.md\n```\n")
    (tmp_path / "data" / "b.md").write_text("```{figure} c.svg\n:name: c\n\nA caption of words.\n```\n")
    cell = {"outputs": [{"data": {"text/markdown": ["Code ", "wrote this sentence."]}}, {"data": {"text/plain": "no"}}]}
    (tmp_path / "notebooks" / "a.ipynb").write_text(json.dumps({"cells": [cell, {}]}))
    found = sentences.page_sentences("notebooks/a", {}, tmp_path)
    assert [(one.text, one.place) for one in found] == [
        ("A caption of words.", "data/b.md:4"),
        ("Code wrote this sentence.", "notebooks/a.ipynb:1"),
    ]


def test_the_command_names_what_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_toc.yml").write_text("root: page\nparts:\n- chapters:\n  - file: other\n")
    (tmp_path / "page.md").write_text("One two three.\n")
    (tmp_path / "other.md").write_text(f"A {LONG}.\n\nOne two three.\n")
    sentences.parser()  # with the book's settings, kept from then on
    monkeypatch.setattr(sentences, "project_folder", lambda: tmp_path)
    assert sentences.main() == 1
    assert f"other.md:1: 41 words: A {LONG}." in capsys.readouterr().out
    (tmp_path / "other.md").write_text("One two three.\n")
    assert sentences.main() == 0


def test_the_pages_are_those_of_the_book() -> None:
    assert sentences.pages() == PAGES


def test_the_middle_sentence_is_short_and_none_is_long() -> None:
    known = glued(ROOT / "notebooks")
    if not known:
        pytest.fail("no executed chapter is there; `make book` executes them", pytrace=False)
    every = [one for page in PAGES for one in sentences.page_sentences(page, known)]
    assert len(every) > 1000
    assert median(one.words for one in every) <= sentences.MEDIAN
    assert [f"{one.place}: {one.text}" for one in every if one.words > sentences.LONGEST] == []
