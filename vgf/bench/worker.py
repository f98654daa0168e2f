"""The process of one case: builds it, says what it is, then runs blocks as it is told, line by line.

Started as `python -m vgf.bench.worker CASE` with a case as JSON. It answers with JSON lines: first the facts, then
for each line `N` on stdin the seconds of N updates, or of the few more that fill a call, and how many they were (or the
seconds of N transports, or of N seconds' matrix products the best rate). The line `flop` asks for an update's
operations; counting them takes memory, so it comes last.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch

from vgf.bench.cases import Case
from vgf.bench.memory import Memory, largest_resident
from vgf.bench.updates import Updates, matmul_flop_per_s
from vgf.flow import Budget, transport


def say(answer: dict[str, Any]) -> None:
    """Write one line of JSON."""
    print(json.dumps(answer), flush=True)


def serve_updates(case: Case) -> None:
    """Build the case and time blocks of updates."""
    memory = Memory(case.device)
    updates = Updates(case)
    updates.warm_up()
    say({"threads": torch.get_num_threads()})
    for line in sys.stdin:
        if line.strip() == "flop":
            say({"flop": updates.flop()})
            continue
        start = time.perf_counter()
        done = updates.run(int(line))
        taken = {"seconds": time.perf_counter() - start, "updates": done}
        say(taken | {"memory": memory.peak(), "process_memory": largest_resident()})


def serve_transport(sets: int, particles: int, dimension: int, device: str) -> None:
    """Time one step of the flow along a score that costs nothing, so that what is timed is the kernel."""
    where = torch.device(device)
    x = torch.randn(sets, particles, dimension, generator=torch.Generator().manual_seed(0)).to(where)
    memory, budget = Memory(device), Budget(1, 0.01, 0.2, "adam")

    def run(times: int) -> None:
        for _ in range(times):
            transport(x, torch.neg, budget, bounds=(-1.0, 1.0), validate=False)
        if where.type == "cuda":
            torch.cuda.synchronize()

    run(1)
    say({"threads": torch.get_num_threads()})
    for line in sys.stdin:
        start = time.perf_counter()
        run(int(line))
        say({"seconds": time.perf_counter() - start, "memory": memory.peak()})


def serve_peak(dtype: str, device: str) -> None:
    """Time matrix products for as many seconds as asked."""
    say({"threads": torch.get_num_threads()})
    for line in sys.stdin:
        say({"flop_per_s": matmul_flop_per_s(getattr(torch, dtype), torch.device(device), float(line))})


def main() -> None:
    """Serve the case on the command line until stdin ends."""
    facts = json.loads(sys.argv[1])
    if facts.get("threads"):
        torch.set_num_threads(facts["threads"])
    if "sets" in facts:
        serve_transport(facts["sets"], facts["particles"], facts["dimension"], facts["device"])
    elif "dtype" in facts:
        serve_peak(facts["dtype"], facts["device"])
    else:
        serve_updates(Case(**facts))


if __name__ == "__main__":
    main()
