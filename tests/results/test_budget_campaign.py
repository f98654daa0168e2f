"""Cells of the campaign: made from policies, one by one, played from starts of their own; refusals in one line."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.helpers.own_runs import trajectories
from vgf import records
from vgf.agents import VGF, Dims
from vgf.agents.vgf_config import PRESETS
from vgf.datasets import get_task
from vgf.datasets.own import own_transitions
from vgf.networks import SeedStreams
from vgf.results import budget_campaign, policy_tables
from vgf.results.budget_cells import rules_file
from vgf.training.budgets.critics import AgentCritics
from vgf.training.budgets.ladder import Rung, Unit
from vgf.training.budgets.measure import actions_of
from vgf.training.checkpoints import save_policy

CONFIG = replace(PRESETS["release"], hidden=(16, 16), particles=2, flow_steps=2, pretrain=2, bank=2)
HOPPER, SEEDS, UNIT = "hopper-medium-v2", (0, 3, 4, 5), Unit(0.3, 1.0, 3)
DATA = own_transitions(trajectories(count=16, observation=11, action=3))


def small(part: str = "campaign") -> dict[str, Any]:
    plan = copy.deepcopy(rules_file(part))
    plan["campaign"] |= {"study": "d4rl.cpu", "task": HOPPER, "rows": ["vgf", "gone"], "movers": [3, 0]}
    plan["campaign"] |= {"ladder": {"displacements": [0, 0.5], "particles": [10]}, "batch_size": 4}
    plan["campaign"]["episodes"] = {"tuning": 1, "reporting": 2}
    plan["cells"]["ensemble"]["members"] = 2
    plan["cost"]["short"] = {"share": 0.1, "fewest": 2}
    return plan


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    agent = VGF.create(CONFIG, Dims(11, 3), SEEDS)
    agent.updates = 6
    folder = tmp_path / "d4rl.cpu" / HOPPER / "vgf"
    folder.mkdir(parents=True)
    save_policy(folder / "policy.safetensors", agent, HOPPER)
    monkeypatch.setattr(budget_campaign, "rules_file", small)
    monkeypatch.setattr(budget_campaign, "data_of", lambda at: DATA)
    return tmp_path


def test_cells_come_one_by_one_and_a_row_without_a_policy_is_left_out(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def evaluated(actor: budget_campaign.RungActor, envs: Any, **how: Any) -> pd.DataFrame:
        assert (how["starts"], how["episodes"], envs.num_envs) == ("budgets", 3, 3)
        seen.append((actor.seeds[0], actor.rung))
        return pd.DataFrame({"return": np.arange(3.0) + actor.rung.displacement})

    monkeypatch.setattr(budget_campaign, "evaluate", evaluated)
    budget_campaign.run(root, root)
    assert "no policy of gone" in capsys.readouterr().err
    folder = root / "budget.campaign"
    assert list(policy_tables.faults(folder)) == []
    cells, choices = (records.read_csv(folder / f"{name}.csv") for name in ("cells", "choices"))
    assert cells["seed"].tolist() == [3] * 3 + [0] * 3
    assert seen == [(seed, rung) for seed in (3, 0) for rung in (Rung(0, 1), Rung(0, 10), Rung(0.5, 10))]
    assert cells["value"].astype(float).tolist() == [1.5, 1.5, 2.0] * 2  # the mean of the last two episodes
    assert {"ours", "ours_seeds", "zero", "oracle"} <= set(choices["rule"])
    assert (cells[["judging", "judging_seeds"]].astype(float) > 0).to_numpy().all()
    kept = cells[cells["seed"] == 3]
    table = cells[cells["seed"] != 0]
    policy_tables.write(folder / "cells.csv", table, {f"{HOPPER}/vgf": {}})
    seen.clear()
    budget_campaign.run(root, root)
    assert {seed for seed, _ in seen} == {0}  # the one that was not there
    again = records.read_csv(folder / "cells.csv")
    pd.testing.assert_frame_equal(again[again["seed"] == 3].reset_index(drop=True), kept.reset_index(drop=True))
    assert len(again) == 6


def test_it_acts_by_the_rung_with_the_noise_of_the_round() -> None:
    policy, rung = VGF.create(CONFIG, Dims(11, 3), (3,)), Rung(0.5, 4)
    states = torch.randn(1, 5, 11, generator=torch.Generator().manual_seed(0))
    actor = budget_campaign.RungActor(policy, rung, UNIT)
    found = actor.act(states, actor.budget(0), SeedStreams((3,), "evaluation"))
    critics = AgentCritics(policy)
    critics.streams = SeedStreams((3,), "evaluation")
    assert torch.equal(found, actions_of(critics, states, (rung,), UNIT)[:, 0])


def test_rungs_are_played_in_the_real_simulator() -> None:
    policy = VGF.create(CONFIG, Dims(11, 3), (3,))
    rungs = (Rung(0.0, 10), Rung(0.5, 10))
    states = DATA.observations[:5]
    table = budget_campaign.played(policy, get_task(HOPPER), rungs, UNIT, states, {"tuning": 1, "reporting": 2})
    assert np.isfinite(table.to_numpy(float)).all()
    assert table["error"].iloc[0] == 0.0
    assert (table["value"] > 0).all()


def test_without_a_policy_and_with_two_words_it_is_one_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "d4rl.cpu" / HOPPER / "vgf" / "policy.safetensors").unlink()
    with pytest.raises(ValueError, match="no policy of vgf, gone; `vgf train` leaves them"):
        budget_campaign.run(root, root)
    assert not (root / "budget.campaign").exists()
    (root / "budget.campaign").mkdir()
    (root / "budget.campaign" / "cells.csv").write_text("task,method,seed\n")
    with pytest.raises(ValueError, match="no policy of vgf, gone"):  # a folder that is not there
        budget_campaign.run(root / "elsewhere", root)
    capsys.readouterr()
    assert budget_campaign.main(["a", "b"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("budget_campaign: give one folder of records")
