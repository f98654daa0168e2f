"""D4RL's locomotion data made anew: hopper, walker2d and halfcheetah by trained policies (fu2020d4rl).

    medium          episodes sampled from the policy that first reached a third of the expert's score
    medium-replay   every transition the training saw until then, random start included
    medium-expert   medium, then as many of the expert's

The rollouts are made anew from the shipped policies. The replay needs the training itself, a matter of an hour, whose
folder it reads. A file has D4RL's arrays: `observations`, `actions`, `next_observations` [rows, ...], `rewards` [rows],
`terminals` where the robot fell, `timeouts` where the time was up, `infos/qpos`, `infos/qvel` and, for rollouts,
`infos/action_log_probs`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from vgf.datasets.files import Arrays
from vgf.sources.collect import Collection, check_arguments, collect, collected_path, cut, finish, is_made, policy_path
from vgf.sources.experts import Expert, PolicyEnv, load_expert
from vgf.sources.parts import write_hdf5
from vgf.sources.trainings import TRAININGS, make_training_env, medium_chunk, read_log
from vgf.support.errors import DataError
from vgf.support.files import sha256
from vgf.support.paths import data_folder

ROWS = 1_000_000  # of each policy, in the official files
MOST_EPISODES = 200_000  # no policy shipped here falls so soon that a million rows need more


@dataclass(frozen=True)
class LocomotionRecipe:
    """How a locomotion dataset is collected.

    Attributes:
        name: of the recipe.
        training: key of `trainings.TRAININGS`.
        levels: policies that act, one after the other.
        replay: whether it is the training's replay buffer up to the first of `levels` instead.
        policies_sha256: of the policies' files: other policies give other data.
    """

    name: str
    training: str
    levels: tuple[str, ...]
    replay: bool = False
    policies_sha256: tuple[str, ...] = ()

    def policy(self, level: str) -> str:
        """Return the file name of a level's policy."""
        return f"{self.training}-{level}.safetensors"


RECIPES: Mapping[str, LocomotionRecipe] = MappingProxyType(
    {
        f"{name}-{kind}-v2": LocomotionRecipe("training-replay" if replay else "policy-rollouts", name, levels, replay)
        for name in ("hopper", "walker2d", "halfcheetah")
        for kind, levels, replay in (
            ("medium", ("medium",), False),
            ("medium-replay", ("medium",), True),
            ("medium-expert", ("medium", "expert"), False),
        )
    }
)


def regenerate_locomotion(
    dataset: str,
    episodes: int | None = None,
    seed: int = 0,
    workers: int = 1,
    out: Path | None = None,
    *,
    training_folder: Path | None = None,
    progress: bool = True,
) -> Path:
    """Make a locomotion dataset anew and return its path; one that is there already is kept.

    Args:
        dataset: key of `RECIPES`.
        episodes: of each policy, or of the replay buffer's beginning; by default as many as a million rows of each
            policy take, or the whole buffer.
        seed: of the rollouts; the replay's is that of the training.
        workers: processes.
        out: the file, ending in .hdf5.
        training_folder: where the training's checkpoints are; by default `data/cache/experts/NAME`.
        progress: whether to report on stderr.

    Raises:
        DataError: naming the argument, the policy or the place, and the remedy.
    """
    recipe = RECIPES[dataset]
    path = Path(out) if out else collected_path(dataset, "d4rl", seed, episodes)
    if recipe.replay:
        folder = training_folder or data_folder() / "cache" / "experts" / recipe.training
        return _write_replay(dataset, recipe, folder, episodes, path)
    files = tuple(policy_path(recipe.policy(level)) for level in recipe.levels)
    experts = [load_expert(file) for file in files]
    recipe = replace(recipe, policies_sha256=tuple(sha256(file) for file in files))
    count = MOST_EPISODES if episodes is None else episodes
    most_rows = ROWS if episodes is None else None
    collection = Collection(dataset, recipe, "locomotion", seed, (count,) * len(files), most_rows)
    return collect(collection, path, workers, policy_metadata(experts[0]), progress=progress)


def policy_metadata(expert: Expert) -> dict[str, Any]:
    """Return what D4RL's files say of their policy: algorithm, iteration, weights as [out, in]."""
    pairs = {f"fc{i}": pair for i, pair in enumerate(expert.layers)}
    pairs |= {"last_fc": expert.mean, "last_fc_log_std": expert.log_std}
    weights = {f"policy/{name}/weight": weight.T for name, (weight, _) in pairs.items()}
    biases = {f"policy/{name}/bias": bias for name, (_, bias) in pairs.items()}
    words = {"algorithm": "SAC", "policy/nonlinearity": "relu", "policy/output_distribution": "tanh_gaussian"}
    return words | {"iteration": int(expert.facts.get("steps", 0))} | weights | biases


