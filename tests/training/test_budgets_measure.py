"""What is measured: returns that end where trajectories do, gains by others alone, and distances in sigma."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.helpers.known_critics import A_TRAJECTORY, SIGMA, STD, KnownCritics, quadratic, scaled, world
from vgf.datasets.transitions import Transitions
from vgf.training.budgets import measure
from vgf.training.budgets.ladder import CLONE, Rung, Unit, ladder

Q = quadratic((0.3, 0.0))


def rows(rewards: list[float], masks: list[float], ends: list[float]) -> Transitions:
    column, count = torch.arange(float(len(rewards)))[:, None], len(rewards)
    reward, mask, end = (torch.tensor(each, dtype=torch.float32) for each in (rewards, masks, ends))
    return Transitions(column, torch.zeros(count, 1), reward, mask, column, end)


def test_a_return_ends_with_the_task_and_goes_on_with_the_value_where_it_was_cut() -> None:
    data = rows([1.0, 2.0, 4.0, 8.0, 16.0], [1, 1, 1, 0, 1], [0, 1, 0, 0, 1])
    later = torch.tensor([100.0, 10.0, 100.0, 100.0, 20.0])
    last, cut = 16.0 + 0.5 * 20.0, 2.0 + 0.5 * 10.0
    expected = [1.0 + 0.5 * cut, cut, 4.0 + 0.5 * 8.0, 8.0, last]  # the mask of the fourth row ends the task
    assert measure.returns_of(data, later, 0.5).tolist() == expected


def test_whole_trajectories_are_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    data = rows([0.0] * 6, [1.0] * 6, [0, 1, 0, 0, 1, 1])
    assert measure.trajectories_of(data).tolist() == [0, 0, 1, 1, 1, 2]
    held = measure.held_rows(data, np.array([2, 0]))
    assert held.trajectory.tolist() == [0, 0, 2]
    assert held.transitions.observations[:, 0].tolist() == [0.0, 1.0, 5.0]
    monkeypatch.setattr(measure, "MOST_ROWS", 5)
    kept = measure.held_rows(data).trajectory.tolist()
    assert len(kept) <= 5
    assert kept == sorted(kept)


def test_too_many_held_out_rows_are_thinned_over_the_whole_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data of a learner get better with time: the first rows alone would be its worst policies."""
    ends = ([0] * 9 + [1]) * 200
    data = rows([float(i) for i in range(2000)], [0.0] * 2000, ends)
    monkeypatch.setattr(measure, "MOST_ROWS", 500)
    kept = measure.held_rows(data).trajectory
    assert len(kept) == 500
    assert np.bincount(kept)[np.unique(kept)].tolist() == [10] * 50
    assert abs(kept.mean() - 99.5) < 25, "an even draw of 50 of 200 has a standard deviation of 7"


def test_the_unit_is_the_reference_s_spread_and_the_critic_s_slope() -> None:
    unit = measure.unit_of(KnownCritics([Q]), torch.zeros(400, 1, dtype=torch.float64))
    assert unit.sigma == pytest.approx(SIGMA, rel=0.03)
    assert unit.slope == pytest.approx(4 * (0.3**2 + 2 * STD**2) ** 0.5, rel=0.03)  # |a - centre| / width^2
    assert unit.dimension == 2


def test_no_critic_judges_what_it_moved_and_every_other_does() -> None:
    values = [scaled(Q, factor, 0.0) for factor in (1.0, 10.0, 100.0)]
    critics, places = KnownCritics(values), torch.zeros(1, 1, dtype=torch.float64)
    actions = torch.zeros(3, 1, 1, 2, dtype=torch.float64)
    actions[0, 0, 0] = torch.tensor([0.3, 0.0])  # the first one's action is the best there is, the others' are 0
    gains = measure.gains_of(critics, None, places, actions)[:, 0, 0]
    at = float(Q(places, actions[1, 0])), float(Q(places, actions[0, 0]))
    twin = KnownCritics(values)
    drawn = twin.value(places.expand(3, -1, -1), twin.sample(places.expand(3, -1, -1), measure.REFERENCE_ACTIONS))
    base = drawn.mean(-1)[:, 0].tolist()
    expected = [at[0] - base[0], 10 * (at[0] + at[1]) / 2 - base[1], 100 * (at[0] + at[1]) / 2 - base[2]]
    np.testing.assert_allclose(gains, expected)


def test_others_judge_every_mover() -> None:
    places = torch.zeros(3, 1, dtype=torch.float64)
    movers, judges = KnownCritics([Q, Q]), KnownCritics([Q, scaled(Q, 2.0, 5.0)], 1)
    gains = measure.gains_of(movers, judges, places, torch.zeros(2, 1, 3, 2, dtype=torch.float64))
    assert gains.shape == (2, 1, 3)
    # of Q at the reference's mean over its mean: the spread times half the curvature
    assert gains[0].mean() == pytest.approx(SIGMA**2 * 4 / 2, rel=0.8)


def test_rungs_share_their_particles_and_zero_steps_are_best_of_n() -> None:
    critics, places = KnownCritics([Q]), torch.zeros(1, 40, 1, dtype=torch.float64)
    rungs = ladder((0.0, 1.0), (1, 5))
    found = measure.actions_of(critics, places, rungs, measure.unit_of(KnownCritics([Q]), places[0]))
    drawn = KnownCritics([Q]).sample(places, 5)
    assert torch.equal(found[0, rungs.index(CLONE)], drawn[0, :, 0])
    best = Q(places[0, 0], drawn[0]).argmax(-1)
    assert torch.equal(found[0, rungs.index(Rung(0.0, 5))], drawn[0, torch.arange(40), best])
    moved = (found[0, rungs.index(Rung(1.0, 1))] - drawn[0, :, 0]).norm(dim=-1)
    assert 0 < float(moved.max()) <= SIGMA * 1.1


def test_predictions_distances_and_errors_of_held_out_transitions() -> None:
    data, critics = world(Q, 0, noise=0.2), KnownCritics([Q, Q])
    held = measure.held_out(critics, data, measure.unit_of(critics, data.transitions.observations))
    assert held.predicted.shape == held.td.shape == (2, 60 * A_TRAJECTORY)
    assert held.noise == pytest.approx(0.2, rel=0.1)  # an exact critic errs by the rewards' noise
    length = data.transitions.actions.norm(dim=-1).numpy() / SIGMA
    assert np.abs(held.distance - length).max() < 0.6
    assert np.array_equal(held.returns, data.transitions.rewards.numpy())  # every step ends the task


def test_of_many_rows_some_are_valued_and_returns_are_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    data = rows([1.0] * 12, [1.0] * 12, [0, 0, 0, 0, 0, 1] * 2)
    ordered = measure.HeldRows(data, np.repeat([0, 1], 6))
    unit, ten = Unit(1.0, 1.0, 2), lambda s, a: 10.0 + 0.0 * a.sum(-1)
    every = measure.held_out(KnownCritics([ten]), ordered, unit)
    monkeypatch.setattr(measure, "MOST_LOOKED", 4)
    some = measure.held_out(KnownCritics([ten]), ordered, unit)
    looked = [0, 3, 5, 7, 11]
    assert some.trajectory.tolist() == [0, 0, 0, 1, 1]
    assert some.returns.tolist() == every.returns[looked].tolist()
    assert some.td.shape == (1, 5)
