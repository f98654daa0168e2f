"""`vgf rlhf latent`: a whole experiment file, from the encoder to records; whatever is done already is left as it is.

Settings are chosen on tuning seeds and the tuning half of the held-out snippets: for each row of each testbed, the one
whose chosen texts people valued most, the shorter and cooler one where they tie; once freely, and once among those that
leave particles near texts. Then each reported seed is run with them on the other half. A seed leaves one file a
testbed, sealed by its checksum when it is whole.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from vgf import records
from vgf.rlhf.latent.geometry import distances, token_sets
from vgf.rlhf.latent.models import networks
from vgf.rlhf.latent.plan import Plan, read_latent_plan
from vgf.rlhf.latent.rows import ROWS, Row, Setting
from vgf.rlhf.latent.scene import KEYS, Scene, open_scene
from vgf.rlhf.latent.space import Space, open_space
from vgf.rlhf.latent.wishes import wishes
from vgf.rlhf.made_of import task_of
from vgf.rlhf.parts.prepare import manifest, minilm_folder
from vgf.rlhf.parts.registry import cache_folder
from vgf.rlhf.settings import SIZES, Setup
from vgf.rlhf.training import duration
from vgf.support.progress import log
from vgf.support.provenance import code_provenance, fingerprint
from vgf.support.scales import ScaleName

TUNING = "tuning"
REGIMES = ("free", "near")  # whether particles may leave the texts
Choices = dict[str, dict[str, dict[str, Setting]]]  #: testbed, regime and row to a setting


def folder_of(scale: str, testbed: str, root: Path | None = None) -> Path:
    """Return the folder of a testbed's record."""
    return (root or records.results_folder()) / "rlhf" / f"latent.{scale}" / testbed


def settings_of(plan: Plan, row: Row) -> list[Setting]:
    """Return what is tried for a row: a temperature matters only where particles repel each other."""
    if row.still:
        return [Setting(0.0)]
    heats = plan.temperatures if row.repulsion else (1.0,)
    return [Setting(far, heat) for far in plan.displacements for heat in heats]


def cache_of() -> tuple[Path, dict[str, Any]]:
    """Return the folder of what is trained once, and what it is made of."""
    made_of = {"task": task_of("reviews", None), "encoder": (manifest(minilm_folder()) or {}).get("archive")}
    return cache_folder() / "work" / f"latent-{fingerprint(made_of)}", made_of


class Study:
    """An experiment file at a scale.

    Args:
        path: of the file.
        scale: quick, cpu or paper.
        root: of the records; data/results by default.
    """

    def __init__(self, path: Path, scale: ScaleName, root: Path | None = None) -> None:
        self.plan, self.sizes = read_latent_plan(path, scale)
        self.scale, self.root = scale, root
        self.cache, made_of = cache_of()
        sizes = {name: value for name, value in asdict(self.sizes).items() if "seeds" not in name}
        self.facts = {"made_of": made_of, "sizes": sizes, "topics": list(self.plan.topics)}
        self._told = {"scale": scale}
        self._space: Space | None = None

    @property
    def space(self) -> Space:
        """The space, opened once."""
        if self._space is None:
            self._space = open_space(self.cache / "vectors", self.plan.topics, self.sizes.dimensions)
        return self._space

    def scenes(self, seed: int, half: str) -> Iterator[Scene]:
        """Yield each testbed of a seed on one half."""
        own, model = networks(self.cache / fingerprint(self.facts), self.space.training, self.sizes, seed)
        every = wishes(float(self.space.training.ratings.std()))
        for name in self.plan.names:
            yield open_scene(every[name], self.space, half, own, model, self.sizes, seed)

    def tune(self) -> pd.DataFrame:
        """Return every setting's mean on the tuning seeds, a line a seed, testbed, row and setting."""
        tried = {"displacements": list(self.plan.displacements), "temperatures": list(self.plan.temperatures)}
        folder = folder_of(self.scale, TUNING, self.root)
        settings = self.facts | tried | {"rows": list(ROWS)}
        for seed in self.sizes.tuning_seeds:
            if is_sealed(folder, seed, settings):
                continue
            started, found = time.monotonic(), []
            for scene in self.scenes(seed, "tuning"):
                for name, row in ROWS.items():
                    for setting in settings_of(self.plan, row):
                        means = scene.measure(name, setting).mean(numeric_only=True).drop("mark").round(4)
                        found.append({"testbed": scene.wish.name, "row": name, **asdict(setting), **means})
            keys = ("testbed", "row", "displacement", "temperature")
            write_seed(folder, seed, pd.DataFrame(found), keys, settings, self._told, started)
            log(f"tuned on seed {seed}")
        return read_latent(folder)

    def run(self) -> None:
        """Do whatever is missing."""
        choices = choose(self.tune(), self.plan.gate)
        begun, done = time.monotonic(), 0
        for at, seed in enumerate(self.sizes.seeds, 1):
            missing = [n for n in self.plan.names if not is_sealed(self._folder(n), seed, self._settings(n, choices))]
            if not missing:
                continue
            for scene in self.scenes(seed, "report"):
                started, name = time.monotonic(), scene.wish.name
                rows = pd.concat(
                    [
                        scene.measure(row, setting).assign(regime=regime)
                        for regime, own in choices[name].items()
                        for row, setting in own.items()
                    ],
                    ignore_index=True,
                )
                facts = self._told | {"curvature": scene.curvature(), "fit": self._fit(scene)}
                write_seed(self._folder(name), seed, rows, KEYS, self._settings(name, choices), facts, started)
            done += 1
            left = (time.monotonic() - begun) / done * (len(self.sizes.seeds) - at)
            log(f"latent: seed {at} of {len(self.sizes.seeds)}, about {duration(left)} to go")
        self._equidistance()

    def _equidistance(self) -> None:
        """Record how unlike the distances of people's texts are, as token embeddings and as latents."""
        folder = folder_of(self.scale, "space", self.root)
        if is_sealed(folder, 0, self.facts):
            return
        started = time.monotonic()
        tokens, names = token_sets(Setup(scale=self.scale, sizes=SIZES[self.scale]), self.sizes.particles)
        place = {name: k for k, name in enumerate(self.space.training.names)}
        latents = self.space.training.latents[torch.tensor([[place[name] for name in one] for one in names])]
        rows = [{"space": "tokens", **distances(tokens)}, {"space": "latent", **distances(latents)}]
        facts = self._told | {"sets": len(names)}
        write_seed(folder, 0, pd.DataFrame(rows), ("space",), self.facts, facts, started)

    def _fit(self, scene: Scene) -> dict[str, float]:
        """Return how good networks, prior and retrieval are: correlations with people, and distances to the nearest."""
        z, people = scene.pool.latents, scene.pool.ratings
        text, far = scene.pool.nearest(scene.samples)
        near = torch.cdist(z, z).fill_diagonal_(torch.inf).amin(-1)
        said = {
            "moves": (scene.model.moves(z), people),
            "chooses": (scene.model.chooses(z), people),
            "retrieved": (scene.model.chooses(scene.samples).flatten(), people[text].flatten()),
        }
        found = {name: float(torch.corrcoef(torch.stack(pair))[0, 1]) for name, pair in said.items()}
        return found | {"distance": float(far.mean()), "distance_between_texts": float(near.mean())}

    def _folder(self, name: str) -> Path:
        return folder_of(self.scale, name, self.root)

    def _settings(self, name: str, choices: Choices) -> dict[str, Any]:
        chosen = {k: {row: asdict(setting) for row, setting in own.items()} for k, own in choices[name].items()}
        return self.facts | {"chosen": chosen}


