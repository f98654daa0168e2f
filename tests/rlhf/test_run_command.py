"""`vgf rlhf run` hands over what a machine has in place of the names in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vgf import cli
from vgf.rlhf.study import run
from vgf.rlhf.study.plan import Given


def test_every_word_arrives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    told: list[Any] = []
    monkeypatch.setattr(run, "run", lambda *given: told.append(given) or "done")
    words = ["rlhf", "run", "x.yaml", "--scale", "paper", "--model", str(tmp_path), "--tldr", "a", "--hh", "b"]
    assert cli.main([*words, "--judge", "gpt", "--base-url", "u", "--device", "cpu"]) == 0
    files = (("tldr", Path("a")), ("hh", Path("b")))
    assert told == [(Path("x.yaml"), "paper", None, Given(str(tmp_path), files, "gpt", "u", "cpu"))]
    assert capsys.readouterr().out == "done\n"
    assert cli.main(["rlhf", "run", "x.yaml", "--model", "./nowhere"]) == 2
    assert "./nowhere: no such folder; give a folder with a model" in capsys.readouterr().err
    assert len(told) == 1
