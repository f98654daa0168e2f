"""Getting a dataset: a file that is here already, the official address, or the recipe.

A download is probed first, so that no network costs seconds and one line, not minutes; it is resumed from a part
file, held to the known checksum and to the layout, and only then gets its name. Addresses are tried in order: the
official one, then copies.
"""

from __future__ import annotations

import http.client
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from vgf.datasets.files import sidecar, validation_path
from vgf.datasets.tasks import Dataset, get_dataset
from vgf.sources.check import read_any
from vgf.support.errors import DataError
from vgf.support.files import sha256
from vgf.support.paths import data_folder
from vgf.support.progress import Progress

Origin = Literal["auto", "local", "download", "regenerate"]

PROBE_SECONDS = 4.0  # how long addresses have to answer before the network counts as absent
STALL_SECONDS = 30.0  # how long a running download may stand still
CHUNK = 1 << 20  # bytes written at a time


def get(
    name: str,
    source: Origin = "auto",
    *,
    path: Path | None = None,
    out: Path | None = None,
    episodes: int | None = None,
    seed: int = 0,
    workers: int = 1,
) -> tuple[Path, str]:
    """Return a dataset's file and the source it came from.

    Args:
        name: of a dataset, or of a task that learns from it.
        source: "local" (`path`, the suite's own folder, this project's cache), "download", "regenerate", or "auto",
            which tries them in that order and says on stderr why one was passed over.
        path: an official file to take as local.
        out: where a downloaded or regenerated file goes; this project's cache by default.
        episodes: how many to regenerate.
        seed: of the regeneration.
        workers: processes that regenerate.

    Returns:
        The training file, and "local", "download" or "regenerate".

    Raises:
        DataError: naming what failed and the remedy.
    """
    dataset = get_dataset(name)
    ways = {
        "local": lambda: find_local(dataset, path),
        "download": lambda: download(dataset, out),
        "regenerate": lambda: remake(dataset, episodes, seed, workers, out),
    }
    if source != "auto":
        if source not in dataset.sources:
            raise DataError(f"{dataset.name} cannot come from {source!r}, only from {' or '.join(dataset.sources)}")
        return ways[source](), source
    for way in dataset.sources[:-1] if path is None else ():
        try:
            return ways[way](), way
        except DataError as error:
            print(f"{way}: {error}", file=sys.stderr)
    last = "local" if path is not None else dataset.sources[-1]
    return ways[last](), last


def remake(dataset: Dataset, episodes: int | None, seed: int, workers: int, out: Path | None) -> Path:
    """Make a dataset anew by its row's maker and return its file; arguments as `vgf.sources.recipes.regenerate`."""
    if dataset.maker is None:
        raise DataError(f"{dataset.name} cannot be made anew, only come from {' or '.join(dataset.sources)}")
    module, function = dataset.maker.split(":")
    made: Path = getattr(import_module(module), function)(dataset.name, episodes, seed, workers, out)
    return made


def local_places(dataset: Dataset) -> list[Path]:
    """Return where an official file of that name may lie: the suite's own folder, and this project's cache."""
    own = Path(os.environ.get(dataset.folder_variable or "", dataset.folder)).expanduser()
    return [own / dataset.file, data_folder() / "cache" / dataset.suite / dataset.file]


def regenerated_files(dataset: Dataset) -> list[Path]:
    """Return the regenerated training files in this project's cache."""
    folder = data_folder() / "cache" / dataset.suite
    files = sorted(folder.glob(f"{dataset.name}.seed*{Path(dataset.file).suffix}"))
    return [path for path in files if not path.stem.endswith("-val") and sidecar(path).exists()]


def find_local(dataset: Dataset, path: Path | None = None) -> Path:
    """Return an official file that is here, checked.

    Raises:
        DataError: when there is none, or what there is is damaged.
    """
    places = [path] if path is not None else local_places(dataset)
    for place in places:
        if place.exists():
            read_any(place, dataset)
            return place
    if path is not None:
        raise DataError(f"{_home(path)}: no such file; give the {dataset.file} that you have with --path")
    raise DataError(f"no {dataset.file} in {' nor in '.join(_home(place.parent) for place in places)}; give its --path")


def download(dataset: Dataset, out: Path | None = None) -> Path:
    """Return the official file, downloaded; one that is there already is checked and kept.

    Raises:
        DataError: when no address answers, when none serves a good file, or when it cannot be written.
    """
    path = out or data_folder() / "cache" / dataset.suite / dataset.file
    pairs = [(path, (dataset.url, *dataset.mirrors))]
    if dataset.validation:
        pairs.append((validation_path(path), tuple(_validation(url) for url in (dataset.url, *dataset.mirrors))))
    known = dict(enumerate(dataset.sha256))
    for number, (target, urls) in enumerate(pairs):
        if not target.exists():
            fetch(urls, target, dataset, known.get(number))
        read_any(target, dataset)
    return path


