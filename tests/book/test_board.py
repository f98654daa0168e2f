"""The front page's sentences are short and hold no typed number; statuses come from verdicts, grey where undecided."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.helpers.site import CHAPTERS, ROOT, SITE
from vgf.book import board, claims, facts
from vgf.results.judgement import Status

WORDS, NUMBERS = 25, 2
NUMBER = re.compile(r"(?<![\w-])[-+]?\d[\d,.]*\b")
FIELD = re.compile(r"\{[\w-]+(?::[^}]*)?\}")
WORDED = {"budget-misses": "two of three", "controls-half": "no clear difference"}  # what a chapter glues in words


class Anything(dict[str, facts.Fact]):
    """The facts of the records, and a number for whatever a chapter would glue: lengths do not hang on its size."""

    def __missing__(self, name: str) -> facts.Fact:
        """Return a number of usual length."""
        return 87


@cache
def known() -> Anything:
    """Return what a sentence is filled with."""
    return Anything(facts.of_records() | WORDED)


BOARD = board.read_board()
ROWS = [row for group in BOARD["groups"] for row in group["rows"]]
SENTENCES = [text["says"] for text in (*BOARD["findings"], *ROWS)]


@pytest.mark.parametrize("says", SENTENCES)
def test_a_sentence_has_at_most_25_words_and_two_numbers(says: str) -> None:
    filled = re.sub(r"\{doc\}`[^`]*`", "", board.filled(says, known()))
    assert len(filled.split()) <= WORDS, filled
    assert len(NUMBER.findall(filled.replace("D4RL", ""))) <= NUMBERS, filled


@pytest.mark.parametrize(
    "text",
    [
        text
        for row in (*BOARD["findings"], *ROWS, *BOARD["limits"], *BOARD["open"])
        for key, text in row.items()
        if key in ("says", "size", "why", "mind", "title", "added")
    ],
)
def test_no_number_is_typed_into_a_sentence(text: str) -> None:
    plain = re.sub(r"\{doc\}`[^`]*`|D4RL|135 million", "", FIELD.sub("", text))  # what the model is called
    assert NUMBER.findall(plain) == []


def test_the_disclosures_say_what_was_read_and_how_much_was_trained() -> None:
    said = board.render_disclosure({"share": 2.5, "longest-share": 30})
    assert "a summary of the paper" in said
    assert "2.5 % of the paper's updates, on a few tasks 30 %" in said
    assert "neither confirmed nor refuted: {doc}`what was not reproduced, and why <not_reproduced>`" in said


def test_there_are_five_findings_and_each_names_a_chapter() -> None:
    assert len(BOARD["findings"]) == 5
    named = {one["chapter"] for one in (*BOARD["findings"], *ROWS) if "chapter" in one}
    assert {f"notebooks/{name}" for name in named} <= set(CHAPTERS)


def test_groups_are_those_of_the_field_and_no_row_is_without_a_size() -> None:
    assert [group["name"] for group in BOARD["groups"]] == ["Theory", "Toy", "Robots", "Language"]
    assert all(row["size"].strip() for row in ROWS)


def test_every_claim_that_is_open_says_what_would_change_our_mind(tmp_path: Path) -> None:
    told = {one["claim"] for one in BOARD["open"]}
    assert told <= set(claims.read_claims().index)
    groups = {group["name"]: [row["claim"] for row in group["rows"] if "claim" in row] for group in BOARD["groups"]}
    assert set(groups["Robots"] + groups["Language"]) == told
    page = board.render_open(known(), verdicts=tmp_path)
    assert page.count("`untested`") == len(told)


@pytest.mark.parametrize("status", ["held", "held in part", "did not hold", "undecided", "condition not met"])
def test_a_verdict_changes_the_row_of_its_claim_and_the_count(tmp_path: Path, status: Status) -> None:
    total = len(claims.read_claims())
    claims.verdict("support", status, "see {numref}`fig-x`.", "quick", directory=tmp_path)
    page = board.render_scoreboard(known(), verdicts=tmp_path)
    table = page[page.index("### Theory") :]
    assert table.count(f"`{status}`") == 1
    assert table.count("`untested`") == total - 1
    assert page.splitlines()[0] == f"**The paper's {total} claims: 1 {status}, {total - 1} untested.**"
    assert f"3 claims: 1 {status}, 2 untested." in table  # the toy's
    assert "0 " not in page.splitlines()[0]


def test_the_legend_explains_each_badge_in_use_and_no_other(tmp_path: Path) -> None:
    claims.verdict("support", "held", "x", "quick", directory=tmp_path)
    page = board.render_scoreboard(known(), verdicts=tmp_path)
    legend = page[page.index("legend") : page.index("### Theory")]
    assert set(re.findall(r"`([\w ]+)`", legend)) == {"held", "untested", "proved", "measured"}


def test_the_readme_says_what_the_built_book_found() -> None:
    text = board.README.read_text(encoding="utf-8")
    assert board.with_claims(text) == text, "python -m vgf.book.board writes today's"


def test_a_table_of_claims_for_the_readme_stands_between_its_lines(tmp_path: Path) -> None:
    claims.verdict("support", "held in part", "x", "quick", directory=tmp_path)
    begin, end = board.MARKS
    text = board.with_claims(f"before\n{begin}\nold\n{end}\nafter\n", tmp_path)
    assert text.startswith(f"before\n{begin}\n|")
    assert text.endswith(f"|\n{end}\nafter\n")
    assert "old" not in text
    assert text.count("*held in part* | [03_bandit](notebooks/03_bandit.md) |") == 1
    assert text.count("| *untested* |") == len(claims.read_claims()) - 1
    with pytest.raises(ValueError, match="needs the lines"):
        board.with_claims("nothing")
    (readme := tmp_path / "README.md").write_text(text)
    board.write_readme(readme, tmp_path)
    assert readme.read_text() == text
    with pytest.raises(ValueError, match="make book"):
        board.write_readme(readme, tmp_path / "none")
    assert readme.read_text() == text


@pytest.mark.parametrize("status", ["undecided", "condition not met", "untested"])
def test_what_is_not_decided_is_grey(status: str) -> None:
    assert board.badge(status) == f"{{bdg-secondary}}`{status}`"
    assert board.badge("worked out") == "worked out"


def test_a_field_that_nothing_gives_is_named() -> None:
    with pytest.raises(KeyError, match="no-such-fact"):
        board.filled("It is {no-such-fact:.2f}.", {})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda t: t.replace("claim: zero-steps", "claim: no-steps"), "no-steps"),
        (lambda t: t.replace("claim: bandit", "claim: support"), "bandit"),
        (lambda t: t.replace("badge: measured", "badge: guessed", 1), "guessed"),
    ],
)
def test_a_broken_board_is_refused_by_name(tmp_path: Path, change: object, named: str) -> None:
    path = tmp_path / "board.yaml"
    path.write_text(change(board.BOARD.read_text()))  # type: ignore[operator]
    with pytest.raises(ValueError, match=named):
        board.read_board(path)


def test_every_field_is_given_by_a_record_or_an_executed_chapter() -> None:
    known = facts.facts()
    for text in re.findall(r"\{[\w-]+(?::[^}`]*)?\}(?!`)", (ROOT / "book" / "board.yaml").read_text()):
        assert text[1:-1].partition(":")[0] in known, text


def test_the_front_page_shows_count_findings_and_disclosures() -> None:
    html = (SITE / "book" / "intro.html").read_text()
    known = facts.facts()
    words = " ".join(re.sub(r"<[^>]+>", "", html).split()).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    assert board.render_scoreboard(known).splitlines()[0].strip("*") in words
    for one in yaml.safe_load(board.BOARD.read_text())["findings"]:
        assert one["title"] in words
    assert "summary of the paper" in words
