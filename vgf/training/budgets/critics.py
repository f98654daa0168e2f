"""Trained agents as `vgf.training.budgets.measure.Critics`, and a cheap ensemble of critics that moved nothing.

The ensemble's members share the policy's reference and learn at L_train = 0, each from trajectories drawn with
replacement (a bootstrap over trajectories), all in one batched run with one seed a member. Its cost is that of so many
seeds of best-of-N, without its reference; what it buys is critics whose errors come from other draws of the data, and
trajectories that no critic has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vgf.agents.bank import ActionBank
from vgf.agents.vgf import VGF
from vgf.agents.vgf_config import VGFConfig
from vgf.datasets.transitions import Transitions
from vgf.flow import Budget
from vgf.networks import SeedStreams
from vgf.training.budgets.measure import trajectories_of

UPDATES_AT_ONCE = 50


class AgentCritics:
    """The S seeds of an agent with a critic of actions.

    Args:
        agent: value gradient flow, or best-of-N.
        purpose: names the noise, so that equal calls draw equal actions.
    """

    def __init__(self, agent: VGF, purpose: str = "budget") -> None:
        self.agent = agent
        self.streams = SeedStreams(agent.seeds, purpose, agent.device)

    @property
    def count(self) -> int:
        """S."""
        return len(self.agent.seeds)

    @property
    def discount(self) -> float:
        """The discount of the value."""
        return self.agent.config.discount

    @property
    def in_sigma(self) -> bool:
        """Whether the agent's flow takes step and temperature in units of sigma."""
        return self.agent.unit is not None

    @torch.no_grad()
    def sample(self, observations: Tensor, particles: int) -> Tensor:
        """Draw reference actions at states [S, B, o]: [S, B, N, d]."""
        noise = self.streams.normal(observations.shape[1], particles, self.agent.dims.action)
        return self.agent.reference.sample(observations, noise)

    def move(self, observations: Tensor, particles: Tensor, budget: Budget) -> Tensor:
        """Move particles [S, B, N, d] along each seed's critic."""
        return self.agent.flow(observations, particles, budget)

    @torch.no_grad()
    def value(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Value actions by each seed's critic, its ensemble reduced as the agent does when it chooses."""
        return self.agent.value(observations, actions, self.agent.config.target_q)

    def slope(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Gradient that moves particles, [S, B, N, d]."""
        return self.agent.score(observations, actions)


def split(transitions: Transitions, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of the trajectories to learn from, and of those held out; at least two of each.

    Raises:
        ValueError: if there are fewer than four trajectories.
    """
    count = int(trajectories_of(transitions)[-1]) + 1
    if count < 4:
        raise ValueError(f"a budget is chosen on trajectories that are held out: 4 or more are needed, got {count}")
    order = np.random.default_rng([seed, count]).permutation(count)
    held = min(max(round(share * count), 2), count - 2)
    return np.sort(order[held:]), np.sort(order[:held])


def member_updates(updates: int, members: int, share: float, fewest: int) -> int:
    """Return the updates of each member of a short ensemble.

    Args:
        updates: of the policy's critic.
        members: of the ensemble.
        share: of these updates, that all members have together.
        fewest: of each member, or `updates` where these are fewer.
    """
    return min(updates, max(fewest, round(share * updates / members)))


def ensemble(
    policy: VGF,
    transitions: Transitions,
    learn: np.ndarray,
    members: int,
    updates: int,
    batch_size: int,
    first_seed: int = 1000,
    bank: ActionBank | None = None,
) -> VGF:
    """Train critics of a policy's reference, each on a bootstrap of trajectories, and return them as one agent.

    Args:
        policy: one seed, whose reference and config they share.
        transitions: the whole dataset.
        learn: numbers of the trajectories to learn from.
        members: K >= 2.
        updates: of each critic.
        batch_size: transitions a member sees in an update.
        first_seed: of the members' weights and draws.
        bank: one seed's actions at the next states of all transitions, for the target in place of the reference's.

    Raises:
        ValueError: if there are fewer than two members.
    """
    if members < 2:
        raise ValueError(f"an ensemble needs 2 critics or more, got {members}")
    config = replace(
        policy.config,
        train_steps=0,
        pretrain=max(policy.config.pretrain, 1),
        direction="autograd",
        step_unit="absolute",
        bank=policy.config.bank if bank or _pays(policy.config, len(transitions), updates * batch_size) else 0,
    )
    seeds = range(first_seed, first_seed + members)
    agent = VGF.create(config, policy.dims, seeds, policy.device)
    with torch.no_grad():
        for own, learnt in zip(agent.reference.parameters(), policy.reference.parameters(), strict=True):
            own.copy_(learnt.expand_as(own))
    agent.updates = config.pretrain  # the reference is done
    if bank is not None:
        bank.actions = bank.actions.expand(members, -1, -1, -1).contiguous()
        agent.bank = bank
    rows = _bootstraps(trajectories_of(transitions), learn, seeds)
    rng = np.random.default_rng([first_seed, members])
    for start in range(0, updates, UPDATES_AT_ONCE):
        count = min(UPDATES_AT_ONCE, updates - start)
        drawn = [own[rng.integers(len(own), size=(count, batch_size))] for own in rows]
        index = torch.as_tensor(np.stack(drawn, 1), device=policy.device)
        agent.update_many(transitions, index)
    return agent


def _pays(config: VGFConfig, states: int, visits: int) -> bool:
    """Say whether a bank of each member's actions at all states is no larger than what its visits would draw anew."""
    return states * config.bank <= visits * config.particles


def _bootstraps(number: np.ndarray, learn: np.ndarray, seeds: Sequence[int]) -> list[np.ndarray]:
    """Return each member's rows: those of trajectories drawn with replacement, as often as they were drawn."""
    edges = np.searchsorted(number, np.arange(number[-1] + 2))
    found = []
    for seed in seeds:
        drawn = np.random.default_rng(seed).choice(learn, len(learn))
        found.append(np.concatenate([np.arange(edges[t], edges[t + 1]) for t in drawn]))
    return found
