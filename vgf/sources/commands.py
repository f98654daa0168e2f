"""`vgf data`: list, get, check and card. Parsing and printing; the work is done elsewhere."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from vgf.datasets.files import validation_path
from vgf.datasets.tasks import DATASETS, get_dataset
from vgf.sources import get
from vgf.sources.check import check_file
from vgf.support.errors import DataError
from vgf.support.given import place
from vgf.support.paths import as_seen_from_here


@dataclass(frozen=True)
class List:
    """Say which datasets there are, and which are here."""

    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Print one line per dataset and file."""
        rows = [entry for name in DATASETS for entry in _present(name)]
        if self.json:
            print(json.dumps(rows, indent=2))
            return
        width = max(len(row["dataset"]) for row in rows)
        for row in rows:
            here = (
                f"{row['bytes'] / 1e6:9.1f} MB  {row['source']:<12} {as_seen_from_here(Path(row['file']))}"
                if row["file"]
                else "        -"
            )
            print(f"{row['dataset']:<{width}}  {', '.join(row['sources']):<27} {here}")


@dataclass(frozen=True)
class Get:
    """Get a dataset: take a local file, download the official one, or make it anew."""

    name: tyro.conf.Positional[str]
    """Dataset or task, for example cube-single-play; `vgf data list` shows all."""
    source: Literal["auto", "local", "download", "regenerate"] = "auto"
    """auto tries the other three in that order and says which it took."""
    path: Path | None = None
    """An official file to take as local."""
    out: Path | None = None
    """Where the file goes; data/cache by default."""
    episodes: int | None = None
    """Episodes to make anew; the official number by default."""
    workers: int = 1
    """Processes that make them."""
    seed: int = 0
    """Seed they are made with."""

    def run(self) -> None:
        """Print where the dataset is and where it came from."""
        path, source = get.get(
            self.name,
            self.source,
            path=self.path,
            out=self.out,
            episodes=self.episodes,
            seed=self.seed,
            workers=self.workers,
        )
        print(f"{path}  ({source})")


@dataclass(frozen=True)
class Check:
    """Check a file, or every file of a dataset: layout, types, finite numbers, action range, ends, checksum."""

    name_or_file: tyro.conf.Positional[str]
    """Dataset, task, or the path of a file or folder."""
    ignore: tuple[str, ...] = ()
    """Arrays in a file of your own that are not to be read."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Print what each file holds."""
        reports = [check_file(path, self.ignore) for path in _files(self.name_or_file)]
        if self.json:
            print(json.dumps(reports, indent=2))
            return
        for report in reports:
            low, high = report["action_range"]
            for line in report.get("notes", []):
                print(line)
            layout = f"{report['layout']}. " if "layout" in report else ""
            sizes = f"observations of {report['observation_size']}, actions of {report['action_size']}"
            print(
                f"{report['file']}: good. {layout}{report['transitions']} transitions, {report['trajectories']} "
                f"trajectories, {sizes} in [{low:.3g}, {high:.3g}], {report['source']}, sha256 {report['sha256'][:12]} "
                f"({report['checksum']})"
            )


@dataclass(frozen=True)
class Card:
    """Print the data card of regenerated files."""

    files: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Training files; all regenerated ones in the cache by default."""
    write: bool = False
    """Also put it in data/README.md and the checksums in data/datasets.json."""

    def run(self) -> None:
        """Print the card, and write it where asked."""
        from vgf.sources import card  # loads torch, which the other commands do without

        files = self.files or tuple(p for row in DATASETS.values() for p in get.regenerated_files(row))
        if not files:
            raise DataError("no regenerated file is here; `vgf data get cube-single-play --episodes 20` makes one")
        text = card.markdown(files)
        if self.write:
            card.write(files, text)
        print(text)


Command = (
    Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Get, tyro.conf.subcommand("get")]
    | Annotated[Check, tyro.conf.subcommand("check")]
    | Annotated[Card, tyro.conf.subcommand("card")]
)


def _present(name: str) -> list[dict[str, Any]]:
    """Return one entry for each file of a dataset that is here, or one that says none is."""
    dataset = DATASETS[name]
    entry = {"dataset": name, "suite": dataset.suite, "sources": list(dataset.sources)}
    found = [(path, "local") for path in get.local_places(dataset) if path.exists()]
    found += [(path, "regenerated") for path in get.regenerated_files(dataset)]
    if not found:
        return [entry | {"file": None, "bytes": 0, "source": None}]
    return [entry | {"file": str(path), "bytes": path.stat().st_size, "source": source} for path, source in found]


def _files(name_or_file: str) -> list[Path]:
    """Return the files a name stands for: a path itself, or every file of a dataset that is here.

    Raises:
        DataError: for an unknown name, a missing file, or a dataset of which nothing is here.
    """
    path, word = place("name_or_file", name_or_file), Path(name_or_file)
    if path.exists() or path.suffix in (".npz", ".hdf5") or len(word.parts) > 1:
        return [path]
    dataset = get_dataset(name_or_file)
    files = [Path(entry["file"]) for entry in _present(dataset.name) if entry["file"]]
    if not files:
        raise DataError(f"no file of {dataset.name} is here; `vgf data get {dataset.name}` gets one")
    return [each for path in files for each in (path, validation_path(path)) if each.exists()]
