"""Where the project's data lies, which the environment variable VGF_DATA moves; and how a path is shown to a reader."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """Return the project's data folder: VGF_DATA, else that of the checkout the package is in, else ./data."""
    if "VGF_DATA" in os.environ:
        return Path(os.environ["VGF_DATA"]).expanduser()
    checkout = checkout_data()
    return checkout if (checkout / "datasets.json").exists() else Path("data").resolve()


def checkout_data() -> Path:
    """Return the data folder of the checkout the package is in; of an installed package, a folder that is not there."""
    return Path(__file__).resolve().parents[2] / "data"


def project_folder() -> Path:
    """Return the folder beside the data that holds notebooks/ and book/."""
    return data_folder().parent


def as_seen_from_here(path: Path) -> Path:
    """Return a path relative to the working directory where it lies below it, else as it is: for messages."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
