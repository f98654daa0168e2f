"""Evaluation: whole episodes in the real environment, at several test budgets.

Every method, seed and budget starts from the same environment seeds and, per seed, the same particle noise, so
that two budgets differ by the transport alone until their paths part. Simulators run in the processes of
`vgf.training.vector_env` while the agent acts for all of them at once. The trade-off: the episodes of one round wait
for the longest; an agent whose noise can be told apart by state (`draws_by_state`) acts meanwhile for those that go on,
and every number stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from vgf.agents.reported import check_actions
from vgf.datasets import get_task, make_env
from vgf.flow import Budget
from vgf.networks import SeedStreams
from vgf.support.progress import Progress
from vgf.training.sizes import Signal
from vgf.training.starts import FIRST_SEEDS, Starts
from vgf.training.vector_env import Workers

FEWEST = 4  # states of a seed to act for: BLAS rounds products of fewer rows otherwise


class Actor(Protocol):
    """What is evaluated: an agent, or something that acts with one.

    One that has `draws_by_state`, and it is true, draws noise of shapes [B, ...] alone, and what it does at a state
    depends on no other state; it is then asked for those states alone whose episode goes on.
    """

    @property
    def transports(self) -> bool:
        """Whether `act` depends on the budget."""

    @property
    def seeds(self) -> Sequence[int]:
        """The seeds of the leading axis of observations and actions."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    def budget(self, steps: int) -> Budget:
        """Return the budget of so many flow steps."""

    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams) -> Tensor:
        """Return actions [S, B, d] for observations [S, B, o]."""


def make_envs(task: str, count: int, processes: int | None = None) -> VectorEnv[Any, Any, Any]:
    """Return `count` environments of a task, in as many processes as there are cores, or in `processes`."""
    make = partial(make_env, get_task(task).name)  # an unknown task is refused here, not in a process
    return Workers(make, count, processes)


def evaluate(
    agent: Actor,
    envs: VectorEnv[Any, Any, Any],
    *,
    test_steps: Sequence[int],
    episodes: int,
    episode_steps: int,
    signals: Mapping[str, Signal] | None = None,
    progress: str | None = None,
    starts: Starts = "shared",
) -> pd.DataFrame:
    """Run whole episodes and return one row for each.

    Args:
        agent: acts for its S seeds.
        envs: S * m environments, m of them for each seed.
        test_steps: budgets L_test; a method that does not transport is run at the first alone.
        episodes: for each seed and budget, a multiple of m.
        episode_steps: most steps of an episode.
        signals: distances whose least value over an episode is reported.
        progress: words for a progress report on stderr; none without.
        starts: what the evaluation is for, which decides where episodes start; see `vgf.training.starts`.

    Returns:
        Columns seed, test_steps, episode, env_seed, return (the reward's sum), success (1 where the goal was met at any
        step, 0 where not, NaN where the environment says nothing of it), length, and one for each signal in metres.

    Raises:
        ValueError: if environments or episodes cannot be shared out evenly.
    """
    seeds = len(agent.seeds)
    per_round, rest = divmod(envs.num_envs, seeds)
    if rest or not per_round or episodes % per_round:
        raise ValueError(
            f"{envs.num_envs} environments and {episodes} episodes cannot be shared evenly by {seeds} seeds"
        )
    budgets = test_steps if agent.transports else test_steps[:1]
    rounds, parts = episodes // per_round, []
    with Progress(progress or "evaluate", len(budgets) * rounds, "round", quiet=progress is None) as counter:
        for steps in budgets:
            for r in range(rounds):
                rows = _round(agent, envs, steps, r, episode_steps, signals or {}, FIRST_SEEDS[starts])
                rows.insert(0, "seed", np.repeat(agent.seeds, per_round))
                parts.append(rows)
                counter.update()
    return pd.concat(parts).sort_values(["seed", "test_steps", "episode"]).reset_index(drop=True)


