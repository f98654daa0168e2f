"""Peak memory of a process, beyond what it held when the count began."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch


class Memory:
    """Counts from its creation on; on a GPU what torch allocated, on a CPU what the system holds for the process."""

    def __init__(self, device: str) -> None:
        self.cuda = device.startswith("cuda")
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        self.before = torch.cuda.memory_allocated() if self.cuda else resident()

    def peak(self) -> int:
        """Return the most bytes held since, beyond those before."""
        most = torch.cuda.max_memory_allocated() if self.cuda else largest_resident()
        return max(0, most - self.before)


def largest_resident() -> int:
    """Return the process's largest resident size so far, in bytes; macOS counts bytes where Linux counts kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def resident() -> int:
    """Return the resident size now, in bytes; where the system does not tell, the largest so far."""
    status = Path("/proc/self/status")
    if not status.exists():
        return largest_resident()
    line = next(row for row in status.read_text().splitlines() if row.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
