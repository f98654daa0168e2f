"""Training an expert once, with the soft actor-critic of sbx-rl (haarnoja2018sac), so that a kill costs minutes.

    python -m vgf.sources.expert_training ant
    python -m vgf.sources.expert_training ant --export expert

A training is a chain of chunks. Each restarts the environments and takes every random stream from
SeedSequence(seed, spawn_key=(chunk,)), then writes the transitions it added to the replay buffer, the policy, and last
the learner's whole state. So a killed training goes on at the last finished chunk and ends with the bits it would have
had (on one machine, with the same versions). The price is one cut episode per environment and chunk, marked as a time
limit. The transitions are kept for what they are worth by themselves: up to the medium policy they are the replay set.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from vgf.sources.experts import Expert, save_expert
from vgf.sources.trainings import (
    TRAININGS,
    Training,
    export,
    make_training_env,
    medium_chunk,
    read_log,
    rollout_returns,
    write_policy_table,
)
from vgf.support.errors import DataError
from vgf.support.files import write_bytes, write_json, written_whole
from vgf.support.paths import data_folder

PACKAGES = ("sbx-rl", "stable-baselines3", "jax", "flax", "optax", "gymnasium", "mujoco", "ogbench", "numpy")
BUFFER = ("observations", "actions", "next_observations", "rewards", "dones", "timeouts")
REMEDY = "training needs sbx-rl, which nothing else here does: pip install 'vgf-companion[experts]'"


def train(training: Training, folder: Path, seed: int = 0, until: str = "end", chunks: int | None = None) -> Path:
    """Train, or go on training, and return the folder.

    Args:
        training: what to train.
        folder: where checkpoints, transitions and policies go: `state.safetensors`, `log.json`, `chunk-*.npz`,
            `policy-*.safetensors`, the number being that of the chunk.
        seed: >= 0.
        until: "end", or "medium" to stop once a checkpoint has reached the medium return.
        chunks: stop after this many, whatever the rest says.

    Raises:
        DataError: when sbx-rl is missing, or the folder holds another training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = make_model(training, seed)
    log = _resume(model, training, folder, seed)
    total = min(training.steps // training.chunk, training.steps if chunks is None else chunks)
    started, first = time.monotonic(), len(log)
    for chunk in range(first, total):
        if until == "medium" and medium_chunk(training, log) is not None:
            break
        log.append(_run_chunk(model, training, folder, seed, chunk))
        write_json(folder / "log.json", log)  # before the state: resuming drops rows beyond it
        _save_state(
            model, folder, {"training": training.name, "settings": _settings(training), "seed": seed, "chunk": chunk}
        )
        rate = (chunk + 1 - first) * training.chunk / (time.monotonic() - started)
        left = (total - 1 - chunk) * training.chunk / rate / 60
        print(
            f"{training.name}: {log[-1]['steps']:,} of {total * training.chunk:,} steps, return "
            f"{log[-1]['return_mean']:.1f} +- {log[-1]['return_std']:.1f}, {rate:.0f} steps/s, {left:.0f} min left",
            flush=True,
        )
    return folder


def make_model(training: Training, seed: int) -> Any:
    """Return an untrained sbx SAC on the training's environments.

    Raises:
        DataError: when sbx-rl is not installed.
    """
    try:
        from sbx import SAC
        from stable_baselines3.common.vec_env import DummyVecEnv
    except ImportError as error:
        raise DataError(f"{REMEDY} ({error})") from error
    envs = DummyVecEnv([lambda: make_training_env(training)] * training.environments)
    assert envs.action_space.shape is not None
    return SAC(
        "MlpPolicy",
        envs,
        learning_rate=training.learning_rate,
        buffer_size=training.steps + training.chunk,  # never wraps
        learning_starts=training.random_steps,
        gradient_steps=training.updates,
        ent_coef=f"auto_{training.initial_temperature}",
        target_entropy=training.target_entropy * envs.action_space.shape[0],
        seed=seed,
    )


def _settings(training: Training) -> dict[str, Any]:
    """Return all that the bits of a training depend on, as JSON gives it back; its length may grow."""
    facts: dict[str, Any] = json.loads(json.dumps(asdict(training)))
    return {name: value for name, value in facts.items() if name != "steps"}


def actor(model: Any, facts: dict[str, Any]) -> Expert:
    """Return the learner's present policy."""
    dense = model.policy.actor_state.params["params"]
    pairs = [(np.asarray(dense[f"Dense_{i}"]["kernel"]), np.asarray(dense[f"Dense_{i}"]["bias"])) for i in range(4)]
    return Expert(tuple(pairs[:2]), pairs[2], pairs[3], facts)


def _run_chunk(model: Any, training: Training, folder: Path, seed: int, chunk: int) -> dict[str, Any]:
    """Train for one chunk, write its transitions and its policy, and return its row of the log."""
    stream = int(np.random.SeedSequence(seed, spawn_key=(chunk,)).generate_state(1)[0] >> 1)
    _restart(model, stream)
    states: dict[str, list[np.ndarray]] = {"qpos": [], "qvel": []}
    begin, started = model.replay_buffer.pos, time.monotonic()
    model.learn(training.chunk, callback=_recorder(states), reset_num_timesteps=False)
    arrays = {name: getattr(model.replay_buffer, name)[begin : model.replay_buffer.pos] for name in BUFFER}
    arrays["timeouts"] = arrays["timeouts"].copy()
    arrays |= {name: np.asarray(values, np.float32) for name, values in states.items()}
    with written_whole(folder / f"chunk-{chunk:04d}.npz") as file:
        np.savez(file, **arrays)
    facts = {
        "environment": training.env_id,
        "training": training.name,
        "steps": model.num_timesteps,
        "updates": model._n_updates,
        "seed": seed,
        "versions": {name: version(name) for name in PACKAGES},
    }
    returns = rollout_returns(actor(model, facts), training, seed=stream)
    facts |= {"return_mean": float(returns.mean()), "return_std": float(returns.std()), "return_episodes": len(returns)}
    save_expert(folder / f"policy-{chunk:04d}.safetensors", actor(model, facts))
    kept = ("steps", "updates", "return_mean", "return_std")
    return {name: facts[name] for name in kept} | {"seconds": round(time.monotonic() - started, 1)}


def _restart(model: Any, stream: int) -> None:
    """Seed every random stream anew and have the environments start over."""
    import jax

    model.set_random_seed(stream)  # numpy's and Python's global state, the environments, the actions, the learner's key
    model.policy.key = jax.random.fold_in(jax.random.PRNGKey(stream), 1)
    model.policy.reset_noise()
    model._last_obs = None


def _recorder(states: dict[str, list[np.ndarray]]) -> Any:
    """Return a callback that keeps the simulator state before every step."""
    from stable_baselines3.common.callbacks import BaseCallback

    class Recorder(BaseCallback):
        def _on_step(self) -> bool:
            for name, values in states.items():
                values.append(np.stack([info[name] for info in self.locals["infos"]]))
            return True

    return Recorder()


def _trees(model: Any) -> tuple[Any, Any]:
    """Return the leaves and the structure of everything the learner changes."""
    import jax

    leaves, structure = jax.tree_util.tree_flatten(
        (model.policy.actor_state, model.policy.qf_state, model.ent_coef_state)
    )
    return leaves, structure


def _save_state(model: Any, folder: Path, facts: dict[str, Any]) -> None:
    """Write the learner's state; this commits the chunk."""
    leaves, _ = _trees(model)
    tensors = {f"leaf{i:04d}": np.ascontiguousarray(leaf) for i, leaf in enumerate(leaves)}
    facts = facts | {"steps": model.num_timesteps, "updates": model._n_updates}
    write_bytes(folder / "state.safetensors", save(tensors, metadata={"facts": json.dumps(facts, sort_keys=True)}))


def _resume(model: Any, training: Training, folder: Path, seed: int) -> list[dict[str, Any]]:
    """Bring the learner back to the last finished chunk and return the log up to it."""
    import jax
    import jax.numpy as jnp

    path = folder / "state.safetensors"
    if not path.exists():
        return []
    with safe_open(path, framework="numpy") as file:
        facts = json.loads(file.metadata()["facts"])
        stored = [file.get_tensor(name) for name in sorted(file.keys())]
    if (facts["training"], facts["seed"]) != (training.name, seed):
        raise DataError(f"{folder}: holds {facts['training']} of seed {facts['seed']}; choose another folder")
    if facts.get("settings", _settings(training)) != _settings(training):  # None before they were kept
        raise DataError(f"{folder}: holds {training.name} trained with other settings; choose another folder")
    leaves, structure = _trees(model)
    values = [
        jnp.asarray(new, getattr(old, "dtype", None)).reshape(np.shape(old))
        for new, old in zip(stored, leaves, strict=True)
    ]
    trees = jax.tree_util.tree_unflatten(structure, values)
    model.policy.actor_state, model.policy.qf_state, model.ent_coef_state = trees
    model.num_timesteps, model._n_updates = facts["steps"], facts["updates"]
    buffer = model.replay_buffer
    for chunk in range(facts["chunk"] + 1):
        with np.load(folder / f"chunk-{chunk:04d}.npz", allow_pickle=False) as arrays:
            end = buffer.pos + len(arrays["rewards"])
            for name in BUFFER:
                getattr(buffer, name)[buffer.pos : end] = arrays[name]
            buffer.pos = end
    return read_log(folder)[: facts["chunk"] + 1]


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(prog="python -m vgf.sources.expert_training", description=main.__doc__)
    parser.add_argument("training", choices=sorted(TRAININGS))
    parser.add_argument("--folder", type=Path, help="data/cache/experts/NAME by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until", choices=["medium", "end"], default="end")
    parser.add_argument("--chunks", type=int, help="stop after this many chunks in all, whatever --until says")
    parser.add_argument("--export", choices=["medium", "expert"], help="write this level to --out instead of training")
    parser.add_argument("--out", type=Path, default=Path("data/policies"))
    words = parser.parse_args()
    folder = words.folder or data_folder() / "cache" / "experts" / words.training
    try:
        if words.export:
            print(export(TRAININGS[words.training], folder, words.export, words.out))
            write_policy_table(words.out)
        else:
            train(TRAININGS[words.training], folder, words.seed, words.until, words.chunks)
    except DataError as error:
        raise SystemExit(f"{error}") from None


if __name__ == "__main__":
    main()
