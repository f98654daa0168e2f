"""What this machine is quick at, and the memory its C library keeps; `vgf.agents.fast` uses both."""

from __future__ import annotations

import ctypes
import sys
import time

import torch

MB = 2**20
LONG = 1.0  # seconds; a precision that a processor has no instructions for takes this for one product
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # glibc's malloc.h
FUSED = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def hold_memory() -> None:
    """Ask the C library to keep freed memory for the next allocation; on Linux with glibc, elsewhere nothing happens.

    Activations are a few MB each. By default such blocks go back to the system when freed and come back as fresh
    pages, zeroed one by one, at every layer of every flow step: a fifth of the critic's gradient was spent on that.
    The price is that the process keeps what it once needed.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return  # another C library
    for option, value in ((M_MMAP_THRESHOLD, 32 * MB), (M_TRIM_THRESHOLD, 1024 * MB), (M_TOP_PAD, 64 * MB)):
        mallopt(option, value)


def product_seconds(
    dtype: torch.dtype, device: torch.device, rows: int = 1280, width: int = 256, seconds: float = 0.0
) -> float:
    """Return the least time of a product [rows, width] x [width, width], tried for `seconds`; thrice if short."""
    x, w = (torch.randn(shape, dtype=dtype, device=device) for shape in ((rows, width), (width, width)))
    times: list[float] = []
    while sum(times) < seconds or (len(times) < 3 and sum(times) < LONG):
        start = time.perf_counter()
        torch.mm(x, w)
        if x.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def bfloat16_speedup(device: torch.device) -> float:
    """Return how many times as fast a product of an update's shape is in bfloat16 as in float32; takes some 20 ms."""
    return product_seconds(torch.float32, device) / product_seconds(torch.bfloat16, device)
