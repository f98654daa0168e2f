"""Plain data into dataclasses: what does not fit is said in people's words, and what means a number is one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from vgf.support.strict import build, known, mapping


@dataclass(frozen=True)
class Row:
    count: int = 1
    share: float = 0.5
    most: int | None = None
    widths: tuple[int, ...] = (8,)
    names: tuple[str, ...] = ()
    purpose: Literal["tuning", "reporting"] = "tuning"
    bandwidth: float | Literal["median"] = 1.0
    fast: bool = False
    label: str = ""


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"count": 2.5}, "here.count must be a whole number, got 2.5"),
        ({"count": True}, "here.count must be a whole number, got True"),
        ({"count": "many"}, "here.count must be a whole number, got 'many'"),
        ({"count": "1e-3"}, "here.count must be a whole number, got '1e-3'"),
        ({"share": "big"}, "here.share must be a number, got 'big'"),
        ({"most": "all"}, "here.most must be a whole number or null, got 'all'"),
        ({"widths": 3}, "here.widths must be a list such as [0, 1, 2], got 3"),
        ({"widths": [3, "x"]}, "here.widths must be a whole number, got 'x'"),
        ({"names": "one"}, "here.names must be a list such as [one, two], got 'one'"),
        ({"purpose": "testing"}, "here.purpose must be one of tuning, reporting, got 'testing'"),
        ({"bandwidth": "mean"}, "here.bandwidth must be a number or median, got 'mean'"),
        ({"fast": "no"}, "here.fast must be true or false, got 'no'"),
        ({"label": 3}, "here.label must be a word, got 3"),
        ({1: "x"}, "here: the key 1 is no word to YAML; put it in quotes"),
        ({True: "x"}, "here: the key True is no word to YAML; put it in quotes"),
        ([], "here must be a mapping, got list"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_words(row: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        build(Row, row, "here")


@pytest.mark.parametrize("value", [100_000, 100_000.0, "1e5", "1E+5", "1.0e5"])
def test_a_whole_number_is_taken_however_it_is_written(value: Any) -> None:
    found = build(Row, {"count": value, "most": value, "widths": [value]}, "here")
    assert (found.count, found.most, found.widths) == (100_000, 100_000, (100_000,))
    assert {type(found.count), type(found.most), type(found.widths[0])} == {int}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("vfg", "nearest: vgf"),
        ("VGF", "nearest: vgf"),
        ("ddpg", "one of: vgf, bc, Best"),
        ("best", "nearest: Best"),
        (["vgf"], "has no ['vgf']"),
    ],
)
def test_an_unknown_name_gets_the_nearest_and_all_where_none_is_near(key: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        known([key], ("vgf", "bc", "Best"), "methods")


def test_a_mapping_is_copied() -> None:
    row = {"a": 1}
    assert mapping(row, "here") == row
    assert mapping(row, "here") is not row
