"""Experiment files: one YAML per table or figure, read strictly into frozen dataclasses.

A file names methods and tasks, and for each scale the sizes. What a field of a method means is said once, in its
config dataclass. A method's config on a task is its preset, then the task's discount, then what the scale says of every
method (`reference_updates` is its `pretrain`), then the method's own fields, then what the task says of that method;
the later wins. A method whose own `pretrain` is 0 trains reference and critic in step, and has no `reference_updates`.
A task's name may be a pattern, which gives all tasks it fits one row; a task with a row of its own has that alone. A
task may say more of its methods `at` one scale, which wins over all, and give a method `updates` of its own.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from vgf.agents import AGENTS, CONFIGS
from vgf.datasets import get_task
from vgf.datasets.task_names import rows_of
from vgf.support.scales import SCALES
from vgf.support.strict import build, convert, known, mapping, placed
from vgf.support.yaml_text import not_there, read_yaml, text_of
from vgf.training.sizes import DatasetSource, Scale, Signal, named, read_signals

NO_DATASET = DatasetSource(seed=-1)  # of a task that the scale does not run and for which it names none


@dataclass(frozen=True)
class Method:
    """A method as this experiment runs it: its name in the record, the agent's, and the full config.

    Attributes:
        name: in the record.
        agent: of `vgf.agents.AGENTS`.
        config: every field.
        updates: of this method on this task, where they are not the scale's.
    """

    name: str
    agent: str
    config: Any
    updates: int | None = None


@dataclass(frozen=True)
class TaskPlan:
    """A task as this experiment runs it.

    Attributes:
        name: of a row of the task table.
        dataset: which file to learn from.
        methods: what is compared, each with its config for this task.
        signals: distances to report besides return and success.
    """

    name: str
    dataset: DatasetSource
    methods: tuple[Method, ...]
    signals: dict[str, Signal]


@dataclass(frozen=True)
class Experiment:
    """A file of `data/experiments`, at one scale.

    Attributes:
        study: the file's name without suffix; names the records.
        about: one sentence.
        tasks: what is learnt.
        scale_name, scale: the sizes chosen.
    """

    study: str
    about: str
    tasks: tuple[TaskPlan, ...]
    scale_name: str
    scale: Scale

    @property
    def planned(self) -> list[tuple[str, str]]:
        """Task and method of every run, in the order of the file."""
        return [(task.name, method.name) for task in self.tasks for method in task.methods]

    def task(self, name: str | None = None) -> TaskPlan:
        """Return the task of that name, full or short, or the only one.

        Raises:
            ValueError: if there is none of that name, or several and no name was given.
        """
        names = [task.name for task in self.tasks]
        if name is None and len(names) > 1:
            raise ValueError(f"{self.study} has several tasks; name one of {', '.join(names)}")
        wanted = names[0] if name is None else get_task(name).name
        known([wanted], names, self.study)
        return self.tasks[names.index(wanted)]


def read_experiment(path: Path, scale: str = "quick") -> Experiment:
    """Return an experiment file at one scale.

    Raises:
        ValueError: one line that names the file and the key that is missing, unknown or wrong.
    """
    try:
        if not path.is_file():
            raise ValueError(not_there(path))
        table = mapping(read_yaml(text_of(path)), "the file")
        known(table, ("about", "tasks", "methods", "scales"), "the file")
        for key in ("about", "tasks", "methods", "scales"):
            if table.get(key) in (None, {}):
                raise ValueError(f"{key} is missing")
        scales = mapping(table["scales"], "scales")
        known(scales, SCALES, "scales")
        if scale not in scales:
            raise ValueError(f"no scale {scale!r}; it has {', '.join(scales)}")
        sizes: Scale = build(Scale, scales[scale], f"scales.{scale}")
        rows = {name: mapping(row or {}, f"tasks.{name}") for name, row in mapping(table["tasks"], "tasks").items()}
        means = _tasks_of(rows, "tasks")
        wanted = _tasks_of(sizes.tasks or rows, f"scales.{scale}.tasks")
        known(wanted, means, f"scales.{scale}.tasks")
        methods = named(table["methods"], "methods")
        known(sizes.methods or (), methods, f"scales.{scale}.methods")
        plans = {task: _task(task, f"tasks.{key}", rows[key], methods, scale, sizes) for task, key in means.items()}
        chosen = tuple(plan for task, plan in plans.items() if task in wanted)
        for plan in chosen:
            if plan.dataset == NO_DATASET:
                at = f"tasks.{means[plan.name]}.dataset.{scale}"
                raise ValueError(f"scales.{scale}.dataset is missing, and so is {at}")
        return Experiment(path.stem, str(table["about"]), chosen, scale, sizes)
    except RecursionError:
        raise ValueError(f"{path}: it nests too deep, or holds itself") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML ({' '.join(str(error).split())})") from None


def _tasks_of(names: Iterable[str], where: str) -> dict[str, str]:
    """Return the tasks that names or patterns mean; see `rows_of`."""
    try:
        return rows_of(names)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _task(
    name: str, where: str, row: Mapping[str, Any], methods: Mapping[str, Any], scale: str, sizes: Scale
) -> TaskPlan:
    """Return one task of the file."""
    task = get_task(name)
    known(row, ("dataset", "methods", "signals", "at"), where)
    signals = read_signals(row.get("signals", {}), f"{where}.signals", task.observation_size)
    sources = mapping(row.get("dataset", {}), f"{where}.dataset")
    known(sources, SCALES, f"{where}.dataset")
    datasets = {key: build(DatasetSource, value, f"{where}.dataset.{key}") for key, value in sources.items()}
    at = mapping(row.get("at", {}), f"{where}.at")
    known(at, SCALES, f"{where}.at")
    overrides: dict[str, dict[str, Any]] = {}
    for which, said in ((f"{where}.methods", row.get("methods", {})), (f"{where}.at.{scale}", at.get(scale, {}))):
        known(mapping(said, which), methods, which)
        for key, value in said.items():
            overrides[key] = overrides.get(key, {}) | dict(mapping(value, f"{which}.{key}"))
    return TaskPlan(
        task.name,
        datasets.get(scale, sizes.dataset) or NO_DATASET,
        _methods(methods, overrides, sizes, task.discount),
        signals,
    )


def _methods(
    table: Mapping[str, Any], overrides: Mapping[str, Mapping[str, Any]], sizes: Scale, discount: float
) -> tuple[Method, ...]:
    """Return the methods with the configs of one task; see the module for what wins."""
    methods = []
    for name in sizes.methods or table:
        row = table[name]
        own = mapping(row or {}, f"methods.{name}") | dict(overrides.get(name, {}))
        agent = own.pop("agent", name)
        known([agent], AGENTS, "methods")
        preset = own.pop("preset", "default")
        known([preset], CONFIGS[agent], f"methods.{name}.preset")
        config = CONFIGS[agent][preset]
        updates = _own_updates(name, own.pop("updates", None), sizes)
        hints = typing.get_type_hints(type(config))
        known(own, hints, f"methods.{name}")
        given = {"discount": discount, **sizes.agent}
        if sizes.reference_updates:
            if own.get("pretrain"):
                raise ValueError(f"methods.{name}.pretrain: the scale has reference_updates; leave it out, or give 0")
            given["pretrain"] = sizes.reference_updates
        chosen = {key: value for key, value in given.items() if key in hints} | own
        values = {key: convert(value, hints[key], f"methods.{name}.{key}") for key, value in chosen.items()}
        with placed(hints, f"methods.{name}"):
            config = replace(config, **values)
        methods.append(Method(name, agent, config, updates))
        check_critic(f"methods.{name}", methods[-1].config, (updates or sizes.updates) + sizes.reference_updates)
        if sizes.online is not None:
            _check_online(methods[-1])
    every = {f.name for method in methods for f in fields(method.config)}
    known(sizes.agent, every, "agent")
    return tuple(methods)


def _own_updates(name: str, value: Any, sizes: Scale) -> int | None:
    """Return a method's own number of updates, or None where it has the scale's."""
    if value is None:
        return None
    own: int = convert(value, int, f"methods.{name}.updates")
    with placed(("updates",), f"methods.{name}"):
        replace(sizes, updates=own)  # refused where it has no meaning
    return own if own != sizes.updates else None


def check_critic(name: str, config: Any, updates: int) -> None:
    """Refuse a config whose reference would be trained first and take every update, so that no critic is trained.

    Raises:
        ValueError: with both numbers.
    """
    alone = getattr(config, "pretrain", 0)
    if alone and alone >= updates:
        raise ValueError(
            f"{name}: the reference alone takes {alone:,} of {updates:,} updates (pretrain), so no critic would be "
            "trained; give more updates or a smaller pretrain"
        )


def _check_online(method: Method) -> None:
    """Refuse to fine-tune a method that has no such phase."""
    if not AGENTS[method.agent].fine_tunes:
        which = " and ".join(name for name, agent in AGENTS.items() if agent.fine_tunes)
        raise ValueError(f"methods.{method.name}: {method.agent} cannot be fine-tuned online, only {which} can")
