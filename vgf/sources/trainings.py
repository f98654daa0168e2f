"""Which experts are trained, how, and the environments they are trained in.

A row here is the whole recipe: `expert_training` runs it. The two are apart because the rows, the environments and the
choice of a level are needed without the training library.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gymnasium
import numpy as np

from vgf.datasets.mujoco import global_numpy_seed, silence_simulators
from vgf.datasets.tasks import TASKS
from vgf.sources.experts import Expert, load_expert, save_expert
from vgf.support.errors import DataError
from vgf.support.files import write_bytes
from vgf.support.json_text import read_json


@dataclass(frozen=True)
class Training:
    """How one expert is trained; every field changes the bits of the result.

    Attributes:
        name: of the training and of its policies.
        env_id: gymnasium id.
        directional: whether the ant follows a random direction, resampled every 100 steps (park2025ogbench).
        steps: environment steps in all, over all environments.
        environments: simulators stepped together.
        updates: gradient steps after each step of all environments.
        chunk: environment steps between checkpoints; environments restart at each, so that resuming loses no bit.
        random_steps: uniformly random actions at the start.
        learning_rate: Adam's, for critic, actor and temperature.
        target_entropy: of the policy, per action dimension.
        initial_temperature: weight of the entropy at the start.
        medium_return: mean return at which a checkpoint becomes the medium policy; None where there is no such level.
    """

    name: str
    env_id: str
    steps: int
    updates: int = 2
    directional: bool = False
    environments: int = 8
    chunk: int = 16_000
    random_steps: int = 10_000
    learning_rate: float = 3e-4
    target_entropy: float = -1.0
    initial_temperature: float = 1.0
    medium_return: float | None = None


# Medium is the first checkpoint at 33.4 or more of D4RL's normalised score, "about a third of the expert" (fu2020d4rl).
# Environments are those the tasks are evaluated in: gymnasium's v4 keeps the feet and the rewards of D4RL's.
# One update per four environment steps, as OGBench trains its humanoid: steps are cheap beside updates. The ant has
# OGBench's entropy target (park2025ogbench).
TRAININGS: Mapping[str, Training] = MappingProxyType(
    {
        row.name: row
        for row in (
            Training("ant", "online-ant-v0", 1_600_000, directional=True, target_entropy=-0.5, initial_temperature=0.1),
            Training("hopper", "Hopper-v4", 1_600_000, medium_return=1_065.0),
            Training("walker2d", "Walker2d-v4", 1_600_000, medium_return=1_535.0),
            Training("halfcheetah", "HalfCheetah-v4", 1_600_000, medium_return=3_867.0),
        )
    }
)


def medium_chunk(training: Training, log: list[dict[str, Any]]) -> int | None:
    """Return the first chunk of a training's log whose policy reached the medium return, or None."""
    if training.medium_return is None:
        return None
    return next((i for i, row in enumerate(log) if row["return_mean"] >= training.medium_return), None)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return a training's log, one row per chunk; empty where there is none."""
    path = folder / "log.json"
    log: list[dict[str, Any]] = read_json(path) if path.exists() else []
    return log


def export(training: Training, folder: Path, level: str, out: Path) -> Path:
    """Copy one level's policy out of a training's folder and return its path, NAME-LEVEL.safetensors.

    Args:
        training: what was trained.
        folder: where.
        level: "medium", or "expert" for the best of the last five checkpoints.
        out: folder to write to.

    Raises:
        DataError: when the training has not come that far.
    """
    log = read_log(folder)
    last = range(max(0, len(log) - 5), len(log))
    chunk = (
        medium_chunk(training, log)
        if level == "medium"
        else max(last, key=lambda i: log[i]["return_mean"], default=None)
    )
    if chunk is None:
        raise DataError(f"{folder}: the training of {training.name} has no {level} policy yet; let it go on")
    expert = load_expert(folder / f"policy-{chunk:04d}.safetensors")
    path = out / f"{training.name}-{level}.safetensors"
    save_expert(path, replace(expert, facts=dict(expert.facts) | {"level": level}))
    return path


def policy_table(folder: Path) -> str:
    """Return what the policies in a folder say of themselves, as a Markdown table."""
    lines = [
        "| file | environment | environment steps | updates | seed | return, mean +- std of 10 episodes | normalised |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for path in sorted(Path(folder).glob("*.safetensors")):
        facts = load_expert(path).facts
        tasks = [task for task in TASKS.values() if task.env_id == facts["environment"]]
        score = f"{tasks[0].normalised(facts['return_mean']):.1f}" if tasks else ""
        lines.append(
            f"| `{path.name}` | {facts['environment']} | {facts['steps']:,} | {facts['updates']:,} | {facts['seed']} | "
            f"{facts['return_mean']:.1f} +- {facts['return_std']:.1f} | {score} |"
        )
    return "\n".join(lines)


def write_policy_table(folder: Path) -> None:
    """Put the table into the folder's README.md, in place of the one that is there.

    Raises:
        DataError: when the README is missing or holds no table.
    """
    readme = Path(folder) / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    table = [line for line in text.splitlines() if line.startswith("|")]
    if not table:
        raise DataError(f"{readme}: missing or without the table of policies; put it back")
    write_bytes(readme, text.replace("\n".join(table), policy_table(folder)).encode())


def make_training_env(training: Training) -> gymnasium.Env:
    """Return a training's environment, observations in float32, simulator state before each step in `info`."""
    silence_simulators()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no display: nothing a reader can act on
        if training.directional:
            import ogbench.online_locomotion  # noqa: F401  # registers the environment
            from ogbench.online_locomotion.wrappers import GymXYWrapper

            env: gymnasium.Env = GymXYWrapper(gymnasium.make(training.env_id))
        else:
            env = gymnasium.make(training.env_id)
        return StateInInfo(gymnasium.wrappers.DtypeObservation(env, np.float32))


class StateInInfo(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Adds the simulator state before each step to its `info`, as `qpos` and `qvel`."""

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, remembering the state the action was taken in."""
        data: Any = self.unwrapped.data  # type: ignore[attr-defined]  # every MuJoCo environment has it
        before = {"qpos": data.qpos.copy(), "qvel": data.qvel.copy()}
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, info | before


def rollout_returns(
    expert: Expert, training: Training, seed: int, episodes: int = 10, *, deterministic: bool = False
) -> np.ndarray:
    """Return the undiscounted return of each episode [episodes], run side by side, the k-th reset with seed + k.

    Args:
        expert: the policy.
        training: whose environment it runs in.
        seed: of the environments and of the policy's noise.
        episodes: how many.
        deterministic: whether to take the mode instead of a sample.
    """
    rng = None if deterministic else np.random.default_rng(seed)
    with global_numpy_seed(seed):
        return _run_side_by_side(expert, training, seed, episodes, rng)


def _run_side_by_side(
    expert: Expert, training: Training, seed: int, episodes: int, rng: np.random.Generator | None
) -> np.ndarray:
    """Return the returns of `rollout_returns`."""
    envs = [make_training_env(training) for _ in range(episodes)]
    observations = np.stack([env.reset(seed=seed + k)[0] for k, env in enumerate(envs)])
    returns, running = np.zeros(episodes), np.ones(episodes, bool)
    while running.any():
        for k, action in enumerate(expert.act(observations, rng)):
            if running[k]:
                observations[k], reward, terminated, truncated, _ = envs[k].step(action)
                returns[k] += float(reward)
                running[k] = not (terminated or truncated)
    for env in envs:
        env.close()
    return returns
