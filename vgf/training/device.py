"""Which device to compute on, by the word a user gives."""

from __future__ import annotations

import torch


def choose_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is cuda where there is one, else cpu.

    Raises:
        ValueError: if it is unknown or not there.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be auto, cpu or cuda, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device cuda was asked for, but this torch finds none; use --device cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
