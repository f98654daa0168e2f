"""A trained policy in an environment of one's own, once more: at other budgets, in more episodes, or the first time.

A record of `vgf.fit` names no environment, because code is not part of a record. So the environment is given here
once more, and nothing is trained. The rows are not added to the record: what it reports stays what its settings say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import pandas as pd
import torch

from vgf.records import Record
from vgf.support.environment import stretched
from vgf.support.given import place, shown, truth, whole, wholes
from vgf.support.json_text import read_json
from vgf.support.progress import log
from vgf.support.strict import known
from vgf.training import evaluate as episodes_of
from vgf.training.checkpoints import load_agent
from vgf.training.device import choose_device
from vgf.training.inputs import check_spaces
from vgf.training.starts import FIRST_SEEDS, Starts
from vgf.training.vector_env import Workers

STEPS = 1000  # most steps of an episode where no record says


def evaluate(
    policy: Path | str | Record,
    make_env: Callable[[], gymnasium.Env],
    *,
    test_steps: Sequence[int] = (0, 1, 2, 3),
    episodes: int = 10,
    episode_steps: int | None = None,
    rescale_actions: bool | None = None,
    success_key: str | None = None,
    device: torch.device | str = "auto",
    starts: Starts = "reporting",
) -> pd.DataFrame:
    """Play a trained policy in an environment of yours, without training anything.

    Args:
        policy: a record, its folder, or an exported policy file.
        make_env: makes a new environment, with gymnasium's interface, flat observations and actions in [-1, 1].
        test_steps: budgets L_test; a method that does not transport acts at the first alone.
        episodes: for each seed and budget; they run side by side in this process.
        episode_steps: most steps of an episode; what the record says by default, or 1000.
        rescale_actions: stretch actions to the environment's own bounds; what the record says by default, or not.
        success_key: of `info`, where it says whether the goal is met; what the record says by default.
        device: cpu, cuda, cuda:N, or auto: cuda where there is one.
        starts: what it is for, which decides where episodes start; see `vgf.training.starts`. By default not where
            `vgf.fit` evaluates, so that a budget which is chosen there can be reported here.

    Returns:
        One row an episode: seed, test_steps, episode, env_seed, return, success (NaN where the environment says
        nothing of it), length.

    Raises:
        ValueError: naming what is wrong with the policy, a size, or the environment.
    """
    where = policy.folder if isinstance(policy, Record) else place("policy", policy)
    agent, name = load_agent(where, choose_device(device))
    known([starts], FIRST_SEEDS, "starts")
    kept = _kept(where)
    steps = whole("episode_steps", kept["episode_steps"] if episode_steps is None else episode_steps, 1)
    stretch = truth("rescale_actions", kept["rescale_actions"] if rescale_actions is None else rescale_actions)
    if not callable(make_env):
        raise ValueError(f"make_env must make a new environment when called, got {shown(make_env)}")
    budgets, count = wholes("test_steps", test_steps, 0, alone=False), whole("episodes", episodes, 1)
    if not budgets:
        raise ValueError("test_steps holds no budget; give one or more, for instance (0, 1, 2)")
    make = partial(stretched, make_env) if stretch else make_env
    envs = Workers(make, len(agent.seeds) * count, processes=1, success_key=success_key or kept["success_key"])
    try:
        for line in envs.rehearse([FIRST_SEEDS[starts] + i for i in range(envs.num_envs)]):
            log(line)
        check_spaces(name, "the policy", agent.dims, envs, "give the environment that it was trained for")
        return episodes_of.evaluate(
            agent, envs, test_steps=budgets, episodes=count, episode_steps=steps, progress=name, starts=starts
        )
    finally:
        episodes_of.close(envs)


def _kept(where: Path) -> dict[str, Any]:
    """Return how a record's own episodes were played, or the defaults where there is no such record."""
    how: dict[str, Any] = {"episode_steps": STEPS, "rescale_actions": False, "success_key": None}
    if (where / "run.json").exists():
        own = read_json(where / "run.json")["runs"][-1]["dataset"].get("settings", {})
        how |= {"episode_steps": own.get("episode_steps", STEPS)} | (own.get("environment") or {})
    return how
