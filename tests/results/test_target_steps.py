"""Steps in the target: values and scores without and with them, and the words for it."""

from __future__ import annotations

import pytest

from tests.helpers.study_records import target_study
from vgf.results import target_steps


@pytest.mark.parametrize(("moved", "score"), [(-20.0, "below"), (20.0, "above")])
@pytest.mark.parametrize(("rise", "value"), [(15.0, "above"), (-15.0, "below")])
def test_values_and_scores_are_compared_seed_by_seed(moved: float, score: str, rise: float, value: str) -> None:
    (found,) = target_steps.target_steps(target_study(moved, [60.0, 60.0 + rise]))
    assert found.steps == 3
    assert (found.score.without, found.score.within) == pytest.approx((50.0, 51.0))
    assert found.moved is not None
    assert (found.moved.by.value, found.moved.by.word()) == (pytest.approx(moved), score)
    assert (found.value.without, found.value.within) == pytest.approx((60.0, 60.0 + rise))
    assert (found.value.by.value, found.value.by.word()) == (pytest.approx(rise), value)
    said = target_steps.target_in_words([found])
    higher, lower = int(value == "above"), int(value == "below")
    assert f"values the data's actions clearly higher on {higher} of 1 task, clearly lower on {lower}." in said
    higher, lower = int(score == "above"), int(score == "below")
    assert said.endswith(f"Acting as trained, it is clearly higher on {higher} of 1 task, clearly lower on {lower}")
    counted = target_steps.target_counted([found])
    assert f"value on {int(value == 'above')} of 1 task" in counted
    assert counted.endswith(f"lower the score on {lower}")
    low, high = found.moved.by.interval()
    assert high - low == pytest.approx(2 * 2.776 * 0.5**0.5 / 5**0.5, rel=1e-3)  # Student's of APART
    table = target_steps.target_table([found]).splitlines()
    assert table[2].startswith(
        f"| hopper-medium | 50.0 | 51.0 (+1.0 [1.0, 1.0]) | {50 + moved:.1f} ({moved:+.1f} [{low:.1f}, "
    )
    assert f"| 60.0 | {60 + rise:.1f} ({rise:+.1f} [" in table[2]


def test_a_task_without_both_rows_has_no_pair() -> None:
    assert target_steps.target_steps(target_study(0.0, [1.0, 2.0], with_clone=True)) == []
    assert target_steps.target_in_words([]) == ""
