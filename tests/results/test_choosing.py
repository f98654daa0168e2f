"""How much the critic decides: a policy acts by the best of one and of many actions, and says what came of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from tests.helpers.policy_commands import call, leave_policy
from vgf.agents import VGF, Dims
from vgf.agents.iql import IQL, IQLConfig
from vgf.agents.vgf_config import PRESETS
from vgf.datasets import get_task
from vgf.results import choosing
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
    rows = pd.concat(choosing.acted(agent, get_task(HOPPER), 1))
    assert seen == list(choosing.AMONG)
    assert rows["particles"].tolist() == [count for count in choosing.AMONG for _ in SEEDS]
    assert agent.config == own


def test_the_best_of_one_is_any_action_and_of_more_the_critic_s(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = VGF.create(CONFIG, DIMS, SEEDS)
    states = torch.zeros(2, 200, DIMS.observation)

    def mean_value(actor: VGF, envs: Any, **how: Any) -> pd.DataFrame:
        actions = actor.act(states, actor.budget(0))
        return pd.DataFrame({"value": actor.value(states, actions[..., None, :], "min").mean((1, 2)).tolist()})

    monkeypatch.setattr(choosing, "evaluate", mean_value)
    monkeypatch.setattr(choosing, "make_envs", lambda task, count: None)
    one, *_, many = choosing.acted(agent, get_task(HOPPER), 1)
    assert (many["value"] > one["value"]).all()


def test_a_study_s_policies_choose_in_the_real_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_policy(tmp_path, "d4rl.cpu", VGF.create(CONFIG, DIMS, SEEDS), HOPPER)
    call(choosing.command, tmp_path, "d4rl.cpu", monkeypatch, "--method", "vgf")
    rows = pd.read_csv(tmp_path / "d4rl.cpu" / "choosing.csv")
    assert tuple(rows) == choosing.COLUMNS
    assert len(rows) == len(SEEDS) * len(choosing.AMONG)
    assert "choosing.csv: 8 rows" in capsys.readouterr().err


def test_an_agent_that_does_not_choose_is_refused_with_those_that_do(tmp_path: Path) -> None:
    save_policy(tmp_path / "policy.safetensors", IQL.create(IQLConfig(hidden=(8,)), DIMS, SEEDS), HOPPER)
    with pytest.raises(ValueError, match=r"iql does not choose.*idql"):
        choosing.choosing_agent(tmp_path)


Returns = dict[int, list[list[float]]]  # number of actions: for each seed the returns of its episodes


def _table(returns: Returns, method: str = "idql") -> pd.DataFrame:
    rows = [
        (HOPPER, method, n, seed, e, int(one) // 3, one)
        for n, own in returns.items() for seed, episodes in enumerate(own) for e, one in enumerate(episodes)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["task", "method", "particles", "seed", "episode", "length", "return"])


ONE = [[1500.0, 2100], [2400, 1800], [2100, 2160]]
FOUR = [[900.0, 960], [900, 840], [930, 930]]


def _all(four: list[list[float]], one: list[list[float]] = ONE) -> pd.DataFrame:
    return _table({n: one if n == 1 else four for n in choosing.AMONG})


def test_scores_are_over_seeds_and_gains_against_a_random_action_of_the_same_seed() -> None:
    one, four, *_ = choosing.choices(_all(FOUR))
    task = get_task(HOPPER)
    assert (one.particles, four.particles) == (1, 4)
    assert four.score.value == pytest.approx(task.normalised(910))
    assert four.score.low < four.score.value < four.score.high
    assert (one.length, four.length) == (700, 305)
    assert four.gain.value == pytest.approx(task.normalised(910) - task.normalised(2010))
    assert (one.gain.value, four.gain.word()) == (0, "below")


@pytest.mark.parametrize(
    ("four", "words"),
    [
        (FOUR, "By the best of 4, 1 of 1 policy scores clearly less than by a random action, 0 clearly more"),
        ([[3000.0], [3010], [3020]], "0 of 1 policy scores clearly less than by a random action, 1 clearly more"),
        ([[2500.0], [1500], [2100]], "0 of 1 policy scores clearly less than by a random action, 0 clearly more"),
    ],
)
def test_policies_are_counted_by_what_choosing_changes(four: list[list[float]], words: str) -> None:
    assert words in choosing.counted(choosing.choices(_all(four)))


def test_the_table_has_a_row_for_each_policy_and_a_column_for_each_number() -> None:
    both = choosing.choices(pd.concat([_all(FOUR), _all(ONE).assign(method="vgf")]))
    assert "of 2 policies" in choosing.counted(both)
    head, rule, idql, vgf = choosing.choices_table(both).splitlines()
    assert head == "| task | policy | a random one | best of 4 | best of 16 | best of 64 |"
    assert rule.count("|") == head.count("|")
    cells = idql.strip("| ").split(" | ")
    assert cells[:2] == ["hopper-medium", "IDQL"]
    assert cells[2].startswith("62.4 [")
    assert cells[2].endswith("]; 700 steps")
    assert [cell.partition(" [")[0] for cell in cells[3:]] == ["28.6"] * 3
    assert vgf.count("62.4 [48.5, 76.3]; 700 steps") == 4


@pytest.mark.parametrize("lacking", [_table({1: ONE, 4: FOUR}), _all(FOUR).iloc[:-2]])
def test_a_table_that_lacks_a_choice_of_a_seed_is_refused(lacking: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"choosing.csv: idql on hopper.*make the table anew"):
        choosing.choices(lacking)


def test_each_number_of_actions_is_a_row_of_its_own() -> None:
    rows = choosing.as_methods(_table({4: FOUR, 1: ONE}))
    assert list(dict.fromkeys(rows["method"])) == ["IDQL, a random one", "IDQL, best of 4"]
    assert rows["length"].tolist() == [int(one) // 3 for own in (ONE, FOUR) for seed in own for one in seed]


def test_two_critics_of_one_clone_are_set_side_by_side() -> None:
    both = choosing.choices(pd.concat([_all(FOUR).assign(method="vgf"), _all(ONE).assign(method="best_of_n")]))
    said = choosing.both_critics_in_words(both)
    at = {(one.method, one.particles): one.score.value for one in both}
    assert f"by best-of-N's critic scores {at['best_of_n', 64]:.1f}" in said
    assert f"By VGF's critic the best of 64 scores {at['vgf', 64]:.1f}" in said
    assert said.count(f"{at['vgf', 1]:.1f} [") >= 1
    assert choosing.both_critics_in_words(choosing.choices(_all(FOUR).assign(method="vgf"))) == ""
