"""What an environment must be: each thing that is none is refused in one line before anything is trained."""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

import vgf
from tests.helpers.own_runs import CONFIG, EPISODES, LENGTH, SIZES, Says, Walk, trajectories
from vgf.records import read_record
from vgf.training.vector_env import Workers

ONE = Walk()


class Adapter(gym.Env[Any, Any]):
    """Another project's environment, held under any name and spoken to as gymnasium speaks."""

    def __init__(self, held: Walk) -> None:
        self._simulators = [held]
        self.observation_space, self.action_space = held.observation_space, held.action_space

    def reset(self, **given: Any) -> Any:
        return self._simulators[0].reset(**given)

    def step(self, action: Any) -> Any:
        return self._simulators[0].step(action)


class Clock:
    """A simulator that all environments of a class share; neither resets nor steps by those names."""

    def __init__(self) -> None:
        self.now = 0


class SharesAClock(Walk):
    clock = Clock()

    def reset(self, **given: Any) -> Any:
        self.clock.now = 0
        return super().reset(**given)

    def step(self, action: Any) -> Any:
        self.clock.now += 1
        self.time = self.clock.now - 1
        return super().step(action)


class Spaces(Walk):
    def __init__(self, observation: Any = None, action: Any = None) -> None:
        super().__init__()
        self.observation_space = observation or self.observation_space
        self.action_space = action or self.action_space


class OldReset(Walk):
    def reset(self, **given: Any) -> Any:
        return super().reset(**given)[0]


class OldStep(Walk):
    def step(self, action: Any) -> Any:
        observation, reward, *_ = super().step(action)
        return observation, reward, False, {}


class NoSeed(Walk):
    def reset(self) -> Any:  # type: ignore[override]
        return super().reset()


class NoSpace(Walk):
    def __init__(self) -> None:
        super().__init__()
        del self.action_space


class Bare:
    """Looks like an environment, and is no gymnasium.Env."""

    observation_space, action_space = Walk().observation_space, Walk().action_space

    def reset(self, **_: Any) -> Any: ...

    def step(self, _: Any) -> Any: ...


def pool() -> Callable[[], Walk]:
    """Return a function that hands out two environments in turn."""
    envs = itertools.cycle([Walk(), Walk()])
    return lambda: next(envs)


def answer(place: int, value: Any, at: int = 1) -> Callable[[], Says]:
    """Return a maker of environments that answer something else in one place, from a step on."""

    def change(step: int, answers: list[Any]) -> tuple[Any, ...]:
        answers[place] = value if step >= at else answers[place]
        return tuple(answers)

    return lambda: Says(change)


def raises(step: int, _: Any) -> Any:
    raise RuntimeError(f"the arm is stuck at {step}")


def box(shape: tuple[int, ...], kind: Any = np.float32) -> Any:
    return spaces.Box(0, 9, shape, kind)


