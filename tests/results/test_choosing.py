"""How much the critic decides: a policy acts by the best of one and of many actions, and says what came of it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from vgf.agents import VGF, Dims
from vgf.agents.iql import IQL, IQLConfig
from vgf.agents.vgf_config import PRESETS
from vgf.datasets import get_task
from vgf.results import choosing, trained_policies
from vgf.training.checkpoints import save_policy

CONFIG = replace(PRESETS["release"], hidden=(16, 16), particles=6, flow_steps=3)
SEEDS, DIMS = (0, 3), Dims(11, 3)
HOPPER = "hopper-medium-v2"


def test_actions_are_chosen_among_so_many_and_the_agent_gets_its_own_number_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = replace(CONFIG, pretrain=10, bank=6)
    agent, seen = VGF.create(own, DIMS, SEEDS), []

    def evaluated(actor: VGF, envs: Any, **how: Any) -> pd.DataFrame:
        seen.append(actor.config.particles)
        assert how["starts"] == "diagnosis"
        assert how["test_steps"] == (0,)
        return pd.DataFrame({"seed": [0, 3]})

    monkeypatch.setattr(choosing, "evaluate", evaluated)
    monkeypatch.setattr(choosing, "make_envs", lambda task, count: None)
    rows = pd.concat(choosing.acted(agent, get_task(HOPPER), 1, among=(2, 9)))
    assert seen == [2, 9]
    assert rows["particles"].tolist() == [2, 2, 9, 9]
    assert agent.config == own


def test_the_best_of_one_is_any_action_and_of_more_the_critic_s(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = VGF.create(CONFIG, DIMS, SEEDS)
    states = torch.zeros(2, 200, DIMS.observation)

    def mean_value(actor: VGF, envs: Any, **how: Any) -> pd.DataFrame:
        actions = actor.act(states, actor.budget(0))
        return pd.DataFrame({"value": actor.value(states, actions[..., None, :], "min").mean((1, 2)).tolist()})

    monkeypatch.setattr(choosing, "evaluate", mean_value)
    monkeypatch.setattr(choosing, "make_envs", lambda task, count: None)
    one, many = choosing.acted(agent, get_task(HOPPER), 1, among=(1, 16))
    assert (many["value"] > one["value"]).all()


def test_a_study_s_policies_choose_in_the_real_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "d4rl.cpu" / HOPPER / "vgf"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    save_policy(folder / "policy.safetensors", VGF.create(CONFIG, DIMS, SEEDS), HOPPER)
    words = ["choosing", "d4rl.cpu", "--method", "vgf", "--episodes", "1", "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    assert trained_policies.main(choosing.command, "vgf.results.choosing") == 0
    rows = pd.read_csv(tmp_path / "d4rl.cpu" / "choosing.csv")
    assert tuple(rows) == choosing.COLUMNS
    assert len(rows) == len(SEEDS) * len(choosing.AMONG)
    assert "choosing.csv: 8 rows" in capsys.readouterr().err


def test_an_agent_that_does_not_choose_is_refused_with_those_that_do(tmp_path: Path) -> None:
    save_policy(tmp_path / "policy.safetensors", IQL.create(IQLConfig(hidden=(8,)), DIMS, SEEDS), HOPPER)
    with pytest.raises(ValueError, match=r"iql does not choose.*idql"):
        choosing.choosing_agent(tmp_path)


def _table(lengths: dict[int, list[int]]) -> pd.DataFrame:
    rows = [(HOPPER, "idql", n, 0, e, length) for n, own in lengths.items() for e, length in enumerate(own)]
    return pd.DataFrame(rows, columns=["task", "method", "particles", "seed", "episode", "length"])


WIDE, NARROW = [100, 300, 600, 900], [200, 201, 202, 203]


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ({1: WIDE, 4: NARROW, 16: NARROW}, "alike by the best of 4 and more, and not by any one"),
        ({1: WIDE, 4: NARROW, 16: WIDE}, "with none of these numbers"),
        ({1: NARROW, 4: NARROW}, "so the choice does not make them so"),
    ],
)
def test_words_say_from_how_many_actions_on_episodes_end_alike(lengths: dict[int, list[int]], words: str) -> None:
    assert words in choosing.in_words(_table(lengths), HOPPER)


def test_each_number_of_actions_is_a_row_of_its_own() -> None:
    rows = choosing.as_methods(_table({4: NARROW, 1: WIDE}), HOPPER)
    assert list(dict.fromkeys(rows["method"])) == ["IDQL, any one", "IDQL, best of 4"]
    assert rows["length"].tolist() == [*WIDE, *NARROW]
    said = choosing.counted(_table({4: NARROW, 1: WIDE}), HOPPER)
    assert (
        said == "The median episode of IDQL on hopper-medium has 450 steps by any one, and 202 steps by the best of 4"
    )
