"""Rows of preferences in the shapes people have: read to the same three texts, left out and counted, or named."""

from __future__ import annotations

import codecs
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.helpers.language import little_model, little_preferences, little_tokenizer
from vgf.rlhf.models import check_rows, make_policy
from vgf.rlhf.parts import preferences
from vgf.rlhf.parts.preferences import dialogue, read_hub, read_jsonl, read_preferences

ROWS = [{"prompt": f"caf\u00e9 {k}", "chosen": f"yes \u2028 {k}", "rejected": "no\n"} for k in range(3)]
TEXT = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def table(rows: list[dict[str, Any]], path: Path) -> bytes:
    parquet.write_table(pa.Table.from_pylist(rows), path)
    return path.read_bytes()


PACKED = {
    "mine.jsonl": TEXT.encode(),
    "no_newline_at_the_end.jsonl": TEXT.encode() + b"\n\n  \n",
    "windows.jsonl": TEXT.replace("\n", "\r\n").encode(),
    "marked.jsonl": codecs.BOM_UTF8 + TEXT.encode(),
    "sixteen.jsonl": TEXT.encode("utf-16"),
    "sixteen_other_way.jsonl": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "mine.jsonl.gz": gzip.compress(TEXT.encode()),
    "no_suffix": gzip.compress(codecs.BOM_UTF8 + TEXT.encode()),
    "mine.json": json.dumps(ROWS, indent=2).encode(),
    "one_line.json": json.dumps(ROWS).encode(),
}


@pytest.mark.parametrize("name", [*PACKED, "mine.parquet", "parquet.gz"])
def test_rows_are_the_same_however_they_are_packed(name: str, tmp_path: Path) -> None:
    content = PACKED.get(name) or table(ROWS, tmp_path / "x")
    (tmp_path / name).write_bytes(gzip.compress(content) if name == "parquet.gz" else content)
    assert list(read_jsonl(tmp_path / name)) == ROWS


