"""What critics promise beside what policies earn: discounting by hand, cut episodes, and the command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pandas as pd
import pytest
import torch

from tests.helpers.policy_commands import call, leave_policy
from vgf.agents import VGF, Dims
from vgf.agents.vgf_config import PRESETS
from vgf.datasets import get_task
from vgf.results import critic_truth, stats, trained_policies
from vgf.training.vector_env import Workers

CONFIG = replace(PRESETS["release"], hidden=(16, 16), particles=4, flow_steps=2, train_steps=2, discount=0.5)
SEEDS, DIMS = (0, 3), Dims(11, 3)
HOPPER = "hopper-medium-v2"


class Countdown(gymnasium.Env[Any, Any]):
    """Rewards 1, 2, 3, ...; ends after so many steps."""

    observation_space = gymnasium.spaces.Box(-1, 1, (11,))
    action_space = gymnasium.spaces.Box(-1, 1, (3,))

    def __init__(self, steps: int) -> None:
        self.steps, self.time = steps, 0

    def reset(self, **how: Any) -> Any:
        self.time = 0
        return np.zeros(11, np.float32), {}

    def step(self, action: Any) -> Any:
        self.time += 1
        return np.zeros(11, np.float32), float(self.time), self.time >= self.steps, False, {}


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a task of at most four steps, in environments that end after three, and after more than it lasts."""
    lengths = iter((3, 9) * 4)

    def made(name: str, count: int) -> Workers:
        return Workers(lambda: Countdown(next(lengths)), count, 1)

    monkeypatch.setattr(critic_truth, "make_envs", made)
    return replace(get_task(HOPPER), episode_steps=4)


def test_rewards_are_scaled_shifted_and_discounted_by_their_step(task: Any) -> None:
    agent = VGF.create(CONFIG, DIMS, SEEDS)
    rows = critic_truth.kept(agent, task, 2, (10.0, -1.0))
    three = 9 + 19 / 2 + 29 / 4
    assert rows["earned"].tolist() == pytest.approx([three, three + 39 / 8] * 2)
    assert rows["owed"].tolist() == [0.0] * 4  # rewards have no sign
    assert rows["seed"].tolist() == [0, 0, 3, 3]


@pytest.mark.parametrize("target", ["mean", "max"])
def test_it_acts_and_promises_as_the_target_does(task: Any, monkeypatch: pytest.MonkeyPatch, target: Any) -> None:
    agent, moved = VGF.create(replace(CONFIG, target_particles=target), DIMS, SEEDS), []
    flow = VGF.flow

    def kept_flow(self: VGF, observations: torch.Tensor, particles: torch.Tensor, budget: Any) -> torch.Tensor:
        assert budget.steps == CONFIG.train_steps
        moved.append((observations, flow(self, observations, particles, budget)))
        return moved[-1][1]

    acted: list[Any] = []
    step = critic_truth.Discounted.step
    monkeypatch.setattr(VGF, "flow", kept_flow)
    monkeypatch.setattr(critic_truth.Discounted, "step", lambda self, a: (acted.append(a), step(self, a))[1])
    rows = critic_truth.kept(agent, task, 2, (1.0, 0.0))
    values = agent.value(*moved[0], agent.config.target_q)
    promised = values.mean(-1) if target == "mean" else values.amax(-1)
    assert rows["promised"].tolist() == pytest.approx(promised.flatten().tolist(), rel=1e-5)
    chosen = values.argmax(-1) if target == "max" else torch.zeros(values.shape[:2], dtype=torch.long)
    own = moved[0][1].take_along_dim(chosen[..., None, None], 2)[..., 0, :]
    np.testing.assert_allclose(acted[0], own.flatten(0, 1).numpy())


def test_a_cut_episode_of_a_task_with_a_goal_may_cost_more(task: Any) -> None:
    goal = replace(task, score_min=0, score_max=1)
    rows = critic_truth.kept(VGF.create(CONFIG, DIMS, SEEDS), goal, 2, (0.0, -1.0))
    assert rows["earned"].tolist() == pytest.approx([-1.75, -1.875] * 2)
    assert rows["owed"].tolist() == pytest.approx([0.0, 0.125] * 2)  # one ended; endless, the other costs 2


def told(promised: float, earned: float, owed: float = 0.0) -> critic_truth.Truth:
    """Return what is said of three seeds whose promises differ a little."""
    rows = [("vgf", s, promised + s - 1 + e, earned + e, owed) for s in range(3) for e in range(2)]
    table = pd.DataFrame(rows, columns=["method", "seed", "promised", "earned", "owed"]).assign(task=HOPPER)
    (found,) = critic_truth.truths(table)
    return found


@pytest.mark.parametrize(
    ("promised", "owed", "word", "cell"),
    [
        (11.0, 0.0, "more", "clearly more"),
        (-3.0, 0.0, "less", "clearly less"),
        (4.0, 0.0, "not clearly apart", "not clearly apart"),
        (-3.0, 7.0, "not clearly apart", "within the range"),
    ],
)
def test_the_excess_is_judged_seed_by_seed_and_by_all_that_is_owed(
    promised: float, owed: float, word: str, cell: str
) -> None:
    found = told(promised, 4.0, owed)
    assert found.word() == word
    assert (found.promised, found.earned, found.owed) == pytest.approx((promised + 0.5, 4.5, owed))
    excess = np.array([-1.0, 0, 1]) + promised - 4
    assert found.excess.interval() == pytest.approx(stats.student([excess]).interval())
    line = critic_truth.truth_table([found]).splitlines()[-1]
    low, high = found.excess.interval()
    earned = f"{4.5 - owed:.1f} to 4.5" if owed else "4.5"
    numbers = f"{promised + 0.5:.1f} | {earned} | {promised - 4:+.1f} [{low:.1f}, {high:.1f}]"
    assert line == f"| hopper-medium | VGF | {numbers} | {cell} |"


def test_the_words_name_tasks_each_way() -> None:
    other = told(-3.0, 4.0, owed=7.0)._replace(method="best_of_n")
    assert critic_truth.truths_in_words([other, told(11.0, 4.0)]) == (
        "Best-of-N's critics promise neither clearly more nor clearly less than is earned, of 1 task. "
        "VGF's critics promise clearly more than is earned on hopper-medium, of 1 task."
    )


def test_a_study_s_policies_act_in_the_real_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cube, where = "cube-single-play-singletask-task1-v0", tmp_path / "campaign.cpu"
    leave_policy(tmp_path, "campaign.cpu", VGF.create(CONFIG, Dims(28, 5), SEEDS), cube)
    call(critic_truth.command, tmp_path, "campaign.cpu", monkeypatch)
    rows = pd.read_csv(where / "truth.csv")
    assert list(rows.columns) == list(critic_truth.COLUMNS)
    # an untrained arm fails, so each step costs 1: the sum of half, a quarter, ... of an endless fall
    assert rows["earned"].tolist() == pytest.approx([-2.0] * 2)
    assert (rows["test_steps"] == CONFIG.train_steps).all()


def test_no_policy_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["truth", "campaign.cpu", "--results", str(tmp_path)])
    assert trained_policies.main(critic_truth.command, "vgf.results.critic_truth") == 2
    assert "no policy of best_of_n, vgf" in capsys.readouterr().err