NOT_NEW = [
    (lambda: gym.wrappers.TimeLimit(ONE, 5), "the same environment twice"),
    (lambda: gym.wrappers.ClipAction(gym.wrappers.TimeLimit(ONE, 5)), "the same environment twice"),
    (functools.cache(Walk), "the same environment twice"),
    (pool(), "the same environment twice"),
    (lambda: Adapter(ONE), "the same environment twice (Walk)"),
    (SharesAClock, "changes when another environment of make_env is stepped"),
]
NONE_AT_ALL = [
    (lambda: None, "make_env returned None, which is no gymnasium.Env"),
    (lambda: Walk, "make_env returned the class Walk"),
    (Walk(), "make_env must be a function"),
    ("Pendulum-v1", "make_env must be a function"),
    (Bare, "make_env returned Bare, which is no gymnasium.Env"),
    (lambda: gym.vector.SyncVectorEnv([Walk]), "SyncVectorEnv, many environments"),
    (lambda: gym.make("NoSuch-v0"), "make_env(): the environment's own code raised NameNotFound"),
    (OldReset, "reset(seed=100000): reset returned array"),
    (OldStep, "step returned 4 values; it must return (observation, reward, terminated, truncated, info)"),
    (NoSeed, "the environment's own code raised TypeError"),
    (NoSpace, "it has no action_space"),
    (
        lambda: Says(raises),
        "step 1 after reset(seed=100000): the environment's own code raised RuntimeError: the arm is",
    ),
]
SPACES = [
    (lambda: Spaces(action=spaces.MultiDiscrete([3, 2])), "its action space is a MultiDiscrete"),
    (lambda: Spaces(action=spaces.Dict(a=box((1,)))), "its action space is a Dict"),
    (lambda: Spaces(action=spaces.Tuple((box((1,)),))), "its action space is a Tuple"),
    (lambda: Spaces(action=box((1, 1))), "its action space is of shape (1, 1)"),
    (lambda: Spaces(action=box((1,), np.int64)), "its actions are of type int64"),
    (lambda: Spaces(observation=spaces.Dict(image=box((3,)))), "FlattenObservation"),
    (lambda: Spaces(observation=spaces.Tuple((box((3,)),))), "its observation space is a Tuple"),
    (lambda: Spaces(observation=box((8, 8, 3), np.uint8)), "of shape (8, 8, 3)"),
    (lambda: Spaces(observation=spaces.Discrete(16)), "its observation space is a Discrete(16)"),
    (lambda: Spaces(observation=spaces.Text(5)), "its observation space is a Text"),
    (lambda: Walk(-1.0, np.inf), "actions is in [-1, inf], the data's are in [-1, 1]; wrap it"),
    (lambda: Walk(-0.5, 0.5), "say rescale_actions=True"),
    (lambda: Walk((-1, 0), (1, 1), 2), "dimension 1 of the environment's actions is in [0, 1]"),
]
ANSWERS = [
    (answer(1, None), "the reward is None; it must be a finite number"),
    (answer(1, np.ones(2)), "the reward is array([1., 1.])"),
    (answer(1, "1.0"), "the reward is '1.0'"),
    (answer(1, torch.tensor(float("nan"))), "the reward is tensor(nan)"),
    (answer(1, -np.inf, at=2), "step 2 after reset(seed=100000): the reward is -inf"),
    (answer(0, np.zeros(4)), "the observation is of shape (4,); its space says (3,)"),
    (answer(0, {"state": np.zeros(3)}), "the observation is {'state'"),
    (
        answer(0, np.array([0.0, np.inf, 0.0]), at=2),
        "step 2 after reset(seed=100000): number 1 of the observation is inf",
    ),
    (answer(0, None), "the observation is None"),
    (answer(2, None), "terminated is None; it must be True or False"),
    (answer(3, "no"), "truncated is 'no'; it must be True or False"),
    (answer(4, None), "info is None; it must be a dict"),
    (answer(4, {"success": "yes"}), "info['success'] is 'yes'; it must be True, False, 0 or 1"),
    (answer(4, {"success": 0.5}), "info['success'] is 0.5"),
    (answer(4, {"success": [True, False]}), "info['success'] is [True, False]"),
    (answer(4, {"is_success": None}), "info['is_success'] is None"),
    (answer(4, {"success": True, "is_success": False}), "name the one that counts with success_key"),
]


@pytest.mark.parametrize(("make", "fault"), NOT_NEW + NONE_AT_ALL + SPACES + ANSWERS)
def test_what_is_no_such_environment_is_refused_before_training(make: Any, fault: str, tmp_path: Path) -> None:
    size = 2 if "dimension 1" in fault else 1
    with pytest.raises(ValueError, match=re.escape(fault)) as raised:
        vgf.fit(trajectories(action=size), tmp_path / "mine", CONFIG, make_env=make, seeds=(0, 1), **SIZES, **EPISODES)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "mine").exists()
    assert not list(tmp_path.rglob("checkpoint-*"))


@pytest.mark.parametrize("processes", [1, 2])
def test_what_an_environment_raises_is_told_with_its_traceback(processes: int) -> None:
    envs = Workers(functools.partial(Says, raises), 2, processes)
    try:
        envs.reset(seed=[3, 4])
        with pytest.raises(ValueError, match="Says, step 1 after reset") as raised:
            envs.step(np.zeros((2, 1)))
    finally:
        envs.close()
    assert "the arm is stuck at 1" in raised.value.environment_traceback  # type: ignore[attr-defined]
    assert "in raises" in raised.value.environment_traceback  # type: ignore[attr-defined]


@pytest.mark.parametrize("at", [3, LENGTH])
def test_nan_later_on_stops_with_seed_and_step_and_nothing_is_recorded(at: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"Says, step {at} after reset\(seed=100000\): the reward is nan"):
        vgf.fit(trajectories(), tmp_path / "mine", CONFIG, make_env=answer(1, np.nan, at=at), **SIZES, **EPISODES)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"success": np.bool_(True)}, 1),
        ({"success": np.array([1])}, 1),
        ({"success": torch.tensor(False)}, 0),
        ({"is_success": 1.0}, 1),
        ({"is_success": False, "success": 0}, 0),
        ({"task_success": True}, None),
        ({"goal": "kitchen"}, None),
        ({}, None),
    ],
)
def test_success_is_what_was_said_and_empty_where_nothing_was(
    info: dict[str, Any], expected: int | None, tmp_path: Path
) -> None:
    record = vgf.fit(trajectories(), tmp_path / "mine", CONFIG, make_env=answer(4, info), **SIZES, **EPISODES)
    found = read_record(record.folder).episodes["success"]
    assert found.isna().all() if expected is None else (found == expected).all()


def test_success_that_is_said_at_the_end_alone_counts_and_a_key_may_be_named(tmp_path: Path) -> None:
    late = answer(4, {"done_well": True, "success": False}, at=LENGTH)
    for key, expected in ((None, 0), ("done_well", 1), ("other", None)):
        record = vgf.fit(
            trajectories(), tmp_path / f"by-{key}", CONFIG, make_env=late, success_key=key, **SIZES, **EPISODES
        )
        found = record.episodes["success"]
        assert found.isna().all() if expected is None else (found == expected).all()


