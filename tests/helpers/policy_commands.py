"""What tests of commands that act with kept policies share: a study of one policy, and a call of the command on it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vgf.agents import VGF
from vgf.results import trained_policies
from vgf.training.checkpoints import save_policy


def leave_policy(root: Path, study: str, agent: VGF, task: str) -> Path:
    """Leave an agent as the policy of `vgf` on a task, beside an empty record; return its folder."""
    folder = root / study / task / "vgf"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    save_policy(folder / "policy.safetensors", agent, task)
    return folder


def call(command: Callable[..., object], root: Path, study: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Run a command of `vgf.results` on a study, an episode for each seed; it must succeed."""
    monkeypatch.setattr(sys, "argv", ["command", study, "--episodes", "1", "--results", str(root), *words])
    assert trained_policies.main(command, command.__module__) == 0
