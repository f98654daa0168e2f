"""Making a dataset anew from the public simulators, bit by bit the same however many processes do it.

Every episode has a seed of its own, SeedSequence(seed, spawn_key=(split, index)), so it does not matter who runs it
or when, and the first episodes of a long set are those of a short one. Each finished episode is a part on disk,
written whole; a run that was killed goes on at the first part that is missing. The parts' folder is named by a digest
of the settings, so two unequal ones never mix. The price is the episodes' bytes on disk twice for a while.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vgf.datasets.files import Arrays, validation_path
from vgf.datasets.tasks import DATASETS, Recipe, get_dataset
from vgf.sources.collect import check_arguments, make
from vgf.sources.parts import Episode, EpisodeWork, join_parts, make_parts
from vgf.support.errors import DataError
from vgf.support.paths import data_folder
from vgf.support.provenance import blas_kernel, fingerprint

RECIPE_VERSION = 1  # raise it when the same settings would give other bits
PACKAGES = ("ogbench", "mujoco", "dm-control", "gymnasium", "numpy", "scipy")


@dataclass(frozen=True)
class Settings:
    """What decides the bits of a regenerated file, and what its sidecar says."""

    dataset: str
    recipe: Recipe
    seed: int
    episodes: int
    recipe_version: int
    versions: dict[str, str]

    @property
    def training(self) -> list[Episode]:
        """The training file's episodes."""
        return [Episode(0, i) for i in range(self.episodes)]

    @property
    def validation(self) -> list[Episode]:
        """The validation file's: a tenth as many, or one in pieces; OGBench's loader wants both files."""
        return [Episode(1, i) for i in range(self.episodes // 10 or self._pieces)]

    @property
    def validation_rows(self) -> int:
        """Rows of a validation episode: all, or in a set of fewer than ten episodes one episode's in as many pieces.

        Workers that shared four episodes would else all but one wait for a fifth.
        """
        return self.recipe.rows if self.episodes >= 10 else math.ceil(self.recipe.rows / self._pieces)

    @property
    def _pieces(self) -> int:
        """Number of pieces of a small set's validation episode, none of a single row."""
        return min(self.episodes, self.recipe.rows // 2)

    @property
    def facts(self) -> dict[str, Any]:
        """The settings as JSON would give them back."""
        return json.loads(json.dumps(asdict(self)))

    @property
    def key(self) -> str:
        """A short digest of everything an episode's bits depend on."""
        values = {name: value for name, value in self.facts.items() if name != "episodes"} | {"blas": blas_kernel()}
        if self.validation_rows != self.recipe.rows:
            values["validation_rows"] = self.validation_rows
        return fingerprint(values)


def default_path(name: str, seed: int = 0, episodes: int | None = None) -> Path:
    """Return where a regenerated dataset goes by default, for example data/cache/ogbench/NAME.seed0.ep20.npz.

    Raises:
        DataError: for an unknown name.
    """
    dataset = get_dataset(name)
    count = dataset.episodes if episodes is None else episodes
    return data_folder() / "cache" / dataset.suite / f"{dataset.name}.seed{seed}.ep{count}.npz"


def regenerate(
    name: str,
    episodes: int | None = None,
    seed: int = 0,
    workers: int = 1,
    out: Path | None = None,
    *,
    rows: int | None = None,
    progress: bool = True,
) -> Path:
    """Make a dataset anew and return the path of its training file; one that is there already is kept.

    Writes OUT.npz and OUT-val.npz in the official layout and OUT.json, which says how. Equal settings give equal
    bytes for any number of workers. More than one worker needs an importable main module, as every spawned process
    does.

    Args:
        name: of the dataset, or of a task that learns from it.
        episodes: training episodes; the official number by default. A tenth more, at least one, go to the validation
            file.
        seed: >= 0.
        workers: processes, each running one simulator.
        out: the training file; `default_path` by default.
        rows: steps per episode, if not the recipe's.
        progress: whether to report on stderr.

    Raises:
        DataError: naming the argument or the place and the remedy.
    """
    dataset = get_dataset(name)
    count = dataset.episodes if episodes is None else episodes
    if dataset.recipe is None or count is None:
        known = ", ".join(row.name for row in DATASETS.values() if row.recipe)
        raise DataError(f"{dataset.name} has no recipe, only {' or '.join(dataset.sources)} sources; recipes: {known}")
    check_arguments(count, seed, workers, rows)
    recipe = replace(dataset.recipe, rows=rows or dataset.recipe.rows)
    settings = Settings(dataset.name, recipe, seed, count, RECIPE_VERSION, {p: version(p) for p in PACKAGES})
    path = Path(out) if out else default_path(dataset.name, seed, count)
    if path.suffix != ".npz":
        raise DataError(f"{path}: the file to write must end in .npz")

    def build(parts: Path) -> Arrays:
        work = EpisodeWork(recipe, seed, parts, validation_rows=settings.validation_rows)
        make_parts(work, settings.training + settings.validation, workers, path.stem, progress)
        join_parts(parts, settings.validation, validation_path(path))
        return join_parts(parts, settings.training, path)

    return make(path, settings.facts, settings.key, build)
