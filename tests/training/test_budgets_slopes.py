"""Promises held to what came: slopes with the level they claim, a reach in order, and kappa that covers new groups."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from vgf.training.budgets import slopes
from vgf.training.budgets.slopes import HeldOut, Slope


def held(seed: int, truth: float = 1.0, trajectories: int = 60, bias: float = 0.0, critics: int = 4) -> HeldOut:
    """Return promises of which `truth` times come, in trajectories whose rows share an error."""
    rng, rows = np.random.default_rng(seed), trajectories * 8
    number = np.repeat(np.arange(trajectories), 8)
    right = rng.normal(size=rows)
    values = rng.normal(size=trajectories)[number]
    shared = 0.7 * rng.normal(size=trajectories)[number]
    came = 3.0 + 2.0 * values + truth * right + shared + 0.7 * rng.normal(size=rows)
    predicted = right + bias + 0.1 * rng.normal(size=(critics, rows))
    return HeldOut(predicted, values, came, np.abs(rng.normal(size=rows)) * 1.2, number, predicted - right)


def test_a_slope_is_what_comes_of_a_promise_whatever_level_and_scale_the_values_have() -> None:
    one = held(0)
    tails = slopes.slopes(one, 0.05)
    assert tails[0].slope == pytest.approx(1.0, abs=0.1)
    assert all(t.lower < t.slope for t in tails if math.isfinite(t.slope))
    other = slopes.slopes(replace(one, values=5 * one.values - 2, returns=one.returns + 100), 0.05)
    assert other[0].slope == pytest.approx(tails[0].slope)
    assert other[0].lower == pytest.approx(tails[0].lower)


def test_promises_that_mean_nothing_pass_at_the_level() -> None:
    passed = np.mean([slopes.reach(slopes.slopes(held(seed, truth=0.0), 0.05)) is not None for seed in range(300)])
    assert 0.015 < passed < 0.088  # 0.05 within three standard errors


def test_the_error_is_clustered_by_trajectory() -> None:
    one = held(1)
    alike = replace(one, predicted=one.predicted[:, one.trajectory * 8], returns=one.returns[one.trajectory * 8])
    rows = slopes.slopes(replace(alike, trajectory=np.arange(len(one.values))), 0.05)[0]
    assert slopes.slopes(alike, 0.05)[0].lower < rows.lower  # eight copies are not eight transitions


def test_the_reach_ends_with_the_first_tail_that_fails() -> None:
    tails = [Slope(d, 1.0, low, 100, 50) for d, low in ((0.0, 0.5), (0.5, 0.1), (1.0, -0.1), (1.5, 0.9))]
    assert slopes.reach(tuple(tails)) == 0.5
    assert slopes.reach(tuple(tails[2:])) is None
    assert slopes.reach((tails[0], replace(tails[1], lower=math.nan))) == 0.0


def test_too_few_trajectories_have_no_slope() -> None:
    tail = slopes.slopes(held(0, trajectories=5), 0.05)[0]
    assert math.isnan(tail.lower)
    assert tail.trajectories == 5


def test_few_critics_are_trusted_less_and_a_bias_widens_the_bound() -> None:
    student = {2: 6.314, 3: 2.920, 5: 2.132, 30: 1.699}  # one-sided 5 % points, by critics
    found = {count: slopes.kappa(held(0, critics=count), 0.1, 0.05) for count in student}
    assert all(found[count] > student[count] - 1e-3 for count in student)
    assert found[2] == pytest.approx(student[2], abs=1e-3)
    one = held(0)
    far = replace(one, predicted=one.predicted + 2.0 * (one.distance > 1.0))  # promises too much of what is far
    assert slopes.kappa(far, 0.1, 0.05) > 1.3 * slopes.kappa(one, 0.1, 0.05)
    assert slopes.kappa(held(0, critics=1), 0.1, 0.05) == math.inf
    assert slopes.kappa(held(0, trajectories=4), 0.1, 0.05) == math.inf


def test_new_groups_keep_their_bound_as_often_as_promised() -> None:
    kept = []
    for seed in range(40):
        limit = slopes.kappa(held(seed, bias=0.3, critics=40), 0.1, 0.05)
        kept.append(np.mean(slopes.group_scores(held(1000 + seed, bias=0.3, critics=40)) <= limit))
    assert np.mean(kept) > 0.87


def test_clustered_error_of_single_rows_is_the_usual_one() -> None:
    x = np.random.default_rng(0).normal(size=50)
    assert slopes.clustered_error(x, np.arange(50)) == pytest.approx(x.std(ddof=1) / 50**0.5)
    assert slopes.clustered_error(x, np.zeros(50)) == math.inf
