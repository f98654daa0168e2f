"""What the tests of the baselines share: random transitions, small configs, and weights put into a seed's slot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vgf.agents.base import Agent, Dims
from vgf.agents.best_of_n import BestOfN
from vgf.agents.diffusion_ql import DiffusionQL, DiffusionQLConfig
from vgf.agents.fql import FQL, FQLConfig
from vgf.agents.idql import IDQL, IDQLConfig
from vgf.agents.iql import IQL, IQLConfig
from vgf.agents.rebrac import ReBRAC, ReBRACConfig
from vgf.agents.td3_bc import TD3BC, TD3BCConfig
from vgf.networks import MLP

DIMS = Dims(5, 3)
HIDDEN = (16, 12)
METHODS: dict[str, tuple[type[Agent], Any]] = {
    "td3_bc": (TD3BC, TD3BCConfig()),
    "rebrac": (ReBRAC, ReBRACConfig()),
    "iql": (IQL, IQLConfig()),
    "iql learnt spread": (IQL, IQLConfig(std="learnt")),
    "idql": (IDQL, IDQLConfig()),
    "idql flow": (IDQL, IDQLConfig(behaviour="flow", average_rate=1.0)),
    "fql": (FQL, FQLConfig()),
    "diffusion_ql": (DiffusionQL, DiffusionQLConfig(average_start=3, backup_samples=2)),
    "best_of_n": (BestOfN, BestOfN.presets["default"]),
}


class Transitions(NamedTuple):
    """A batch that carries the dataset's next actions too."""

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    masks: Tensor
    next_observations: Tensor
    next_actions: Tensor


def make_batch(seeds: int, rows: int = 8, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Any:
    """Random transitions, [seeds, rows, ...], a third of them without a next value."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(seeds, rows, *shape, generator=g, dtype=dtype)

    masks = (torch.arange(rows) % 3 > 0).to(dtype).expand(seeds, rows)
    return Transitions(
        normal(DIMS.observation),
        normal(DIMS.action).tanh(),
        normal(),
        masks,
        normal(DIMS.observation),
        normal(DIMS.action).tanh(),
    )


def one_seed(batch: Any, index: int) -> Any:
    """One seed's part of a batch, with a seed axis of one."""
    return type(batch)(*(x[index : index + 1] for x in batch))


def make_agent(method: str, seeds: Any = (0,), **changes: Any) -> Any:
    """A small agent."""
    kind, config = METHODS[method]
    return kind.create(replace(config, hidden=HIDDEN, **changes), DIMS, list(seeds))


def double(agent: Any) -> Any:
    """Turn an agent's networks into float64."""
    for network in agent.networks.values():
        network.double()
    return agent


def mlp(network: nn.Module) -> MLP:
    """The only perceptron of a network."""
    found = [m for m in network.modules() if isinstance(m, MLP)]
    assert len(found) == 1
    return found[0]


def put(network: nn.Module, arrays: Mapping[str, np.ndarray], key: str, seed: int, member: int = 0) -> None:
    """Copy the Linear weights `<key>/weight0` ... into one seed's member of a network."""
    net = mlp(network)
    with torch.no_grad():
        for i, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
            weight[seed, member] = torch.from_numpy(arrays[f"{key}/weight{i}"]).T
            bias[seed, member, 0] = torch.from_numpy(arrays[f"{key}/bias{i}"])


def taken(network: nn.Module, seed: int, member: int = 0, *, gradients: bool = False) -> dict[str, np.ndarray]:
    """One seed's member of a network as Linear weights, or their gradients."""
    net, out = mlp(network), {}
    for i, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        pair = (weight.grad, bias.grad) if gradients else (weight, bias)
        out[f"weight{i}"] = pair[0][seed, member].detach().T.numpy()
        out[f"bias{i}"] = pair[1][seed, member, 0].detach().numpy()
    return out


class Queue:
    """Stands in for a random stream: hands out what it was given, in order."""

    def __init__(self, *values: Tensor) -> None:
        self.values = list(values)

    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return the next value, which must have the shape asked for."""
        value = self.values.pop(0)
        assert value.shape[1:] == shape
        return value
