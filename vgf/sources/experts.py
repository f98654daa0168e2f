"""Expert policies: what a trained one is here, and how it is stored.

Ant mazes and locomotion sets are collected by a policy that no package carries. Each is trained once with soft
actor-critic (haarnoja2018sac) by `expert_training`, as `trainings` says; what ships is the policy, a few hundred
kilobytes of safetensors. A policy is the squashed Gaussian

    a = tanh(m(o) + exp(clip(l(o), -20, 2)) e),   e ~ N(0, I),

with m and l two linear heads on one ReLU network. It runs here in numpy, so a process that only simulates loads neither
torch nor JAX; the trade-off is a second implementation, held equal to the training library's by a test.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gymnasium
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from vgf.datasets.files import content_digest
from vgf.support.errors import DataError
from vgf.support.files import written_whole
from vgf.support.json_text import parse_json
from vgf.support.strict import known

LOG_STD_RANGE = (-20.0, 2.0)


@dataclass(frozen=True)
class Expert:
    """A squashed Gaussian policy in numpy.

    Attributes:
        layers: weight [in, out] and bias [out] of each hidden layer.
        mean, log_std: weight and bias of the two heads.
        facts: what the file says of it: environment, steps, seed, returns, versions.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    mean: tuple[np.ndarray, np.ndarray]
    log_std: tuple[np.ndarray, np.ndarray]
    facts: Mapping[str, Any]

    @property
    def observation_size(self) -> int:
        """Width of an observation."""
        return int(self.layers[0][0].shape[0])

    @property
    def action_size(self) -> int:
        """Width of an action."""
        return int(self.mean[1].shape[0])

    def act(self, observations: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return actions in [-1, 1].

        Args:
            observations: [..., observation].
            rng: source of the policy's noise; without it, the mode tanh(m(o)).

        Returns:
            float32 actions [..., action].

        Raises:
            ValueError: for observations of another width.
        """
        if rng is None:
            return np.tanh(self._heads(observations)[0])
        return self.sample(observations, rng)[0]

    def sample(self, observations: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return actions [..., action] drawn from the policy and their log densities [...], in float32.

        The density is the squashed variable's, log p(u) - sum_i log(1 - tanh(u_i)^2) (haarnoja2018sac, appendix C).

        Raises:
            ValueError: for observations of another width.
        """
        mean, log_std = self._heads(observations)
        noise = rng.standard_normal(mean.shape, dtype=np.float32)
        before = mean + np.exp(log_std) * noise
        squash = 2 * (
            np.log(2) - before - np.logaddexp(np.float32(0), -2 * before)
        )  # log(1 - tanh^2), without overflow
        density = -0.5 * noise**2 - log_std - 0.5 * np.log(2 * np.pi) - squash
        return np.tanh(before), density.sum(-1).astype(np.float32)

    def _heads(self, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and clipped log standard deviation before squashing."""
        hidden = np.asarray(observations, np.float32)
        if hidden.shape[-1] != self.observation_size:
            raise ValueError(f"observations have {hidden.shape[-1]} columns, the policy takes {self.observation_size}")
        for weight, bias in self.layers:
            hidden = np.maximum(hidden @ weight + bias, 0)
        mean, log_std = (hidden @ weight + bias for weight, bias in (self.mean, self.log_std))
        return mean, np.clip(log_std, *LOG_STD_RANGE)


def save_expert(path: Path, expert: Expert) -> None:
    """Write a policy as safetensors, its facts as the file's metadata; equal policies give equal bytes.

    Raises:
        DataError: when the file cannot be written.
    """
    pairs = [(f"layer{i}", pair) for i, pair in enumerate(expert.layers)]
    tensors = {}
    for name, (weight, bias) in [*pairs, ("mean", expert.mean), ("log_std", expert.log_std)]:
        tensors[f"{name}.weight"] = np.ascontiguousarray(weight, np.float32)
        tensors[f"{name}.bias"] = np.ascontiguousarray(bias, np.float32)
    with written_whole(Path(path)) as stream:
        facts = dict(expert.facts)
        told = json.dumps({"facts": facts, "sha256": _digest(facts, tensors)}, sort_keys=True)
        stream.write(save(tensors, metadata={"sealed": told}))  # safetensors writes two entries in an order of chance


def _digest(facts: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of all that is in a file, which safetensors does not keep."""
    return hashlib.sha256(f"{json.dumps(facts, sort_keys=True)} {content_digest(dict(tensors))}".encode()).hexdigest()


def load_expert(path: Path) -> Expert:
    """Return the policy in a file.

    Raises:
        DataError: when there is no such file or it holds no policy.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such policy; data/policies/README.md says how each is trained")
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # safe_open is no mapping
            told = file.metadata() or {}
        known(told, ("facts", "sealed"), "its header")  # files of before have their facts alone
        facts = parse_json(told.get("facts", "{}"))
        if "sealed" in told:
            sealed = parse_json(told["sealed"])
            facts = sealed["facts"]
            if sealed["sha256"] != _digest(facts, tensors):
                raise ValueError("its bytes are not those that were written")
        pairs = {name: (tensors[f"{name}.weight"], tensors[f"{name}.bias"]) for name in _names(tensors)}
        layers = tuple(pairs[f"layer{i}"] for i in range(len(pairs) - 2))
        expert = Expert(layers, pairs["mean"], pairs["log_std"], MappingProxyType(facts))
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a policy ({' '.join(str(error).split())}); get it again") from error
    _check(path, expert)
    return expert


class PolicyEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment that carries the policies acting in it."""

    def __init__(self, env: gymnasium.Env, experts: list[Expert]) -> None:
        """Keep the policies."""
        super().__init__(env)
        self.experts = experts


def _names(tensors: Mapping[str, np.ndarray]) -> list[str]:
    """Return the names of the linear maps."""
    return sorted({name.rpartition(".")[0] for name in tensors})


def _check(path: Path, expert: Expert) -> None:
    """Refuse maps that do not follow on one another or are not finite."""
    width = expert.layers[0][0].shape[0] if expert.layers else 0
    for weight, bias in (*expert.layers, expert.mean, expert.log_std):
        if weight.ndim != 2 or bias.shape != weight.shape[1:] or weight.shape[0] != width:
            raise DataError(
                f"{path}: a layer of {weight.shape} with bias {bias.shape} after {width} units; get it again"
            )
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise DataError(f"{path}: weights are not finite; get it again")
        width = weight.shape[1] if weight is not expert.mean[0] else width
