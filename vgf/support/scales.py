"""The names of the scales an experiment can have; what a scale holds is in `vgf.training.sizes`."""

from __future__ import annotations

import typing
from typing import Literal

ScaleName = Literal["quick", "cpu", "paper"]
SCALES: tuple[str, ...] = typing.get_args(ScaleName)
