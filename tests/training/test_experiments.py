"""Experiment files are read strictly, and bad input is one line with exit status 2."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.helpers.site import ROOT
from tests.helpers.toy_runs import EXPERIMENT, TASK, write
from vgf import cli
from vgf.datasets import get_task
from vgf.training.experiments import read_experiment
from vgf.training.runs import settings


def change(path: str, value: Any, *more: Any) -> Callable[[dict[str, Any]], None]:
    def apply(tree: dict[str, Any]) -> None:
        if more:
            change(*more)(tree)
        *parents, last = path.split("/")
        for parent in parents:
            tree = tree[parent]
        if value is None:
            del tree[last]
        else:
            tree[last] = value

    return apply


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change("tasks", None), "tasks is missing"),
        (change("tsks", "x"), "the file has no 'tsks'; nearest: tasks"),
        (change(f"tasks/{TASK}/data", {}), f"tasks.{TASK} has no 'data'; nearest: dataset"),
        (change(f"tasks/{TASK}/methods", {"min": {}}), f"tasks.{TASK}.methods has no 'min'; nearest: mine"),
        (
            change(f"tasks/{TASK}/methods", {"mine": {"stepsize": 1}}),
            "methods.mine has no 'stepsize'; nearest: step_size",
        ),
        (change(f"tasks/{TASK}/dataset", {"quik": {}}), f"tasks.{TASK}.dataset has no 'quik'; nearest: quick"),
        (
            change(f"tasks/{TASK}/dataset", {"quick": {"sed": 1}}),
            f"tasks.{TASK}.dataset.quick has no 'sed'; nearest: seed",
        ),
        (change("tasks/cube-single-play-task2", {}), "tasks: two names mean the task"),
        (change("scales/quick/reference_updates", -1), "scales.quick.reference_updates must be >= 0, got -1"),
        (
            change("methods/mine/pretrain", 10),
            "methods.mine: the reference alone takes 10 of 10 updates (pretrain), so no critic would be trained",
        ),
        (
            change("methods/mine/pretrain", 3, "scales/quick/reference_updates", 2),
            "methods.mine.pretrain: the scale has reference_updates; leave it out, or give 0",
        ),
        (change("scales/quick/tasks", ["cube"]), "scales.quick.tasks: unknown task 'cube'; nearest: cube-single-play"),
        (
            change("scales/quick/dataset", None),
            f"scales.quick.dataset is missing, and so is tasks.{TASK}.dataset.quick",
        ),
        (change("methods/fqll", {}), "methods has no 'fqll'; nearest: fql"),
        (change("methods/mine/preset", "papre"), "methods.mine.preset has no 'papre'; nearest: paper"),
        (change("methods/mine/stepsize", 1.0), "methods.mine has no 'stepsize'; nearest: step_size"),
        (change("methods/mine/step_size", "big"), "methods.mine.step_size must be a number, got 'big'"),
        (change("methods/mine/particles", 2.5), "methods.mine.particles must be a whole number, got 2.5"),
        (change("methods/mine/temperature", 0), "methods.mine.temperature must be a finite number > 0, got 0.0"),
        (change("methods/mine/step_size", -0.1), "methods.mine.step_size must be a finite number >= 0, got -0.1"),
        (change("methods/mine/particles", 0), "methods.mine.particles must be > 0, got 0"),
        (change("methods/mine/train_steps", -1), "methods.mine.train_steps must be an integer >= 0, got -1"),
        (change("methods/mine/hidden", []), "methods.mine"),
        (change("methods/mine/updates", 0), "methods.mine.updates must be >= 1, got 0"),
        (change("scales/quick/agent/hiden", [8]), "agent has no 'hiden'; nearest: hidden"),
        (change("scales/quick/updates", None), "scales.quick.updates is missing"),
        (change("scales/quick/updates", 0), "scales.quick.updates must be >= 1, got 0"),
        (change("scales/quick/seeds", [1, 1]), "scales.quick.seeds must be distinct integers >= 0"),
        (change("scales/quick/episodes_at_once", 3), "scales.quick.episodes_at_once must divide episodes 2, got 3"),
        (change("scales/quick/checkpoint_every", 3), "scales.quick.checkpoint_every must be a multiple of log_every 2"),
        (change("scales/quick/dataset", "here"), "scales.quick.dataset must be a mapping, got str"),
        (change("scales/huge", {}), "scales has no 'huge'; one of: quick, cpu, paper"),
        (change("methods", []), "methods must be a mapping, got list"),
        *[
            (change("methods", {"bc": {}, name: {"agent": "vgf"}}), f"methods: {name!r} is no name; take letters")
            for name in ("a/b", "a\\b", ".", "..", "", ".hidden", "a b", "a\n", "ends.", "-x")
        ],
        (change("methods", {1: {"agent": "vgf"}}), "methods: the key 1 is no word to YAML; put it in quotes"),
        *[
            (change(f"tasks/{TASK}/signals", {name: {"dimensions": [0], "to": to, "unit": unit}}), message)
            for name, to, unit, message in (
                ("a/b", "goal", 1.0, f"tasks.{TASK}.signals: 'a/b' is no name"),
                ("return", "goal", 1.0, f"tasks.{TASK}.signals.return: a record has a column of that name"),
                (
                    "x",
                    "gaol",
                    1.0,
                    f"tasks.{TASK}.signals.x: a signal's to must be goal or columns such as [0, 1], got 'gaol'",
                ),
                ("x", [0, 1], 1.0, f"tasks.{TASK}.signals.x: a signal needs dimensions, and as many in to"),
                ("x", [99], 1.0, f"tasks.{TASK}.signals.x: there is no column 99; the observation has 0 to 27"),
                ("x", [-1], 1.0, f"tasks.{TASK}.signals.x: there is no column -1"),
                ("x", "goal", 0.0, f"tasks.{TASK}.signals.x: a signal's unit must be a finite number > 0, got 0.0"),
            )
        ],
    ],
)
def test_a_bad_experiment_file_is_refused_in_one_line(
    edit: Callable[[dict[str, Any]], None], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = json.loads(json.dumps(EXPERIMENT))
    edit(tree)
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(tree))
    assert cli.main(["train", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert f"{path}: {message}" in lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.yaml"], "nowhere.yaml: no such file"),
        (["first_run"], "first_run: no such file; experiments lie in data/experiments; nearest: "),
        (["data/first-run.yaml"], "experiments/first_run.yaml"),
        (["tests"], "tests: a folder, and no file; experiments lie in data/experiments"),
        (["{file}", "--scale", "paper"], "no scale 'paper'; it has quick"),
        (["{file}", "--method", "fql"], "methods has no 'fql'; one of: bc, mine"),
        (["{file}", "--task", "cube-singel-play"], "unknown task 'cube-singel-play'; nearest: cube-single-play"),
        (["{file}", "--task", "hopper-medium"], f"study has no 'hopper-medium-v2'; one of: {TASK}"),
        (["{file}", "--device", "tpu"], "device must be auto, cpu or cuda, got 'tpu'"),
    ],
)
def test_a_bad_command_line_is_refused_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path)
    assert cli.main(["train", *(a.format(file=path) for a in arguments)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]


def test_files_that_are_not_yaml_and_unknown_tasks_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.yaml").write_text("a: [1,")
    assert cli.main(["train", str(tmp_path / "x.yaml")]) == 2
    assert "not YAML" in capsys.readouterr().err
    (tmp_path / "x.yaml").write_text("about: a", encoding="utf-16")
    (tmp_path / "mine.npz").write_bytes(b"PK\x03\x04\xff\xfe")
    for command in ("train", "estimate"):
        for path in (tmp_path / "x.yaml", tmp_path / "mine.npz"):
            assert cli.main([command, str(path)]) == 2
            assert capsys.readouterr().err == (
                f"vgf: {path}: not a text in UTF-8, and so no YAML; save an experiment in UTF-8, and give data of "
                "your own to vgf.fit\n"
            )
    assert cli.main(["train", str(write(tmp_path, tasks={"cube-singel-play": {}}))]) == 2
    assert "unknown task 'cube-singel-play'" in capsys.readouterr().err


def test_a_pretrain_of_none_stands_against_updates_of_the_reference(tmp_path: Path) -> None:
    tree = json.loads(json.dumps(EXPERIMENT))
    change("methods/mine/pretrain", 0, "scales/quick/reference_updates", 2)(tree)
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(tree))
    assert read_experiment(tmp_path / "x.yaml").task().methods[1].config.pretrain == 0


def test_numbers_without_a_point_and_lists_are_taken(tmp_path: Path) -> None:
    text = yaml.safe_dump(EXPERIMENT).replace("step_size: 0.05", "step_size: 5e-2")
    (tmp_path / "x.yaml").write_text(text)
    config = read_experiment(tmp_path / "x.yaml").task().methods[1].config
    assert config.step_size == 0.05
    assert config.hidden == (8,)


def test_every_experiment_of_the_project_is_readable_at_every_scale_it_has() -> None:
    files = sorted((ROOT / "data" / "experiments").glob("*.yaml"))
    files = [path for path in files if "language" not in yaml.safe_load(path.read_text())]  # tests/rlhf/test_study.py
    assert files
    for path in files:
        for scale in yaml.safe_load(path.read_text())["scales"]:
            for plan in read_experiment(path, scale).tasks:
                assert get_task(plan.name).name == plan.name


def test_the_discount_is_the_tasks_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    task = "humanoidmaze-medium-navigate-singletask-task1-v0"
    methods = {"mine": {"agent": "vgf"}, "other": {"agent": "vgf", "discount": 0.9}}
    mine, other = read_experiment(write(tmp_path, tasks={task: {}}, methods=methods)).task().methods
    assert mine.config.discount == get_task(task).discount == 0.995
    assert other.config.discount == 0.9


def test_a_task_may_have_its_own_data_signals_and_hyper_parameters(tmp_path: Path) -> None:
    first, second = "cube-single-play-singletask-task1-v0", "hopper-medium-v2"
    tasks = {
        "cube-single-play-task1": {"signals": {"x": {"dimensions": [0], "to": [1], "unit": 1.0}}},
        second: {
            "dataset": {"quick": {"path": "cache/hopper.hdf5"}, "paper": {"episodes": 3}},
            "methods": {"mine": {"preset": "paper", "temperature": 0.5}},
        },
    }
    methods = {"bc": None, "mine": {"agent": "vgf", "temperature": 0.25}}
    experiment = read_experiment(write(tmp_path, tasks=tasks, methods=methods))
    a, b = experiment.tasks
    assert (a.name, b.name) == (first, second)  # short names are made full
    assert (a.dataset.episodes, b.dataset.path) == (1, "cache/hopper.hdf5")
    assert (list(a.signals), b.signals) == (["x"], {})
    configs = [plan.methods[1].config for plan in (a, b)]
    assert [(c.temperature, c.direction) for c in configs] == [(0.25, "autograd"), (0.5, "amortised")]
    assert experiment.task("hopper-medium") is b
    with pytest.raises(ValueError, match=f"several tasks; name one of {first}, {second}"):
        experiment.task()
    chosen = EXPERIMENT["scales"]["quick"] | {"tasks": [second]}
    narrowed = read_experiment(write(tmp_path, tasks=tasks, methods=methods, scales={"quick": chosen}))
    assert [plan.name for plan in narrowed.tasks] == [second]


def test_a_scale_may_run_some_of_the_methods(tmp_path: Path) -> None:
    def methods(**sizes: Any) -> list[str]:
        scale = EXPERIMENT["scales"]["quick"] | {"agent": {"hidden": [8]}} | sizes
        return [m.name for m in read_experiment(write(tmp_path, scales={"quick": scale})).task().methods]

    assert methods() == ["bc", "mine"]
    assert methods(methods=["mine"]) == ["mine"]
    with pytest.raises(ValueError, match=r"scales\.quick\.methods has no 'min'; nearest: mine"):
        methods(methods=["min"])
    plan = read_experiment(write(tmp_path, scales={"quick": EXPERIMENT["scales"]["quick"] | {"methods": ["mine"]}}))
    assert "methods" not in settings(plan, plan.task(), plan.task().methods[0], {"sha256": "0"})


def test_a_pattern_gives_its_tasks_one_row_and_a_task_may_have_its_own(tmp_path: Path) -> None:
    five, own = "cube-single-play-singletask-task*-v0", "cube-single-play-singletask-task2-v0"
    tasks = {five: {"methods": {"mine": {"temperature": 0.5}}}, own: {"methods": {"mine": {"step_size": 0.25}}}}
    experiment = read_experiment(write(tmp_path, tasks=tasks))
    assert [plan.name for plan in experiment.tasks] == [five.replace("*", str(number)) for number in range(1, 6)]
    config = {plan.name: plan.methods[1].config for plan in experiment.tasks}
    plain = config[own]
    assert {name for name, found in config.items() if found.temperature == 0.5} == set(config) - {own}
    assert (plain.step_size, plain.temperature) == (
        0.25,
        read_experiment(write(tmp_path)).task().methods[1].config.temperature,
    )
    chosen = EXPERIMENT["scales"]["quick"] | {"tasks": [own]}
    assert [p.name for p in read_experiment(write(tmp_path, tasks=tasks, scales={"quick": chosen})).tasks] == [own]


def test_a_task_may_say_more_of_a_method_at_one_scale_and_give_it_its_own_updates(tmp_path: Path) -> None:
    base = EXPERIMENT["scales"]["quick"]
    task = "hopper-medium-v2"
    row = {
        "methods": {"mine": {"temperature": 0.5, "step_size": 0.25}},
        "at": {
            "cpu": {"mine": {"temperature": 0.75, "updates": 3 * base["updates"]}, "bc": {"updates": base["updates"]}}
        },
    }
    found = {}
    for scale in ("quick", "cpu"):
        experiment = read_experiment(write(tmp_path, tasks={task: row}, scales={"quick": base, "cpu": base}), scale)
        plan = experiment.task()
        bc, mine = plan.methods
        facts = [settings(experiment, plan, m, {"sha256": "0"}) for m in (bc, mine)]
        found[scale] = [(m.updates, f["updates"]) for m, f in zip((bc, mine), facts, strict=True)]
        assert (mine.config.temperature, mine.config.step_size) == (0.5 if scale == "quick" else 0.75, 0.25)
    assert found["quick"] == [(None, base["updates"])] * 2
    assert found["cpu"] == [
        (None, base["updates"]),
        (3 * base["updates"],) * 2,
    ]  # equal to the scale's: none of its own


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"at": {"fast": {}}}, r"tasks\.hopper-medium-v2\.at has no 'fast'"),
        ({"at": {"quick": {"min": {}}}}, r"at\.quick has no 'min'; nearest: mine"),
        ({"methods": {"mine": {"updates": 0}}}, "updates must be >= 1, got 0"),
        ({"methods": {"mine": {"updates": "many"}}}, r"methods\.mine\.updates must be a whole number, got 'many'"),
    ],
)
def test_what_a_task_may_not_say_is_refused_with_its_place(tmp_path: Path, row: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_experiment(write(tmp_path, tasks={"hopper-medium-v2": row}))


def test_a_task_that_the_scale_does_not_run_needs_no_dataset_and_one_that_it_runs_does(tmp_path: Path) -> None:
    sizes = {key: value for key, value in EXPERIMENT["scales"]["quick"].items() if key != "dataset"}
    tasks = {"hopper-medium-v2": {"dataset": {"quick": {"episodes": 1}}}, "walker2d-medium-v2": {}}
    for wanted, words in ((["hopper-medium-v2"], None), (None, r"tasks\.walker2d-medium-v2\.dataset\.quick")):
        path = write(tmp_path, tasks=tasks, scales={"quick": sizes | ({"tasks": wanted} if wanted else {})})
        if words is None:
            assert [plan.name for plan in read_experiment(path).tasks] == wanted
        else:
            with pytest.raises(ValueError, match=words):
                read_experiment(path)


RELEASE = {  # steps and step size of the amortised scripts, and which critic: commit 3ec8f9b, run_scripts/run_a_vgf_*
    "cube": (1, 0.05, "mean", 0.99),
    "scene": (1, 0.1, "mean", 0.99),
    "puzzle": (5, 0.1, "mean", 0.99),
    "antmaze-large-navigate": (5, 0.1, "min", 0.995),
    "antmaze-giant-navigate": (5, 0.1, "min", 0.995),
    "antsoccer": (2, 0.05, "mean", 0.995),
    "humanoidmaze": (1, 0.05, "mean", 0.995),
}
KERNEL = {"antmaze-large-navigate": (2_000_000, 0.995), "antmaze-giant-navigate": (3_000_000, 0.99)}  # run_vgf_off_*


def test_the_paper_scale_has_both_of_the_release_s_agents_with_its_scripts_budgets() -> None:
    for name in ("d4rl", "ogbench"):
        for plan in read_experiment(ROOT / "data" / "experiments" / f"{name}.yaml", "paper").tasks:
            found = {method.name: method.config for method in plan.methods if method.agent == "vgf"}
            assert {"vgf_kernel", "vgf_amortised"} <= set(found)
            kernel, own = found["vgf_kernel"], found["vgf_amortised"]
            environment = next((key for key in RELEASE if plan.name.startswith(key)), None)
            budget = (5, 0.1, "min", 0.99) if environment is None else RELEASE[environment]
            assert (own.train_steps, own.step_size, own.target_q, own.discount) == budget, plan.name
            assert (own.particles, own.direction, own.repulsion, own.optimizer) == (5, "amortised", False, "adam")
            assert own.bandwidth == 1e-6, "no kernel"
            assert (kernel.particles, kernel.direction, kernel.repulsion) == (10, "autograd", True)
            assert kernel.train_steps == (3 if environment else 5), plan.name
            assert kernel.target_q == own.target_q
            updates = {method.name: method.updates for method in plan.methods}
            named = next((KERNEL[key] for key in KERNEL if plan.name.startswith(key)), (None, own.discount))
            assert (updates["vgf_kernel"], kernel.discount) == named, plan.name
            assert updates["vgf_amortised"] is None
            assert kernel.pretrain == own.pretrain == 0, "the release trains its reference in step"


def test_the_paper_scale_has_every_task_of_both_suites_tables_and_five_tasks_an_environment() -> None:
    for name, count in (("d4rl", 18), ("ogbench", 50)):
        plans = read_experiment(ROOT / "data" / "experiments" / f"{name}.yaml", "paper").tasks
        assert len(plans) == count
        datasets = Counter(get_task(plan.name).dataset for plan in plans)
        assert set(datasets.values()) == ({1} if name == "d4rl" else {5})
        table = pd.read_csv(ROOT / "data" / "paper" / f"{name}.csv")
        assert set(table["dataset"]) <= set(datasets)


def test_the_runs_of_a_file_are_planned_task_by_task() -> None:
    plan = read_experiment(ROOT / "data" / "experiments" / "first_run.yaml", "quick")
    task = plan.task().name
    assert plan.planned == [(task, "bc"), (task, "vgf")]