UNREADABLE = {
    "latin.jsonl": (TEXT.replace("\u2028", "").encode("latin-1"), "line 1: not UTF-8 text (byte 15 is 0xe9)"),
    "later.jsonl": (TEXT.encode() + b'\n{"prompt": "\xff"}', "line 4: not UTF-8 text"),
    "odd.jsonl": (TEXT.encode("utf-16")[:-1], "not UTF-16 text"),
    "half.gz": (gzip.compress(TEXT.encode())[:-9], "damaged gzip"),
    "mine.zip": (b"PK\x03\x04rest", "this is a zip archive; unpack it first"),
    "mine.zst": (b"\x28\xb5\x2f\xfdrest", "packed with zstd; unpack it first"),
    "mine.arrow": (b"ARROW1rest", "this is an Arrow file"),
    "page.jsonl": (b"<!DOCTYPE html>", "a web page or XML"),
    "lfs.jsonl": (b"version https://git-lfs.github.com/spec/v1\n", "run git lfs pull"),
    "half.parquet": (b"PAR1" + b"0" * 40, "not a readable parquet file"),
    "mine.csv": (b"prompt,chosen,rejected\na,b,c\n", "line 1: not JSON"),
    "pretty.jsonl": (json.dumps(ROWS[0], indent=1).encode(), "one object over several lines; write each row on one"),
    "cut.json": (json.dumps(ROWS, indent=1).encode()[:-20], "not JSON"),
    "twice.jsonl": (
        b'{"prompt": "a", "chosen": "b", "rejected": "c", "chosen": "d"}',
        "'chosen' is named twice",
    ),
    "half_a_sign.jsonl": (b'{"prompt": "\\ud800", "chosen": "b", "rejected": "c"}', "half of a surrogate pair"),
    "deep.jsonl": (b"[" * 100_000, "it nests too deep"),
    "long_number.jsonl": (b'{"prompt": ' + b"1" * 5000 + b"}", "line 1: not JSON (Exceeds the limit"),
    "empty.jsonl": (b"\n \n", "empty; give a jsonl"),
    "none.jsonl": (None, "no such file; give a jsonl"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    content, fault = UNREADABLE[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(fault)) as told:
        list(read_jsonl(tmp_path / name))
    assert name in str(told.value)
    assert "\n" not in str(told.value)


def write(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def says(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def test_messages_are_written_by_the_tokenizers_template_and_refused_without_one(tmp_path: Path) -> None:
    before, yes, no = [says("user", "cats?")], [says("assistant", "meow")], [says("assistant", "woof")]
    path = write(
        tmp_path / "talk.jsonl",
        {"prompt": before, "chosen": yes, "rejected": no},
        {"chosen": before + yes, "rejected": before + no, "score": 3},
    )
    tokenizer = little_tokenizer()
    with pytest.raises(
        ValueError, match=r"line 1: prompt is a list of messages, and the tokenizer has no chat template"
    ):
        list(read_jsonl(path, tokenizer))
    tokenizer.chat_template = TEMPLATE
    expected = {"prompt": "<user>cats?\n<assistant>", "chosen": "meow\n", "rejected": "woof\n"}
    assert list(read_jsonl(path, tokenizer)) == [expected, expected]


def test_dialogues_without_a_prompt_are_split_as_those_of_the_hub(tmp_path: Path, monkeypatch: Any) -> None:
    start = "\n\nHuman: hi\n\nAssistant: yes?\n\nHuman: go\n\nAssistant:"
    rows = [{"chosen": f"{start} fine", "rejected": f"{start} never"}] * 2
    expected = [{"prompt": start, "chosen": " fine", "rejected": " never"}] * 2
    assert list(read_jsonl(write(tmp_path / "hh.jsonl", *rows))) == expected
    monkeypatch.setattr(preferences, "hub_table", lambda task: rows)
    assert list(read_hub("hh")) == expected


GOOD = {"prompt": "a", "chosen": "b", "rejected": "c"}
NO_TURN = {"chosen": "Sure, yes", "rejected": "Sure, no"}
WRONG: list[tuple[Any, str]] = [
    ({"prompt": "a", "chosen": "b"}, "no text 'rejected'; it has prompt, chosen"),
    ({"question": "a", "answer": "b"}, "no text 'chosen'; it has question, answer"),
    (GOOD | {"chosen": None}, "no text 'chosen'"),
    ({"prompt": "a", "rejected": "b", "no\n": "c"}, r"no text 'chosen'; it has prompt, rejected, no\n, expected"),
    (GOOD | {"chosen": 3}, "chosen is neither a text nor a list of messages"),
    (GOOD | {"chosen": ["b"]}, "chosen is neither a text nor a list of messages"),
    (GOOD | {"prompt": [says("user", "a")]}, "prompt is a list of messages, chosen is a text"),
    (GOOD | {"prompt": [{"role": "user", "content": [{"type": "image"}]}]}, "prompt is neither a text nor a list"),
    (GOOD | {"prompt": "  "}, "no text 'prompt', it is empty"),
    (NO_TURN, "no text 'prompt', nor is there 'Assistant:' to find one by"),
    ([1, 2], "expected an object with prompt, chosen, rejected, got list"),
    ("a", "expected an object with prompt, chosen, rejected, got str"),
    ({}, "no text 'chosen'; it has nothing"),
]


@pytest.mark.parametrize(("row", "fault"), WRONG)
def test_a_row_of_another_shape_is_refused_with_its_line(row: Any, fault: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(f"line 2: {fault}")) as told:
        list(read_jsonl(write(tmp_path / "mine.jsonl", GOOD, row)))
    assert "it has prompt, chosen, rejected, expected" not in str(told.value)


TURN = "\n\nAssistant:"
USELESS: list[Any] = [
    GOOD | {"chosen": ""},
    GOOD | {"rejected": " \n"},
    {"chosen": f"cats?{TURN} meow", "rejected": f"dogs?{TURN} woof"},
    {"chosen": f"a{TURN} b{TURN} c", "rejected": f"a{TURN} x"},
    {"chosen": f"a{TURN} b", "rejected": f"a{TURN}  "},
    {"chosen": [says("user", "a"), says("assistant", "b")], "rejected": [says("user", "c"), says("assistant", "d")]},
    {"chosen": [says("user", "a"), says("assistant", "b")], "rejected": [says("user", "a"), says("assistant", "")]},
]


@pytest.mark.parametrize("row", USELESS)
def test_a_row_that_says_nothing_is_left_out_and_counted(row: Any, tmp_path: Path, capsys: Any) -> None:
    tokenizer = little_tokenizer()
    tokenizer.chat_template = TEMPLATE
    assert list(read_jsonl(write(tmp_path / "mine.jsonl", GOOD, row, GOOD), tokenizer)) == [GOOD, GOOD]
    assert "mine.jsonl: 1 of 3 rows are left out, the first: " in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"3 of 5 rows say nothing, the first: .*line 2"):
        list(read_jsonl(write(tmp_path / "mine.jsonl", GOOD, row, row, row, GOOD), tokenizer))


def test_dialogues_that_part_early_are_refused_one_by_one() -> None:
    for chosen, rejected in (("a{0} b{0} c", "a{0} x"), ("cats?{0} b", "dogs?{0} c"), ("a{0} b", "a {0} b")):
        with pytest.raises(ValueError, match="the dialogues differ before the last answer"):
            dialogue({"chosen": chosen.format(TURN), "rejected": rejected.format(TURN)})


@pytest.mark.parametrize("size", [2, 5, 26])
def test_a_tokenizer_with_more_tokens_than_the_model_is_refused_before_anything(size: int, tmp_path: Path) -> None:
    tokenizer = little_tokenizer()
    splits = read_preferences("hh", little_preferences(tmp_path / "p.jsonl"), tokenizer, 6)
    policy = make_policy(little_model(size=size), tokenizer, None)
    with pytest.raises(ValueError, match=rf"the tokenizer knows token \d+, the model only {size}: they do not belong"):
        check_rows(policy, splits.sft, 6)
    whole = make_policy(little_model(size=64), tokenizer, None)  # rows that no token has do no harm
    check_rows(whole, splits.sft, 6)
    tokenizer.add_special_tokens({"eos_token": "<stop>"})
    with pytest.raises(ValueError, match=f"the tokenizer knows token {len(tokenizer) - 1}"):
        make_policy(little_model(), tokenizer, None)
