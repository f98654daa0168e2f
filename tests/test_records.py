"""Records: whole or not at all, growing only, safe with many writers, honest about where they come from."""

from __future__ import annotations

import getpass
import json
import multiprocessing
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vgf
from vgf import records


def rows(*updates: int, **columns: float) -> pd.DataFrame:
    return pd.DataFrame({"update": updates, "loss": [0.1 * u for u in updates], **columns})


def write_record(folder: Path, seeds: tuple[int, ...] = (0, 1)) -> None:
    for seed in seeds:
        episode = pd.DataFrame({"update": [5], "test_steps": [0], "episode": [0], "return": [-1.0 - seed]})
        records.append_rows(records.seed_file(folder, seed), episode, records.EPISODE_KEYS)
        records.append_rows(records.seed_file(folder, seed, curve=True), rows(1, 2), records.CURVE_KEYS)
    records.merge_run(folder, {"id": "a", "seeds": list(seeds)})


def test_appending_keeps_what_is_there_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "new" / "seed0.csv"
    assert records.append_rows(path, rows(1, 2), ["update"]) == 2
    before = path.read_bytes()
    assert records.append_rows(path, rows(3), ["update"]) == 1
    assert path.read_bytes().startswith(before)
    assert pd.read_csv(path)["update"].tolist() == [1, 2, 3]


def test_a_row_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "seed0.csv"
    records.append_rows(path, rows(1, 2), ["update"])
    before = path.read_bytes()
    assert records.append_rows(path, rows(1, 2).assign(loss=9.0), ["update"]) == 0
    assert path.read_bytes() == before
    assert records.append_rows(path, rows(2, 3), ["update"]) == 1
    assert pd.read_csv(path)["loss"].tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_float32_numbers_survive_the_csv_exactly(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=200).astype(np.float32)
    records.append_rows(tmp_path / "x.csv", pd.DataFrame({"update": range(200), "v": values}), ["update"])
    np.testing.assert_array_equal(pd.read_csv(tmp_path / "x.csv")["v"].astype(np.float32), values)


def test_other_columns_are_refused_and_columns_in_another_order_are_not(tmp_path: Path) -> None:
    path = tmp_path / "seed0.csv"
    records.append_rows(path, rows(1), ["update"])
    with pytest.raises(ValueError, match=r"seed0.csv: has columns \['update', 'loss'\]"):
        records.append_rows(path, rows(2, q=1.0), ["update"])
    records.append_rows(path, rows(2)[["loss", "update"]], ["update"])
    assert pd.read_csv(path)["update"].tolist() == [1, 2]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "seed0.csv"
    records.append_rows(path, rows(1), ["update"])
    before = path.read_bytes()

    def full_disk(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises((OSError, ValueError), match="no space left"):
        records.append_rows(path, rows(2), ["update"])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == ["seed0.csv"]
    assert not list(tmp_path.glob(".*.tmp"))


def _writer(folder: Path, number: int) -> None:
    for i in range(10):
        records.append_rows(folder / "shared.csv", rows(100 * number + i), ["update"])
    records.merge_run(folder, {"id": f"run {number}", "seeds": [number]})


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    workers = [multiprocessing.get_context("fork").Process(target=_writer, args=(tmp_path, i)) for i in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    written = pd.read_csv(tmp_path / "shared.csv")["update"]
    assert sorted(written) == sorted(100 * n + i for n in range(6) for i in range(10))
    assert {run["id"] for run in records.read_runs(tmp_path)} == {f"run {n}" for n in range(6)}


def test_a_run_replaces_its_own_entry_and_follows_others(tmp_path: Path) -> None:
    for run in ({"id": "a", "n": 1}, {"id": "b", "n": 1}, {"id": "a", "n": 2}):
        records.merge_run(tmp_path, run)
    assert records.read_runs(tmp_path) == [{"id": "a", "n": 2}, {"id": "b", "n": 1}]


def test_a_record_reads_back_with_its_seeds(tmp_path: Path) -> None:
    write_record(tmp_path, (3, 0))
    record = records.read_record(tmp_path)
    assert record.episodes[["seed", "return"]].to_numpy().tolist() == [[0, -1.0], [3, -4.0]]
    assert record.curve.groupby("seed")["update"].apply(list).to_dict() == {0: [1, 2], 3: [1, 2]}


def test_what_is_missing_or_damaged_is_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^no record at .*/x; `vgf train` makes it$"):
        records.read_record(tmp_path / "x")
    write_record(tmp_path)
    records.seed_file(tmp_path, 1).unlink()
    with pytest.raises(ValueError, match=r"seed1.csv missing, though run.json names the seed"):
        records.read_record(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"schema": 99, "runs": []}))
    with pytest.raises(ValueError, match="schema 99, this version reads 1"):
        records.read_runs(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run.json: not a run.json"):
        records.read_runs(tmp_path)


def test_a_fingerprint_depends_on_values_and_not_on_order() -> None:
    assert records.fingerprint({"a": 1, "b": [2]}) == records.fingerprint({"b": [2], "a": 1})
    assert records.fingerprint({"a": 1}) != records.fingerprint({"a": 2})


def test_provenance_says_code_and_libraries_and_neither_host_nor_user_nor_path() -> None:
    facts = records.provenance()
    assert facts["versions"]["torch"][0].isdigit()
    assert facts["versions"]["vgf-companion"] == vgf.__version__
    text = json.dumps(facts)
    for private in (socket.gethostname(), str(Path.home()), str(Path(records.__file__).parents[1])):
        assert private not in text
    assert f'"{getpass.getuser()}"' not in text


def test_without_git_the_commit_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert records.provenance()["commit"] == ""
