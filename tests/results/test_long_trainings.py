"""Long trainings beside young ones: ages of critics, how a row stands to a clone, and what a plan still lacks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.helpers.study_records import CUBE, HOPPER, NOWHERE, by_hand, one_task_study, write_record, write_study
from vgf.datasets import get_task
from vgf.results import long_trainings, stats
from vgf.results.tables import MethodScores, Study

SEEDS = range(5)


@pytest.mark.parametrize(
    ("gain", "word"),
    [
        ([10, 11, 9, 10, 12], "above"),
        ([-10, -11, -9, -10, -12], "below"),
        ([10, -11, 9, -10, 2], "not clearly apart"),
    ],
)
def test_a_row_stands_above_below_or_beside_the_clone(gain: list[float], word: str) -> None:
    clone = [40.0, 50, 60, 45, 55]
    own = [a + b for a, b in zip(clone, gain, strict=True)]
    (row,) = long_trainings.beside_clone(one_task_study({("bc", 0): clone, ("vgf", 0): own})).itertuples()
    assert (row.word, row.seeds) == (word, 5)
    assert row.gain == pytest.approx(np.mean(gain))
    assert (row.low, row.high) == pytest.approx(stats.student([np.array(gain, float)]).interval())
    said = long_trainings.beside_clone_in_words(pd.DataFrame([row]), "It")
    than = "not clearly apart from" if word == "not clearly apart" else f"clearly {word}"
    assert said.startswith(f"It is {than} behaviour cloning on hopper-medium ({np.mean(gain):+.1f} [")


def test_a_task_without_a_clone_has_no_row(tmp_path: Path) -> None:
    write_record(tmp_path, HOPPER, "bc")
    study = write_study(tmp_path, (HOPPER, CUBE), ["vgf"])
    (row,) = long_trainings.beside_clone(study, ("vgf", 1)).itertuples()
    assert row.gain == pytest.approx((by_hand("last", HOPPER, "vgf", 1) - by_hand("last", HOPPER, "bc", 0)).mean())


def test_a_part_of_a_study_has_the_tasks_of_one_suite(tmp_path: Path) -> None:
    study = write_study(tmp_path, (HOPPER, CUBE), ["bc"])
    assert [long_trainings.of_suite(study, suite).tasks for suite in ("d4rl", "ogbench")] == [[HOPPER], [CUBE]]


@pytest.mark.parametrize(
    ("last", "less", "more"),
    [([1.0, 2, 1, 2, 1], 1, 0), ([90.0, 95, 99, 92, 97], 0, 1), ([52.0, 49, 60, 41, 51], 0, 0)],
)
def test_the_most_steps_are_compared_with_none(last: list[float], less: int, more: int) -> None:
    study = one_task_study({("vgf", 0): [50, 50, 61, 40, 51], ("vgf", 1): [0] * 5, ("vgf", 3): last})
    said = long_trainings.steps_in_words(study)
    assert (
        said
        == f"VGF scores clearly less with 3 test steps than with none on {less} of 1 task, and clearly more on {more}"
    )
    assert long_trainings.steps_in_words(one_task_study({("bc", 0): [1, 2]})) == ""


def test_what_was_found_is_said_of_the_rows_that_are_there() -> None:
    clone, better = [40.0, 50, 60, 45, 55], [50.0, 61, 69, 55, 67]
    alone = long_trainings.found_in_words(one_task_study({("bc", 0): clone}))
    assert alone.pop("clone") == "Behaviour cloning scores 50.0 on hopper-medium."
    assert set(alone.values()) == {"No record yet."}
    said = long_trainings.found_in_words(one_task_study({("bc", 0): clone, ("vgf", 0): better, ("vgf", 3): clone}))
    assert {topic: text.partition(" on ")[0] for topic, text in said.items()} == {
        "clone": "Behaviour cloning scores 50.0",
        "vgf": "VGF without a test step is clearly above behaviour cloning",
        "best_of_n": "No record yet.",
        "choosing": "No record yet.",
        "age": "No record yet.",
        "steps": "VGF scores clearly less with 3 test steps than with none",
    }
    counted = "is clearly above behaviour cloning on 1 of 1 task, clearly below on 0"
    assert long_trainings.counted_in_words(one_task_study({("bc", 0): clone, ("vgf", 0): better})).endswith(counted)
    assert long_trainings.counted_in_words(one_task_study({("bc", 0): clone})) == ""
    assert long_trainings.aged_in_words(one_task_study({("bc", 0): clone, ("vgf", 0): better})) == []


def test_without_a_ranking_the_table_says_so() -> None:
    assert long_trainings.ranking_table(one_task_study({("vgf", 0): [1.0]})).startswith("No critic")


def test_the_ranking_table_has_a_line_an_age_and_an_answer_at_the_last() -> None:
    rows = [
        (update, seed, choice, particles, "return", 1000.0 * level + seed)
        for update in (150, 200)
        for seed in SEEDS
        for choice, particles, level in (
            ("worst", 5, 1),
            ("any", 1, 2),
            ("best", 5, 3),
            ("best", 32, 0),
            ("worst", 32, 0),
        )
    ]
    ranking = pd.DataFrame(rows, columns=["update", "seed", "choice", "particles", "kind", "return"])
    settings = {"settings": {"config": {"pretrain": 100}}}
    record: Any = SimpleNamespace(runs=[settings], ranking=ranking, folder=NOWHERE)
    source = MethodScores(get_task(HOPPER), "vgf", "vgf", record, pd.DataFrame())
    study = Study("campaign", "cpu", (source,))
    best, other = (get_task(HOPPER).normalised(1000.0 * k + 2) for k in (3, 2))
    said = long_trainings.choosing_in_words(study)
    scores = f"{best:.1f} on hopper-medium (any one of them {other:.1f})"
    assert said == f"By VGF's critic the best of a few unmoved actions scores {scores}"
    lines = long_trainings.ranking_table(study).split("\n")[2:]
    assert [line.split(" | ")[2] for line in lines] == ["50", "100"]
    cells = [float(cell) for cell in lines[0].rstrip(" |").split(" | ")[4:7]]
    normalised = get_task(HOPPER).normalised
    assert cells == pytest.approx([float(normalised(1000.0 * k + 2)) for k in (1, 2, 3)], abs=0.05)
    assert [line.split(" | ")[3] for line in lines] == ["not asked", "yes"]


def test_hours_are_those_of_all_runs_of_a_record() -> None:
    study = one_task_study({("vgf", 0): [1.0, 2.0]})
    study.sources[0].record.runs[:] = [
        {"seconds": {"training": 3000.0, "evaluation": 600.0}},
        {"seconds": {"training": 3600.0}},
    ]
    assert long_trainings.hours(study)["hours"].tolist() == [2.0]


def test_what_a_plan_lacks_is_listed_in_its_order() -> None:
    study = one_task_study({("vgf", 0): [1.0], ("bc", 0): [1.0]})
    planned = [(HOPPER, method) for method in ("bc", "iql", "vgf", "fql")]
    left = long_trainings.missing(study, planned)
    assert left == [(HOPPER, "iql"), (HOPPER, "fql")]
    said = long_trainings.missing_in_words(left, planned)
    assert said == "On record are 2 of 4 runs of the file; next is IQL on hopper-medium"
    assert long_trainings.missing_in_words([], planned) == "On record are 4 of 4 runs of the file"


def test_what_is_there_of_a_plan_is_named_and_what_the_book_is_about_is_missed() -> None:
    study = one_task_study({("best_of_n", 0): [1.0], ("bc", 0): [1.0]})
    planned = [(HOPPER, method) for method in ("bc", "best_of_n", "vgf")]
    left = long_trainings.missing(study, planned)
    said = long_trainings.there_in_words(left, planned)
    assert said == ("2 of 3 runs are on record: BC (flow) and best-of-N on hopper-medium. VGF is not among them")
    assert long_trainings.there_in_words([], planned).endswith("best-of-N and VGF on hopper-medium")
    assert long_trainings.there_in_words(planned, planned) == "none of 3 runs is on record"
