"""The front page's findings and scoreboard: plain sentences with computed numbers, and statuses nobody can type.

`book/board.yaml` has the sentences, in groups; numbers come from `vgf.book.facts`, a claim's words from claims.csv and
its status from the verdict that its chapter left (`vgf.book.claims`). Rows that the book adds carry a badge of their
own and are not counted. The trade-off of sentences written by hand: one that no longer fits its numbers is
found by a reader only, so a sentence says little more than its numbers.

    python -m vgf.book.board    # put claims and statuses of the built book into README.md, whose table a test compares
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vgf.book.claims import VERDICTS, read_claims, standing
from vgf.book.facts import Fact
from vgf.support.errors import status_of
from vgf.support.files import write_bytes
from vgf.support.paths import project_folder

BOARD = project_folder() / "book" / "board.yaml"
BADGES = {  # of a claim, in the order they are counted; grey where nothing is decided
    "held": "success",
    "held in part": "warning",
    "did not hold": "danger",
    "undecided": "secondary",
    "condition not met": "secondary",
    "untested": "secondary",
}
ADDED = {"proved": "primary", "measured": "primary"}  # of what the book adds
MEANING = {
    "held": "our results agree, clearly",
    "held in part": "they agree, but only a little or in a part of the cases",
    "did not hold": "they speak against it, clearly, on average over the cases run",
    "undecided": "too little was run to tell",
    "condition not met": "the case it speaks of did not occur",
    "untested": "nothing was run",
    "proved": "added by this book, with a proof and a numerical check",
    "measured": "added by this book, from a measurement",
}
HEADS = ("Claim", "Tested on", "Status", "What we found")
README = project_folder() / "README.md"
MARKS = ("<!-- claims: written by `python -m vgf.book.board` from the built book -->", "<!-- claims: end -->")


@dataclass(frozen=True)
class Row:
    """A row of the scoreboard.

    Attributes:
        what: the claim in our words, or what the book adds.
        chapter: of `notebooks/`, without suffix.
        size: what it was tested on, in words.
        status: of a claim or of what the book adds.
        says: what was found, filled in.
        claim: id of the claim; empty for what the book adds.
    """

    what: str
    chapter: str
    size: str
    status: str
    says: str
    claim: str = ""


def read_board(path: Path = BOARD) -> dict[str, Any]:
    """Return the file.

    Raises:
        ValueError: if a claim of claims.csv has no row or two, or a row has another badge than there are.
    """
    board: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    rows = [row for group in board["groups"] for row in group["rows"]]
    claims, wanted = sorted(row["claim"] for row in rows if "claim" in row), sorted(read_claims().index)
    if claims != wanted:
        odd = sorted({*claims} ^ {*wanted}) or sorted({c for c in claims if claims.count(c) > 1})
        raise ValueError(f"{path.name}: needs one row for each claim of claims.csv; see {', '.join(odd)}")
    if unknown := sorted({row["badge"] for row in rows if "added" in row} - {*ADDED}):
        raise ValueError(f"{path.name}: unknown badges {', '.join(unknown)}; there are {', '.join(ADDED)}")
    return board


def rows(group: Mapping[str, Any], known: Mapping[str, Fact], verdicts: Path = VERDICTS) -> list[Row]:
    """Return the rows of a group, filled in."""
    claims, found = read_claims(), []
    for row in group["rows"]:
        size, says = filled(row["size"], known), filled(row["says"], known)
        if "claim" in row:
            own = claims.loc[row["claim"]]
            status = standing(row["claim"], verdicts)[0]
            found.append(Row(own["claim"], own["chapter"], size, status, says, row["claim"]))
        else:
            found.append(Row(row["added"], row["chapter"], size, row["badge"], says))
    return found


def filled(text: str, known: Mapping[str, Fact]) -> str:
    """Return a sentence with its fields filled.

    Raises:
        KeyError: for a field that no chapter or record gives, naming it and the sentence.
    """
    try:
        return " ".join(re.sub(r"\{([\w:]+)\}(?=`)", r"{{\1}}", text).format_map(known).split())  # a role is no field
    except KeyError as missing:
        raise KeyError(f"{missing} in {text!r}: no executed chapter and no record gives it; `make book`") from None


def render_findings(known: Mapping[str, Fact], path: Path = BOARD) -> str:
    """Return the findings in MyST: a numbered list, each with the chapter it comes from."""
    return "\n".join(
        f"1. **{one['title']}** {filled(one['says'], known)} {_link(one['chapter'])}"
        for one in read_board(path)["findings"]
    )


def render_disclosure(known: Mapping[str, Fact], path: Path = BOARD) -> str:
    """Return what a reader has to know before trusting the findings, in MyST."""
    return filled(read_board(path)["disclosure"], known) + "\n"


def render_limits(known: Mapping[str, Fact], path: Path = BOARD) -> str:
    """Return the limits of the book in MyST, a list."""
    return "\n".join(f"- **{one['title']}** {filled(one['says'], known)}" for one in read_board(path)["limits"])


def render_open(known: Mapping[str, Fact], *, path: Path = BOARD, verdicts: Path = VERDICTS) -> str:
    """Return in MyST, claim by claim, why it was not reproduced and what would change our mind."""
    claims = read_claims()
    lines = list_table(
        "scoreboard open", "30 14 28 28", ("Claim", "Status", "Why it is open", "What would change our mind")
    )
    for one in read_board(path)["open"]:
        status = badge(standing(one["claim"], verdicts)[0])
        own = claims.loc[one["claim"]]
        lines.append(cells(f"{own['claim']} {_link(own['chapter'])}", status, filled(one["why"], known), one["mind"]))
    return "\n".join([*lines, "```", ""])


def render_scoreboard(known: Mapping[str, Fact], *, path: Path = BOARD, verdicts: Path = VERDICTS) -> str:
    """Return the scoreboard in MyST: a count, the legend, and a list-table for each group."""
    groups = {group["name"]: rows(group, known, verdicts) for group in read_board(path)["groups"]}
    every = [row for own in groups.values() for row in own]
    lines = [_count([row.status for row in every if row.claim]), "", *_legend({row.status for row in every}), ""]
    for name, own in groups.items():
        lines += [f"### {name}", "", _count([row.status for row in own if row.claim], whole=False), ""]
        lines += list_table("scoreboard", "32 18 14 36", HEADS)
        lines += [cells(row.what, row.size, badge(row.status), f"{row.says} {_link(row.chapter)}") for row in own]
        lines += ["```", ""]
    return "\n".join(lines)


def with_claims(text: str, verdicts: Path = VERDICTS) -> str:
    """Return README.md's text with today's table of claims, each with its status and its chapter.

    Raises:
        ValueError: if the lines between which it stands are not there.
    """
    begin, end = MARKS
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"README.md: needs the lines {begin} and {end}, once each")
    head, tail = text.split(begin)[0], text.split(end)[1]
    lines = ["| the paper says | we found | chapter |", "|---|---|---|"]
    for name, one in read_claims().iterrows():
        status, chapter = standing(str(name), verdicts)[0], one["chapter"]
        lines.append(f"| {one['claim']} | *{status}* | [{chapter}](notebooks/{chapter}.md) |")
    return "\n".join([f"{head}{begin}", *lines, f"{end}{tail}"])


def _count(statuses: Sequence[str], whole: bool = True) -> str:
    """Return how many claims have which status, without the classes that are empty."""
    count = ", ".join(f"{n} {name}" for name in BADGES if (n := statuses.count(name)))
    claims = f"{len(statuses)} claim{'s' * (len(statuses) != 1)}"
    return f"**The paper's {claims}: {count}.**" if whole else f"{claims}: {count}."


def _legend(used: set[str]) -> list[str]:
    """Return what each badge in use means."""
    lines = "\\\n".join(f"{badge(name)} {MEANING[name]}" for name in MEANING if name in used)  # a backslash ends a line
    return [":::{div} legend", lines, ":::"]


def badge(status: str) -> str:
    """Return a status as a badge; one that is none, such as *worked out* of the paper's map, as plain text."""
    colour = (BADGES | ADDED).get(status)
    return f"{{bdg-{colour}}}`{status}`" if colour else status


def list_table(name: str, widths: str, heads: Sequence[str]) -> list[str]:
    """Return the first lines of a table in MyST, down to its head; `cells` are its rows, and ``` ends it."""
    return ["```{list-table}", ":header-rows: 1", f":widths: {widths}", f":class: {name}", "", cells(*heads)]


def cells(first: str, *others: str) -> str:
    """Return a row of such a table."""
    return "\n".join([f"* - {first}", *(f"  - {cell}" for cell in others)])


def _link(chapter: str) -> str:
    """Return a link to a chapter."""
    return f"{{doc}}`details </notebooks/{chapter}>`"


def write_readme(readme: Path = README, verdicts: Path = VERDICTS) -> None:
    """Put today's table of claims into README.md.

    Raises:
        ValueError: if no chapter was executed, or the lines between which the table stands are not there.
    """
    if not any(verdicts.glob("*.json")):
        raise ValueError("no chapter has left a verdict; `make book` first")
    write_bytes(readme, with_claims(readme.read_text(encoding="utf-8"), verdicts).encode())


if __name__ == "__main__":
    sys.exit(status_of("board", write_readme))
