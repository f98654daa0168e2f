"""The tables of layouts in *Use VGF on your data*: each row is a file that is read so."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.helpers import layouts
from tests.helpers.language import little_tokenizer
from tests.helpers.site import ROOT
from vgf.book import known_layouts
from vgf.book.known_layouts import LAYOUTS, ROWS, markdown
from vgf.datasets.own_rows import read_own
from vgf.rlhf.parts.preferences import KEYS, TURN, read_jsonl

FILES: dict[str, Callable[[Path], Any]] = {
    "trajectories, npz": lambda path: layouts.npz(path / "a.npz", layouts.with_last_rows()),
    "OGBench, npz as its own loader returns it": lambda path: layouts.npz(
        path / "a.npz", layouts.as_ogbench_loads() | {"qpos": np.zeros((12, 3)), "qvel": np.zeros((12, 2))}
    ),
    "transitions of a replay buffer": lambda path: layouts.npz(path / "a.npz", layouts.as_d4rl_has_it()),
    "D4RL, hdf5": lambda path: layouts.hdf5(path / "a.hdf5", layouts.as_d4rl_has_it(follow=False)),
    "Minari, a folder or its file": lambda path: layouts.minari(path / "a"),
    "robomimic, hdf5": lambda path: layouts.robomimic(path / "a.hdf5"),
    "LeRobot, a folder or one parquet file": lambda path: layouts.lerobot(path / "a"),
    "columns of parquet": lambda path: layouts.columns(path / "a.parquet"),
}
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
ROW = {"prompt": "a", "chosen": "b", "rejected": "c"}
TALK = [{"role": "user", "content": "a"}]
TEXT = json.dumps(ROW)


def table(path: Path) -> None:
    parquet.write_table(pa.Table.from_pylist([ROW]), path)


PREFERENCES: dict[str, Callable[[Path], Any]] = {
    "standard": lambda path: path.write_text(TEXT),
    "conversational": lambda path: path.write_text(
        json.dumps(
            {"prompt": TALK} | {key: [{"role": "assistant", "content": ROW[key]}] for key in ("chosen", "rejected")}
        )
    ),
    "implicit prompt": lambda path: path.write_text(json.dumps({"chosen": f"a{TURN}b", "rejected": f"a{TURN}c"})),
    "a JSON list, or parquet": table,
    "gzip": lambda path: path.write_bytes(gzip.compress(TEXT.encode())),
    "UTF-16, or UTF-8 with a mark": lambda path: path.write_bytes(TEXT.encode("utf-16")),
}


def test_every_row_of_the_tables_is_tried_here() -> None:
    assert [row.name for row in LAYOUTS] == list(FILES)
    assert [row.name for row in ROWS] == list(PREFERENCES)


@pytest.mark.parametrize("row", LAYOUTS, ids=lambda row: row.name)
def test_a_file_of_each_layout_is_read_as_the_table_says(row: Any, tmp_path: Path) -> None:
    read, kind = read_own(FILES[row.name](tmp_path))
    assert kind == row.kind
    assert read.layout.startswith(row.read_as)
    assert len(read.columns["actions"]) in (11, 12)  # of twelve; one that ends by time may have no successor


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rows_of_each_shape_are_read(row: Any, tmp_path: Path) -> None:
    path, tokenizer = tmp_path / "rows", little_tokenizer()
    tokenizer.chat_template = TEMPLATE
    PREFERENCES[row.name](path)
    (found,) = read_jsonl(path, tokenizer)
    assert found["chosen"].strip() == "b"
    assert found["rejected"].strip() == "c"
    assert "a" in found["prompt"]


def test_the_chapter_shows_both_tables() -> None:
    text = (ROOT / "notebooks" / "20_your_data.md").read_text()
    assert "known_layouts.markdown(known_layouts.LAYOUTS)" in text
    assert "known_layouts.markdown(known_layouts.ROWS)" in text
    for rows in (LAYOUTS, ROWS):
        lines = markdown(rows).splitlines()
        assert len(lines) == len(rows) + 2
        assert len({line.count("|") for line in lines}) == 1


def test_the_names_of_rows_are_those_of_their_reader() -> None:
    assert (KEYS, TURN.strip()) == (known_layouts.KEYS, known_layouts.TURN)
