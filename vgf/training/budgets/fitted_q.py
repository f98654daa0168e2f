r"""Fitted Q evaluation: what a policy is worth, from data that another one collected.

K networks, each on its own bootstrap of trajectories, solve the Bellman equation of the evaluated policy pi,

    Q(s, a) = r + gamma mask E Q_target(s', a'),      a' ~ pi(. | s'),

and its worth from a state is the mean of Q(s, a), a ~ pi (le2019batch). That is the critic of L_train = 0 with pi's
actions in place of the reference's, so the same agent does it: its bank of actions is filled with pi's. What is given
up: a' is one of `DRAWS` actions drawn beforehand; and where pi leaves the data, the networks extrapolate together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vgf.agents.bank import ActionBank
from vgf.agents.vgf import VGF
from vgf.datasets.transitions import Transitions
from vgf.networks import SeedStreams
from vgf.training.budgets.critics import ensemble
from vgf.training.budgets.measure import trajectories_of

DRAWS = 2  # actions of the policy at each state of the data
Act = Callable[[Tensor], Tensor]  # observations [1, B, o] to actions [1, B, d]


def fitted_q(
    policy: VGF, act: Act, transitions: Transitions, members: int, updates: int, batch_size: int, first_seed: int = 2000
) -> np.ndarray:
    """Return the worth of acting by `act` from the first state of each trajectory, by each network, [K, starts].

    Networks of equal seeds see the same transitions in the same order, whatever the policy, so that the values of two
    policies may be compared network by network.

    Args:
        policy: one seed, whose config says widths, rates and discount; nothing else of it is used.
        act: the policy that is evaluated; each call may draw anew.
        transitions: the data.
        members: K >= 2.
        updates: of each network.
        batch_size: transitions that a network sees in an update.
        first_seed: of the networks' weights and draws.
    """
    changes = {"particles": DRAWS, "bank": DRAWS, "target_q": "mean", "target_particles": "mean"}
    changes["pretrain"] = max(policy.config.pretrain, 1)  # a bank needs a reference that is not trained in step
    config = replace(policy.config, **changes)  # type: ignore[arg-type]
    judge = VGF.create(config, policy.dims, policy.seeds, policy.device)
    with torch.no_grad():
        for own, learnt in zip(judge.reference.parameters(), policy.reference.parameters(), strict=True):
            own.copy_(learnt)
    every = np.arange(int(trajectories_of(transitions)[-1]) + 1)
    bank = _bank(judge, act, transitions)
    networks = ensemble(judge, transitions, every, members, updates, batch_size, first_seed, bank)
    ends = transitions.terminals.bool()
    starts = torch.cat([torch.zeros(1, dtype=torch.long, device=ends.device), torch.nonzero(ends)[:-1, 0] + 1])
    states = transitions.observations[starts][None]
    with torch.no_grad():
        chosen = torch.stack([act(states)[0] for _ in range(DRAWS)], 1)  # [starts, DRAWS, d]
        seen = states.expand(members, -1, -1), chosen.expand(members, -1, -1, -1)
        found: np.ndarray = networks.value(*seen, "mean").mean(-1).double().cpu().numpy()
    return found


def _bank(judge: VGF, act: Act, transitions: Transitions) -> ActionBank:
    """Return `DRAWS` actions of the policy at every next state, in the layout of a bank."""

    def sample(states: Tensor, noise: Tensor) -> Tensor:
        return torch.stack([act(states) for _ in range(noise.shape[2])], 2)

    streams = SeedStreams(judge.seeds, "fitted q", judge.device)
    return ActionBank(transitions.next_observations, sample, streams, DRAWS, judge.dims)