def write_seed(
    folder: Path,
    seed: int,
    rows: pd.DataFrame,
    keys: tuple[str, ...],
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
    since: float,
) -> None:
    """Write a seed's rows and seal them; rows of other settings give way."""
    path = records.seed_file(folder, seed)
    path.unlink(missing_ok=True)
    records.append_rows(path, rows, keys)
    run = {"id": f"seed{seed}", "seeds": [seed], "digest": fingerprint(settings), "settings": dict(settings)}
    told = {"device": "cpu", "seconds": round(time.monotonic() - since, 1), **facts}
    records.merge_run(folder, run | told | code_provenance())


def choose(tuned: pd.DataFrame, gate: float) -> Choices:
    """Return the setting of the highest mean value of chosen texts, for each testbed and row; the least where they tie.

    Args:
        tuned: of `Study.tune`.
        gate: of the regime "near": settings that leave particles farther from the nearest text than so many times the
            distance of no step do not count, but for the one that leaves them nearest.
    """
    keys = ["testbed", "row", "displacement", "temperature"]
    means = tuned.groupby(keys)[["chosen", "distance"]].mean().round(6).reset_index()
    still = means[means["row"] == "still"].set_index("testbed")["distance"]
    nearest = means.groupby(["testbed", "row"])["distance"].transform("min")
    allowed = means["distance"] <= np.maximum(gate * means["testbed"].map(still), nearest)
    found: Choices = {}
    for regime, left in zip(REGIMES, (means, means[allowed]), strict=True):
        order = left.sort_values(["chosen", "displacement", "temperature"], ascending=[False, True, True])
        best = order.drop_duplicates(["testbed", "row"]).set_index(["testbed", "row"])
        for name in means["testbed"].unique():
            own = {row: best.loc[(name, row)] for row in means.loc[means["testbed"] == name, "row"].unique()}
            settings = {row: Setting(float(one["displacement"]), float(one["temperature"])) for row, one in own.items()}
            found.setdefault(name, {})[regime] = settings
    return found


def read_latent(folder: Path) -> pd.DataFrame:
    """Return a record's rows with their seed; ValueError if there are none, or a file is not as it was written."""
    sealed = records.checksums(folder)
    seeds = sorted({seed for run in records.read_runs(folder) for seed in run["seeds"]})
    files = {seed: records.seed_file(folder, seed) for seed in seeds}
    frames = [records.read_csv(path, sealed.get(path.name)).assign(seed=seed) for seed, path in files.items()]
    return pd.concat(frames, ignore_index=True)


def is_sealed(folder: Path, seed: int, settings: Mapping[str, Any]) -> bool:
    """Return whether a seed's rows are whole and of these settings."""
    if not (folder / "run.json").exists() or not records.seed_file(folder, seed).exists():
        return False
    return any(seed in run["seeds"] and run["digest"] == fingerprint(settings) for run in records.read_runs(folder))
