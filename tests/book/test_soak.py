"""The page of what was tried: read off the record; and an oracle of the campaign that can fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.site import ROOT
from tests.soak import inputs
from tests.soak.mangle import WAYS, mangle
from tests.soak.readers import Reader, same
from vgf.book.soak import PARTS, render_soak

RECORD = ROOT / "data" / "results" / "soak" / "soak.json"


def test_the_page_says_what_the_record_says() -> None:
    told, text = json.loads(RECORD.read_text()), render_soak(RECORD)
    assert told["sum"]["faults"] == sum(row["faults"] for part in PARTS for row in told[part]) == 0
    for key in ("kills", "inputs", "denied"):
        assert f"**{told['sum'][key]:,} " in text
    assert ("It is of a part of the campaign" in text) is not told["complete"]
    for part in PARTS:
        for row in told[part]:
            assert f"| {row.get('stage') or row['reader']} |" in text
            assert row["commit"][:7] in text


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path}/none.json: no such record; `make soak` makes it"):
        render_soak(tmp_path / "none.json")


def trusting(folder: Path) -> Any:
    """A reader that believes whatever is there."""
    return np.frombuffer((folder / "a").read_bytes(), np.uint8)


def raising(folder: Path) -> Any:
    """A reader that raises what no command catches."""
    if (folder / "a").read_bytes() != bytes(range(64)):
        raise KeyError("a")
    return 1


def nameless(folder: Path) -> Any:
    """A reader that does not say which file is damaged."""
    if (folder / "a").read_bytes() != bytes(range(64)):
        raise ValueError("damaged")
    return 1


@pytest.mark.parametrize(
    ("read", "why"),
    [(trusting, "other content, though a checksum covers"), (raising, "KeyError"), (nameless, "names no file")],
)
def test_a_bad_reader_is_found(read: Any, why: str, tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "a").write_bytes(bytes(range(64)))

    found = inputs.tried(Reader("bad", "binary", 1, make, read), 30, 0, tmp_path / "home")
    assert found["faults"] > 20
    assert all(why in line for line in found["examples"])


def test_every_way_to_mangle_changes_something_and_is_repeated_by_its_seed() -> None:
    text = json.dumps({"a": [1, 2.5, "x"], "b": {"c": None}}, indent=1).encode()
    for form in WAYS:
        kinds = {}
        for seed in range(200):
            one, again = (mangle(text, form, np.random.default_rng(seed)) for _ in range(2))
            assert one == again
            kinds[one.kind] = kinds.get(one.kind, 0) + (one.content != text)
        assert all(kinds.values()), kinds
        assert len(kinds) >= {"binary": 9, "text": 15, "json": 18}[form]


def test_contents_are_compared_to_the_bit() -> None:
    zero = np.zeros(2, np.float32)
    assert same([{"a": zero}, float("nan")], [{"a": zero.copy()}, float("nan")])
    for other in (-zero, zero.astype(float), zero[:1], zero.tolist()):
        assert not same({"a": zero}, {"a": other})
    assert not same([1], [1.0])
    assert not same([1], [True])
