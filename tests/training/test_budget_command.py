"""`vgf budget` prints the ladder and a sentence, and says in one line where the data are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.budget_records import DATA, a_record
from vgf import cli
from vgf.support.json_text import parse_json
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
