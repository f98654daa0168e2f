"""Rows of an environment: the mean over its tasks within a seed, beside the paper's number for the environment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.study_records import BUDGETS, HOPPER, by_hand, write_study
from vgf.results import stats, study_text, tables
from vgf.results.table_text import markdown

TASKS = tuple(f"cube-double-play-singletask-task{number}-v0" for number in (1, 2, 3))
ENVIRONMENT = "cube-double-play-v0"
PAPER = {"iql": 7.0, "vgf": 70.0}  # data/paper/ogbench.csv


@pytest.fixture
def study(tmp_path: Path) -> tables.Study:
    """Records of three methods on three tasks of an environment and on another task."""
    return write_study(tmp_path, (*TASKS, HOPPER), BUDGETS)


def test_the_mean_is_over_tasks_within_a_seed_and_the_interval_over_seeds(study: tables.Study) -> None:
    numbers = tables.addresses(study.numbers, study.label)
    assert study.environments == {ENVIRONMENT: list(TASKS)}
    for checkpoint in ("last", "best"):
        for method, budgets in BUDGETS.items():
            for steps in budgets:
                seeds = np.mean([by_hand(checkpoint, task, method, steps) for task in TASKS], axis=0)
                found = stats.of_mean([seeds], (0, 100))
                address = f"both.cpu/{checkpoint}/mean/{ENVIRONMENT}/{method}/{steps}"
                assert numbers[address] == pytest.approx(seeds.mean(), rel=1e-5)
                assert numbers[f"{address}/low"] == pytest.approx(found.low, rel=1e-5)
                assert numbers[f"{address}/high"] == pytest.approx(found.high, rel=1e-5)


def test_the_papers_number_stands_beside_the_environment_alone(study: tables.Study) -> None:
    own = study.numbers[study.numbers["checkpoint"] == "paper"]
    cubes = own[own["task"] != HOPPER]
    assert set(cubes["task"]) == {ENVIRONMENT}
    assert dict(zip(cubes["method"], cubes["value"], strict=True)) == PAPER


def test_a_method_that_lacks_a_task_has_no_row(tmp_path: Path) -> None:
    write_study(tmp_path, TASKS[1:], ["iql"])
    found = write_study(tmp_path, TASKS, ["bc"])
    assert set(found.environment_runs("last", ("bc", 0))) == {ENVIRONMENT}
    assert found.environment_runs("last", ("iql", 0)) == {}


def test_pages_show_one_column_for_the_environment_and_one_row_below_its_tasks(study: tables.Study) -> None:
    head = study_text.score_table(study).splitlines()[0]
    assert head == "| method | cube-double, 3 tasks | hopper-medium | mean over 4 tasks |"
    beside = study_text.beside_paper(study, {"goal": 1, "gait": 0})
    assert "| cube-double, 3 tasks | VGF, L = 1 |" in beside
    assert beside.count("cube-double") == len(PAPER)
    rows = [line.split(" | ")[0].removeprefix("| ") for line in markdown(study).splitlines() if line.startswith("| ")]
    assert rows.index(f"{ENVIRONMENT}, mean of 3 tasks") > max(rows.index(task) for task in TASKS)
