"""A critic's order put to the test: it sees the same actions for every choice, and a right one orders the scores."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.helpers.policy_commands import call, leave_policy
from vgf.agents import VGF, Dims
from vgf.agents.vgf_config import PRESETS
from vgf.results import critic_ranking, policy_tables, trained_policies
from vgf.support.files import sha256
from vgf.training import choices

CONFIG = replace(PRESETS["release"], hidden=(16, 16), particles=6, flow_steps=3)
SEEDS, DIMS = (0, 3), Dims(11, 3)
HOPPER = "hopper-medium-v2"


def test_scores_have_a_row_a_seed_and_choice_and_noise_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []

    def evaluated(actor: Any, envs: Any, **how: Any) -> pd.DataFrame:
        seen.append((actor.choice, actor.particles))
        assert how["episodes"] == 2
        assert how["starts"] == "diagnosis"
        assert not actor.transports
        rows = pd.DataFrame({"seed": [0, 0, 3, 3], "return": [0.0, 200.0, 3234.3, 3234.3]})
        return rows.assign(success=0, episode=0, env_seed=0, length=0)

    monkeypatch.setattr(choices, "evaluate", evaluated)
    monkeypatch.setattr(critic_ranking, "make_envs", lambda task, count: None)
    rows = pd.concat(critic_ranking.scores(VGF.create(CONFIG, DIMS, SEEDS), critic_ranking.get_task(HOPPER), 2))
    assert seen == list(critic_ranking.CHOICES)
    assert len(rows) == 2 * len(critic_ranking.CHOICES)
    assert rows[rows["seed"] == 3]["score"].tolist() == pytest.approx([100.0] * 5)


def test_a_study_s_policies_are_acted_on_in_the_real_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = leave_policy(tmp_path, "d4rl.cpu", VGF.create(CONFIG, DIMS, SEEDS), HOPPER)
    call(critic_ranking.command, tmp_path, "d4rl.cpu", monkeypatch)
    rows = pd.read_csv(tmp_path / "d4rl.cpu" / "ranking.csv")
    assert rows["task"].unique().tolist() == [HOPPER]
    assert len(rows) == 2 * len(critic_ranking.CHOICES)
    assert rows["score"].between(-1, 20).all(), "an untrained hopper falls soon"
    assert "ranking.csv: 10 rows" in capsys.readouterr().err
    facts = json.loads((tmp_path / "d4rl.cpu" / "ranking.json").read_text())
    assert list(facts["made"]) == [f"{HOPPER}/vgf"]
    assert facts["made"][f"{HOPPER}/vgf"]["policy"] == sha256(folder / "policy.safetensors")
    assert {"commit", "versions"} <= facts["made"][f"{HOPPER}/vgf"].keys()


def test_a_table_made_from_policies_is_held_to_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "ranking.csv"
    policy, other = tmp_path / "a" / "vgf" / "policy", tmp_path / "b" / "vgf" / "policy"
    for file in (policy, other):
        file.parent.mkdir(parents=True)
        file.write_text("weights")
        (file.parent / "run.json").write_text("{}")
    rows = pd.DataFrame({"task": ["a"], "method": ["vgf"], "score": [1.5]})
    policy_tables.write(path, rows, policy_tables.of_policies([policy]))
    policy_tables.write(path, rows.assign(task="b", score=4.0), policy_tables.of_policies([other]))
    again = rows.assign(task="b", score=3.0)
    policy_tables.write(path, again, policy_tables.of_policies([other]))  # in the place of the row before
    assert pd.read_csv(path)["score"].tolist() == [1.5, 3.0]
    assert list(json.loads(path.with_suffix(".json").read_text())["made"]) == ["a/vgf", "b/vgf"]
    assert list(policy_tables.faults(tmp_path)) == []
    (other.parent / "run.json").write_text('{"trained": "anew"}')
    (line,) = policy_tables.faults(tmp_path)
    assert "the record of b/vgf is not the one whose policy it was made from" in line
    (other.parent / "run.json").write_text("{}")
    path.write_text(path.read_text().replace("1.5", "2.5"))
    (line,) = policy_tables.faults(tmp_path)
    assert "ranking.csv: changed since it was made" in line
    with pytest.raises(ValueError, match="changed since it was made"):
        policy_tables.write(path, rows, policy_tables.of_policies([policy]))
    (tmp_path / "ranking.json").unlink()
    (line,) = policy_tables.faults(tmp_path)
    assert "no ranking.json beside it" in line


def test_a_study_without_policies_gets_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ranking", "d4rl.cpu", "--results", str(tmp_path)])
    assert trained_policies.main(critic_ranking.command, "vgf.results.critic_ranking") == 2
    assert "no policy of vgf; `vgf train` leaves them" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["ranking", "d4rl.cpu", "--method", "vgff", "--results", str(tmp_path)])
    assert trained_policies.main(critic_ranking.command, "vgf.results.critic_ranking") == 2
    assert "d4rl.cpu: methods has no 'vgff'; nearest: vgf" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
