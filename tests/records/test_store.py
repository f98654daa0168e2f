"""Records: whole or not at all, growing only, safe with many writers, honest about where they come from."""

from __future__ import annotations

import fcntl
import getpass
import json
import multiprocessing
import multiprocessing.connection
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vgf
from tests.helpers.moments import Changes
from tests.helpers.site import ROOT
from vgf import records
from vgf.support.files import locked
from vgf.support.provenance import code_provenance, fingerprint


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


def _writer(folder: Path, number: int, count: int, first: int, acknowledge: int, kill_at: int) -> None:
    """Append to a file all share and to one of its own, say of each row that it is written, die where it is told."""
    Changes(folder, kill_at)
    for i in range(first, count):
        key = 1000 * number + i
        for path in (folder / "seed0.csv", records.seed_file(folder, number)):
            records.append_rows(path, rows(key), ["update"])
        os.write(acknowledge, b"%d\n" % key)
    records.merge_run(folder, {"id": f"run {number}", "seeds": [number]})
    os.write(acknowledge, b"run %d\n" % number)


def test_32_writers_killed_at_random_lose_nothing_they_acknowledged(tmp_path: Path) -> None:
    writers, count, kills = 32, 6, 48
    rng, fork = random.Random(0), multiprocessing.get_context("fork")
    folder, notes = tmp_path / "record", tmp_path / "notes"
    acknowledge = os.open(notes, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    deaths = {number: 1 + (number <= kills - writers) for number in range(1, writers + 1)}

    def noted() -> list[str]:
        return notes.read_text().split("\n")[:-1]

    def start(number: int) -> multiprocessing.process.BaseProcess:
        first = sum(note.isdigit() and int(note) // 1000 == number for note in noted())
        left = max(2, 8 * (count - first) - 5)  # it has this many changes to come: four at least a file of a row
        kill_at = rng.randint(1, left) if deaths[number] else 0
        process = fork.Process(target=_writer, args=(folder, number, count, first, acknowledge, kill_at))
        process.start()
        return process

    running = {number: start(number) for number in range(1, writers + 1)}
    while running:
        multiprocessing.connection.wait([process.sentinel for process in running.values()])
        for number, process in [(n, process) for n, process in running.items() if not process.is_alive()]:
            assert process.exitcode == (-signal.SIGKILL if deaths[number] else 0)
            seen = noted()  # what was acknowledged so far is there at any moment, and whatever is there can be read
            if any(note.isdigit() for note in seen):
                there = set(pd.read_csv(folder / "seed0.csv")["update"])
                assert {int(note) for note in seen if note.isdigit()} <= there
            if deaths[number]:
                deaths[number] -= 1
                running[number] = start(number)
            else:
                del running[number]
    os.close(acknowledge)
    for number in range(1, writers + 1):
        own = [1000 * number + i for i in range(count)]
        assert pd.read_csv(records.seed_file(folder, number))["update"].tolist() == own
    shared = pd.read_csv(folder / "seed0.csv")
    assert sorted(shared["update"]) == [1000 * n + i for n in range(1, writers + 1) for i in range(count)]
    np.testing.assert_allclose(shared["loss"], 0.1 * shared["update"], rtol=1e-8)
    assert {run["id"] for run in records.read_runs(folder)} == {f"run {n}" for n in range(1, writers + 1)}
    assert {note for note in noted() if not note.isdigit()} == {f"run {n}" for n in range(1, writers + 1)}
    records.append_rows(folder / "seed0.csv", rows(0), ["update"])
    assert not list(folder.glob(".*.tmp"))
    assert [fault for fault in records.faults(folder) if "curve" not in fault] == []


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_writer_killed_while_it_writes_leaves_the_old_file_and_an_open_lock(tmp_path: Path, where: str) -> None:
    path = tmp_path / "seed0.csv"
    records.append_rows(path, rows(1), ["update"])
    records.merge_run(tmp_path, {"id": "a", "seeds": [0]})
    before = {file: file.read_bytes() for file in (path, tmp_path / "run.json")}
    for call in ("append_rows(path, frame, ['update'])", "merge_run(path.parent, {'id': 'b', 'seeds': [0]})"):
        script = (
            "import os, pathlib, signal, pandas as pd\nfrom vgf import records\n"
            f"path, frame = pathlib.Path({str(path)!r}), pd.DataFrame({{'update': [2], 'loss': [0.2]}})\n"
            "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
            f"{'os.fsync' if where == 'fsync' else 'pathlib.Path.replace'} = die\nrecords.{call}\n"
        )
        assert subprocess.run([sys.executable, "-c", script]).returncode == -signal.SIGKILL
    assert {file: file.read_bytes() for file in before} == before
    assert len(list(tmp_path.glob(".*.tmp"))) == 2
    records.append_rows(path, rows(2), ["update"])
    records.merge_run(tmp_path, {"id": "b", "seeds": [0]})
    assert pd.read_csv(path)["update"].tolist() == [1, 2]
    assert [run["id"] for run in records.read_runs(tmp_path)] == ["a", "b"]
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_lock_of_a_folder_that_was_removed_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, order, waits, lock = tmp_path / "record", list[str](), threading.Event(), fcntl.flock

    def tried(*given: Any) -> None:
        try:
            lock(*given)
        except BlockingIOError:
            waits.set()
            raise

    def second() -> None:
        with locked(folder), (folder / ".files.lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # as it must be: what is locked is the file that others see
                order.append("second")

    thread = threading.Thread(target=second)
    monkeypatch.setattr(fcntl, "flock", tried)
    with locked(folder):
        thread.start()
        assert waits.wait(300)
        shutil.rmtree(folder)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_file_that_is_not_as_its_run_left_it_is_named(tmp_path: Path) -> None:
    write_record(tmp_path)
    assert records.faults(tmp_path) == []
    path = records.seed_file(tmp_path, 1)
    path.write_text(path.read_text().replace("-2", "-1"))
    records.seed_file(tmp_path, 0, curve=True).unlink()
    (missing, changed) = records.faults(tmp_path)
    assert missing == f"{tmp_path}/seed0.curve.csv: missing, though run.json names the seed"
    assert changed.startswith(f"{path}: changed since its run wrote it")
    records.merge_run(tmp_path, {"id": "b", "seeds": [7]})  # another run's entry does not seal what is not its own
    assert changed in records.faults(tmp_path)
    content = json.loads((tmp_path / "run.json").read_text())
    del content["sha256"]["seed1.csv"]
    (tmp_path / "run.json").write_text(json.dumps(content))
    assert f"{path}: run.json has no checksum of it" in records.faults(tmp_path)


def test_a_run_replaces_its_own_entry_and_follows_others(tmp_path: Path) -> None:
    for ident, n in (("a", 1), ("b", 1), ("a", 2)):
        records.merge_run(tmp_path, {"id": ident, "seeds": [], "n": n})
    assert [(run["id"], run["n"]) for run in records.read_runs(tmp_path)] == [("a", 2), ("b", 1)]


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
    with pytest.raises(ValueError, match=r"run.json: not JSON"):
        records.read_runs(tmp_path)


SHAPES = [
    ('{"schema": 1}', "runs must be a list, and is missing"),
    ('{"schema": 1, "runs": {}}', "runs must be a list"),
    ('{"schema": 1, "runs": [3]}', "run 0 has no id or no list of seeds"),
    ('{"schema": 1, "runs": [{"id": "a"}]}', "run 0 has no id or no list of seeds"),
    ('{"schema": 1, "runs": [{"id": 3, "seeds": []}]}', "run 0 has no id or no list of seeds"),
    ('{"schema": 1, "runs": [{"id": "a", "seeds": 0}]}', "run 0 has no id or no list of seeds"),
    ('{"schema": 1, "runs": [{"id": "a", "seeds": ["0"]}]}', "run 0 has no id or no list of seeds"),
    ('{"schema": 1, "runs": [{"id": "a", "seeds": [true]}]}', "run 0 has no id or no list of seeds"),
    ('{"schema": 1, "runs": [], "sha256": []}', "sha256 is no mapping of checksums"),
    ('{"schema": 1, "runs": [], "sha256": {"seed0.csv": 3}}', "sha256 is no mapping of checksums"),
    ('{"schema": 1, "schema": 1, "runs": []}', "'schema' is named twice"),
    ("[]", "it holds a list, not a mapping"),
]


@pytest.mark.parametrize(("content", "fault"), SHAPES)
def test_a_run_json_of_another_shape_is_named(content: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    for read in (records.read_record, records.read_runs, records.checksums, records.faults):
        with pytest.raises(ValueError, match=f"{tmp_path}/run.json: .*{fault}"):
            read(tmp_path)


CHANGES: list[tuple[str, bytes, bytes]] = [
    ("seed0.csv", b"-1", b"-3"),
    ("seed1.csv", b"-2", b"-2\xff"),
    ("seed0.curve.csv", b"update", b"updates"),
    ("seed1.curve.csv", b"\n", b"\n\n"),
]


@pytest.mark.parametrize(("name", "old", "new"), CHANGES)
def test_rows_that_are_not_as_their_run_left_them_are_not_read(
    name: str, old: bytes, new: bytes, tmp_path: Path
) -> None:
    write_record(tmp_path)
    path = tmp_path / name
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(ValueError, match=f"{path}: changed since its run wrote it"):
        records.read_record(tmp_path)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2,3\n1,2,3,4\n", b"\xff\xfe", b'a,b\n"1,2\n'])
def test_a_csv_that_is_none_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "seed0.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{path}: not a csv of this package") as told:
        records.read_csv(path)
    assert "\n" not in str(told.value)


def test_a_fingerprint_depends_on_values_and_not_on_order() -> None:
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_provenance_says_code_and_libraries_and_neither_host_nor_user_nor_path() -> None:
    facts = code_provenance()
    assert facts["versions"]["torch"][0].isdigit()
    assert facts["versions"]["vgf-companion"] == vgf.__version__
    text = json.dumps(facts)
    for private in (socket.gethostname(), str(Path.home()), str(ROOT)):
        assert private not in text
    assert f'"{getpass.getuser()}"' not in text


def test_without_git_the_commit_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert code_provenance()["commit"] == ""


def test_who_does_not_want_to_wait_for_a_folder_is_told(tmp_path: Path) -> None:
    with locked(tmp_path, "run"):
        with pytest.raises(BlockingIOError), locked(tmp_path, "run", wait=False):
            pytest.fail("two hold it")
        with locked(tmp_path, "other", wait=False):
            pass
    with locked(tmp_path, "run", wait=False):
        pass
