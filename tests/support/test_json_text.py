"""JSON files: whatever is wrong with one is a line that names it, and every module reads them through one door."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers.site import ROOT
from vgf.datasets import DataError
from vgf.support.json_text import parse_json, read_facts, read_json

WRONG: list[tuple[bytes, str]] = [
    (b"", "not JSON (Expecting value"),
    (b'{"a": 1', "not JSON (Expecting ',' delimiter"),
    (b'{"a": "\xff"}', "not JSON ('utf-8' codec can't decode"),
    (b"\xff\xfe{\x00}\x00", "not JSON ('utf-8' codec can't decode"),
    (b'{"a": 1}\n{"a": 2}', "not JSON (Extra data"),
    (b'{"a": "\n"}', "not JSON (Invalid control character"),
    (b"[" * 100_000, "not JSON (it nests too deep)"),
    (b'{"a": ' * 100_000, "not JSON (it nests too deep)"),
    (b'{"a": 1, "b": 2, "a": 1}', "not JSON ('a' is named twice; leave one out)"),
    (b'{"in": [{"a": 1, "a": 2}]}', "not JSON ('a' is named twice"),
    (b'{"a": ' + b"1" * 5000 + b"}", "not JSON (Exceeds the limit"),
    (b'{"a": "\\ud800"}', "not JSON (it has half of a surrogate pair)"),
    (b'{"\\udc00": 1}', "not JSON (it has half of a surrogate pair)"),
]


@pytest.mark.parametrize(("content", "fault"), WRONG)
def test_a_file_that_is_no_json_is_named_in_one_line(content: bytes, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as told:
        read_json(path, "make it anew")
    assert str(told.value).startswith(f"{path}: {fault}")
    assert str(told.value).endswith("; make it anew")
    assert "\n" not in str(told.value)


SHAPES: list[tuple[str, str]] = [
    ("[]", "it holds a list, not a mapping"),
    ("null", "it holds a NoneType, not a mapping"),
    ('"runs"', "it holds a str, not a mapping"),
    ("{}", "runs must be a list, and is missing"),
    ('{"runs": {}, "schema": 1}', "runs must be a list"),
    ('{"runs": null, "schema": 1}', "runs must be a list"),
    ('{"runs": [], "schema": "1"}', "schema must be a int"),
    ('{"runs": [], "schema": true}', "schema must be a int"),
    ('{"runs": [], "schema": 1.5}', "schema must be a int"),
]


@pytest.mark.parametrize(("content", "fault"), SHAPES)
def test_a_document_of_another_shape_is_named(content: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(DataError, match=re.escape(f"{path}: damaged ({fault}")):
        read_facts(path, runs=list, schema=int)


def test_what_is_fine_is_read_as_python_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"runs": [1, 2.5, null, true, "\\u00e9\\ud83d\\ude00"], "schema": 1}')
    assert read_facts(path, runs=list, schema=int) == {"runs": [1, 2.5, None, True, "\u00e9\U0001f600"], "schema": 1}
    assert parse_json("[]") == []
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json")


def test_no_other_module_reads_a_json_file() -> None:
    """A reader of its own would raise what nobody catches."""
    reads = re.compile(r"json\.loads?\([^\n]*(read_text|read_bytes|\.open\()")
    sources = [path for path in (ROOT / "vgf").rglob("*.py") if path.name != "json_text.py"]
    assert not [str(path) for path in sources if reads.search(path.read_text())]
