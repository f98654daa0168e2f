"""The practice problem: its best return is attained by flying straight and beaten by nothing; the pilot is careful."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

from vgf.book import practice


def returns(starts: np.ndarray, act: object) -> np.ndarray:
    places, total = starts, np.zeros(len(starts))
    for _ in range(practice.HORIZON):
        places = practice.fly(places, act(places))  # type: ignore[operator]
        total -= np.linalg.norm(places, axis=-1)
    return total


def straight(places: np.ndarray) -> np.ndarray:
    """Towards home at the stall speed, the last step just far enough."""
    away = np.linalg.norm(places, axis=-1, keepdims=True)
    speed = np.minimum(practice.STALL * (1 - 1e-6), away / practice.STEP)
    return -places / np.maximum(away, 1e-12) * speed


def test_the_best_return_is_attained_by_flying_straight_home() -> None:
    starts = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)
    np.testing.assert_allclose(returns(starts, straight), practice.best_return(starts), atol=2e-4)


@given(st.integers(0, 2**32 - 1))
def test_no_policy_beats_the_best_return(seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = rng.uniform(-1, 1, (20, 2)).astype(np.float32)
    bias = rng.normal(size=2)

    def act(places: np.ndarray) -> np.ndarray:
        return np.clip(straight(places) + rng.normal(size=places.shape) * 0.3 * rng.uniform() + 0.1 * bias, -1, 1)

    assert (returns(starts, act) <= practice.best_return(starts) + 1e-4).all()


def test_a_motor_asked_for_too_much_stalls() -> None:
    places = np.array([[0.5, 0.5], [0.5, 0.5]])
    found = practice.fly(places, np.array([[-0.5, -0.5], [-0.6, -0.6]]))
    np.testing.assert_allclose(found, [[0.45, 0.45], [0.5, 0.5]], atol=1e-7)


def test_the_pilot_never_stalls_and_comes_nearer_on_average() -> None:
    rng = np.random.default_rng(0)
    places = rng.uniform(-1, 1, (4000, 2))
    actions = practice.pilot(places, rng)
    assert np.linalg.norm(actions, axis=-1).max() <= practice.CAREFUL < practice.STALL
    towards = -(actions * places).sum(-1) / np.linalg.norm(places, axis=-1)
    # E[speed] E[cos(angle)] = (CAREFUL / 2) exp(-ERROR^2 / 2)
    expected = practice.CAREFUL / 2 * np.exp(-(practice.ERROR**2) / 2)
    assert towards.mean() == pytest.approx(expected, abs=4 * towards.std() / np.sqrt(len(towards)))


def test_flights_are_what_the_environment_does() -> None:
    flights = practice.flights(4, seed=5)
    rows = practice.HORIZON + 1
    assert flights["terminals"].nonzero()[0].tolist() == [rows * k - 1 for k in range(1, 5)]
    env = practice.Drone()
    env.reset(seed=0)
    env.place = flights["observations"][rows]
    for row in range(rows, 2 * rows - 1):
        place, reward, terminated, truncated, _ = env.step(flights["actions"][row])
        np.testing.assert_array_equal(place, flights["observations"][row + 1])
        assert reward == pytest.approx(flights["rewards"][row], rel=1e-6)
        assert (terminated, truncated) == (False, row == 2 * rows - 2)
    again = practice.flights(4, seed=5)
    assert all(np.array_equal(values, again[name]) for name, values in flights.items())
    assert not np.array_equal(practice.flights(4, seed=6)["actions"], flights["actions"])


def test_the_environment_keeps_gymnasiums_contract() -> None:
    check_env(practice.Drone(), skip_render_check=True)
