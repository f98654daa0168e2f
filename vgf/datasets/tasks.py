"""The paper's tasks as rows of a table: what depends on a task is a field here, never a test of its name.

`tasks.yaml` holds the facts (environment, discount, reward convention, score normalisation, sources, licence); this
file turns them into frozen dataclasses and finds a row by name. A *dataset* is a file; a *task* is what is learnt
from it: OGBench rewards one file for several tasks (park2025ogbench), D4RL files carry their one reward (fu2020d4rl).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import yaml

from vgf.support.errors import DataError

Row = TypeVar("Row")

DEFAULTS: Mapping[str, Any] = {  # of fields that most rows leave out
    **dict.fromkeys(("episodes", "rows", "bytes", "maker", "env_package")),
    "sha256": [],
    "clip_actions": False,
}


@dataclass(frozen=True)
class Recipe:
    """How scripted oracles collect a manipulation dataset (park2025ogbench).

    Attributes:
        name: of the recipe.
        environment: gymnasium id of the environment, in its data-collection mode.
        oracles: plan oracles at work, by what they move.
        rows: steps per episode, each one row of the file.
        noise: of the plan, relative to the action scale.
        noise_smoothing: width in steps of the Gaussian filter over that noise.
        stack_probability: range the chance to stack a cube is drawn from, anew each episode.
        gripper_always_closed: whether buttons are pressed with a closed gripper.
        cube_stays_visible: whether an episode that hides the cube outside the drawer is done again.
    """

    name: str
    environment: str
    oracles: tuple[str, ...]
    rows: int
    noise: float
    noise_smoothing: float
    stack_probability: tuple[float, float]
    gripper_always_closed: bool
    cube_stays_visible: bool


@dataclass(frozen=True)
class Dataset:
    """One file of offline data.

    Attributes:
        name: the official file name without suffix.
        suite: "ogbench" or "d4rl".
        observation_size, action_size: width of the arrays.
        episodes, rows: of the official file: episodes, and rows per episode; None where episodes end on their own.
        sources: of "local", "download", "regenerate", those that can work.
        maker: "module:function" that makes it anew from (name, episodes, seed, workers, out), or None.
        recipe: its settings, where they are part of this table.
        url, mirrors: the official address, and others that carry copies.
        clip_actions: whether the file's actions may lie outside [-1, 1] and are clipped on loading, not refused.
        validation: whether a second file, NAME-val, belongs to it.
        bytes: size of the official file, where known.
        sha256: of the official file and of its validation file, where known.
        folder, folder_variable: where the suite's own library keeps files, and the environment variable that moves it.
        licence, citation: SPDX id, and key in the bibliography.
    """

    name: str
    suite: str
    observation_size: int
    action_size: int
    episodes: int | None
    rows: int | None
    sources: tuple[str, ...]
    maker: str | None
    recipe: Recipe | None
    url: str
    mirrors: tuple[str, ...]
    clip_actions: bool
    validation: bool
    bytes: int | None
    sha256: tuple[str, ...]
    folder: str
    folder_variable: str | None
    licence: str
    citation: str

    @property
    def file(self) -> str:
        """Name of the official file."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Task:
    """One row of the paper's tables.

    Attributes:
        name: official name, for example "cube-single-play-singletask-task1-v0" or "hopper-medium-v2".
        suite: "ogbench" or "d4rl".
        dataset: name of the `Dataset` it learns from.
        env_id: gymnasium id of the environment it is evaluated in, or whatever `env_maker` knows it by.
        env_maker: "module:function" that makes it from the task.
        env_package: package that has to be there for it, beyond gymnasium and ogbench; None for no other.
        task_id: which of the dataset's tasks; None where there is one.
        discount: gamma of the paper's runs.
        episode_steps: most steps of an evaluation episode.
        reward_offset, reward_scale: what loading does to the rewards: scale ("none", or "return_range" for
            1000 / (highest - lowest episode return)), then add the offset.
        terminals_end_trajectories: false where the behaviour goes on after its goal; a terminal's mask is 0 either way.
        success_timing: "pre" when reward and success are those of s in (s, a, s'), "post" for s'; None without success.
        score: "success" (percent of episodes) or "return", normalised by the two that follow.
        score_min, score_max: what is 0 and what is 100.
        observation_size, action_size: width of the arrays.
    """

    name: str
    suite: str
    dataset: str
    env_id: str
    env_maker: str
    env_package: str | None
    task_id: int | None
    discount: float
    episode_steps: int
    reward_offset: float
    reward_scale: Literal["none", "return_range"]
    terminals_end_trajectories: bool
    success_timing: Literal["pre", "post"] | None
    score: Literal["success", "return"]
    score_min: float
    score_max: float
    observation_size: int
    action_size: int

    @property
    def kind(self) -> Literal["gait", "goal"]:
        """Whether there is a goal, reached (1) or not (0), or a gait, whose return is what counts."""
        return "goal" if (self.score_min, self.score_max) == (0, 1) else "gait"

    def normalised(self, value: float) -> float:
        """Return the score of a return (or of a success rate in [0, 1]): 100 at `score_max`, 0 at `score_min`."""
        return 100 * (value - self.score_min) / (self.score_max - self.score_min)


