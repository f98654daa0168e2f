"""The authors' release beside ours: asked for the same, refused what it has not, and answered in our shapes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.toy_runs import toy_data
from vgf.agents.vgf_config import PRESETS
from vgf.flow import Budget
from vgf.networks import SeedStreams
from vgf.results import release_check as check
from vgf.results import trained_policies

RELEASE = PRESETS["release"]
CHILD = """
import json, sys
import numpy as np
asked = json.loads(sys.argv[1])
data = np.load(asked["file"], allow_pickle=False)
assert sorted(data.files) == ["actions", "masks", "next_observations", "observations", "rewards"]
out = sys.stdout.buffer
out.write(b'{"jax": "none"}\\n'); out.flush()
for line in sys.stdin.buffer:
    wanted = json.loads(line)
    s, b, o = wanted["shape"]
    x = np.frombuffer(sys.stdin.buffer.read(4 * s * b * o), np.float32).reshape(s, b, o)
    out.write((x[..., :1] * wanted["steps"] + np.zeros(data["actions"].shape[-1], np.float32)).tobytes()); out.flush()
"""


def a_clone(folder: Path) -> Path:
    (folder / "agents").mkdir(parents=True)
    (folder / "agents" / "vgf.py").write_text("")
    return folder


def test_the_release_is_asked_for_what_our_config_says() -> None:
    config = check.release_config(replace(RELEASE, hidden=(8, 9), step_size=0.3, target_q="min"), 32)
    assert config["value_hidden_dims"] == config["actor_hidden_dims"] == (8, 9)
    assert (config["batch_size"], config["vgf_lr"], config["train_q_agg"], config["vgf_q_agg"]) == (
        32,
        0.3,
        "min",
        "mean",
    )
    assert (config["vgf_alpha"], config["train_vgf_steps"], config["bc_flow_steps"]) == (0.2, 3, 10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "none"}, "optimizer is 'none'; the release's agent has 'adam' alone"),
        ({"pretrain": 5}, "pretrain is 5; the release's agent has 0 alone"),
        ({"direction": "amortised"}, "direction is 'amortised'; the release's agent has 'autograd' alone"),
    ],
)
def test_what_the_release_has_not_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check.release_config(replace(RELEASE, **changes), 32)


def test_its_actions_come_back_in_order_and_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    monkeypatch.setattr(check, "AGENT", script)
    data = toy_data()
    asked = {"config": check.release_config(RELEASE, 4), "seeds": (3, 5), "updates": 1}
    agent = check.ReleaseAgent(a_clone(tmp_path / "clone"), Path(sys.executable), data, asked)
    try:
        assert agent.budget(2) == Budget(2, 0.01, 0.2, "adam")
        observations = torch.randn(2, 6, data.observations.shape[-1])
        for steps in (2, 0, 1):
            actions = agent.act(observations, agent.budget(steps), SeedStreams((3, 5), "x"))
            assert actions.shape == (2, 6, data.actions.shape[-1])
            assert torch.equal(actions, steps * observations[..., :1].expand_as(actions))
    finally:
        agent.stop()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "fql"], "--method fql: online has no such method of value gradient flow"),
        (["--method", "vgf"], "pretrain is 7500; the release's agent has 0 alone"),
        (["--method", "vgf_in_step"], "no agents/vgf.py; give a clone"),
    ],
)
def test_bad_words_get_one_line(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(check, "load", lambda *_: toy_data())
    monkeypatch.setattr(check, "dataset_file", lambda *_: tmp_path / "none")
    told = ["--release", str(tmp_path), "--release-python", sys.executable, "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["release_check", "online.cpu", *words, *told])
    assert trained_policies.main(check.command, "vgf.results.release_check") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_ends_early_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "child.py"
    script.write_text("raise SystemExit(1)")
    monkeypatch.setattr(check, "AGENT", script)
    asked = {"config": {}, "seeds": (0,), "updates": 1}
    with pytest.raises(ValueError, match="ended before it had trained"):
        check.ReleaseAgent(a_clone(tmp_path / "clone"), Path(sys.executable), toy_data(), asked)
