"""What each means of an update's speed gains: added one after the other, in turns within one run.

The first steps are the release's update, reference and critic trained together; then come the paper's, whose frozen
reference allows a bank and whose direction is a network fitted to the gradient; the last ones do the same update in the
fused core. A gain is the ratio to the line before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal

from vgf.agents import fused
from vgf.agents.base import Precision
from vgf.bench.cases import Case, SizeName, check_path, lowest_precision
from vgf.bench.rows import update_row, update_table
from vgf.bench.turns import time_cases
from vgf.training.device import choose_device

LADDER = (  # what is added, and the case that has it
    ("nothing", Case("release", "small", "eager", precision="float32")),
    ("gradient written out", Case("release", "small", "fast", without=("one call", "memory"), precision="float32")),
    ("bfloat16", Case("release", "small", "fast", without=("one call", "memory"))),
    ("one call a layer", Case("release", "small", "fast", without=("memory",))),
    ("memory kept", Case("release", "small", "fast")),
    ("reference frozen", Case("paper", "small", "fast", without=("bank", "amortised"))),
    ("bank", Case("paper", "small", "fast", without=("amortised",))),
    ("amortised direction", Case("paper", "small", "fast")),
    ("fused core", Case("paper", "small", "fused", without=("many at once",))),
    ("many updates a call", Case("paper", "small", "fused")),
    ("all in bfloat16", Case("paper", "small", "fused", precision="bfloat16_all")),
)
# In the place of the one call a layer, which the compiler cannot take in; to be held against "memory kept".
COMPILED = ("torch.compile", Case("release", "small", "fast", without=("one call",), compiled=True))


def ladder(path: str, precision: Precision, compiled: bool) -> list[tuple[str, Case]]:
    """Return what is added at each step and the case that has it, up to a path and a precision.

    With float32 no step has what bfloat16 alone has.
    """
    steps = [(added, case) for added, case in LADDER if path == "fused" or case.path != "fused"]
    steps = [*steps, *([COMPILED] if compiled else [])]
    if precision == "float32":
        low = ("bfloat16", "one call a layer", "all in bfloat16")  # the library's one call takes bfloat16 alone
        without = lambda case: case.without if "one call" in case.without else (*case.without, "one call")  # noqa: E731
        return [
            (added, replace(case, precision="float32", without=without(case)))
            for added, case in steps
            if added not in low
        ]
    return [(added, case) for added, case in steps if precision == "bfloat16_all" or case.precision != "bfloat16_all"]


@dataclass(frozen=True)
class Gains:
    """Time an update with each means of speed added after the other."""

    size: SizeName = "small"
    path: Literal["fast", "fused"] | None = None
    """How far to go: the fused core's steps come last; by default they do where this machine has it."""
    precision: Precision | None = None
    """Of the products; with float32 the means that need bfloat16 are left out of every step. By default bfloat16_all on
    the path fused, else bfloat16, and float32 on a processor without products in these."""
    compiled: bool = False
    """Also let torch.compile loose on the fast path; needs a C++ compiler and half a minute."""
    blocks: int = 5
    """Blocks of each case; the median counts."""
    device: str = "auto"
    threads: int | None = None
    """Of the processor; all by default."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Start every case, let them take turns, print medians."""
        if self.blocks < 1:
            raise ValueError("--blocks must be >= 1")
        device = choose_device(self.device).type
        path = self.path or ("fused" if device == "cpu" and fused.reason() is None else "fast")
        check_path(path, device)
        precision = self.precision or lowest_precision(path, device)
        if path == "fast" and precision == "bfloat16_all":
            raise ValueError("--precision bfloat16_all needs --path fused")
        steps = ladder(path, precision, self.compiled)
        named = [(added, replace(case, size=self.size, device=device, threads=self.threads)) for added, case in steps]
        workers, _, rates = time_cases(named, self.threads, self.blocks)
        rows = [
            {"added": added} | update_row(case, worker, rates)
            for (added, case), worker in zip(named, workers, strict=True)
        ]
        print(json.dumps(rows, indent=2) if self.json else update_table(rows))
