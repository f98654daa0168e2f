"""Agents as critics, and an ensemble that learns from its own trajectories and leaves the reference alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.helpers.own_runs import CONFIG, trajectories
from vgf.agents import VGF, Dims
from vgf.datasets.own import own_transitions
from vgf.datasets.transitions import Transitions
from vgf.training.budgets.critics import AgentCritics, ensemble, member_updates, split
from vgf.training.budgets.measure import trajectories_of

DATA = own_transitions(trajectories(count=12))
SMALL = replace(CONFIG, pretrain=3, bank=4)


def agent(**changes: object) -> VGF:
    return VGF.create(replace(SMALL, **changes), Dims(3, 1), (0, 4))  # type: ignore[arg-type]


def test_an_agent_s_seeds_are_critics_with_noise_of_their_own_purpose() -> None:
    own, states = agent(), DATA.observations[:5].expand(2, -1, -1)
    critics, twin = AgentCritics(own), AgentCritics(own)
    drawn = critics.sample(states, 6)
    assert drawn.shape == (2, 5, 6, 1)
    assert torch.equal(drawn, twin.sample(states, 6))
    assert not torch.equal(drawn, critics.sample(states, 6))
    assert torch.equal(critics.value(states, drawn), own.critic(states, drawn).mean(1))
    moved = critics.move(states, drawn, own.budget(2))
    assert torch.equal(moved, own.flow(states, drawn, own.budget(2)))
    assert (critics.count, critics.discount, critics.in_sigma) == (2, SMALL.discount, False)
    assert AgentCritics(agent(step_unit="sigma")).in_sigma


def test_trajectories_are_either_learnt_from_or_held_out() -> None:
    learn, held = split(DATA, 0.25)
    assert sorted([*learn, *held]) == list(range(12))
    assert len(held) == 3
    assert np.array_equal(split(DATA, 0.25)[1], held)
    with pytest.raises(ValueError, match="4 or more"):
        split(own_transitions(trajectories(count=3)), 0.25)


def test_members_share_the_reference_and_differ_in_critics() -> None:
    policy = VGF.create(SMALL, Dims(3, 1), (0,))
    found = ensemble(policy, DATA, np.arange(9), members=3, updates=4, batch_size=8)
    for own, theirs in zip(found.reference.parameters(), policy.reference.parameters(), strict=True):
        assert torch.equal(own, theirs.expand_as(own))
    assert (found.updates - found.config.pretrain, found.config.train_steps) == (4, 0)
    weights = found.critic.net.weights[0].detach()
    assert not torch.equal(weights[0], weights[1])
    again = ensemble(policy, DATA, np.arange(9), members=3, updates=4, batch_size=8)
    assert torch.equal(again.critic.net.weights[0], found.critic.net.weights[0])


def test_trajectories_held_out_are_not_learnt_from() -> None:
    policy, learn = VGF.create(SMALL, Dims(3, 1), (0,)), np.arange(9)
    rewards = torch.where(torch.as_tensor(trajectories_of(DATA) >= 9), DATA.rewards + 1e4, DATA.rewards)
    names = ("observations", "actions", "masks", "next_observations", "terminals")
    other = Transitions(rewards=rewards, **{name: getattr(DATA, name) for name in names})
    one, two = (ensemble(policy, data, learn, members=2, updates=4, batch_size=8) for data in (DATA, other))
    assert torch.equal(one.critic.net.weights[0], two.critic.net.weights[0])


def test_one_critic_is_no_ensemble() -> None:
    with pytest.raises(ValueError, match="2 critics or more"):
        ensemble(VGF.create(SMALL, Dims(3, 1), (0,)), DATA, np.arange(9), members=1, updates=1, batch_size=8)


def test_a_short_ensemble_has_a_share_of_the_updates_and_no_fewer_than_told() -> None:
    assert member_updates(100_000, 5, share=0.1, fewest=2000) == 2000
    assert member_updates(1_000_000, 5, share=0.1, fewest=2000) == 20_000
    assert member_updates(1800, 5, share=0.1, fewest=2000) == 1800


def test_a_bank_is_drawn_where_it_is_smaller_than_what_the_updates_take() -> None:
    policy = VGF.create(SMALL, Dims(3, 1), (0,))  # 72 states, 4 actions each
    few, many = (ensemble(policy, DATA, np.arange(9), members=2, updates=n, batch_size=8) for n in (4, 40))
    assert (few.bank, few.config.bank) == (None, 0)
    assert many.bank is not None
