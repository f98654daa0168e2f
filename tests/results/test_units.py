"""From records to the arrays that rules read: an environment's tasks as one, the same seeds, the rows asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.study_records import HOPPER, SEEDS, by_hand, one_task_study, write_record, write_study
from vgf import records
from vgf.datasets import get_task
from vgf.results import tables, units
from vgf.rlhf.study.table import contrast

CUBES = [f"cube-double-play-singletask-task{n}-v0" for n in (1, 2, 3)]
OTHER = "antmaze-medium-navigate-singletask-task3-v0"


@pytest.fixture
def study(tmp_path: Path) -> tables.Study:
    """Two methods on hopper, on three tasks of one environment, and on a task outside the paper's table."""
    return write_study(tmp_path, (HOPPER, *CUBES, OTHER), ("bc", "vgf"))


def last(task: str, method: str, steps: int) -> np.ndarray:
    """Return what a task's seeds score after the last update, without the records."""
    return by_hand("last", task, method, steps)


def test_a_task_alone_keeps_its_seeds_scores(study: tables.Study) -> None:
    found = units.collect(study, [("bc", 0), ("vgf", 1)], [HOPPER])
    assert found is not None
    assert (found.name, found.tasks, found.seeds) == ("hopper-medium", 1, 3)
    assert found.scores == pytest.approx(np.stack([last(HOPPER, "bc", 0), last(HOPPER, "vgf", 1)]))


def test_tasks_of_an_environment_are_averaged_within_a_seed(study: tables.Study) -> None:
    found = units.collect(study, [("vgf", 1)], CUBES)
    assert found is not None
    assert (found.name, found.tasks) == ("cube-double", 3)
    rows = [s.by_seed("last", 1) for s in study.sources if s.task.name in CUBES and s.method == "vgf"]
    assert found.scores[0] == pytest.approx(np.mean(rows, axis=0))


def test_only_seeds_that_every_row_has_are_kept_and_tasks_that_lack_one_are_left_out(tmp_path: Path) -> None:
    write_study(tmp_path, CUBES, ("bc", "vgf"))
    path = tmp_path / "both.cpu" / CUBES[0] / "bc" / "run.json"
    content = json.loads(path.read_text())
    content["runs"][0]["seeds"] = [0, 2]
    path.write_text(json.dumps(content))
    (tmp_path / "both.cpu" / CUBES[1] / "bc" / "run.json").unlink()
    study = tables.read_study("both", "cpu", tmp_path)
    found = units.collect(study, [("bc", 0), ("vgf", 0)], CUBES)
    assert found is not None
    assert (found.seeds, found.tasks) == (2, 2)
    assert units.collect(study, [("bc", 0), ("iql", 0)], CUBES) is None


def test_a_task_of_several_studies_is_taken_from_the_first_that_has_all_methods_on_it(tmp_path: Path) -> None:
    write_record(tmp_path, HOPPER, "bc", "longer")
    write_record(tmp_path, HOPPER, "vgf", "longer")
    write_record(tmp_path, OTHER, "vgf", "longer")  # begun, its clone not trained yet
    write_record(tmp_path, CUBES[0], "vgf", "alone")
    for task in (HOPPER, OTHER, CUBES[0]):
        write_record(tmp_path, task, "bc", "both")
        write_record(tmp_path, task, "vgf", "both")
    longer, alone, both = (tables.read_study(name, "cpu", tmp_path) for name in ("longer", "alone", "both"))
    found = units.once([longer, alone, both], ["bc", "vgf"])
    assert [(study.name, sorted(study.tasks)) for study in found] == [
        ("longer", [HOPPER]),
        ("both", sorted([OTHER, CUBES[0]])),
    ]
    assert units.once([both], ["iql"]) == []


def test_rivals_stand_below_the_method_and_the_papers_tasks_apart(study: tables.Study) -> None:
    named, others = units.side_by_side([study], ("bc",), {"gait": 1, "goal": 0})
    assert [u.name for u in named] == ["cube-double", "hopper-medium"]
    assert [u.name for u in others] == ["antmaze-medium-task3"]
    assert named[1].scores == pytest.approx(np.stack([last(HOPPER, "vgf", 1), last(HOPPER, "bc", 0)]))


def test_a_task_of_two_studies_is_compared_once_in_the_first(study: tables.Study) -> None:
    first = one_task_study({("bc", 0): [1.0] * 5, ("vgf", 1): [2.0] * 5})
    (hopper,) = [
        unit
        for unit in units.side_by_side([first, study], ("bc",), {"gait": 1, "goal": 0})[0]
        if unit.name == "hopper-medium"
    ]
    assert hopper.scores.tolist() == [[2.0] * 5, [1.0] * 5]
    alone = one_task_study({("vgf", 1): [2.0] * 5})  # without the rival it does not take the task
    other = one_task_study({("bc", 0): [1.0] * 5, ("vgf", 3): [2.0] * 5})  # nor does it without the budget
    named, _ = units.side_by_side([alone, other, study], ("bc",), {"gait": 1, "goal": 0})
    assert named[-1].scores == pytest.approx(np.stack([last(HOPPER, "vgf", 1), last(HOPPER, "bc", 0)]))


def test_a_grid_has_the_budgets_that_all_methods_share(study: tables.Study) -> None:
    (found,) = (u for u in units.grid(study, ("vgf", "vgf")) if u.name == "hopper-medium")
    assert found.scores.shape == (2, 2, len(SEEDS))
    assert found.scores[0, 1] == pytest.approx(last(HOPPER, "vgf", 1))
    moving = [u.scores.shape for u in units.grid(study, ("vgf",), moving=True)]
    assert moving == [(1, 1, len(SEEDS))] * 3
    assert units.grid(study, ("bc", "vgf"), moving=True) == []  # cloning has no step


