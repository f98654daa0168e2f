"""Names and patterns of tasks, as experiment files give them."""

from __future__ import annotations

import pytest

from vgf.datasets.task_names import rows_of
from vgf.support.errors import DataError

CUBES = [f"cube-single-play-singletask-task{number}-v0" for number in range(1, 6)]
FIVE = "cube-single-play-singletask-task*-v0"


def test_a_pattern_means_every_task_of_the_environment_and_not_the_alias_of_its_default() -> None:
    assert rows_of([FIVE]) == dict.fromkeys(CUBES, FIVE)


def test_a_short_name_is_made_full() -> None:
    assert rows_of(["hopper-medium", "cube-single-play-task1"]) == {
        "hopper-medium-v2": "hopper-medium",
        CUBES[0]: "cube-single-play-task1",
    }


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_tasks_own_name_counts_before_a_pattern_in_any_order(order: tuple[int, int]) -> None:
    names = (FIVE, CUBES[2])
    found = rows_of([names[i] for i in order])
    assert found == dict.fromkeys(CUBES, FIVE) | {CUBES[2]: CUBES[2]}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["antmaze-*-v7"], "no task fits 'antmaze-\\*-v7'"),
        (["hopper-medium", "hopper-medium-v2"], "two names mean the task hopper-medium-v2"),
        ([FIVE, "cube-single-*-task3-v0"], "two names mean the task cube-single-play-singletask-task3-v0"),
        (["cube-singel-play"], "unknown task 'cube-singel-play'"),
    ],
)
def test_names_without_meaning_or_with_two_are_refused(names: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        rows_of(names)
