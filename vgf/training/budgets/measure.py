"""What the rule needs to know, measured with critics on data: gains of rungs, and promises beside what came.

`Critics` is all that is asked of a policy or an ensemble: sample the reference, move particles, value actions. Trained
agents have it by `vgf.training.budgets.critics`; a closed form in a test has it just as well. Seeds are the leading
axis throughout. Where movers are judges too (seeds of one record), none judges what it moved itself.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from vgf.datasets.transitions import Transitions
from vgf.flow import Budget, best_of
from vgf.training.budgets.ladder import Rung, Unit, budget_of
from vgf.training.budgets.rule import Judged
from vgf.training.budgets.slopes import HeldOut

REFERENCE_ACTIONS = 16  # of each state, for means over the reference
MOST_ROWS = 20_000  # held-out transitions that returns are made of
MOST_LOOKED = 5_000  # of them, that critics value; neighbours in a trajectory say much the same
MOST_STATES = 512  # of them, at which rungs are judged


class Critics(Protocol):
    """S critics with a reference each; the leading axis of every tensor is theirs."""

    @property
    def count(self) -> int:
        """S."""

    @property
    def discount(self) -> float:
        """The discount of the value."""

    @property
    def in_sigma(self) -> bool:
        """Whether `move` takes step and temperature in units of sigma."""

    def sample(self, observations: Tensor, particles: int) -> Tensor:
        """Draw reference actions at states [S, B, o]: [S, B, N, d]."""

    def move(self, observations: Tensor, particles: Tensor, budget: Budget) -> Tensor:
        """Move particles [S, B, N, d] along each critic."""

    def value(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Value actions [S, B, d] or [S, B, N, d] by each critic: [S, B] or [S, B, N]."""

    def slope(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Gradient of each value at actions [S, B, N, d]."""


class HeldRows(NamedTuple):
    """Held-out transitions in the order of their trajectories."""

    transitions: Transitions
    trajectory: np.ndarray  # number of each row's trajectory, [H]


def trajectories_of(transitions: Transitions) -> np.ndarray:
    """Return the number of each row's trajectory, [T], from 0."""
    ends = transitions.terminals.cpu().numpy().astype(int)
    found: np.ndarray = np.concatenate([[0], np.cumsum(ends)[:-1]])
    return found


def held_rows(transitions: Transitions, chosen: np.ndarray | None = None) -> HeldRows:
    """Return whole trajectories, `MOST_ROWS` rows at most, in the order of the data.

    Where there are more, some are drawn without regard to their place: data that a learner collected get better with
    time, so its first rows would speak of its worst policies.

    Args:
        transitions: all of them.
        chosen: numbers of the trajectories; all when None.
    """
    number = trajectories_of(transitions)
    chosen = np.unique(number) if chosen is None else np.sort(chosen)
    rows = np.isin(number, chosen)
    if rows.sum() > MOST_ROWS:
        chosen = np.random.default_rng(MOST_ROWS).permutation(chosen)
        ends = np.cumsum(np.bincount(number, minlength=number[-1] + 1)[chosen])
        rows = np.isin(number, chosen[: max(1, int((ends <= MOST_ROWS).sum()))])
    index = torch.as_tensor(np.flatnonzero(rows), device=transitions.device)
    names = ("observations", "actions", "rewards", "masks", "next_observations", "terminals")
    part = Transitions(**{name: getattr(transitions, name)[index] for name in names})
    return HeldRows(part, number[rows])


@torch.no_grad()
def unit_of(movers: Critics, observations: Tensor) -> Unit:
    """Return sigma and g of the movers at states [B, o], root mean squares over them and over movers.

    Raises:
        ValueError: if the reference has no spread, or every critic is flat.
    """
    states = observations.expand(movers.count, -1, -1)
    actions = movers.sample(states, REFERENCE_ACTIONS)
    sigma = float(actions.var(-2).sum(-1).mean().sqrt())
    slope = float(movers.slope(states, actions).square().sum(-1).mean().sqrt())
    if not sigma > 0:
        raise ValueError("the reference's actions do not spread, so there is no length to measure steps in")
    return Unit(sigma, max(slope, float(np.finfo(np.float32).tiny)), actions.shape[-1], movers.in_sigma)


@torch.no_grad()
def actions_of(movers: Critics, observations: Tensor, rungs: tuple[Rung, ...], unit: Unit) -> Tensor:
    """Return the action of every rung, [S, R, B, d]: of its N particles the one its own mover values most.

    Rungs of equal N share their particles, so that they differ by the transport alone.

    Args:
        movers: S of them.
        observations: [S, B, o].
        rungs: R of them.
        unit: what they are measured in.
    """
    most = movers.sample(observations, max(rung.particles for rung in rungs))
    found = []
    for rung in rungs:
        start = most[:, :, : rung.particles]
        moved = movers.move(observations, start, budget_of(rung, unit)) if rung.displacement else start
        found.append(best_of(moved, movers.value(observations, moved)))
    return torch.stack(found, 1)


class Evidence(NamedTuple):
    """All that the rule decides by."""

    judged: Judged
    held: HeldOut
    unit: Unit


def evidence(movers: Critics, judges: Critics, held: HeldRows, rungs: tuple[Rung, ...]) -> Evidence:
    """Return what critics that moved nothing say of every rung, and what came of what they said on held-out rows."""
    unit = unit_of(movers, held.transitions.observations[:: max(1, len(held.trajectory) // MOST_STATES)])
    judged = judge(movers, judges, held, rungs, unit, MOST_STATES)
    return Evidence(judged, held_out(judges, held, unit), unit)


@torch.no_grad()
def judge(
    movers: Critics, judges: Critics | None, held: HeldRows, rungs: tuple[Rung, ...], unit: Unit, states: int
) -> Judged:
    """Return what critics that did not move the particles say of every rung.

    Args:
        movers: S critics whose actions are judged.
        judges: K others; None for the movers themselves, each of which judges all but its own.
        held: where states are taken from, evenly.
        rungs: the ladder.
        unit: of the rungs.
        states: how many, at most.
    """
    index = np.unique(np.linspace(0, len(held.trajectory) - 1, min(states, len(held.trajectory))).astype(int))
    places = held.transitions.observations[torch.as_tensor(index, device=held.transitions.device)]
    actions = actions_of(movers, places.expand(movers.count, -1, -1), rungs, unit)
    return Judged(rungs, gains_of(movers, judges, places, actions), held.trajectory[index])


@torch.no_grad()
def gains_of(movers: Critics, judges: Critics | None, places: Tensor, actions: Tensor) -> np.ndarray:
    """Return the gain of actions [S, R, B, d] over the reference's mean value, [K, R, B], a mean over movers."""
    critics = movers if judges is None else judges
    states = places.expand(critics.count, -1, -1)
    base = critics.value(states, critics.sample(states, REFERENCE_ACTIONS)).mean(-1)  # [K, B]
    total = base.new_zeros(critics.count, actions.shape[1], len(places))
    shifts = range(1, critics.count) if judges is None else range(movers.count)
    for shift in shifts:
        # own seeds: judge j values the actions of mover j - shift; an ensemble: all its critics value mover `shift`
        seen = actions.roll(shift, 0) if judges is None else actions[shift].expand(critics.count, -1, -1, -1)
        total += critics.value(states, seen.transpose(1, 2)).transpose(1, 2) - base[:, None]
    found: np.ndarray = (total / len(shifts)).double().cpu().numpy()
    return found


@torch.no_grad()
def held_out(critics: Critics, held: HeldRows, unit: Unit) -> HeldOut:
    """Return what critics predict of held-out transitions, and what came.

    The return of a trajectory that was cut off goes on with the critics' mean value of where it ended.
    """
    rows = held.transitions
    looked = _looked_at(rows.terminals)
    part = {name: getattr(rows, name)[looked] for name in ("observations", "actions", "rewards", "masks")}
    shape = (critics.count, -1, -1)
    states, after = part["observations"].expand(*shape), rows.next_observations[looked].expand(*shape)
    actions = critics.sample(states, REFERENCE_ACTIONS)
    values = critics.value(states, actions).mean(-1)
    later = critics.value(after, critics.sample(after, REFERENCE_ACTIONS)).mean(-1)
    taken = critics.value(states, part["actions"].expand(*shape))
    td = part["rewards"] + critics.discount * part["masks"] * later - taken
    distance = (part["actions"] - actions.mean((0, 2))).norm(dim=-1) / unit.sigma
    ahead = later.new_zeros(len(rows.rewards))  # the value of what follows counts at a trajectory's end alone
    ahead[looked] = later.mean(0)
    returns = returns_of(rows, ahead, critics.discount)[looked.cpu()]
    arrays = (taken - values, values.mean(0), returns, distance)
    predicted, value, came, far = (each.double().cpu().numpy() for each in arrays)
    chosen = looked.cpu().numpy()
    return HeldOut(predicted, value, came, far, held.trajectory[chosen], td.double().cpu().numpy())


def _looked_at(terminals: Tensor) -> Tensor:
    """Return numbers of the rows that critics look at: all, or `MOST_LOOKED` evenly and every trajectory's last."""
    count = len(terminals)
    if count <= MOST_LOOKED:
        return torch.arange(count, device=terminals.device)
    even = torch.linspace(0, count - 1, MOST_LOOKED, dtype=torch.float64, device=terminals.device).long()
    return torch.unique(torch.cat([even, torch.nonzero(terminals)[:, 0]]))


def returns_of(rows: Transitions, later: Tensor, discount: float) -> Tensor:
    """Return G at every row, [H]: discounted rewards to the trajectory's end, and there the value of what follows.

    Args:
        rows: whole trajectories.
        later: value of each next observation, [H].
        discount: gamma.
    """
    rewards, masks, ends, value = (
        each.double().cpu().numpy() for each in (rows.rewards, rows.masks, rows.terminals, later)
    )
    found, ahead = np.empty_like(rewards), 0.0
    for t in range(len(rewards) - 1, -1, -1):
        ahead = rewards[t] + discount * masks[t] * (value[t] if ends[t] else ahead)
        found[t] = ahead
    return torch.as_tensor(found)
