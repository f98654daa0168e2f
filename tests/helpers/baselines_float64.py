"""An independent float64 reference in numpy, one seed and one row at a time.

It knows nothing of the package but the weights: perceptrons are evaluated row by row. Gradients are compared with
central differences of the reference's loss along a random direction, 1e-7 being what differences allow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.helpers.baselines import make_agent, make_batch, mlp
from vgf.networks import LAYER_NORM_EPS

ROWS, SEEDS = 6, (0, 1)
Net = Callable[..., np.ndarray]


def numpy_net(network: Any, seed: int, member: int = 0) -> Net:
    """One perceptron of one seed as a function of a single row's parts."""
    net = mlp(network)

    def take(parameters: Any) -> list[np.ndarray]:
        return [p[seed, member].detach().numpy() for p in parameters]

    weights, biases, gains, offsets = (take(p) for p in (net.weights, net.biases, net.gains, net.offsets))

    def evaluate(*parts: np.ndarray) -> np.ndarray:
        h = np.concatenate([np.atleast_1d(part) for part in parts])
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            h = h @ weight + bias[0]
            if i + 1 < len(weights):
                if gains:
                    h = (h - h.mean()) / np.sqrt(h.var() + LAYER_NORM_EPS) * gains[i][0] + offsets[i][0]
                h = np.maximum(h, 0)
        return h

    return evaluate


def critics(network: Any, seed: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Both values of one seed's critic at a row."""
    pair = [numpy_net(network, seed, member) for member in (0, 1)]
    return lambda s, a: np.array([net(s, a)[0] for net in pair])


def rows(batch: Any, seed: int) -> list[tuple[np.ndarray, ...]]:
    """One seed's transitions as numpy rows."""
    return list(zip(*(x[seed].numpy() for x in batch), strict=True))


def draw(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def diverged_agent(method: str, **changes: Any) -> tuple[Any, Any]:
    """An agent whose networks and targets have grown apart, and a batch."""
    agent = make_agent(method, SEEDS, learning_rate=1e-2, tau=0.3, **changes)
    for step in range(3):
        agent.update(make_batch(len(SEEDS), ROWS, seed=10 + step, dtype=torch.float64))
    return agent, make_batch(len(SEEDS), ROWS, dtype=torch.float64)


def check_gradient(agent: Any, name: str, loss: Tensor, reference: Callable[[int], float]) -> None:
    """Compare a network's gradient with central differences of the reference along a random direction, every seed."""
    parameters = [p for p in agent.networks[name].parameters() if p.requires_grad]
    found = torch.autograd.grad(loss.sum(), parameters)
    for seed in range(len(SEEDS)):
        directions = [draw(*p.shape[1:], seed=20 + i) for i, p in enumerate(parameters)]
        ours = sum((g[seed] * v).sum().item() for g, v in zip(found, directions, strict=True))
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                for p, v in zip(parameters, directions, strict=True):
                    p[seed] += sign * 1e-6 * v
                ends.append(reference(seed))
                for p, v in zip(parameters, directions, strict=True):
                    p[seed] -= sign * 1e-6 * v
        assert ours == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6, abs=1e-7)
        assert abs(ours) > 1e-4
