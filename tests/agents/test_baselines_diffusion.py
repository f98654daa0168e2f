"""IDQL and Diffusion-QL against an independent float64 reference in numpy.

The reference walks the chain row by row, with abar in closed form and the posterior from Bayes' rule, and adds up the
losses as the papers write them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.helpers.baselines_float64 import ROWS, SEEDS, check_gradient, critics, diverged_agent, draw, numpy_net, rows

pytestmark = pytest.mark.usefixtures("float64")


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
    agent, batch = diverged_agent(method)
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
    agent, batch = diverged_agent(method)
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
    agent, batch = diverged_agent("idql", particles=7, average_rate=0.5)
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
    agent, batch = diverged_agent("diffusion_ql", backup_samples=4)
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
    agent, batch = diverged_agent("diffusion_ql")
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
