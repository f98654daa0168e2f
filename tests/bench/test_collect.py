"""`python -m vgf.bench.collect`: its parts, folders and records; never how long anything takes."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from vgf import cli
from vgf.agents import hardware
from vgf.bench import collect, turns
from vgf.bench.machine import machine


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time single updates: nothing here looks at the times."""
    monkeypatch.setattr(turns, "BLOCK_SECONDS", 0.0)


def test_every_part_of_the_collection_is_a_command_that_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    from vgf.bench import commands

    ran = []
    for command in (
        commands.Update,
        commands.Gains,
        commands.Transport,
        commands.Data,
        commands.Start,
        commands.Profile,
    ):
        monkeypatch.setattr(command, "run", lambda self: ran.append(type(self).__name__))
    for words in collect.PARTS.values():
        assert cli.main(["bench", *words, "--json"]) == 0
    assert len(ran) == len(collect.PARTS)
    assert set(ran) == {"Update", "Gains", "Transport", "Data", "Start", "Profile"}


def test_a_collection_goes_on_where_it_stopped_and_names_the_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = ("transport", "--particles", "5", "--dimension", "2", "--device", "cpu")
    monkeypatch.setattr(collect, "PARTS", {"one": tiny})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    collect.Collect(tmp_path, blocks=1).run()
    parts = collect.read(tmp_path)
    assert list(parts) == ["one"]
    assert parts["one"]["command"] == f"vgf bench {' '.join(tiny)} --json --blocks 1"
    assert set(parts["one"]["machine"]) == set(machine())
    assert parts["one"]["rows"][0]["particles"] == 5
    before = (tmp_path / "one.json").read_bytes()
    collect.Collect(tmp_path, blocks=1).run()
    assert "one: there already" in capsys.readouterr().err
    assert (tmp_path / "one.json").read_bytes() == before


def test_a_collection_refuses_a_part_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown part nonsense; known: (update-tiny|gpu)"):
        collect.Collect(tmp_path, only=("nonsense",)).run()
    with pytest.raises(ValueError, match="no measurements; `python -m vgf"):
        collect.read(tmp_path)


def test_a_collection_goes_to_the_folder_of_this_kind_and_adds_the_releases(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[list[str]] = []

    class Done:
        returncode, stdout = 0, "[]"

    def note_call(command: list[str], **_: Any) -> Done:
        calls.append(command)
        return Done()

    monkeypatch.setattr(collect.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(collect, "HOME", tmp_path)
    monkeypatch.setattr(collect, "processor_kind", lambda: "abacus")
    monkeypatch.setattr(collect, "machine", lambda: {})
    monkeypatch.setattr(collect.subprocess, "run", note_call)
    clones = (tmp_path / "one", tmp_path / "two")
    collect.Collect(only=("rivals", "gains-small"), release=clones, release_python=Path("python")).run()
    record = json.loads((tmp_path / "abacus" / "rivals.json").read_text())
    assert record["command"].endswith("--json --release CLONE CLONE --release-python PYTHON")
    assert str(tmp_path) not in json.dumps(record)
    assert calls[0][-5:] == ["--release", *map(str, clones), "--release-python", "python"]
    assert "--release" not in calls[1]
    with pytest.raises(ValueError, match="--release and --release-python go together"):
        collect.Collect(release=clones).run()


@pytest.mark.parametrize("there", [True, False])
def test_bfloat16_that_is_emulated_is_timed_in_one_part(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    with monkeypatch.context() as changed:
        changed.setattr(hardware, "FUSED", there)
        parts = importlib.reload(collect).PARTS
    low = [name for name, words in parts.items() if "bfloat16" in words]
    importlib.reload(collect)
    assert "update-tiny" in low
    assert ("rivals" in low) == there
    assert there or len(low) == 1


def test_on_a_gpu_the_collection_is_one_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []
    monkeypatch.setattr(collect.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(collect, "HOME", tmp_path)
    monkeypatch.setattr(collect.Collect, "_measure", lambda self, name: asked.append(name) or {"seconds": 1.0})
    collect.Collect().run()
    assert asked == ["gpu"]
    assert (tmp_path / "gpu" / "gpu.json").exists()
