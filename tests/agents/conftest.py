"""Fixtures of the tests of agents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def float64() -> Iterator[None]:
    """Networks, noise and batches in float64, so that equality can be tested to rounding."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the twin of a graph be the loop over `update`."""
    monkeypatch.setenv("VGF_FUSED", "0")
