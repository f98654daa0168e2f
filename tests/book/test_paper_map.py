"""Every row of the paper's map leads somewhere, and no status in it is typed."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.site import CHAPTERS, ROOT, SITE
from vgf.book import claims, paper_map
from vgf.results.judgement import Status

ROWS = paper_map.read_map()


def resolve(name: str) -> object:
    """Return what `module:name.name` names."""
    module, _, path = name.partition(":")
    found: object = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("code", sorted(set(ROWS["code"]) - {""}))
def test_every_code_name_is_in_the_package_and_documented(code: str) -> None:
    assert code.startswith("vgf.")
    assert (resolve(code).__doc__ or "").strip()


@pytest.mark.parametrize("chapter", sorted(set(ROWS["chapter"]) - {""}))
def test_every_chapter_is_in_the_contents(chapter: str) -> None:
    assert f"notebooks/{chapter}" in CHAPTERS


@pytest.mark.parametrize("record", sorted(set(ROWS["record"]) - {""}))
def test_every_record_is_here(record: str) -> None:
    assert (ROOT / paper_map.record_path(record)).exists()


@pytest.mark.parametrize("ident", ROWS.index)
def test_every_row_says_what_and_where_and_is_of_one_kind(ident: str) -> None:
    row = ROWS.loc[ident]
    assert row["what"].endswith((".", "$."))
    assert row["where"]
    assert re.fullmatch(r"(eq|alg|tab|fig|claim|rem)(-[a-z0-9]+)+", ident)
    assert {"eq": "equation", "alg": "algorithm", "tab": "table", "fig": "figure", "rem": "remark"}.get(
        ident.partition("-")[0], "claim"
    ) == row["kind"]


def test_every_claim_is_a_row_and_the_map_has_all_kinds() -> None:
    assert set(ROWS.loc[ROWS["kind"] == "claim", "claim"]) == set(claims.read_claims().index)
    assert set(ROWS["kind"]) == set(paper_map.KINDS)


def test_every_table_of_the_papers_numbers_is_a_row() -> None:
    numbers = {path.stem for path in (ROOT / "data" / "paper").glob("*.csv")} - {"claims", "map"}
    assert {f"tab-{name}" for name in numbers} <= set(ROWS.index)


def test_a_claims_words_and_chapter_come_from_the_claims() -> None:
    wanted = claims.read_claims()
    for _, row in ROWS[ROWS["kind"] == "claim"].iterrows():
        assert row["what"] == wanted.loc[row["claim"], "claim"]
        assert row["chapter"] == wanted.loc[row["claim"], "chapter"]


@pytest.mark.parametrize("status", ["held", "held in part", "did not hold", "undecided", "condition not met"])
def test_a_verdict_changes_every_row_of_its_claim(tmp_path: Path, status: Status) -> None:
    claims.verdict("support", status, "see {numref}`fig-x`.", "quick", directory=tmp_path)
    of_claim = ROWS[ROWS["claim"] == "support"]
    assert len(of_claim) > 1
    assert {paper_map.status(row, tmp_path) for _, row in of_claim.iterrows()} == {status}
    assert paper_map.render_map(verdicts=tmp_path).count(f"`{status}`") == len(of_claim)


def test_without_a_verdict_a_row_says_how_far_the_book_is(tmp_path: Path) -> None:
    row = {"claim": "", "chapter": "", "code": ""}
    assert paper_map.status(pd.Series(row), tmp_path) == "open"
    assert paper_map.status(pd.Series(row | {"code": "vgf.flow:Budget"}), tmp_path) == "in code"
    assert paper_map.status(pd.Series(row | {"chapter": "02_mmd_bound"}), tmp_path) == "worked out"
    assert paper_map.status(pd.Series(row | {"claim": "support", "chapter": "03_bandit"}), tmp_path) == "untested"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda t: t.replace("eq-jko,equation", "eq-jko,equations"), "equations"),
        (lambda t: t.replace(",claim-support,", ",").replace("claim-support,claim", "rem-support,remark"), "support"),
        (lambda t: t + t.splitlines()[1] + "\n", "eq-constrained"),
        (lambda t: t.replace(",boltzmann\n", ",bolzmann\n", 1), "bolzmann"),
    ],
)
def test_a_broken_map_is_refused_by_name(tmp_path: Path, change: object, named: str) -> None:
    path = tmp_path / "map.csv"
    path.write_text(change(paper_map.MAP.read_text()))  # type: ignore[operator]
    with pytest.raises(ValueError, match=named):
        paper_map.read_map(path)


def test_the_page_shows_every_row() -> None:
    page = (SITE / "book" / "paper_map.html").read_text()
    assert sorted(re.findall(r'id="map-([\w-]+)"', page)) == sorted(ROWS.index)
