"""TL;DR's comparisons as published become the three texts of every preference, or are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.helpers.paper_setting import tldr_rows
from vgf.rlhf.parts.preferences import read_jsonl
from vgf.rlhf.parts.published import Useless, comparison, is_comparison

ROW: dict[str, Any] = {
    "info": {"post": "My cat left.\n", "title": "Cat", "subreddit": "pets", "article": None},
    "summaries": [{"text": " Cat gone. "}, {"text": "A cat."}],
    "choice": 0,
}


def test_the_preferred_summary_is_chosen_under_the_papers_prompt() -> None:
    found = comparison(ROW, "here")
    prompt = "SUBREDDIT: r/pets\n\nTITLE: Cat\n\nPOST: My cat left.\n\nTL;DR:"
    assert found == {"prompt": prompt, "chosen": " Cat gone.", "rejected": " A cat."}
    assert comparison(ROW | {"choice": 1}, "here")["chosen"] == " A cat."
    assert is_comparison(ROW)
    assert not is_comparison({"prompt": "a", "chosen": "b", "rejected": "c"})


def test_rows_are_read_from_jsonl_and_parquet_and_news_is_left_out(tmp_path: Path, capsys: Any) -> None:
    rows = list(tldr_rows(12))
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    found = list(read_jsonl(tmp_path / "a.jsonl"))
    assert found == list(read_jsonl(tmp_path / "a.parquet"))
    assert len(found) == 11
    assert capsys.readouterr().err.count("1 of 12 rows are left out, the first: ") == 2
    assert all(row["chosen"].split()[0] in ("kind", "clear", "true", "warm") for row in found)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"choice": 2}, "here: choice must be 0 or 1, got 2"),
    ({"choice": True}, "choice must be 0 or 1, got True"),
    ({"summaries": [{"text": "a"}]}, "summaries must be two texts"),
    ({"summaries": "ab"}, "summaries must be two texts"),
    ({"summaries": [{"text": "a"}, {"words": "b"}]}, "summaries must be two texts"),
    ({"info": "a post"}, "info must be an object with subreddit, title and post, got str"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_what_is_not_as_published_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as told:
        comparison(ROW | changes, "here")
    assert not isinstance(told.value, Useless)


def test_what_says_nothing_is_left_out() -> None:
    for changes in ({"info": ROW["info"] | {"post": None}}, {"summaries": [{"text": "a"}, {"text": "a "}]}):
        with pytest.raises(Useless):
            comparison(ROW | changes, "here")
