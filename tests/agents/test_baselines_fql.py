"""FQL against an independent float64 reference in numpy: the flow integrated row by row, the losses as printed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.helpers.baselines_float64 import ROWS, SEEDS, check_gradient, critics, diverged_agent, draw, numpy_net, rows

pytestmark = pytest.mark.usefixtures("float64")


def one_step(agent: Any, seed: int, s: np.ndarray, z: np.ndarray) -> np.ndarray:
    return numpy_net(agent.actor, seed)(s, z)


def flow_sample(agent: Any, seed: int, s: np.ndarray, z: np.ndarray) -> np.ndarray:
    velocity, steps = numpy_net(agent.reference, seed), agent.reference.steps
    x = z
    for i in range(steps):
        x = x + velocity(s, x, np.array([i / steps])) / steps
    return np.clip(x, -1, 1)


@pytest.mark.parametrize("target_q", ["mean", "min"])
def test_fql_target_and_critic_loss(target_q: str) -> None:
    agent, batch = diverged_agent("fql", target_q=target_q)
    noise = draw(len(SEEDS), ROWS, 3)
    target = agent.td_target(batch, noise)
    loss, _ = agent.critic_loss(batch, target)
    for seed in range(len(SEEDS)):
        q, q_target = critics(agent.critic, seed), critics(agent.target, seed)
        errors = []
        for (s, a, r, mask, s_next, _), z in zip(rows(batch, seed), noise[seed].numpy(), strict=True):
            values = q_target(s_next, np.clip(one_step(agent, seed, s_next, z), -1, 1))
            y = r + 0.99 * mask * (values.mean() if target_q == "mean" else values.min())
            errors.append((q(s, a) - y) ** 2)
        assert loss[seed].item() == pytest.approx(np.mean(errors), rel=1e-11)


@pytest.mark.parametrize("normalise", [False, True])
def test_fql_policy_loss_and_gradient(normalise: bool) -> None:
    agent, batch = diverged_agent("fql", normalise_q=normalise, alpha=3.0)
    noise = 1.5 * draw(len(SEEDS), ROWS, 3)

    def reference(seed: int, scale: float | None = None) -> tuple[float, float, float]:
        q, far, values = critics(agent.critic, seed), [], []
        for (s, *_), z in zip(rows(batch, seed), noise[seed].numpy(), strict=True):
            action = one_step(agent, seed, s, z)
            far.append((action - flow_sample(agent, seed, s, z)) ** 2)
            values.append(q(s, np.clip(action, -1, 1)).mean())
        size = np.abs(values).mean() if normalise else 1.0
        return float(np.mean(far)), float(-np.mean(values) / (scale or size)), float(size)

    distillation, pull = agent.actor_losses(batch, noise)
    for seed in range(len(SEEDS)):
        far, value, _ = reference(seed)
        assert distillation[seed].item() == pytest.approx(far, rel=1e-11)
        assert pull[seed].item() == pytest.approx(value, rel=1e-11)
    sizes = [reference(seed)[2] for seed in range(len(SEEDS))]  # a constant to the gradient

    def total(seed: int) -> float:
        far, value, _ = reference(seed, sizes[seed])
        return 3.0 * far + value

    check_gradient(agent, "actor", 3.0 * distillation + pull, total)


def test_fql_update_is_its_losses() -> None:
    """The metrics of an update are the losses at the weights before it; the target follows the critic of before it."""
    agent, batch = diverged_agent("fql")
    critic = [p.detach().clone() for p in agent.critic.parameters()]
    target = [p.detach().clone() for p in agent.target.parameters()]
    metrics = agent.update(batch)
    for old, new, leader in zip(target, agent.target.parameters(), critic, strict=True):
        assert torch.allclose(new, 0.7 * old + 0.3 * leader, rtol=0, atol=1e-14)
    twin, _ = diverged_agent("fql")
    z = [twin.streams["particles"].normal(ROWS, 3) for _ in range(2)]
    loss, values = twin.critic_loss(batch, twin.td_target(batch, z[0]))
    distillation, pull = twin.actor_losses(batch, z[1])
    expected = {
        "critic/loss": loss,
        "critic/q": values.mean((1, 2)),
        "actor/distillation": distillation,
        "actor/q": pull,
    }
    assert all(torch.allclose(metrics[name], value, rtol=1e-12) for name, value in expected.items())


def test_fql_never_differentiates_its_flow() -> None:
    """Neither part of the policy's loss has a gradient by the flow's weights."""
    agent, batch = diverged_agent("fql")
    flow = list(agent.reference.parameters())
    for loss in agent.actor_losses(batch, draw(len(SEEDS), ROWS, 3)):
        assert all(g is None for g in torch.autograd.grad(loss.sum(), flow, retain_graph=True, allow_unused=True))
