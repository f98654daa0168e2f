"""Experiment files: one YAML per table or figure, read strictly into frozen dataclasses.

A file names a task, methods and signals, and for each scale the sizes. What a field of a method means is said once,
in its config dataclass: a key that no config has is refused with the nearest ones, so a misspelt setting cannot
pass for a default.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from vgf.agents import AGENTS, CONFIGS
from vgf.datasets import get_task

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
        dataset: which file to learn from.
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
    dataset: DatasetSource
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
class Experiment:
    """A file of `data/experiments`, at one scale.

    Attributes:
        study: the file's name without suffix; names the records.
        about: one sentence.
        task: a row of the task table.
        methods: what is compared.
        signals: distances to report besides return and success.
        scale_name, scale: the sizes chosen.
    """

    study: str
    about: str
    task: str
    methods: tuple[Method, ...]
    signals: dict[str, Signal]
    scale_name: str
    scale: Scale


def read_experiment(path: Path, scale: str = "quick") -> Experiment:
    """Return an experiment file at one scale.

    Raises:
        ValueError: one line that names the file and the key that is missing, unknown or wrong.
    """
    try:
        if not path.exists():
            raise ValueError("no such file; experiments lie in data/experiments")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        table = _mapping(content, "the file")
        _known(table, ("about", "task", "methods", "signals", "scales"), "the file")
        for key in ("about", "task", "methods", "scales"):
            if key not in table:
                raise ValueError(f"{key} is missing")
        scales = _mapping(table["scales"], "scales")
        _known(scales, SCALES, "scales")
        if scale not in scales:
            raise ValueError(f"no scale {scale!r}; it has {', '.join(scales)}")
        sizes: Scale = build(Scale, scales[scale], f"scales.{scale}")
        signals = {
            name: build(Signal, row, f"signals.{name}")
            for name, row in _mapping(table.get("signals", {}), "signals").items()
        }
        discount = get_task(str(table["task"])).discount
        methods = _methods(_mapping(table["methods"], "methods"), sizes.agent, discount)
        return Experiment(path.stem, str(table["about"]), str(table["task"]), methods, signals, scale, sizes)
    except (ValueError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML ({' '.join(str(error).split())})") from None


def _methods(table: Mapping[str, Any], common: Mapping[str, Any], discount: float) -> tuple[Method, ...]:
    """Return the methods: preset, then the task's discount, the scale's common fields, the method's own."""
    methods = []
    for name, row in table.items():
        own = _mapping(row, f"methods.{name}")
        agent = own.pop("agent", name)
        _known([agent], AGENTS, "methods")
        preset = own.pop("preset", "default")
        _known([preset], CONFIGS[agent], f"methods.{name}.preset")
        config = CONFIGS[agent][preset]
        hints = typing.get_type_hints(type(config))
        _known(own, hints, f"methods.{name}")
        chosen = {key: value for key, value in {"discount": discount, **common}.items() if key in hints} | own
        values = {key: _convert(value, hints[key], f"methods.{name}.{key}") for key, value in chosen.items()}
        methods.append(Method(name, agent, replace(config, **values)))
    every = {f.name for method in methods for f in fields(method.config)}
    _known(common, every, "agent")
    return tuple(methods)


def build(kind: Any, row: Any, where: str) -> Any:
    """Return a dataclass from a mapping, every key known and every value of its field's type."""
    table, hints = _mapping(row, where), typing.get_type_hints(kind)
    _known(table, hints, where)
    for f in fields(kind):
        if f.name not in table and f.default is MISSING and f.default_factory is MISSING:
            raise ValueError(f"{where}.{f.name} is missing")
    return kind(**{key: _convert(value, hints[key], f"{where}.{key}") for key, value in table.items()})


def _convert(value: Any, hint: Any, where: str) -> Any:
    """Return a YAML value as a field's type; lists become tuples.

    Raises:
        ValueError: if it is of another type.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        for option in arguments:
            try:
                return _convert(value, option, where)
            except ValueError:
                continue
    elif origin is tuple and isinstance(value, list):
        return tuple(_convert(item, arguments[0], where) for item in value)
    elif origin is Literal:
        if value in arguments:
            return value
    elif origin is dict and isinstance(value, dict):
        return dict(value)
    elif hasattr(hint, "__dataclass_fields__"):
        return build(hint, value, where)
    elif hint is float and _is_number(value):
        return float(value)
    elif hint is type(None) and value is None:
        return None
    elif isinstance(hint, type) and type(value) is hint:
        return value
    name = getattr(hint, "__name__", str(hint)) if origin is None else str(hint).replace("typing.", "")
    raise ValueError(f"{where} must be {name}, got {value!r}")


def _is_number(value: Any) -> bool:
    """Return whether a YAML value is a number; 3e-4 without a point is a word to YAML, and a number to people."""
    try:
        return not isinstance(value, bool) and float(value) == float(value)
    except (TypeError, ValueError):
        return False


def _mapping(value: Any, where: str) -> dict[str, Any]:
    """Return a copy of a mapping with words for keys."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{where} must be a mapping, got {type(value).__name__}")
    return dict(value)


def _known(keys: Any, allowed: Any, where: str) -> None:
    """Refuse a key that is not allowed, with the nearest that are."""
    for key in keys:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), list(allowed), n=3, cutoff=0.4) or list(allowed)
            raise ValueError(f"{where} has no {key!r}; nearest: {', '.join(near)}")
