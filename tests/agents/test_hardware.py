"""Products are timed often where they are short and once where they are long."""

from __future__ import annotations

import pytest
import torch

from vgf.agents import hardware
from vgf.bench import updates

CPU = torch.device("cpu")


@pytest.fixture
def widths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a product of width w take w / 256 seconds of a clock of its own; return the widths tried."""
    clock, tried = [0.0], list[int]()

    def product(x: torch.Tensor, w: torch.Tensor) -> None:
        tried.append(w.shape[0])
        clock[0] += w.shape[0] / 256

    monkeypatch.setattr(hardware.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(hardware.torch, "mm", product)
    return tried


@pytest.mark.parametrize(("width", "seconds", "count"), [(64, 0.0, 3), (64, 2.0, 8), (256, 0.0, 1), (1024, 0.1, 1)])
def test_a_short_product_is_tried_thrice_and_a_long_one_once(
    width: int, seconds: float, count: int, widths: list[int]
) -> None:
    assert hardware.product_seconds(torch.float32, CPU, 4, width, seconds) == width / 256
    assert len(widths) == count


def test_the_peak_leaves_out_what_would_take_longer_still(widths: list[int]) -> None:
    assert updates.matmul_flop_per_s(torch.bfloat16, CPU, 0.1) == 2 * 2560 * 512 * 512 / 2
    assert set(widths) == {512}
