"""Experiment files: one YAML per table or figure, read strictly into frozen dataclasses.

A file names methods and tasks, and for each scale the sizes. What a field of a method means is said once, in its
config dataclass. A method's config on a task is its preset, then the task's discount, then what the scale says of every
method (`reference_updates` is its `pretrain`), then the method's own fields, then what the task says of that method;
the later wins. A method whose own `pretrain` is 0 trains reference and critic in step, and has no `reference_updates`.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from vgf.agents import AGENTS, CONFIGS
from vgf.datasets import get_task
from vgf.support.scales import SCALES
from vgf.support.strict import build, convert, known, mapping
from vgf.support.yaml_text import read_yaml
from vgf.training.sizes import DatasetSource, Scale, Signal

FINE_TUNED = ("fql", "vgf")  # agents that can go on learning online


@dataclass(frozen=True)
class Method:
    """A method as this experiment runs it: its name in the record, the agent's, and the full config."""

    name: str
    agent: str
    config: Any


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
        if not path.exists():
            raise ValueError("no such file; experiments lie in data/experiments")
        table = mapping(read_yaml(path.read_text(encoding="utf-8")), "the file")
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
        known(sizes.tasks or (), rows, f"scales.{scale}.tasks")
        methods = mapping(table["methods"], "methods")
        known(sizes.methods or (), methods, f"scales.{scale}.methods")
        plans = {name: _task(name, row, methods, scale, sizes) for name, row in rows.items()}
        if len({plan.name for plan in plans.values()}) < len(plans):
            raise ValueError("tasks: two names mean the same task")
        chosen = tuple(plan for name, plan in plans.items() if sizes.tasks is None or name in sizes.tasks)
        return Experiment(path.stem, str(table["about"]), chosen, scale, sizes)
    except (ValueError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML ({' '.join(str(error).split())})") from None


def _task(name: str, row: Mapping[str, Any], methods: Mapping[str, Any], scale: str, sizes: Scale) -> TaskPlan:
    """Return one task of the file."""
    where, task = f"tasks.{name}", get_task(name)
    known(row, ("dataset", "methods", "signals"), where)
    signals = mapping(row.get("signals", {}), f"{where}.signals")
    sources = mapping(row.get("dataset", {}), f"{where}.dataset")
    known(sources, SCALES, f"{where}.dataset")
    datasets = {key: build(DatasetSource, value, f"{where}.dataset.{key}") for key, value in sources.items()}
    dataset = datasets.get(scale, sizes.dataset)
    if dataset is None:
        raise ValueError(f"scales.{scale}.dataset is missing, and so is {where}.dataset.{scale}")
    overrides = mapping(row.get("methods", {}), f"{where}.methods")
    known(overrides, methods, f"{where}.methods")
    return TaskPlan(
        task.name,
        dataset,
        _methods(
            methods,
            {key: mapping(value, f"{where}.methods.{key}") for key, value in overrides.items()},
            sizes,
            task.discount,
        ),
        {key: build(Signal, value, f"{where}.signals.{key}") for key, value in signals.items()},
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
        hints = typing.get_type_hints(type(config))
        known(own, hints, f"methods.{name}")
        given = {"discount": discount, **sizes.agent}
        if sizes.reference_updates:
            if own.get("pretrain"):
                raise ValueError(f"methods.{name}.pretrain: the scale has reference_updates; leave it out, or give 0")
            given["pretrain"] = sizes.reference_updates
        chosen = {key: value for key, value in given.items() if key in hints} | own
        values = {key: convert(value, hints[key], f"methods.{name}.{key}") for key, value in chosen.items()}
        methods.append(Method(name, agent, replace(config, **values)))
        check_critic(f"methods.{name}", methods[-1].config, sizes.updates + sizes.reference_updates)
        if sizes.online is not None:
            _check_online(methods[-1])
    every = {f.name for method in methods for f in fields(method.config)}
    known(sizes.agent, every, "agent")
    return tuple(methods)


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
    if method.agent not in FINE_TUNED:
        which = " and ".join(FINE_TUNED)
        raise ValueError(f"methods.{method.name}: {method.agent} cannot be fine-tuned online, only {which} can")