def open_environment(recipe: LocomotionRecipe) -> PolicyEnv:
    """Return the recipe's environment with its policies aboard.

    Raises:
        DataError: when a policy's file is missing or damaged.
    """
    experts = [load_expert(policy_path(recipe.policy(level))) for level in recipe.levels]
    return PolicyEnv(make_training_env(TRAININGS[recipe.training]), experts)


def collect_episode(env: PolicyEnv, recipe: LocomotionRecipe, seed: np.random.SeedSequence) -> Arrays:
    """Return one episode, until the robot falls or the time is up.

    Args:
        env: from `open_environment` with the same recipe.
        recipe: not looked at; what it says is aboard.
        seed: the episode's own; the first number of its spawn key says which policy acts.

    Returns:
        The arrays of the module's docstring, marks as bool and everything else float32.
    """
    for_env, for_policy = (int(word) for word in seed.generate_state(2))
    expert, rng = env.experts[seed.spawn_key[0]], np.random.default_rng(for_policy)
    observation, _ = env.reset(seed=for_env)
    rows: list[dict[str, Any]] = []
    ended = False
    while not ended:
        action, density = expert.sample(observation, rng)
        following, reward, terminated, truncated, info = env.step(action)
        ended = terminated or truncated
        row = {"observations": observation, "actions": action, "next_observations": following, "rewards": reward}
        row |= {"terminals": terminated, "timeouts": truncated and not terminated, "infos/action_log_probs": density}
        rows.append(row | {"infos/qpos": info["qpos"], "infos/qvel": info["qvel"]})
        observation = following
    return _official({name: np.array([row[name] for row in rows]) for name in rows[0]})


def _official(arrays: Arrays) -> Arrays:
    """Return arrays in the official file's types."""
    return {name: v.astype(bool if name in ("terminals", "timeouts") else np.float32) for name, v in arrays.items()}


def _write_replay(dataset: str, recipe: LocomotionRecipe, folder: Path, episodes: int | None, path: Path) -> Path:
    """Write the replay buffer up to the medium policy."""
    training = TRAININGS[recipe.training]
    log = read_log(folder)
    last = medium_chunk(training, log)
    if last is None:
        raise DataError(
            f"{folder}: holds no training of {training.name} up to its medium policy; "
            f"`python -m vgf.sources.expert_training {training.name} --until medium` makes one"
        )
    check_arguments(1 if episodes is None else episodes, 0, 1)
    reached = {name: log[last][name] for name in ("steps", "updates", "return_mean")}
    policy = load_expert(folder / f"policy-{last:04d}.safetensors").facts
    facts = {"dataset": dataset, "episodes": episodes, "seed": policy["seed"], "versions": policy["versions"]}
    facts |= {"recipe": json.loads(json.dumps(asdict(recipe)))} | reached
    if is_made(path, facts):
        return path
    started = time.monotonic()
    arrays = replay_arrays(folder, last)
    if episodes is not None:
        ends = np.flatnonzero(arrays["terminals"] | arrays["timeouts"])
        arrays = cut(arrays, int(ends[min(episodes, len(ends)) - 1]) + 1)
    write_hdf5(path, arrays, {"algorithm": "SAC", "iteration": log[last]["steps"]})
    finish(path, facts, arrays, started)
    return path


def replay_arrays(folder: Path, last: int) -> Arrays:
    """Return a training's transitions of the chunks up to `last`, each environment's trajectories one after the other.

    Within a chunk the environments follow one another; a trajectory still running at a chunk's end is marked as out of
    time there, for its environment starts over.
    """
    chunks = []
    for number in range(last + 1):
        with np.load(folder / f"chunk-{number:04d}.npz", allow_pickle=False) as file:
            stored = {name: np.swapaxes(file[name], 0, 1) for name in file.files}  # [environments, steps, ...]
        timeouts = stored["timeouts"] > 0
        terminals = (stored["dones"] > 0) & ~timeouts
        timeouts[:, -1] |= ~terminals[:, -1]
        arrays = {name: stored[name] for name in ("observations", "actions", "next_observations", "rewards")}
        arrays |= {"terminals": terminals, "timeouts": timeouts}
        arrays |= {f"infos/{name}": stored[name] for name in ("qpos", "qvel")}
        chunks.append({name: values.reshape(-1, *values.shape[2:]) for name, values in arrays.items()})
    return _official({name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]})
