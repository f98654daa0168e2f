"""Fixtures of the tests of training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.toy_runs import toy_data, toy_envs
from vgf.datasets import get_task
from vgf.training import commands, runs


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let the command run on toy data and environments, in a data folder of its own."""
    monkeypatch.setenv("VGF_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(commands, "make_envs", toy_envs)
    monkeypatch.setattr(commands, "load", lambda *_: toy_data())
    monkeypatch.setattr(commands, "dataset_file", lambda *_: Path("toy.npz"))
    monkeypatch.setattr(commands, "provenance", lambda _: {"sha256": "0", "source": "regenerated"})
    monkeypatch.setattr(runs, "get_task", lambda name: replace(get_task(name), episode_steps=3))
    return tmp_path
