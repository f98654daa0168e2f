"""Which device to compute on, by the word a user gives."""

from __future__ import annotations

import torch


def choose_device(name: torch.device | str) -> torch.device:
    """Return the device called `name`: auto (cuda where there is one, else cpu), cpu, cuda or cuda:N.

    Raises:
        ValueError: if it is unknown or not there.
    """
    text = str(name).strip().lower() if isinstance(name, str | torch.device) else ""
    kind, colon, number = text.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (colon and (kind == "auto" or not number.isdecimal())):
        raise ValueError(f"device must be auto, cpu or cuda, got {name!r} (or cuda:1, the second of several)")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cuda" and not there:
        raise ValueError(f"device {text} was asked for, but this torch finds none; use cpu")
    if kind == "cuda" and colon and int(number) >= there:
        raise ValueError(f"device {text} was asked for, but there are {there}, numbered from 0; use cuda:0")
    return torch.device(text if kind == "cuda" else "cuda" if kind == "auto" and there else "cpu")
