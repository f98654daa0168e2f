"""Fitted Q evaluation in closed form: what the evaluated policy would earn, whatever the data's own policy did."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.helpers.own_runs import CONFIG
from vgf.agents import VGF, Dims
from vgf.datasets.transitions import Transitions
from vgf.training.budgets.fitted_q import Act, fitted_q

DISCOUNT = 0.8
SMALL = replace(CONFIG, pretrain=1, hidden=(32, 32), discount=DISCOUNT, tau=0.2, learning_rate=3e-3)
POLICY = VGF.create(SMALL, Dims(1, 1), (0,))


def always(action: float) -> Act:
    return lambda states: torch.full((*states.shape[:2], 1), action)


def two_steps(trajectories: int = 150, last: float = 0.0) -> Transitions:
    """Return trajectories of a step that pays nothing from state 0 to 1, and one there that pays its action.

    Args:
        trajectories: how many, with actions anywhere.
        last: whether the second step is bootstrapped from, 1, or ends the task, 0.
    """
    generator = torch.Generator().manual_seed(0)
    states = torch.tensor([0.0, 1.0]).repeat(trajectories)[:, None]
    actions = 2 * torch.rand(2 * trajectories, 1, generator=generator) - 1
    rewards = actions[:, 0] * states[:, 0]
    masks = torch.tensor([1.0, last]).repeat(trajectories)
    ends = torch.tensor([0.0, 1.0]).repeat(trajectories)
    return Transitions(states, actions, rewards, masks, torch.ones_like(states), ends)


def worth(act: Act, transitions: Transitions, updates: int = 600) -> np.ndarray:
    return fitted_q(POLICY, act, transitions, members=3, updates=updates, batch_size=64)


@pytest.mark.parametrize("action", [-0.5, 0.0, 0.6])
def test_two_steps_are_worth_what_the_evaluated_policy_does_at_the_second(action: float) -> None:
    found = worth(always(action), two_steps())
    assert found.shape == (3, 150)
    assert found.mean() == pytest.approx(DISCOUNT * action, abs=0.05)  # the data's own policy would earn 0


def test_without_an_end_it_is_the_geometric_sum() -> None:
    found = worth(always(0.5), two_steps(last=1.0), updates=1200)
    assert found.mean() == pytest.approx(DISCOUNT * 0.5 / (1 - DISCOUNT), rel=0.08)


def test_what_is_done_at_the_first_state_counts_too() -> None:
    transitions = two_steps()
    paid = replace(transitions, rewards=transitions.actions[:, 0].clone())

    def act(states: Tensor) -> Tensor:
        return torch.where(states == 0, 0.3, -0.4)

    assert worth(act, paid).mean() == pytest.approx(0.3 - 0.4 * DISCOUNT, abs=0.05)


def test_equal_policies_are_worth_the_same_network_by_network() -> None:
    one, other = (worth(always(0.2), two_steps(20), updates=20) for _ in range(2))
    assert np.array_equal(one, other)
    assert not np.array_equal(one[0], one[1])


def test_random_actions_are_drawn_at_every_state_anew() -> None:
    generator = torch.Generator().manual_seed(1)

    def coin(states: Tensor) -> Tensor:
        return (torch.rand(*states.shape[:2], 1, generator=generator) < 0.5).float()

    assert worth(coin, two_steps()).mean() == pytest.approx(0.5 * DISCOUNT, abs=0.06)


def test_a_policy_whose_reference_is_trained_in_step_can_be_evaluated() -> None:
    in_step = VGF.create(replace(SMALL, pretrain=0, bank=0), Dims(1, 1), (0,))
    found = fitted_q(in_step, always(0.6), two_steps(), members=2, updates=600, batch_size=64)
    assert found.mean() == pytest.approx(DISCOUNT * 0.6, abs=0.05)
