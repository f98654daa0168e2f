"""Environments in processes: whatever their number, the same answers; nothing restarts, leaks or hangs unseen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from tests.helpers.moments import until
from tests.helpers.random_env import Draws
from tests.helpers.site import ROOT
from vgf.datasets import make_env
from vgf.training.vector_env import Workers

MAZE = "antmaze-medium-navigate-singletask-task1-v0"  # draws from numpy's global generator and its action space


def broken() -> gymnasium.Env:
    raise ValueError("no environment here; install it")


@contextmanager
def opened(*arguments: Any) -> Iterator[Workers]:
    envs = Workers(*arguments)
    try:
        yield envs
    finally:
        envs.close()


def episode(envs: Workers, steps: int) -> list[Any]:
    """Everything the environments tell over some steps from seeded starts."""
    observation, info = envs.reset(seed=[3, 1, 4, 1, 5][: envs.num_envs])
    told = [observation, info.get("goal", 0)]
    rng = np.random.default_rng(0)
    for _ in range(steps):
        actions = rng.uniform(-1, 1, (envs.num_envs, *envs.single_action_space.shape)).astype(np.float32)
        *rest, info = envs.step(actions)
        told += [*rest, info["success"]]
    return [np.array(each) for each in told]


@pytest.mark.parametrize(("make", "steps"), [(Draws, 5), (partial(make_env, MAZE), 4)], ids=["draws", "maze"])
def test_what_environments_tell_depends_on_their_seeds_and_not_on_the_number_of_processes(
    make: Any, steps: int
) -> None:
    found = []
    for processes in (1, 2, 3):
        with opened(make, 5, processes) as envs:
            first, again = episode(envs, steps), episode(envs, steps)
        assert len(first) == len(again)
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        found.append(first)
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))
    start = found[0][0]
    assert np.array_equal(start[1], start[3])  # the same seed
    assert not np.array_equal(start[0], start[1])


def test_numpys_global_generator_outside_is_left_alone() -> None:
    np.random.seed(0)  # noqa: NPY002
    expected = np.random.normal(size=2)  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    with opened(Draws, 2, 1) as envs:
        episode(envs, 3)
    assert np.array_equal(np.random.normal(size=2), expected)  # noqa: NPY002


@pytest.mark.parametrize("processes", [1, 2])
def test_an_environment_whose_episode_ended_rests_until_it_is_reset(processes: int) -> None:
    with opened(Draws, 2, processes) as envs:
        envs.reset(seed=0)
        ones = np.ones((2, 1), dtype=np.float32)
        rewards = np.array([envs.step(ones)[1] for _ in range(5)])
        assert rewards.sum(0).tolist() == [3, 3]
        observation, reward, ended, _, _ = envs.step(ones)
        assert (reward.tolist(), ended.tolist()) == ([0, 0], [True, True])
        renewed, info = envs.reset(seed=[None, 9], options={"reset_mask": np.array([False, True])})
        assert np.array_equal(renewed[0], observation[0])
        assert not np.array_equal(renewed[1], observation[1])
        assert info["_goal"].tolist() == [False, True]
        assert envs.step(ones)[1].tolist() == [0, 1]


def test_only_what_is_read_is_passed_on() -> None:
    with opened(Draws, 2, 1) as envs:
        assert set(envs.reset(seed=0)[1]) == {"goal", "_goal"}
        assert set(envs.step(np.zeros((2, 1)))[4]) == {"success", "_success"}


@pytest.mark.parametrize("processes", [1, 2])
def test_spaces_are_known_and_faults_come_back_as_they_were(processes: int) -> None:
    with opened(Draws, 3, processes) as envs:
        assert envs.single_observation_space == Draws.observation_space
        assert envs.action_space.shape == (3, 1)
        envs.reset(seed=0)
        with pytest.raises(ValueError, match="an action outside the box"):
            envs.step(np.full((3, 1), 2.0))
    words = "own code raised ValueError: no environment here; install it"
    with opened(broken, 2, processes) as envs, pytest.raises(ValueError, match=words):
        envs.reset(seed=0)


def test_a_process_that_is_gone_is_said_and_closing_ends_the_others() -> None:
    with opened(Draws, 2, 2) as envs:
        envs.reset(seed=0)
        pids = [share.process.pid for share in envs.shares]  # type: ignore[union-attr]
        os.kill(pids[1], signal.SIGKILL)
        with pytest.raises(OSError, match="an environment's process ended unexpectedly"):
            envs.step(np.zeros((2, 1)))
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


ORPHANS = """
import sys; sys.path.insert(0, {root!r})
if __name__ == "__main__":
    from tests.helpers.random_env import Draws
    from vgf.training.vector_env import Workers
    envs = Workers(Draws, 4, 2)
    envs.reset(seed=0)
    print(*(share.process.pid for share in envs.shares), flush=True)
    input()
"""


def test_processes_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(ORPHANS.format(root=str(ROOT)))
    parent = subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.kill()
    parent.wait()
    until(lambda: not any(is_alive(pid) for pid in pids))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
