"""Evaluation: episodes counted right, paired by environment seed, in toy environments and in a real one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from tests.helpers.line_world import Line, Stepper, line_envs
from vgf.agents import VGF, Dims, VGFConfig
from vgf.flow import Budget
from vgf.networks import SeedStreams
from vgf.training.evaluate import close, evaluate, make_envs
from vgf.training.sizes import Signal
from vgf.training.starts import FIRST_SEEDS

TASK = "cube-single-play-singletask-task2-v0"


def run(agent: Any, **changes: Any) -> pd.DataFrame:
    settings: dict[str, Any] = {"test_steps": (0, 1), "episodes": 4, "episode_steps": 9} | changes
    return evaluate(agent, line_envs(2 * len(agent.seeds)), **settings)


def starts(episodes: int) -> np.ndarray:
    found = []
    for i in range(episodes):
        env = Line()
        env.reset(seed=FIRST_SEEDS["shared"] + i)
        found.append(env.x)
    return np.array(found)


def test_return_length_and_success_are_those_of_the_first_episode_alone() -> None:
    rows = run(Stepper({5: 0.25, 2: 0.01}))
    assert len(rows) == 2 * 2 * 4
    for (seed, steps), own in rows.groupby(["seed", "test_steps"]):
        speed = {5: 0.25, 2: 0.01}[seed] * (1 + steps)
        needed = np.ceil((1 - starts(4)) / speed)
        met = needed <= 9
        np.testing.assert_array_equal(own["success"], met)
        np.testing.assert_array_equal(own["length"], np.where(met, needed, 9))
        np.testing.assert_array_equal(own["return"], np.where(met, 1 - needed, -9))
    assert set(rows["success"]) == {0, 1}


def test_every_seed_and_budget_starts_from_the_same_places_and_the_same_noise() -> None:
    agent = Stepper({0: 0.1, 1: 0.1})
    rows = run(agent)
    assert (rows["env_seed"] == FIRST_SEEDS["shared"] + rows["episode"]).all()
    a, b = (rows[(rows["seed"] == s) & (rows["test_steps"] == 0)]["length"].to_numpy() for s in (0, 1))
    np.testing.assert_array_equal(a, b)
    noise = {steps: torch.stack([n for s, n in agent.seen if s == steps]) for steps in (0, 1)}
    shared = min(len(noise[0]), len(noise[1]))
    assert torch.equal(noise[0][: shared // 2], noise[1][: shared // 2])
    assert not torch.equal(noise[0][0], noise[0][1])


def test_the_same_call_gives_the_same_rows() -> None:
    agent = VGF.create(VGFConfig(particles=2, hidden=(8,), flow_steps=2), Dims(2, 1), (0, 1))
    pd.testing.assert_frame_equal(run(agent), run(agent))


def test_signals_report_the_least_distance_of_the_episode_in_metres() -> None:
    signals = {
        "to_goal": Signal((0,), "goal", 0.1),
        "to_zero": Signal((0,), (1,), 0.5),
    }
    rows = run(Stepper({0: 0.1}), test_steps=(0,), episodes=2, episode_steps=3, signals=signals)
    x = starts(2)
    np.testing.assert_allclose(rows["to_goal"], 0.1 * (1 - (x + 0.3)), atol=1e-6)
    path = np.abs(x[:, None] + 0.1 * np.arange(4))
    np.testing.assert_allclose(rows["to_zero"], 0.5 * path.min(1), atol=1e-6)


def test_a_method_that_does_not_transport_is_run_at_the_first_budget_alone() -> None:
    agent = Stepper({0: 0.1})
    agent.transports = False
    assert set(run(agent, test_steps=(2, 3))["test_steps"]) == {2}


@pytest.mark.parametrize(("count", "episodes"), [(3, 4), (4, 3)])
def test_environments_and_episodes_that_cannot_be_shared_are_refused(count: int, episodes: int) -> None:
    with pytest.raises(ValueError, match="cannot be shared evenly by 2 seeds"):
        evaluate(Stepper({0: 1.0, 1: 1.0}), line_envs(count), test_steps=(0,), episodes=episodes, episode_steps=2)  # type: ignore[arg-type]


def test_a_real_environment_in_worker_processes_acts_and_tells_the_goal() -> None:
    envs = make_envs(TASK, 2)
    try:
        agent = VGF.create(VGFConfig(particles=2, hidden=(8,), flow_steps=2), Dims(28, 5), (0, 1))
        signals = {"cube_to_goal": Signal((19, 20, 21), "goal", 0.1)}
        rows = evaluate(agent, envs, test_steps=(0, 1), episodes=1, episode_steps=5, signals=signals)
    finally:
        close(envs)
    assert (rows["return"] == -5).all()
    assert (rows["length"] == 5).all()
    assert rows["cube_to_goal"].between(0.13, 0.17).all()  # the task's cube starts 15 cm, give or take 1, from its goal
    assert rows["cube_to_goal"].nunique() == 1  # the same start for every seed and budget


def test_an_unknown_task_is_refused_before_any_worker_starts() -> None:
    with pytest.raises(ValueError, match="unknown task 'cube-singel'"):
        make_envs("cube-singel", 4)


class Everybody:
    """An agent that is always asked for all states."""

    transports = True

    def __init__(self, agent: VGF) -> None:
        self.agent, self.seeds, self.device = agent, agent.seeds, agent.device
        self.asked: list[int] = []

    def budget(self, steps: int) -> Budget:
        return self.agent.budget(steps)

    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams) -> Tensor:
        self.asked.append(observations.shape[1])
        return self.agent.act(observations, budget, streams)


class Some(Everybody):
    """The same agent, asked for the states whose episode goes on."""

    draws_by_state = True


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_acting_for_the_episodes_that_go_on_changes_no_bit(seeds: tuple[int, ...]) -> None:
    config = VGFConfig(particles=3, hidden=(32, 32), flow_steps=3)
    agent = VGF.create(config, Dims(2, 1), seeds)
    settings: dict[str, Any] = {"test_steps": (0, 2), "episodes": 10, "episode_steps": 40}
    found = []
    for actor in (Everybody(agent), Some(agent)):
        envs = line_envs(10 * len(seeds))
        found.append((evaluate(actor, envs, **settings), actor.asked))
    pd.testing.assert_frame_equal(found[0][0], found[1][0], check_exact=True)
    assert set(found[0][1]) == {10}
    assert len(set(found[1][1])) > 2
    assert min(found[1][1]) >= 4
    assert found[0][0]["length"].nunique() >= 3


def test_an_agent_that_does_not_tell_its_noise_apart_is_asked_for_all() -> None:
    agent = Stepper({0: 0.3, 1: 0.01})
    shapes: list[int] = []
    act = agent.act

    def noted(observations: Tensor, budget: Budget, streams: SeedStreams) -> Tensor:
        shapes.append(observations.shape[1])
        return act(observations, budget, streams)

    agent.act = noted  # type: ignore[method-assign]
    evaluate(agent, line_envs(12), test_steps=(0,), episodes=6, episode_steps=9)
    assert set(shapes) == {6}
