"""Experiment files: one YAML per table or figure, read strictly into frozen dataclasses.

A file names methods and tasks, and for each scale the sizes. What a field of a method means is said once, in its
config dataclass. A method's config on a task is its preset, then the task's discount, then what the scale says of every
method, then the method's own fields, then what the task says of that method; the later wins.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from vgf.agents import AGENTS, CONFIGS
from vgf.datasets import get_task
from vgf.strict import build, convert, known, mapping

ScaleName = Literal["quick", "cpu", "paper"]
SCALES: tuple[str, ...] = typing.get_args(ScaleName)


@dataclass(frozen=True)
class Signal:
    """A distance read off the observation; an evaluation episode reports the least one it reached.

    Attributes:
        dimensions: columns of the observation that hold the point.
        to: columns that hold the other point, or "goal": the same columns of the goal's observation.
        unit: metres for one unit of the observation.
    """

    dimensions: tuple[int, ...]
    to: tuple[int, ...] | str
    unit: float


@dataclass(frozen=True)
class DatasetSource:
    """Which file to learn from.

    Attributes:
        episodes: of a regenerated set; it is made when it is not there.
        seed: of a regenerated set.
        path: a file to use instead, for example an official one; relative to the data folder.
    """

    episodes: int | None = None
    seed: int = 0
    path: str | None = None


@dataclass(frozen=True)
class Scale:
    """The sizes of a run.

    Attributes:
        seeds: trained together.
        updates: how many.
        batch_size: transitions an update draws for each seed.
        log_every: updates between two rows of the curve, each a mean over the stretch.
        evaluate_every: updates between two evaluations; the first and the last policy are always evaluated.
        checkpoint_every: updates between two checkpoints; a multiple of `log_every`.
        episodes: evaluation episodes for each seed and budget.
        episodes_at_once: of them, how many run side by side.
        test_steps: budgets L_test evaluated; a method without transport is evaluated at the first alone.
        dataset: which file to learn from, where a task does not say.
        tasks: those of the file's tasks that are run at this scale; all when None.
        agent: fields that replace those of every method that has them.
        threads: CPU threads of torch; its own choice when None. Small networks gain little from a second thread and
            lose much when another process holds its core.
    """

    seeds: tuple[int, ...]
    updates: int
    batch_size: int
    log_every: int
    evaluate_every: int
    checkpoint_every: int
    episodes: int
    episodes_at_once: int
    test_steps: tuple[int, ...]
    dataset: DatasetSource | None = None
    tasks: tuple[str, ...] | None = None
    agent: dict[str, Any] = field(default_factory=dict)
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse sizes that have no meaning."""
        for name in ("updates", "batch_size", "log_every", "evaluate_every", "checkpoint_every", "episodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be >= 1, got {self.threads}")
        if self.checkpoint_every % self.log_every:
            raise ValueError(f"checkpoint_every must be a multiple of log_every {self.log_every}")
        if self.episodes % max(self.episodes_at_once, 1) or self.episodes_at_once < 1:
            raise ValueError(f"episodes_at_once must divide episodes {self.episodes}, got {self.episodes_at_once}")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds must be distinct integers >= 0, at least one, got {list(self.seeds)}")
        if not self.test_steps or min(self.test_steps) < 0:
            raise ValueError(f"test_steps must be integers >= 0, at least one, got {list(self.test_steps)}")


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
        table = mapping(yaml.safe_load(path.read_text(encoding="utf-8")), "the file")
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
    for name, row in table.items():
        own = mapping(row or {}, f"methods.{name}") | dict(overrides.get(name, {}))
        agent = own.pop("agent", name)
        known([agent], AGENTS, "methods")
        preset = own.pop("preset", "default")
        known([preset], CONFIGS[agent], f"methods.{name}.preset")
        config = CONFIGS[agent][preset]
        hints = typing.get_type_hints(type(config))
        known(own, hints, f"methods.{name}")
        chosen = {key: value for key, value in {"discount": discount, **sizes.agent}.items() if key in hints} | own
        values = {key: convert(value, hints[key], f"methods.{name}.{key}") for key, value in chosen.items()}
        methods.append(Method(name, agent, replace(config, **values)))
    every = {f.name for method in methods for f in fields(method.config)}
    known(sizes.agent, every, "agent")
    return tuple(methods)
