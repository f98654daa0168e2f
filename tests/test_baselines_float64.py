"""FQL, IDQL and Diffusion-QL against an independent float64 reference in numpy, one seed and one row at a time.

The reference knows nothing of the package but the weights: it evaluates perceptrons row by row, integrates the flow,
walks the diffusion chain with the textbook posterior, and adds up the losses as their papers write them. Gradients are
compared with central differences of the reference's loss along a random direction, 1e-7 being what differences allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from baseline_helpers import make_agent, make_batch, mlp
from torch import Tensor

from vgf.networks import LAYER_NORM_EPS

ROWS, SEEDS = 6, (0, 1)
Net = Callable[..., np.ndarray]


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


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


def settled(method: str, **changes: Any) -> tuple[Any, Any]:
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


# FQL


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
    agent, batch = settled("fql", target_q=target_q)
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
    agent, batch = settled("fql", normalise_q=normalise, alpha=3.0)
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
    agent, batch = settled("fql")
    critic = [p.detach().clone() for p in agent.critic.parameters()]
    target = [p.detach().clone() for p in agent.target.parameters()]
    metrics = agent.update(batch)
    for old, new, leader in zip(target, agent.target.parameters(), critic, strict=True):
        assert torch.allclose(new, 0.7 * old + 0.3 * leader, rtol=0, atol=1e-14)
    twin, _ = settled("fql")
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


# Diffusion


def schedule(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Betas and abar from the closed form of abar: exp(-b_min t / T - (b_max - b_min) t^2 / 2 T^2)."""
    u = np.arange(steps + 1) / steps
    abar = np.exp(-0.1 * u - 9.9 * u**2 / 2)
    return 1 - abar[1:] / abar[:-1], abar


def embed(t: int) -> np.ndarray:
    angle = t * np.exp(-np.log(10_000) * np.arange(8) / 7)
    return np.concatenate([np.sin(angle), np.cos(angle)])


def diffusion_sample(network: Any, seed: int, s: np.ndarray, noise: np.ndarray, sampler: str) -> np.ndarray:
    """Walk the chain back; noise is [T, d]. Bayes' rule for two normal distributions gives the posterior."""
    net, steps = numpy_net(network, seed), len(noise)
    betas, abar = schedule(steps)
    x = noise[0]
    for i, t in enumerate(range(steps, 0, -1), start=1):
        e = net(s, x, embed(t - 1))
        beta = betas[t - 1]
        if sampler == "step":
            mean, variance = (x - beta / np.sqrt(1 - abar[t]) * e) / np.sqrt(1 - beta), beta
        else:
            clean = np.clip((x - np.sqrt(1 - abar[t]) * e) / np.sqrt(abar[t]), -1, 1)
            if t == 1:
                mean, variance = clean, 0.0
            else:
                precision = 1 / (1 - abar[t - 1]) + (1 - beta) / beta
                variance = 1 / precision
                mean = variance * (np.sqrt(abar[t - 1]) * clean / (1 - abar[t - 1]) + np.sqrt(1 - beta) * x / beta)
        x = mean if t == 1 else mean + np.sqrt(variance) * noise[i]
        if sampler == "step":
            x = np.clip(x, -1, 1)
    return np.clip(x, -1, 1)


