"""A training problem with a known answer: the bandit of chapter `03_bandit`, pulled for ever.

One state leads to itself, so Q bootstraps on its own errors as in a real task. The value of always drawing from a
policy pi is exactly E_pi[R] / (1 - GAMMA), so a metric can be compared with what it would be if the critic made no
error. R is never shown to the agent: it sees noisy rewards of the data's actions alone. The trade-off is that of any
toy: it shows how a fault looks, and no size of an effect elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from vgf import toy
from vgf.agents import VGF, Dims, VGFConfig
from vgf.datasets.transitions import Batch, Transitions
from vgf.flow import Budget
from vgf.networks import SeedStreams

GAMMA, ROWS, BATCH = 0.9, 2000, 64
LOOK = 128  # decisions looked at
SMALL = {"hidden": (64, 64), "flow_steps": 5, "learning_rate": 1e-3, "tau": 0.1, "discount": GAMMA}
"""Sizes of networks and optimiser for this problem, as keywords of `VGFConfig`."""


@dataclass(frozen=True)
class Problem:
    """The bandit and the data drawn from it.

    Attributes:
        bandit: rewards and reference.
        data: ROWS transitions with noisy rewards.
        best: value of always taking the best action.
        of_data: value of always drawing from the data.
    """

    bandit: toy.Bandit
    data: Transitions
    best: float
    of_data: float


def problem() -> Problem:
    """Return the problem; the same at every call."""
    bandit = toy.bimodal_bandit(coverage=0.1, gap=1.0, dtype=torch.float32)
    g = torch.Generator().manual_seed(0)
    drawn = bandit.reference.sample(2 * ROWS, generator=g)
    actions = drawn[drawn.abs().amax(-1) <= 1][:ROWS]
    true = bandit.reward.value(actions)
    rewards = true + 0.1 * torch.randn(ROWS, generator=g)
    state, ones = torch.ones(ROWS, 1), torch.ones(ROWS)
    ends = torch.zeros(ROWS).index_fill(0, torch.tensor([ROWS - 1]), 1.0)
    best = float(bandit.reward.value(bandit.reward.maxima).max())
    data = Transitions(state, actions, rewards, ones, state, ends)
    return Problem(bandit, data, best / (1 - GAMMA), float(true.mean()) / (1 - GAMMA))


def batches(of: Problem, seeds: tuple[int, ...]) -> Iterator[Batch]:
    """Yield a batch of BATCH transitions for each seed, for ever."""
    streams = SeedStreams(seeds, "batches")
    while True:
        yield of.data.rows(torch.stack([torch.randint(ROWS, (BATCH,), generator=g) for g in streams.generators]))


@torch.no_grad()
def look(of: Problem, agent: VGF) -> tuple[dict[str, Tensor], Tensor]:
    """Return true values of what the agent does, and its particles; nothing of this is seen in training.

    Returns:
        A mapping of [S] tensors, S seeds: `truth` is what the critic's target should be, `played` the value of the
        executed actions, as returns. And the moved particles, [S, LOOK, N, 2].
    """
    seeds, config = len(agent.seeds), agent.config
    s, streams = torch.ones(seeds, LOOK, 1), SeedStreams(agent.seeds, "look")
    budget: Budget = config.budget(config.train_steps)
    moved = agent.flow(s, agent.reference.sample(s, streams.normal(LOOK, config.particles, 2)), budget)
    played = agent.act(s, budget, streams)
    value = of.bandit.reward.value(moved).mean((1, 2)) / (1 - GAMMA)
    truth = of.data.rewards.mean() + GAMMA * value
    return {"truth": truth, "played": of.bandit.reward.value(played).mean(1) / (1 - GAMMA)}, moved


def train(
    of: Problem,
    config: VGFConfig,
    seeds: tuple[int, ...],
    updates: int,
    *,
    reference: nn.Module | None = None,
    every: int = 20,
) -> tuple[VGF, pd.DataFrame]:
    """Train and return the agent and its curve.

    Args:
        of: the problem.
        config: of the agent; `pretrain` updates of the reference come first.
        seeds: trained together.
        updates: of the critic.
        reference: trained before, in place of those first updates.
        every: updates between two rows of the curve.

    Returns:
        The agent, and one row a seed and point: seed, update, the metrics averaged since the row before, truth, played.
    """
    agent, source = VGF.create(config, Dims(1, 2), seeds), batches(of, seeds)
    rows: list[dict[str, float]] = []
    held: list[dict[str, Tensor]] = []
    if reference is not None:
        agent.reference.load_state_dict(reference.state_dict())
        agent.updates = config.pretrain
    while agent.updates < config.pretrain + updates:
        agent.prepare(of.data)
        held.append(agent.update(next(source)))
        done = agent.updates - config.pretrain
        if done > 0 and done % every == 0:
            means = {name: torch.stack([m[name] for m in held if name in m]).mean(0) for name in held[-1]}
            values = means | look(of, agent)[0]
            rows += [
                {"seed": seed, "update": done} | {name: float(value[i]) for name, value in values.items()}
                for i, seed in enumerate(seeds)
            ]
            held.clear()
    return agent, pd.DataFrame(rows)


def clone(of: Problem, config: VGFConfig, seeds: tuple[int, ...]) -> tuple[nn.Module, float, float]:
    """Train the reference alone for `config.pretrain` updates.

    Returns:
        The reference, its mean loss over the last 50 updates, and its first loss.
    """
    agent, source = VGF.create(config, Dims(1, 2), seeds), batches(of, seeds)
    losses = [agent.update(next(source))["reference/loss"].mean() for _ in range(config.pretrain)]
    return agent.reference, float(torch.stack(losses[-50:]).mean()), float(losses[0])
