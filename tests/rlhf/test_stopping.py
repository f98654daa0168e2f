"""The rule that ends a rival's training, on sequences whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from vgf.rlhf.stopping import Stopping, curve, has_stopped, kept

SPREAD = np.array([-1.0, 1.0, -1.0, 1.0])  # of prompts: it is the same in every measurement, so it adds no error


def measured(*means: float) -> list[list[float]]:
    return [list(mean + SPREAD) for mean in means]


def test_what_rises_goes_on() -> None:
    assert not has_stopped(measured(0, 1, 2, 3, 4), 3)


def test_what_is_level_stops_once_there_are_enough_measurements() -> None:
    assert not has_stopped(measured(0, 0, 0), 3)
    assert has_stopped(measured(0, 0, 0, 0), 3)


def test_one_rise_among_the_last_few_is_enough() -> None:
    assert not has_stopped(measured(0, 3, 2, 1, 3.5), 3)
    assert has_stopped(measured(0, 3, 2, 1, 3), 3)


def test_the_best_before_counts_and_not_the_last_before() -> None:
    assert has_stopped(measured(0, 5, 0, 1, 2), 2)


def test_a_rise_must_be_above_its_standard_error_over_prompts() -> None:
    gain = np.array([3.0, 0.0, 0.0, 0.0])  # mean 0.75, standard deviation 1.5, standard error 0.75: not above
    before = np.zeros(4)
    assert has_stopped([list(before), list(gain)], 1)
    assert not has_stopped([list(before), list(gain + 0.01)], 1)


def test_the_highest_is_kept_and_the_first_of_equal_ones() -> None:
    assert kept(measured(0, 2, 1)) == 1
    assert kept(measured(0, 2, 2)) == 1


def test_the_curve_tells_steps_means_and_errors() -> None:
    rows = curve(measured(0, 2), 10)
    assert [row["step"] for row in rows] == [0, 10]
    assert [row["reward"] for row in rows] == [0, 2]
    assert rows[0]["error"] == pytest.approx(SPREAD.std(ddof=1) / 2)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"every": 0}, "every must be > 0"),
        ({"prompts": 1}, "at least 2"),
        ({"every": 7}, r"most \(120\) must be a multiple of every \(7\)"),
    ],
)
def test_numbers_without_meaning_are_refused(numbers: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Stopping(**numbers)
