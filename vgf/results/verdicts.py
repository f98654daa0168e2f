"""Verdicts: what our records can say of a claim of the paper."""

from __future__ import annotations

from typing import Literal

Status = Literal["held", "held in part", "did not hold", "undecided"]
