"""`vgf budget` prints the ladder and a sentence, and says in one line where the data are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.budget_records import DATA, a_record
from vgf import cli, records
from vgf.support.files import sha256, write_json
from vgf.support.json_text import parse_json
from vgf.training import budget_command
from vgf.training.budgets.report import read_report, report_path
from vgf.training.checkpoints import POLICY


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_record(tmp_path_factory.mktemp("own"))


def test_the_command_says_one_sentence_or_one_line(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "data.npz", **DATA)  # type: ignore[arg-type]
    words = ["budget", str(record), "--seed", "0", "--updates", "3", "--device", "cpu"]
    assert cli.main([*words, "--data", str(tmp_path / "data.npz")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"task: {read_report(report_path(record / POLICY, 0)).sentence}"
    assert len(said) == 18 + 2
    assert cli.main(words) == 2
    assert capsys.readouterr().err.strip().endswith("say which with --data")
    assert cli.main([*words, "--data", str(tmp_path / "data.npz"), "--json"]) == 0
    assert sum(row["chosen"] for row in parse_json(capsys.readouterr().out)) == 1


@pytest.fixture
def line_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a policy's file, for data of a task, and the path of the cache's file of it."""
    monkeypatch.setenv("VGF_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(budget_command, "load_agent", lambda path: (None, "cube-single-play-singletask-task1-v0"))
    monkeypatch.setattr(budget_command, "load", lambda task, data: (task, data))
    file = tmp_path / "data" / "cache" / "ogbench" / "mine.npz"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"these were learnt from")
    return file


def test_the_file_a_record_names_is_taken_only_as_it_was(line_file: Path, tmp_path: Path) -> None:
    facts = {"file": line_file.name, "sha256": sha256(line_file), "source": "regenerated"}
    policy = tmp_path / "policy.safetensors"
    with pytest.raises(ValueError, match=r"no run\.json here says .*; say which with --data$"):
        budget_command.data_of(policy)
    runs = [{"id": "x", "seeds": [0], "dataset": facts}]
    write_json(tmp_path / "run.json", {"schema": records.SCHEMA, "runs": runs, "sha256": {}})
    assert budget_command.data_of(policy) == ("cube-single-play-singletask-task1-v0", line_file)
    line_file.write_bytes(b"another file of that name")
    with pytest.raises(ValueError, match=r"mine\.npz is not what it was trained on, by sha256; say where .* --data$"):
        budget_command.data_of(policy)
    line_file.unlink()
    with pytest.raises(ValueError, match=r"are not at .*mine\.npz; say where they are with --data, or `vgf data get"):
        budget_command.data_of(policy)
