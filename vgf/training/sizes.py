"""The sizes of a run: which data, how many updates, how often to look, and what happens online.

Everything here is a field of an experiment file and of the record it leaves; what a method itself is made of is its
config's (`vgf.agents`). Sizes that have no meaning are refused when they are read, not after an hour of training.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from vgf.support.given import number
from vgf.support.strict import build, known, mapping
from vgf.training.starts import PURPOSES, ROOM, Purpose

NAME = re.compile(r"\w([\w.-]*[\w-])?")  # of a method or a signal: a folder or a column of a record is called so
TAKEN = ("seed", "update", "environment_steps", "test_steps", "episode", "env_seed", "return", "success", "length")


def named(value: Any, where: str) -> dict[str, Any]:
    """Return a copy of a mapping whose keys can name folders or columns of a record.

    Raises:
        ValueError: naming its place in the file, if it is none or a key cannot.
    """
    table = mapping(value, where)
    for name in table:
        if not NAME.fullmatch(name):
            raise ValueError(f"{where}: {name!r} is no name; take letters, digits, _ or -, and points between them")
    return table


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

    def __post_init__(self) -> None:
        """Refuse a distance that has no meaning."""
        if not self.dimensions or (isinstance(self.to, tuple) and len(self.to) != len(self.dimensions)):
            raise ValueError(f"a signal needs dimensions, and as many in to, got {self.dimensions} and {self.to}")
        if isinstance(self.to, str) and self.to != "goal":
            raise ValueError(f"a signal's to must be goal or columns such as [0, 1], got {self.to!r}")
        number("a signal's unit", self.unit, above=0)


def read_signals(value: Any, where: str, width: int) -> dict[str, Signal]:
    """Return a task's signals by name, each of columns that an observation of that width has.

    Raises:
        ValueError: naming the signal and what is wrong with it.
    """
    signals: dict[str, Signal] = {key: build(Signal, row, f"{where}.{key}") for key, row in named(value, where).items()}
    for key, signal in signals.items():
        if key in TAKEN:
            raise ValueError(f"{where}.{key}: a record has a column of that name; take another")
        for column in (*signal.dimensions, *(signal.to if isinstance(signal.to, tuple) else ())):
            if not 0 <= column < width:
                raise ValueError(f"{where}.{key}: there is no column {column}; the observation has 0 to {width - 1}")
    return signals


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
class Online:
    """Fine-tuning in the real environment after the offline updates; see `vgf.training.online`.

    Attributes:
        steps: environment steps of each seed.
        test_steps: flow steps the agent acts with; a method without transport ignores it.
        updates_per_step: updates after each step.
        start_training_after: steps taken before updates go on.
        capacity: transitions the buffer holds besides the dataset, the oldest give way; all when None.
    """

    steps: int
    test_steps: int
    updates_per_step: int = 1
    start_training_after: int = 0
    capacity: int | None = None

    def __post_init__(self) -> None:
        """Refuse sizes that have no meaning."""
        if self.updates_per_step < 1 or self.test_steps < 0 or (self.capacity is not None and self.capacity < 1):
            raise ValueError("online: updates_per_step and capacity must be >= 1, test_steps >= 0")
        if not 0 <= self.start_training_after < self.steps:
            raise ValueError(f"online: start_training_after must be >= 0 and < steps {self.steps}")

    @property
    def updates(self) -> int:
        """How many updates the phase has."""
        return (self.steps - self.start_training_after) * self.updates_per_step


@dataclass(frozen=True)
class Scale:
    """The sizes of a run.

    Attributes:
        seeds: trained together.
        updates: how many.
        batch_size: transitions an update draws for each seed.
        log_every: updates between two rows of the curve, each a mean over them.
        evaluate_every: updates between two evaluations; the first and the last policy are always evaluated.
        checkpoint_every: updates between two checkpoints; a multiple of `log_every`.
        episodes: evaluation episodes for each seed and budget.
        episodes_at_once: of them, how many run side by side.
        test_steps: budgets L_test evaluated; a method without transport is evaluated at the first alone.
        dataset: which file to learn from, where a task does not say.
        tasks: those of the file's tasks that are run at this scale; all when None.
        methods: those of its methods, likewise.
        agent: fields that replace those of every method that has them.
        online: fine-tuning that follows the `updates`; none when None.
        reference_updates: updates of the reference alone that come before the `updates`, for every method that can
            train one first (their `pretrain`) and does not say `pretrain: 0`; 0 leaves each method's `pretrain`, which
            is then part of `updates`.
        ranking_episodes: at each evaluation of a method whose critic chooses among a reference's actions, episodes for
            each seed and each of `vgf.training.choices` (best, any and worst of 5 and of 32), a multiple of
            `episodes_at_once`; 0 ranks nothing. They cost as much as five budgets of so many episodes.
        starts: what the evaluations are for, which decides where their episodes start; see `vgf.training.starts`.
            "shared" is how records were made before purposes were told apart.
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
    methods: tuple[str, ...] | None = None
    agent: dict[str, Any] = field(default_factory=dict)
    online: Online | None = None
    threads: int | None = None
    reference_updates: int = 0
    ranking_episodes: int = field(default=0, metadata={"before": 0})
    starts: Purpose = field(default="reporting", metadata={"before": "shared"})

    @property
    def all_updates(self) -> int:
        """Updates offline and online."""
        return self.updates + (self.online.updates if self.online else 0)

    def __post_init__(self) -> None:
        """Refuse sizes that have no meaning."""
        for name in ("updates", "batch_size", "log_every", "evaluate_every", "checkpoint_every", "episodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        if self.reference_updates < 0:
            raise ValueError(f"reference_updates must be >= 0, got {self.reference_updates}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be >= 1, got {self.threads}")
        if self.checkpoint_every % self.log_every:
            raise ValueError(f"checkpoint_every must be a multiple of log_every {self.log_every}")
        if self.episodes % max(self.episodes_at_once, 1) or self.episodes_at_once < 1:
            raise ValueError(f"episodes_at_once must divide episodes {self.episodes}, got {self.episodes_at_once}")
        known([self.starts], PURPOSES, "starts")
        if self.ranking_episodes < 0 or self.ranking_episodes % self.episodes_at_once:
            raise ValueError(
                f"ranking_episodes must be 0, or a multiple of episodes_at_once {self.episodes_at_once}, got "
                f"{self.ranking_episodes}"
            )
        if max(self.episodes, self.ranking_episodes) > ROOM:
            raise ValueError(f"episodes and ranking_episodes must be <= {ROOM}: other purposes' starts come after")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds must be distinct integers >= 0, at least one, got {list(self.seeds)}")
        if not self.test_steps or min(self.test_steps) < 0:
            raise ValueError(f"test_steps must be integers >= 0, at least one, got {list(self.test_steps)}")
        if len(set(self.test_steps)) != len(self.test_steps):
            raise ValueError(f"test_steps must be distinct, got {list(self.test_steps)}")