def fetch(urls: Sequence[str], path: Path, dataset: Dataset | None = None, checksum: str | None = None) -> None:
    """Download the first good file that the addresses serve.

    Args:
        urls: tried in order.
        path: where it goes; a part file beside it is resumed.
        dataset: row the file must agree with.
        checksum: SHA-256 it must have, if known.

    Raises:
        DataError: naming the file and, for every address, what was wrong.
    """
    reached = _answering(urls)
    if not reached:
        hosts = ", ".join(dict.fromkeys(urlsplit(url).netloc for url in urls))
        raise DataError(
            f"{path.name}: no answer from {hosts} within {PROBE_SECONDS:.0f} s; check the network, {_else(dataset)}"
        )
    faults = []
    for url in reached:
        try:
            _fetch_one(url, path, dataset, checksum)
            return
        except (OSError, http.client.HTTPException, DataError) as error:
            faults.append(f"{urlsplit(url).netloc}: {error}")
    raise DataError(f"{path.name}: could not be downloaded ({'; '.join(faults)}); {_else(dataset)}")


def _fetch_one(url: str, path: Path, dataset: Dataset | None, checksum: str | None) -> None:
    """Download one address to `path`, by way of a part file that is resumed and, once whole, checked."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        done = part.stat().st_size if part.exists() else 0
        _append(url, part, done, path.name)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:  # else the part is whole already
            raise DataError(f"HTTP status {error.code}") from error
    found = sha256(part)
    if checksum is not None and found != checksum:
        part.unlink()
        raise DataError(f"has sha256 {found[:12]}..., expected {checksum[:12]}...")
    try:
        read_any(part, dataset, suffix=path.suffix)
    except DataError as error:
        part.unlink()
        raise DataError("serves something else than the dataset") from error
    part.replace(path)


def _append(url: str, part: Path, done: int, what: str) -> None:
    """Append what is missing after `done` bytes to the part file; start over with a server's other or unknown file."""
    mark = part.with_name(f"{part.name}.version")
    version = {"If-Range": mark.read_text(encoding="utf-8")} if mark.exists() and mark.stat().st_size else {}
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-", **version} if done else {})
    with urllib.request.urlopen(request, timeout=STALL_SECONDS) as answer:
        if answer.headers.get_content_type() == "text/html":
            raise DataError("answers with a web page")
        if answer.status != http.client.PARTIAL_CONTENT:
            done = 0
            tag = answer.headers.get("ETag", "W/")
            mark.write_text(answer.headers.get("Last-Modified", "") if tag.startswith("W/") else tag, encoding="utf-8")
        missing = int(answer.headers.get("Content-Length", 0))
        with part.open("ab" if done else "wb") as stream, Progress(what, done + missing, "byte", done) as counter:
            while chunk := answer.read(CHUNK):
                stream.write(chunk)
                counter.update(len(chunk))
    if missing and part.stat().st_size < done + missing:
        raise DataError("broke off; run again to go on from there")
    mark.unlink(missing_ok=True)  # the part is whole


def _answering(urls: Sequence[str]) -> list[str]:
    """Return the addresses that answer a request in time, in the given order."""
    answered: set[str] = set()

    def probe(url: str) -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PROBE_SECONDS).close()
        except urllib.error.HTTPError:
            pass  # somebody answered
        except (OSError, http.client.HTTPException):
            return
        answered.add(url)

    threads = [threading.Thread(target=probe, args=(url,), daemon=True) for url in urls]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PROBE_SECONDS
    for thread in threads:  # a name server can keep a thread beyond its timeout: it is left behind
        thread.join(max(0.0, deadline - time.monotonic()))
    return [url for url in urls if url in answered]


def _validation(url: str) -> str:
    """Return the address of the validation file."""
    return url.removesuffix(".npz") + "-val.npz"


def _else(dataset: Dataset | None) -> str:
    """Return what to do without the network."""
    if dataset is None:
        return "or copy the file by hand"
    regenerate_too = " or use --source regenerate" if "regenerate" in dataset.sources else ""
    return f"put the official file in {_home(local_places(dataset)[0].parent)}{regenerate_too}"


def _home(path: Path) -> str:
    """Return a path with the home folder as ~."""
    return str(path).replace(str(Path.home()), "~", 1)
