"""The rule by which VGF is held against its rivals: the budget comes from tuning, and only the paper's tasks judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.study_records import CUBE, HOPPER, by_hand, write_record
from vgf.datasets import get_task
from vgf.results import comparison, tables
from vgf.results.comparison import Comparison

A, B, C, D = (f"task-{letter}" for letter in "abcd")


def made(own: dict[str, float], named: list[str]) -> Comparison:
    """Rivals that score 1 and 2, and nothing on "nobody"."""
    rivals = {"iql": 1.0, "fql": 2.0}
    others = {task: dict.fromkeys(rivals, 0.0) if task == "nobody" else rivals for task in own}
    return Comparison(own, others, named, [])


@pytest.mark.parametrize(
    ("own", "named", "status"),
    [
        ({A: 3, B: 3, C: 3}, [A, B], "undecided"),  # the third is not the paper's
        ({A: 3, B: 3, C: 1}, [A, B, C], "held"),
        ({A: 3, B: 3, C: 1, D: 1}, [A, B, C, D], "held in part"),  # half is not most
        ({A: 2, B: 1, C: 0}, [A, B, C], "did not hold"),  # level with the best is not ahead of it
        ({A: 2.5, B: 1, C: 0}, [A, B, C], "held in part"),
        ({A: 3, B: 3, C: 3, "nobody": 0}, [A, B, "nobody"], "undecided"),  # where nobody scores nothing is judged
    ],
)
def test_a_claim_about_most_tasks_needs_most_of_at_least_three_of_the_papers(
    own: dict[str, float], named: list[str], status: str
) -> None:
    assert made(own, named).status == status


def test_the_evidence_counts_the_papers_tasks_apart() -> None:
    text = made({A: 3, B: 1.5, C: 3, D: 0}, [A, B]).evidence
    assert (
        "on 1 of 2 tasks of the paper's table, its interval above theirs on 0, its mean higher in 3 of 4 single" in text
    )
    assert text.endswith("comparisons, and on 1 of 2 others")
    assert made({A: 3}, []).evidence.startswith("no task of the paper's table was run; ")
    assert made({A: 3, "nobody": 0}, ["nobody"]).evidence.startswith(
        "on the 1 of the paper's table that were run nobody"
    )
    assert (
        "1 of 1 task of the paper's table (on 1 more nobody scores)"
        in made({A: 3, "nobody": 0}, [A, "nobody"]).evidence
    )
    assert "others" not in made({A: 3}, [A]).evidence


@pytest.fixture
def study(tmp_path: Path) -> tables.Study:
    for task in (HOPPER, CUBE):
        for method in ("bc", "iql", "vgf"):
            write_record(tmp_path, task, method)
    return tables.read_study("both", "cpu", tmp_path)


def test_scores_are_those_after_the_last_update_at_the_chosen_budget(study: tables.Study) -> None:
    found = comparison.compare(study, ("iql",), {"gait": 1, "goal": 0})
    by_rows = {HOPPER: by_hand("last", HOPPER, "vgf", 1).mean(), CUBE: by_hand("last", CUBE, "vgf", 0).mean()}
    assert found.own == {task: float(f"{score:.6g}") for task, score in by_rows.items()}  # as the tables keep them
    assert comparison.compare(study, ("iql", "fql"), {"gait": 1, "goal": 0}).own == {}  # fql was not run
    assert found.others[CUBE]["iql"] == float(f"{by_hand('last', CUBE, 'iql', 0).mean():.6g}")
    assert set(found.named) == {HOPPER, CUBE}


def test_a_task_without_a_number_of_the_papers_is_compared_and_not_named(study: tables.Study, tmp_path: Path) -> None:
    for method in ("iql", "vgf"):
        write_record(tmp_path, "halfcheetah-medium-v2", method)
    study = tables.read_study("both", "cpu", tmp_path)
    found = comparison.compare(study, ("iql",), {"gait": 1, "goal": 0})
    assert set(found.own) == {HOPPER, CUBE, "halfcheetah-medium-v2"}
    assert set(found.named) == {HOPPER, CUBE}


@pytest.mark.parametrize(("theirs", "clear"), [([1.0, 2.0, 3.0], [HOPPER]), ([9.0, 10.0, 10.5], [])])
def test_ahead_is_clear_where_intervals_do_not_touch(
    study: tables.Study, monkeypatch: pytest.MonkeyPatch, theirs: list[float], clear: list[str]
) -> None:
    scores = {"vgf": np.array([10.0, 11.0, 12.0]), "iql": np.array(theirs), "bc": np.zeros(3)}
    monkeypatch.setattr(tables.Study, "runs", lambda self, checkpoint, key: {HOPPER: scores[key[0]]})
    found = comparison.compare(study, ("iql",), {"gait": 0, "goal": 0})
    assert found.ahead == [HOPPER]
    assert found.clear == clear
    assert ("above theirs on 1" in found.evidence) == bool(clear)


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
