"""Steps in the target: values and scores without and with them, and the words for it."""

from __future__ import annotations

import pytest

from tests.helpers.study_records import target_study
from vgf.results import target_steps


@pytest.mark.parametrize(("moved", "up", "down"), [(-20.0, 0, 1), (20.0, 1, 0), (0.0, 0, 0)])
@pytest.mark.parametrize(("rise", "higher", "lower"), [(15.0, 1, 0), (-15.0, 0, 1), (0.1, 0, 0)])
def test_values_and_scores_are_compared_seed_by_seed(
    moved: float, up: int, down: int, rise: float, higher: int, lower: int
) -> None:
    (found,) = target_steps.target_steps(target_study(moved, [60.0, 60.0 + rise]))
    assert (found.steps, found.floor) == (3, None)
    assert (found.value.without, found.value.within) == pytest.approx((60.0, 60.0 + rise))
    assert (found.score.without, found.score.within) == pytest.approx((50.0, 51.0))
    assert found.moved is not None
    assert found.moved.by.value == pytest.approx(moved)
    assert target_steps.ways([found.value]) == (higher, lower, 1)
    assert target_steps.ways([found.moved]) == (up, down, 1)
    said = target_steps.target_in_words([found])
    assert f"values the data's actions clearly higher on {higher} of 1 task and lower on {lower}." in said
    assert said.endswith(f"it scores clearly more than the clone on {up} of 1 task and less on {down}")
    counted = target_steps.target_counted([found])
    assert counted.endswith(f"raise values on {higher} of 1 task and scores on {up}; scores fall on {down}")
    low, high = found.moved.by.interval()
    assert high - low == pytest.approx(2 * 2.776 * 0.5**0.5 / 5**0.5, rel=1e-3)  # Student's of APART
    line = target_steps.target_table([found]).splitlines()[2]
    assert line.startswith(f"| hopper-medium | 60.0 | {60 + rise:.1f} ({rise:+.1f} [")
    assert f"| 50.0 | 51.0 (+1.0 [1.0, 1.0]) | 50.0 | {50 + moved:.1f} ({moved:+.1f} [{low:.1f}, {high:.1f}]) |" in line


def test_a_task_without_both_critics_is_left_out_and_one_without_a_clone_has_no_score() -> None:
    assert target_steps.target_steps(target_study(0.0, [1.0, 2.0], without="best_of_n")) == []
    assert target_steps.target_in_words([]) == "No task has both critics yet"
    (found,) = target_steps.target_steps(target_study(0.0, [1.0, 2.0], without="bc"))
    assert found.moved is None
    assert target_steps.ways([found.moved]) == (0, 0, 0)
    assert "| not run | not run |" in target_steps.target_table([found])


def test_values_that_cannot_be_true_are_named() -> None:
    (found,) = target_steps.target_steps(target_study(0.0, [-106.0, -104.0]))
    assert "least that can be true" not in target_steps.target_in_words([found])
    goal = found._replace(floor=-100.0)
    assert target_steps.target_in_words([goal]).endswith(
        "On hopper-medium the values are below the least that can be true"
    )
    above = found._replace(floor=-110.0)
    assert "least that can be true" not in target_steps.target_in_words([above])
