"""`vgf rlhf run` hands over what a machine has in place of the names in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vgf import cli
from vgf.rlhf.study import run, table
from vgf.rlhf.study.plan import Given


def test_every_word_arrives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    told: list[Any] = []

    def note(*given: Any) -> str:
        told.append(given)
        return "done"

    monkeypatch.setattr(run, "run", note)
    words = ["rlhf", "run", "x.yaml", "--scale", "paper", "--model", str(tmp_path), "--tldr", "a", "--hh", "b"]
    assert cli.main([*words, "--judge", "gpt", "--base-url", "u", "--device", "cpu"]) == 0
    files = (("tldr", Path("a")), ("hh", Path("b")))
    assert told == [(Path("x.yaml"), "paper", None, Given(str(tmp_path), files, "gpt", "u", "cpu"))]
    assert capsys.readouterr().out == "done\n"
    assert cli.main(["rlhf", "run", "x.yaml", "--model", "./nowhere"]) == 2
    assert "./nowhere: no such folder; give a folder with a model" in capsys.readouterr().err
    assert len(told) == 1


def test_rows_that_must_not_be_paired_are_refused_before_rivals_are_trained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done: list[str] = []

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("another policy")

    monkeypatch.setattr(run, "prepare", list)
    monkeypatch.setattr(run, "complete", lambda *_: False)
    monkeypatch.setattr(run, "_shared_stages", lambda _: done.append("shared"))
    monkeypatch.setattr(run, "_policies", lambda *_: done.append("policies"))
    monkeypatch.setattr(run, "align", lambda *_, **__: done.append("align"))
    monkeypatch.setattr(run, "check_beside", refuse)
    file = Path(__file__).parents[2] / "data" / "experiments" / "rlhf.yaml"
    with pytest.raises(ValueError, match="another policy"):
        run.run(file, "cpu", tmp_path)
    assert done == ["shared"]
    monkeypatch.setattr(run, "check_beside", lambda *_, **__: None)
    monkeypatch.setattr(run, "_summary", lambda *_: "")
    monkeypatch.setattr(table, "text", lambda _: "")
    run.run(file, "quick", tmp_path)
    assert done[:4] == ["shared", "shared", "policies", "align"]