def _round(
    agent: Actor,
    envs: VectorEnv[Any, Any, Any],
    test_steps: int,
    index: int,
    episode_steps: int,
    signals: Mapping[str, Signal],
    first_seed: int,
) -> pd.DataFrame:
    """Run one episode in every environment."""
    seeds, per_round = len(agent.seeds), envs.num_envs // len(agent.seeds)
    episode = np.tile(index * per_round + np.arange(per_round), seeds)
    env_seed = first_seed + episode
    noise = SeedStreams(agent.seeds, f"evaluation, round {index}", agent.device)
    budget = agent.budget(test_steps)
    observation, info = envs.reset(seed=env_seed.tolist())
    goal = _goal(info, observation) if signals else observation
    alive = np.ones(envs.num_envs, dtype=bool)
    total, length, success = np.zeros(envs.num_envs), np.zeros(envs.num_envs, int), np.full(envs.num_envs, np.nan)
    least = {name: _distance(signal, observation, goal) for name, signal in signals.items()}
    width = envs.single_action_space.shape or ()
    for step in range(episode_steps):
        states = torch.as_tensor(observation, dtype=torch.float32, device=agent.device).unflatten(0, (seeds, per_round))
        actions = _act(agent, states, budget, noise, alive.reshape(seeds, per_round))
        if not step:  # a method of one's own may give another shape, which a simulator takes for other actions
            check_actions(getattr(agent, "name", type(agent).__name__), actions, (seeds, per_round, *width))
        observation, reward, terminated, truncated, info = envs.step(actions.flatten(0, 1).cpu().numpy())
        total += alive * reward
        length += alive
        if "success" in info:
            success = np.fmax(success, np.where(alive & info["_success"], info["success"], np.nan))
        for name, signal in signals.items():
            least[name] = np.where(alive, np.minimum(least[name], _distance(signal, observation, goal)), least[name])
        alive &= ~(terminated | truncated)
        if not alive.any():
            break
    return pd.DataFrame(
        {
            "test_steps": test_steps,
            "episode": episode,
            "env_seed": env_seed,
            "return": total,
            "success": success,
            "length": length,
            **least,
        }
    )


def _act(agent: Actor, states: Tensor, budget: Budget, noise: SeedStreams, alive: np.ndarray) -> Tensor:
    """Return actions [S, B, d] for states [S, B, o]; where an episode is over (`alive` [S, B]) they mean nothing."""
    kept = max(int(alive.sum(1).max()), min(FEWEST, states.shape[1]))
    if kept == states.shape[1] or not getattr(agent, "draws_by_state", False):
        return agent.act(states, budget, noise)
    # those that go on come first; seeds with fewer of them take some that do not
    rows = torch.as_tensor(np.argsort(~alive, axis=1, kind="stable")[:, :kept], device=states.device)
    seed = torch.arange(len(states), device=states.device)[:, None]
    some = agent.act(states[seed, rows], budget, _SubsetStreams(noise, seed, rows, states.shape[1]))
    actions = some.new_zeros(*states.shape[:2], some.shape[-1])
    actions[seed, rows] = some
    return actions


class _SubsetStreams(SeedStreams):
    """The noise of some states: what each would get if all were there.

    Args:
        streams: the noise of all.
        seed: numbers of the seeds, [S, 1].
        rows: which states, [S, k].
        count: B, how many there are.
    """

    def __init__(self, streams: SeedStreams, seed: Tensor, rows: Tensor, count: int) -> None:
        self.device, self.generators, self.streams = streams.device, streams.generators, streams
        self.index, self.count = (seed, rows), count

    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return standard normal numbers [S, k, ...]."""
        return self.streams.normal(self.count, *shape[1:], dtype=dtype)[self.index]

    def uniform(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return numbers uniform in [0, 1), [S, k, ...]."""
        return self.streams.uniform(self.count, *shape[1:], dtype=dtype)[self.index]


def _distance(signal: Signal, observation: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Return a signal's distance in metres for each environment."""
    columns = list(signal.dimensions)
    other = goal[:, columns] if isinstance(signal.to, str) else observation[:, list(signal.to)]
    distance: np.ndarray = signal.unit * np.linalg.norm(observation[:, columns] - other, axis=-1)
    return distance


def _goal(info: Mapping[str, Any], observation: np.ndarray) -> np.ndarray:
    """Return the goals' observations, or NaN where the environment tells none."""
    goal = info.get("goal")
    return np.full_like(observation, np.nan) if goal is None else np.stack(list(goal)).astype(observation.dtype)


def close(envs: VectorEnv[Any, Any, Any]) -> None:
    """Close environments whose workers may have been interrupted."""
    with suppress(Exception):
        envs.close()