def test_rankings_of_few_actions_go_with_the_tasks_they_are_of(study: tables.Study) -> None:
    path = study.sources[0].record.folder.parents[1] / units.RANKING
    choices = (("any", 5, 2.0), ("best", 5, 4.0), ("worst", 5, 1.0), ("best", 32, 9.0), ("worst", 32, 9.0))
    rows = [
        {
            **{"task": task, "method": method, "updates": updates, "choice": choice},
            **{"particles": n, "seed": seed, "score": score + seed + more + (updates == 50)},
        }
        for updates in (50, 100)
        for task, more in ((CUBES[0], 0), (CUBES[2], 10))
        for method in ("vgf", "other")
        for choice, n, score in choices
        for seed in SEEDS
    ]
    pd.DataFrame(rows).to_csv(path, index=False)
    found = {unit.name: (unit, ranking) for unit, ranking in units.with_rankings(study)}
    assert found["hopper-medium"][1] is None
    cube, ranking = found["cube-double"]
    assert ranking is not None
    assert (cube.tasks, ranking.tasks) == (2, 2)  # of the tasks that were ranked
    assert ranking.scores == pytest.approx(np.array([[1.0], [2.0], [4.0]]) + np.arange(3) + 5)
    rows_of = [s.by_seed("last", 1) for s in study.sources if s.task.name in (CUBES[0], CUBES[2]) and s.method == "vgf"]
    assert cube.scores[1] == pytest.approx(np.mean(rows_of, axis=0))


def test_a_ranking_that_a_record_keeps_is_taken_after_its_last_update(study: tables.Study) -> None:
    (source,) = (s for s in study.sources if (s.task.name, s.method) == (CUBES[1], "vgf"))
    wins = {"worst": 0, "any": 1, "best": 2}  # of two episodes
    rows = [
        {"seed": seed, "update": update, "choice": choice, "particles": n, "success": float(i < wins[choice])}
        for seed in SEEDS
        for update in (50, 100)
        for choice in (wins if update == 100 else ("any", "best", "worst"))
        for n in (5, 32)
        for i in (range(2) if update == 100 else range(9, 11))
    ]
    object.__setattr__(source.record, "ranking", pd.DataFrame(rows).assign(**{"return": -1.0}))
    found = units.rankings(study)
    assert found[CUBES[1]].to_numpy() == pytest.approx(np.tile([0.0, 50.0, 100.0], (3, 1)))
    assert list(found) == [CUBES[1]]


def test_start_gain_and_end_of_going_online(study: tables.Study, tmp_path: Path) -> None:
    for method in ("bc", "vgf"):
        for seed in SEEDS:  # what was the untrained policy becomes the offline one, and two evaluations follow
            path = records.seed_file(tmp_path / "both.cpu" / HOPPER / method, seed)
            rows = pd.read_csv(path)
            rows["environment_steps"] = rows["update"] * 2
            rows["return"] = 1000.0 + rows["update"] * (2 if method == "vgf" else 1)
            path.write_text(rows.to_csv(index=False))
        folder = tmp_path / "both.cpu" / HOPPER / method
        records.merge_run(folder, records.read_runs(folder)[-1])  # sealed again
    study = tables.read_study("both", "cpu", tmp_path)
    (found,) = (u for u in units.fine_tuned(study, ("vgf", 0), ("bc", 0)) if u.name == "hopper-medium")
    scale = get_task(HOPPER).normalised(1.0) - get_task(HOPPER).normalised(0.0)
    start = get_task(HOPPER).normalised(1000.0)
    assert found.scores[0, :, 0] == pytest.approx([start, 75 * scale, start + 100 * scale])
    assert found.scores[1, :, 1] == pytest.approx([start, 150 * scale, start + 200 * scale])


def test_displacement_is_counted_in_the_references_spread(study: tables.Study) -> None:
    for source in study.sources:
        source.record.runs[-1]["settings"]["config"] = {"particles": 5}
        updates = np.arange(1, 101)
        far = np.where(updates > 90, 0.3, 9.0)  # only the last tenth counts
        curve = {"update": updates, "flow/displacement": far, "flow/spread_before": 0.2}
        object.__setattr__(source.record, "curve", pd.DataFrame(curve))
    assert units.displacement(study, ("vgf", "bc"))["hopper-medium"] == pytest.approx(0.3 / 0.25**0.5)
    assert "cube-double" in units.displacement(study, ("vgf",))
    assert units.displacement(study, ("vgf", "iql")) == {}


def test_a_contrast_on_language_pairs_prompts_and_seeds() -> None:
    rows = pd.DataFrame(
        [
            {"method": m, "seed": s, "prompt": f"p{p}", "win_ref": w + 0.1 * p, "nats": n * (4 + p), "length": 4 + p}
            for m, w, n in (("ours", 0.6, 2.1), ("theirs", 0.5, 2.0))
            for s in (0, 1)
            for p in range(3)
            if not (m == "theirs" and p == 2 and s == 1)
        ]
    )
    found = contrast(rows, "ours", "theirs")
    assert found.wins == pytest.approx(np.full((2, 2), 10.0))  # the third prompt was not answered on both seeds
    assert found.nats == pytest.approx(np.full(2, 0.1))
    assert found.in_full
    assert not contrast(rows, "ours", "nobody").in_full
