"""What each means of `vgf.fast` gains: an update with them added one after the other, in turns within one run.

The first steps are the release's update, reference and critic trained together; the last ones the paper's, whose frozen
reference allows a bank and whose direction is a network fitted to the gradient. A gain is the ratio to the line before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal

from vgf.bench.cases import Case
from vgf.bench.rows import update_row, update_table
from vgf.bench.turns import Worker, python_worker, take_turns
from vgf.checkpoints import choose_device

LADDER = (  # what is added, and the case that has it
    ("nothing", Case("release", "small", "eager")),
    ("gradient written out", Case("release", "small", "fast", without=("bfloat16", "one call", "memory"))),
    ("bfloat16", Case("release", "small", "fast", without=("one call", "memory"))),
    ("one call a layer", Case("release", "small", "fast", without=("memory",))),
    ("memory kept", Case("release", "small", "fast")),
    ("reference frozen", Case("paper", "small", "fast", without=("bank", "amortised"))),
    ("bank", Case("paper", "small", "fast", without=("amortised",))),
    ("amortised direction", Case("paper", "small", "fast")),
)
# In the place of the one call a layer, which the compiler cannot take in; to be held against "memory kept".
COMPILED = ("torch.compile", Case("release", "small", "fast", without=("one call",), compiled=True))


def ladder(precision: str, compiled: bool) -> list[tuple[str, Case]]:
    """Return what is added at each step and the case that has it; with float32 no step has what bfloat16 alone has."""
    steps = [*LADDER, *([COMPILED] if compiled else [])]
    if precision == "bfloat16":
        return steps
    low = {"bfloat16": "bfloat16", "one call a layer": "one call"}  # the library's one call takes bfloat16 alone
    return [(added, replace(case, without=(*case.without, *low.values()))) for added, case in steps if added not in low]


@dataclass(frozen=True)
class Gains:
    """Time an update with each means of the fast path added after the other."""

    size: Literal["paper", "small"] = "small"
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    """Of what learns nothing; with float32 the means that need bfloat16 are left out of every step."""
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
        steps = ladder(self.precision, self.compiled)
        cases = [replace(case, size=self.size, device=device, threads=self.threads) for _, case in steps]
        workers: list[Worker] = []
        peaks: dict[str, Worker] = {}
        try:
            for dtype in dict.fromkeys(case.config.precision for case in cases):
                peaks[dtype] = python_worker({"dtype": dtype, "device": device, "threads": self.threads}, "the peak")
            for (added, _), case in zip(steps, cases, strict=True):
                workers.append(python_worker(vars(case), added))
            rates = take_turns(workers, peaks, self.blocks)
            rows = [
                {"added": added} | update_row(case, worker, rates)
                for (added, _), case, worker in zip(steps, cases, workers, strict=True)
            ]
        finally:
            for worker in (*workers, *peaks.values()):
                worker.stop()
        print(json.dumps(rows, indent=2) if self.json else update_table(rows))