@pytest.mark.parametrize(("low", "high"), [(-2.0, 2.0), (0.0, 1.0), (0.0, 100.0), (-0.1, 0.3), (5.0, 7.0)])
def test_actions_are_stretched_to_the_bounds_where_that_is_asked(low: float, high: float, tmp_path: Path) -> None:
    made: list[Walk] = []

    def make() -> Walk:
        made.append(Walk(low, high))
        return made[-1]

    vgf.fit(trajectories(), tmp_path / "mine", CONFIG, make_env=make, rescale_actions=True, **SIZES, **EPISODES)
    seen = np.concatenate([np.ravel(action) for env in made for action in env.actions])
    assert low <= seen.min()
    assert seen.max() <= high
    assert np.isclose(seen[0], (low + high) / 2)  # the rehearsal's action, 0 of [-1, 1]
    assert np.ptp(seen) > 0.3 * (high - low)
    assert {action.dtype for env in made for action in env.actions} == {np.dtype(np.float32)}


def test_bounds_that_are_not_finite_cannot_be_stretched_to(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rescale_actions needs bounds"):
        vgf.fit(
            trajectories(), tmp_path / "mine", CONFIG, make_env=lambda: Walk(-1, np.inf), rescale_actions=True, **SIZES
        )


class OneBuffer(Walk):
    """Writes every observation into the same memory, that of all its kind."""

    memory = np.zeros(3, np.float32)

    def look(self) -> np.ndarray:
        self.memory[:] = super().look()
        return self.memory


def test_an_observation_is_copied_before_the_next_one_is_written_into_its_memory() -> None:
    found = []
    for kind in (Walk, OneBuffer):
        envs = Workers(kind, 3, processes=1)
        first, _ = envs.reset(seed=[1, 2, 3])
        found.append((first, envs.step(np.zeros((3, 1)))[0]))
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
    assert len({float(row[0]) for row in found[0][0]}) == 3


class Unseeded(Walk):
    def reset(self, **given: Any) -> Any:
        observation, info = super().reset(**given)
        self.start = observation[0] = np.random.default_rng().normal()
        return observation, info


class PythonsRandom(Walk):
    def reset(self, **given: Any) -> Any:
        random.seed(given.get("seed"))
        return super().reset(**given)

    def step(self, action: Any) -> Any:
        observation, _, *rest = super().step(action)
        return observation, random.random(), *rest


def test_an_environment_that_shares_pythons_random_alone_is_told_of_and_played(tmp_path: Path, capsys: Any) -> None:
    record = vgf.fit(trajectories(), tmp_path / "mine", CONFIG, make_env=PythonsRandom, **SIZES, **EPISODES)
    assert "PythonsRandom: it draws from Python's global random" in capsys.readouterr().err
    assert (record.episodes["length"] == LENGTH).all()


def test_an_environment_that_cannot_be_repeated_is_told_of_and_played(tmp_path: Path, capsys: Any) -> None:
    record = vgf.fit(trajectories(), tmp_path / "mine", CONFIG, make_env=Unseeded, **SIZES, **EPISODES)
    assert "Unseeded: two episodes reset with one seed differ" in capsys.readouterr().err
    assert (record.episodes["length"] == LENGTH).all()
    vgf.fit(trajectories(), tmp_path / "other", CONFIG, make_env=Walk, **SIZES, **EPISODES)
    assert "differ" not in capsys.readouterr().err


@pytest.mark.parametrize(("scale", "told"), [(1.0, False), (10.0, True), (-30.0, True)])
def test_data_that_leave_the_environments_observations_are_told_of(
    scale: float, told: bool, tmp_path: Path, capsys: Any
) -> None:
    data = trajectories()
    data["observations"][:, 2] *= scale
    vgf.fit(data, tmp_path / "mine", CONFIG, make_env=Walk, **SIZES, **EPISODES)
    words = "mine: number 2 of the data's observations is in ["
    assert (words in capsys.readouterr().err) == told


@pytest.mark.parametrize(
    ("bound", "scale", "told"), [(0.4, 0.4, True), (0.4, 1.0, False), (2.0, 1.0, False), (1.0, 0.3, False)]
)
def test_actions_that_were_not_divided_by_narrow_bounds_are_told_of(
    bound: float, scale: float, told: bool, tmp_path: Path, capsys: Any
) -> None:
    data = trajectories()
    data["actions"] *= np.float32(scale)
    how: dict[str, Any] = {"make_env": lambda: Walk(-bound, bound), "rescale_actions": True}
    vgf.fit(data, tmp_path / "mine", CONFIG, **how, **SIZES, **EPISODES)
    words = "mine: no action of the data leaves the environment's own bounds, [-0.4, 0.4]"
    assert (words in capsys.readouterr().err) == told