@pytest.mark.parametrize(("method", "sampler"), [("idql", "step"), ("diffusion_ql", "posterior")])
def test_diffusion_samples(method: str, sampler: str) -> None:
    agent, batch = settled(method)
    policy = agent.networks["average"]
    noise = 0.7 * draw(len(SEEDS), policy.steps, ROWS, 2, 3)
    actions = policy.sample(batch.observations, noise).detach()
    assert 0.01 < (actions.abs() == 1).double().mean() < 0.9  # the box is felt, by some
    for seed in range(len(SEEDS)):
        for b in range(ROWS):
            for n in range(2):
                chain = noise[seed, :, b, n].numpy()
                expected = diffusion_sample(policy, seed, batch.observations[seed, b].numpy(), chain, sampler)
                np.testing.assert_allclose(actions[seed, b, n], expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(("method", "name"), [("idql", "reference"), ("diffusion_ql", "actor")])
def test_diffusion_loss_and_gradient(method: str, name: str) -> None:
    agent, batch = settled(method)
    noise, uniform = draw(len(SEEDS), ROWS, 3), torch.linspace(0, 0.999, ROWS).expand(len(SEEDS), ROWS)
    _, abar = schedule(5)

    def reference(seed: int) -> float:
        net, errors = numpy_net(agent.networks[name], seed), []
        for (s, a, *_), e, u in zip(rows(batch, seed), noise[seed].numpy(), uniform[seed].numpy(), strict=True):
            t = int(np.floor(5 * u))
            x = np.sqrt(abar[t + 1]) * a + np.sqrt(1 - abar[t + 1]) * e
            errors.append((net(s, x, embed(t)) - e) ** 2)
        return float(np.mean(errors))

    loss = agent.networks[name].loss(batch.observations, batch.actions, noise, uniform)
    for seed in range(len(SEEDS)):
        assert loss[seed].item() == pytest.approx(reference(seed), rel=1e-11)
    check_gradient(agent, name, loss, reference)


def test_idql_takes_the_best_of_its_samples() -> None:
    """N samples of the running mean, ranked by the target's smaller value."""
    agent, batch = settled("idql", particles=7, average_rate=0.5)
    state = agent.streams["acting"].state()
    actions = agent.act(batch.observations, agent.budget(0))
    agent.streams["acting"].set_state(state)
    noise = agent.streams["acting"].normal(5, ROWS, 7, 3)
    for seed in range(len(SEEDS)):
        q = critics(agent.target, seed)
        for b, (s, *_) in enumerate(rows(batch, seed)):
            samples = [diffusion_sample(agent.average, seed, s, noise[seed, :, b, n].numpy(), "step") for n in range(7)]
            best = samples[int(np.argmax([q(s, a).min() for a in samples]))]
            np.testing.assert_allclose(actions[seed, b], best, rtol=1e-9, atol=1e-10)


def test_diffusion_ql_target() -> None:
    """Each critic's largest value over the samples of the running mean, then the smaller of the two."""
    agent, batch = settled("diffusion_ql", backup_samples=4)
    noise = draw(len(SEEDS), 5, ROWS, 4, 3)
    target = agent.td_target(batch, noise)
    for seed in range(len(SEEDS)):
        q = critics(agent.target, seed)
        for b, (_, _, r, mask, s_next, _) in enumerate(rows(batch, seed)):
            samples = [
                diffusion_sample(agent.average, seed, s_next, noise[seed, :, b, n].numpy(), "posterior")
                for n in range(4)
            ]
            value = np.min(np.max([q(s_next, a) for a in samples], axis=0))
            assert target[seed, b].item() == pytest.approx(r + 0.99 * mask * value, rel=1e-9, abs=1e-10)


def test_diffusion_ql_value_loss_and_gradient() -> None:
    """Through the whole chain, either critic first; the denominator is a constant."""
    agent, batch = settled("diffusion_ql")
    noise, uniform = draw(len(SEEDS), ROWS, 3), torch.full((len(SEEDS), ROWS), 0.5)
    chain, first = 0.7 * draw(len(SEEDS), 5, ROWS, 3, seed=6), torch.tensor([True, False])

    def values(seed: int) -> np.ndarray:
        q = critics(agent.critic, seed)
        samples = [
            diffusion_sample(agent.actor, seed, s, chain[seed, :, b].numpy(), "posterior")
            for b, (s, *_) in enumerate(rows(batch, seed))
        ]
        return np.array([q(s, a) for (s, *_), a in zip(rows(batch, seed), samples, strict=True)])

    sizes = [np.abs(values(seed)).mean(0) for seed in range(len(SEEDS))]

    def reference(seed: int) -> float:
        i = 0 if first[seed] else 1
        return float(-values(seed)[:, i].mean() / sizes[seed][1 - i])

    _, pull = agent.actor_losses(batch, noise=noise, uniform=uniform, chain=chain, first=first)
    for seed in range(len(SEEDS)):
        assert pull[seed].item() == pytest.approx(reference(seed), rel=1e-9)
    check_gradient(agent, "actor", pull, reference)
