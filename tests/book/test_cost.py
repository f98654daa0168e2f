"""What missing trainings would cost, counted from the experiment files and measured times."""

from __future__ import annotations

import pytest
import yaml

from tests.helpers.site import ROOT
from vgf.book import cost
from vgf.results.judgement import SEEDS, TASKS


def test_a_cost_counts_every_training_of_the_experiment_file() -> None:
    plan = yaml.safe_load((ROOT / "data" / "experiments" / "d4rl.yaml").read_text())["scales"]["paper"]
    found = {one.name: one for one in cost.costs()}[cost.STUDIES["d4rl"]]
    assert found.trainings == len(plan["tasks"]) * len(plan["methods"]) * len(plan["seeds"])
    assert found.own == len(plan["tasks"]) * 4 * len(plan["seeds"]) * plan["updates"]  # best-of-N, three forms of VGF
    shorter = sum("antmaze" in task or "pen" in task for task in plan["tasks"])  # there FQL has half as many
    assert found.updates == (found.trainings - shorter * len(plan["seeds"]) / 2) * plan["updates"]
    assert cost.hours(1_000_000, 3.6e-3) == pytest.approx(1)


def test_a_method_with_more_updates_of_its_own_costs_more() -> None:
    plan = yaml.safe_load((ROOT / "data" / "experiments" / "ogbench.yaml").read_text())["scales"]["paper"]
    found = {one.name: one for one in cost.costs()}[cost.STUDIES["ogbench"]]
    more = 5 * (1 + 2)  # five tasks of the large maze with one million more, five of the giant with two
    assert found.updates == found.trainings * plan["updates"] + more * len(plan["seeds"]) * 1_000_000


def test_the_least_that_would_decide_is_that_of_the_rule() -> None:
    assert cost.costs()[-1].trainings == TASKS * SEEDS


def test_fine_tuning_counts_its_steps_too() -> None:
    plan = yaml.safe_load((ROOT / "data" / "experiments" / "online.yaml").read_text())["scales"]["paper"]
    found = {one.name: one for one in cost.costs()}[cost.STUDIES["online"]]
    assert found.updates > found.trainings * plan["updates"]


def test_the_table_says_whether_a_gpu_was_measured() -> None:
    _, gpu, measured = cost.seconds_per_update()
    text = cost.render_costs()
    assert gpu > 0
    assert ("assumes" in text) != measured
    assert text.count("\n| ") == len(cost.costs()) + 1