def get_task(name: str) -> Task:
    """Return the task called `name`; version and the word singletask may be left out, a dataset means its default.

    Raises:
        DataError: for an unknown name, with the nearest ones.
    """
    return _find(name, TASKS, "task")


def get_dataset(name: str) -> Dataset:
    """Return the dataset called `name`, or the one the task called `name` learns from; version optional.

    Raises:
        DataError: for an unknown name, with the nearest ones.
    """
    if _short(name) in _by_short_name(TASKS):
        return DATASETS[get_task(name).dataset]
    return _find(name, DATASETS, "dataset")


def _find(name: str, rows: Mapping[str, Row], what: str) -> Row:
    """Return the row of that full or short name."""
    short_names = _by_short_name(rows)
    key = name if name in rows else short_names.get(_short(name))
    if key is None:
        near = difflib.get_close_matches(_short(name), short_names, n=3, cutoff=0.4)
        hint = f"nearest: {', '.join(near)}" if near else "`vgf data list` shows all"
        raise DataError(f"unknown {what} {name!r}; {hint}")
    return rows[key]


def _short(name: str) -> str:
    """Return a name without its version and without the word that says one task out of many."""
    return re.sub(r"-v\d+$", "", name.strip().lower()).replace("-singletask", "")


def _by_short_name(names: Iterable[str]) -> dict[str, str]:
    """Map short names to full ones."""
    return {_short(name): name for name in names}


@cache
def _table() -> dict[str, Any]:
    """Return tasks.yaml as plain data."""
    text = files("vgf.datasets").joinpath("tasks.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.load(
        text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )  # in C: 7 times faster
    return table


def _build() -> tuple[Mapping[str, Dataset], Mapping[str, Task]]:
    """Expand the YAML rows: a dataset's own fields win over its suite's and its recipe's."""
    table = _table()
    datasets: dict[str, Dataset] = {}
    tasks: dict[str, Task] = {}
    for name, own in table["datasets"].items():
        suite = table["suites"][own["suite"]]
        stem = re.sub(r"-v\d+$", "", name)
        row = dict(DEFAULTS) | suite | own | {"name": name, "recipe": None}
        if "recipe" in own:
            row["recipe"] = _recipe(table["recipes"][own["recipe"]] | own | {"name": own["recipe"]})
        row["url"] = row["url"].format(dataset=stem)
        row["mirrors"] = [mirror.format(dataset=stem) for mirror in row["mirrors"]]
        datasets[name] = Dataset(**{f.name: _frozen(row[f.name]) for f in fields(Dataset)})
        for number in suite["tasks"]:
            words = {"environment": own["environment"], "task": "" if number is None else f"-task{number}"}
            task = row | {
                "name": suite["name"].format(dataset=stem if "{task}" in suite["name"] else name, **words),
                "dataset": name,
                "env_id": suite["env_id"].format(**words),
                "task_id": own.get("default_task") if number is None else number,
                "episode_steps": own["steps"],
            }
            tasks[task["name"]] = Task(**{f.name: task[f.name] for f in fields(Task)})
    return MappingProxyType(datasets), MappingProxyType(tasks)


def _recipe(row: dict[str, Any]) -> Recipe:
    """Build a recipe row; its environment is the dataset's, outside any task."""
    row = row | {"environment": f"{row['environment']}-v0"}
    return Recipe(**{f.name: _frozen(row[f.name]) for f in fields(Recipe)})


def _frozen(value: Any) -> Any:
    """Return lists as tuples."""
    return tuple(value) if isinstance(value, list) else value


#: The rows of the table by name: `Dataset` of each file, `Task` of each task.
DATASETS, TASKS = _build()
