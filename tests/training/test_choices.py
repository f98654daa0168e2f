"""The critic's best, any and worst of N unmoved actions, at every evaluated age of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.helpers.toy_runs import a_run, do, toy_envs
from vgf import records
from vgf.agents import VGF, Dims
from vgf.agents.vgf_config import PRESETS
from vgf.networks import SeedStreams
from vgf.results import critic_ranking
from vgf.training import choices
from vgf.training.checkpoints import load_agent
from vgf.training.starts import FIRST_SEEDS

CONFIG = replace(PRESETS["release"], hidden=(16, 16), particles=6, flow_steps=3)
SEEDS, DIMS = (0, 3), Dims(11, 3)


def test_best_and_worst_are_of_the_actions_any_is_one_of() -> None:
    agent = VGF.create(CONFIG, DIMS, SEEDS)
    states = torch.randn(2, 7, 11, generator=torch.Generator().manual_seed(0))
    noise = SeedStreams(SEEDS, "evaluation").normal(7, 5, 3)
    actions = agent.reference.sample(states, noise)
    values = agent.value(states, actions, agent.config.target_q)
    chosen = {
        choice: choices.Chooser(agent, choice, 5).act(states, agent.budget(0), SeedStreams(SEEDS, "evaluation"))
        for choice in ("best", "any", "worst")
    }
    torch.testing.assert_close(chosen["any"], actions[..., 0, :])
    torch.testing.assert_close(agent.value(states, chosen["best"].unsqueeze(-2), "mean").squeeze(-1), values.amax(-1))
    torch.testing.assert_close(agent.value(states, chosen["worst"].unsqueeze(-2), "mean").squeeze(-1), values.amin(-1))


def test_every_evaluated_age_is_ranked_in_the_record_where_a_scale_asks(tmp_path: Path) -> None:
    run = a_run(tmp_path, sizes={"ranking_episodes": 2, "agent": {"hidden": [8], "flow_steps": 2, "pretrain": 3}})
    do(run)
    record = records.read_record(run.folder)
    ranked = record.ranking
    assert sorted(ranked["update"].unique()) == [6, 10]  # at 0 there is a reference alone
    assert len(ranked) == 2 * 2 * len(choices.CHOICES) * 2
    assert set(ranked["env_seed"]) == {FIRST_SEEDS["diagnosis"], FIRST_SEEDS["diagnosis"] + 1}
    assert record.runs[0]["ranked"]
    assert record.runs[0]["seconds"]["ranking"] >= 0
    assert record.runs[0]["settings"]["ranking_episodes"] == 2
    agent, _ = load_agent(run.folder)
    assert isinstance(agent, VGF)
    envs = toy_envs()
    (first, *_) = choices.rank(agent, envs, 2, 3)
    envs.close()
    now = ranked[(ranked["update"] == 10) & (ranked["choice"] == "any")].sort_values(["seed", "episode"])
    assert first["return"].tolist() == pytest.approx(now["return"].tolist())
    summed = critic_ranking.summed_up(ranked, replace(run.task, score="return", score_min=0.0, score_max=100.0))
    assert len(summed) == 2 * 2 * len(choices.CHOICES)
    assert set(summed.columns) == {"seed", "update", "choice", "particles", "score", "episodes"}
    assert summed["episodes"].eq(2).all()
    assert records.faults(run.folder) == []
    path = run.folder / "seed3.ranking.csv"
    path.write_text(path.read_text().replace("best", "worst", 1))
    assert any("seed3.ranking.csv: changed since" in line for line in records.faults(run.folder))
    path.unlink()
    with pytest.raises(ValueError, match=r"seed3\.ranking\.csv missing"):
        records.read_record(run.folder)


def test_a_record_that_was_not_asked_has_no_ranking_and_its_fingerprint_does_not_know_of_it(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    do(run)
    record = records.read_record(run.folder)
    assert record.ranking.empty
    assert "ranked" not in record.runs[0]
    assert "ranking_episodes" not in record.runs[0]["settings"]
    assert not list(run.folder.glob("*ranking*"))


def test_a_ranking_is_in_rounds_like_an_evaluation(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ranking_episodes must be 0, or a multiple of episodes_at_once 2, got 3"):
        a_run(tmp_path, sizes={"episodes_at_once": 2, "ranking_episodes": 3})
