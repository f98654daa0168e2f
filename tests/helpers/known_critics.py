"""Critics and data in closed form for the rule that chooses a budget: a gaussian reference, values that are given."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vgf.datasets.transitions import Transitions
from vgf.flow import Budget, transport, value_gradient
from vgf.training.budgets.measure import HeldRows, held_rows

Value = Callable[[Tensor, Tensor], Tensor]  # states [..., o] and actions [..., d] to [...]
STD = 0.1  # of the reference, each coordinate, around 0
SIGMA = STD * 2**0.5  # its spread in two dimensions
A_TRAJECTORY = 10  # steps; every step ends the task, so a return is a reward


class KnownCritics:
    """K values that are given, and one gaussian reference; implements `vgf.training.budgets.measure.Critics`."""

    discount, in_sigma = 0.9, False

    def __init__(self, values: list[Value], seed: int = 0) -> None:
        self.values = values
        self.generator = torch.Generator().manual_seed(seed)

    @property
    def count(self) -> int:
        return len(self.values)

    def sample(self, observations: Tensor, particles: int) -> Tensor:
        shape = (self.count, observations.shape[1], particles, 2)
        return STD * torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def move(self, observations: Tensor, particles: Tensor, budget: Budget) -> Tensor:
        score = value_gradient(lambda a: self.value(observations, a))
        return transport(particles, score, budget, validate=False)

    def value(self, observations: Tensor, actions: Tensor) -> Tensor:
        states = observations if observations.ndim == actions.ndim else observations.unsqueeze(-2)
        each = [value(s.expand(*a.shape[:-1], -1), a) for value, s, a in zip(self.values, states, actions, strict=True)]
        return torch.stack(each)

    def slope(self, observations: Tensor, actions: Tensor) -> Tensor:
        return value_gradient(lambda a: self.value(observations, a))(actions)


def world(truth: Value, seed: int, noise: float, trajectories: int = 60, wide: bool = True) -> HeldRows:
    """Return held-out data whose rewards are the true value and noise.

    Args:
        truth: of a state and an action.
        seed: of everything.
        noise: standard deviation of a reward.
        trajectories: how many.
        wide: whether actions are uniform in the box; else the reference's own.
    """
    generator, rows = torch.Generator().manual_seed(seed), trajectories * A_TRAJECTORY
    normal = {"generator": generator, "dtype": torch.float64}
    states = torch.randn(rows, 1, **normal)  # type: ignore[arg-type]
    uniform = 2 * torch.rand(rows, 2, **normal) - 1  # type: ignore[arg-type]
    actions = uniform if wide else (STD * torch.randn(rows, 2, **normal)).clamp(-1, 1)  # type: ignore[arg-type]
    rewards = truth(states, actions) + noise * torch.randn(rows, **normal)  # type: ignore[arg-type]
    ends = torch.zeros(rows, dtype=torch.float64)
    ends[A_TRAJECTORY - 1 :: A_TRAJECTORY] = 1
    return held_rows(Transitions(states, actions, rewards, torch.zeros_like(ends), states, ends))


def quadratic(centre: tuple[float, float], width: float = 0.5) -> Value:
    """Return Q(s, a) = -|a - centre|^2 / 2 width^2."""
    return lambda s, a: -(a - torch.tensor(centre, dtype=a.dtype)).square().sum(-1) / (2 * width**2)


def wave(seed: int, size: float = 1.0, length: float = 0.3, waves: int = 16) -> Value:
    """Return a smooth random value: a gaussian process by random waves, of standard deviation `size`."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(waves, 3, generator=generator, dtype=torch.float64)
    weights[:, 1:] /= length
    phase = 2 * torch.pi * torch.rand(waves, generator=generator, dtype=torch.float64)
    sign = torch.randn(waves, generator=generator, dtype=torch.float64)

    def value(s: Tensor, a: Tensor) -> Tensor:
        return size * (2 / waves) ** 0.5 * (torch.cos(torch.cat([s, a], -1) @ weights.T + phase) @ sign)

    return value


def plus(*values: Value) -> Value:
    """Return the sum of values."""
    return lambda s, a: torch.stack([value(s, a) for value in values]).sum(0)


def scaled(value: Value, factor: float, shift: float) -> Value:
    """Return factor times a value plus a shift."""
    return lambda s, a: factor * value(s, a) + shift
