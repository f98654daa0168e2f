"""What a comparison needs beside scores: the budget comes from tuning, and the data's score from their own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.study_records import BUDGETS, CUBE, HOPPER, by_hand, write_study
from vgf.datasets import get_task
from vgf.results import comparison, tables


@pytest.fixture
def study(tmp_path: Path) -> tables.Study:
    return write_study(tmp_path, (HOPPER, CUBE), BUDGETS)


def test_the_budget_is_the_best_one_of_the_tuning_for_each_kind_of_task(
    study: tables.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = tables.Study("tuning", "cpu", tuple(s for s in study.sources if s.method == "vgf"))
    for source in tuned.sources:
        source.record.runs[-1]["settings"]["config"] = {"temperature": 0.1}
    table, budgets = comparison.chosen_budgets(tuned, study, "temperature")
    expected = {
        kind: max((0, 1), key=lambda steps, task=task: by_hand("last", task, "vgf", steps).mean())
        for kind, task in (("gait", HOPPER), ("goal", CUBE))
    }
    assert budgets == expected
    assert set(table["task"]) == {HOPPER, CUBE}
    assert set(table["temperature"]) == {0.1}
    for source in tuned.sources:
        source.record.runs[-1]["settings"]["config"] = {"temperature": 0.2}
    apart = tables.Study(
        "tuning", "cpu", tables.read_study("both", "cpu", study.sources[0].record.folder.parents[2]).sources
    )
    for source in apart.sources:
        source.record.runs[-1]["settings"]["config"] = {"temperature": 0.1}
    with pytest.raises(ValueError, match=r"VGF has temperature 0\.2, the tuning chose 0\.1"):
        comparison.chosen_budgets(apart, study, "temperature")
    alone = tables.Study("tuning", "cpu", tuple(s for s in tuned.sources if s.task.name == HOPPER))
    with pytest.raises(ValueError, match=f"{CUBE}: no tuning record"):
        comparison.chosen_budgets(alone, study, "temperature")


def test_a_maze_whose_score_is_a_return_has_a_goal_all_the_same() -> None:
    assert get_task("antmaze-umaze-diverse-v2").kind == get_task(CUBE).kind == "goal"
    assert get_task(HOPPER).kind == "gait"


def test_words_for_budgets_tell_kinds_apart_unless_none_moves() -> None:
    assert comparison.budgets_in_words({"gait": 0, "goal": 0}).startswith("no test step")
    assert comparison.budgets_in_words({"gait": 0, "goal": 2}) == (
        "no test step on locomotion and 2 test steps on tasks with a goal"
    )
    assert comparison.budgets_in_words({"gait": 1}) == "1 test step on locomotion"


def test_the_datas_own_score_is_that_of_the_very_file() -> None:
    study = tables.read_study("d4rl", "cpu")
    found = comparison.data_scores(study)
    assert set(found) <= set(study.tasks)
    assert 40 < found[HOPPER] < 60  # a third of the way to an expert is what "medium" means here
    for source in study.sources:
        source.record.runs[-1]["dataset"]["content"] = "another file"
    assert comparison.data_scores(study) == {}
