"""The worlds that the rule for budgets is tuned on: the drone of `practice`, and the bandit of `vgf.toy`.

A world gives data in the layout of `vgf.fit` and plays what acts, so that every rung has its true worth. An episode of
the bandit is one action; its data are trajectories of ten such, each of which ends the task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from vgf import toy
from vgf.book import practice

Act = Callable[[Tensor], Tensor]  # observations [1, B, o] to actions [1, B, d]
A_TRAJECTORY = 10  # actions of the bandit's data


class World(Protocol):
    """Where data come from and rungs are played."""

    def data(self) -> dict[str, np.ndarray]:
        """Return what is learnt from, as `vgf.fit` takes it."""

    @property
    def tuning(self) -> int:
        """How many of the episodes, the first ones, are for rules that look at the world."""

    def play(self, act: Act) -> np.ndarray:
        """Return the return of each episode, undiscounted."""


@dataclass(frozen=True)
class DroneWorld:
    """The drone: `episodes` flights of the pilot from `seed`; episodes start where other flights did."""

    episodes: int
    seed: int
    tuning: int
    reporting: int
    starts_seed: int

    def data(self) -> dict[str, np.ndarray]:
        """Return the pilot's flights."""
        return practice.flights(self.episodes, self.seed)

    def play(self, act: Act) -> np.ndarray:
        """Return the sum of rewards of each episode."""
        flights = practice.flights(self.tuning + self.reporting, self.starts_seed)["observations"]
        places = flights[:: practice.HORIZON + 1]
        total = np.zeros(len(places))
        for _ in range(practice.HORIZON):
            actions = act(torch.as_tensor(places)[None])[0].cpu().numpy()
            places = practice.fly(places, actions)
            total -= np.linalg.norm(places, axis=-1)
        return total


@dataclass(frozen=True)
class BanditWorld:
    """The bandit: one state, `actions` draws of the behaviour with noisy rewards, in trajectories of ten."""

    coverage: float
    gap: float
    actions: int
    seed: int
    noise: float
    tuning: int
    reporting: int

    def data(self) -> dict[str, np.ndarray]:
        """Return the behaviour's actions and their noisy rewards."""
        bandit = toy.bimodal_bandit(self.coverage, self.gap, torch.float32)
        generator = torch.Generator().manual_seed(self.seed)
        trajectories = self.actions // A_TRAJECTORY
        shape = (trajectories, A_TRAJECTORY + 1)  # the last row of each is where it ends
        actions = bandit.reference.sample(*shape, generator=generator).clamp(*toy.BOX)
        rewards = bandit.reward.value(actions) + self.noise * torch.randn(shape, generator=generator)
        ends = np.zeros(shape, dtype=bool)
        ends[:, -1] = True
        return {
            "observations": np.zeros((actions.numel() // 2, 1), np.float32),
            "actions": actions.reshape(-1, 2).numpy(),
            "rewards": rewards.reshape(-1).numpy(),
            "terminals": ends.reshape(-1),
            "masks": np.zeros(actions.numel() // 2, np.float32),
        }

    def play(self, act: Act) -> np.ndarray:
        """Return the true reward of each action."""
        actions = act(torch.zeros(1, self.tuning + self.reporting, 1))[0]
        reward = toy.bimodal_bandit(self.coverage, self.gap, torch.float32).reward
        found: np.ndarray = reward.value(actions).numpy()
        return found
