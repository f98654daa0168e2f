"""One critic update against a twin in numpy, written from the equations and sharing no code with the package."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.helpers.small_agents import DIMS, SMALL, batch
from vgf.agents import VGF, VGFConfig
from vgf.datasets.transitions import Batch


class Twin:
    """One critic of one seed in numpy: value, gradient in the action, gradient in the weights, all by hand."""

    def __init__(self, critic: nn.Module, seed: int, member: int) -> None:
        pick = {name: p.detach().numpy()[seed, member] for name, p in critic.net.named_parameters()}
        self.w = [pick[f"weights.{i}"] for i in range(3)]
        self.b = [pick[f"biases.{i}"][0] for i in range(3)]
        self.g = [pick[f"gains.{i}"][0] for i in range(2)]
        self.o = [pick[f"offsets.{i}"][0] for i in range(2)]

    def forward(self, s: np.ndarray, a: np.ndarray) -> np.ndarray:
        h, self.tape = np.concatenate([s, a], -1), []
        for i in range(2):
            z = h @ self.w[i] + self.b[i]
            spread = np.sqrt(z.var(-1, keepdims=True) + 1e-6)
            n = (z - z.mean(-1, keepdims=True)) / spread
            u = n * self.g[i] + self.o[i]
            self.tape.append((h, n, spread, u))
            h = np.maximum(u, 0)
        self.last = h
        return (h @ self.w[2] + self.b[2])[..., 0]

    def backward(self, upstream: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the gradients in the input and in the parameters of sum(upstream * Q)."""
        grads = {"weights.2": self.last.T @ upstream[:, None], "biases.2": upstream.sum(keepdims=True)}
        d = upstream[:, None] * self.w[2][:, 0]
        for i in (1, 0):
            h, n, spread, u = self.tape[i]
            d = d * (u > 0)
            grads[f"gains.{i}"], grads[f"offsets.{i}"] = (d * n).sum(0), d.sum(0)
            d = d * self.g[i]
            d = (d - d.mean(-1, keepdims=True) - n * (d * n).mean(-1, keepdims=True)) / spread
            grads[f"weights.{i}"], grads[f"biases.{i}"] = h.T @ d, d.sum(0)
            d = d @ self.w[i].T
        return d, grads


def numpy_flow(twins: list[Twin], s: np.ndarray, a: np.ndarray, config: VGFConfig) -> np.ndarray:
    """Move particles a [B, N, d] at states s [B, o] as the release does: median kernel, repulsion, Adam, box."""
    size, n, d = a.shape
    rows, m, v = np.repeat(s, n, 0), np.zeros_like(a), np.zeros_like(a)
    for t in range(1, config.train_steps + 1):
        score = np.zeros_like(a)
        for twin in twins:
            twin.forward(rows, a.reshape(-1, d))
            score += twin.backward(np.full(size * n, 0.5))[0][:, -d:].reshape(a.shape)
        phi = np.empty_like(a)
        for b in range(size):
            d2 = ((a[b][:, None] - a[b][None]) ** 2).sum(-1)
            two_gamma = 2 / (1e-6 + 2 * np.median(d2) / (2 * np.log(n + 1)))
            k = np.exp(-two_gamma / 2 * d2)
            push = ((a[b][:, None] - a[b][None]) * (two_gamma * k)[..., None]).sum(1)
            phi[b] = (k @ score[b] / config.temperature + push) / n
        m, v = 0.9 * m - 0.1 * phi, 0.999 * v + 0.001 * phi**2
        step = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        a = np.clip(a - config.step_size * step, -1, 1)
    return a


@pytest.mark.parametrize("eager", [True, False], ids=["modules", "core"])
@pytest.mark.parametrize("over", ["mean", "min"])
def test_one_critic_update_equals_an_independent_numpy_twin_in_float64(over: Any, eager: bool) -> None:
    agent, g = VGF.create(replace(SMALL, target_q=over), DIMS, (3, 5)), torch.Generator().manual_seed(0)
    for network in (agent.critic, agent.target):
        network.double()
        for p in network.parameters():
            p.data += 0.3 * torch.randn(p.shape, generator=g, dtype=torch.float64)
    assert agent.core is not None
    agent.core.refresh()
    agent.core = None if eager else agent.core
    b = Batch(*(x.double() for x in batch(size=6)[:5]))
    a0 = 2 * torch.rand(2, 6, 3, 2, dtype=torch.float64, generator=g) - 1
    loss, _ = agent.critic_loss(b, a0)
    loss.sum().backward()
    for seed in range(2):
        s, a, r, mask, s2 = (x[seed].numpy() for x in b[:5])
        online, target = ([Twin(net, seed, e) for e in range(2)] for net in (agent.critic, agent.target))
        moved = numpy_flow(online, s2, a0[seed].numpy(), agent.config)
        values = np.stack([t.forward(np.repeat(s2, 3, 0), moved.reshape(-1, 2)) for t in target])
        value = (values.mean(0) if over == "mean" else values.min(0)).reshape(6, 3).mean(1)
        y = r + 0.99 * mask * value
        expected = 0.0
        for e, twin in enumerate(online):
            error = twin.forward(s, a) - y
            expected += (error**2).mean()
            for name, gradient in twin.backward(2 * error / 6)[1].items():
                ours = dict(agent.critic.net.named_parameters())[name].grad
                assert ours is not None
                np.testing.assert_allclose(ours[seed, e].numpy().reshape(gradient.shape), gradient, atol=1e-10)
        np.testing.assert_allclose(loss[seed].item(), expected, rtol=1e-10)
