"""Where the time of an update in the fused core goes: samples of `perf`, sorted into kinds of work.

Linux's `perf` looks at a running process many times a second and notes which function it is in. The products' code is
made at run time by the library (oneDNN) and bears no name, by which it is known; the core's functions bear theirs.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vgf.agents.base import Precision
from vgf.bench.cases import AgentName, Case, PresetName, SizeName, check_path, lowest_precision
from vgf.bench.turns import python_worker

SECONDS = 4
RATE = 999  # samples a second
KINDS = (  # of work: what a line of perf's report has in it, the first that fits
    ("matrix products", r"\[JIT\]|perf-\d+\.map|//anon"),
    ("normalisation, activations, first and last layers", r"::(forward|backward|row_ahead|row_back|row_through)\b"),
    ("Adam and targets", r"::(adam|follow|ema)\b"),
    ("particles: kernel, median, steps", r"::(stein_direction|median_variance)\b"),
    ("weights made ready for products", r"Packed|::(right|right_transposed|transpose|pack)\b"),
    ("other work of the core", r"update-\w+\.so"),
    ("calls of the library", r"libtorch|libc10|libdnnl|libgomp"),
    ("copies", r"mem(move|cpy|set)"),
    ("Python, system", r""),
)


def kinds(report: str) -> dict[str, float]:
    """Return the share of each kind of work.

    Args:
        report: what `perf report --sort dso,symbol` prints: a percentage and a name on each line.

    Raises:
        ValueError: if there is no sample in it.
    """
    shares = dict.fromkeys((kind for kind, _ in KINDS), 0.0)
    for percent, rest in re.findall(r"^\s*([\d.]+)%\s+(.*)$", report, re.MULTILINE):
        kind = next(kind for kind, words in KINDS if re.search(words, rest))
        shares[kind] += float(percent) / 100
    total = sum(shares.values())
    if not total:
        raise ValueError("perf took no samples; is it allowed to (kernel.perf_event_paranoid)?")
    return {kind: share / total for kind, share in shares.items()}


@dataclass(frozen=True)
class Profile:
    """Sample an update in the fused core and say what kind of work its time goes to (Linux, with perf)."""

    agent: tuple[AgentName, ...] = ("vgf",)
    """Methods; those without presets of this command have their own defaults, once at each size."""
    preset: tuple[PresetName, ...] = ("banked", "amortised")
    size: tuple[SizeName, ...] = ("tiny", "small", "paper")
    precision: Precision | None = None
    """Of the products; by default bfloat16_all, and float32 on a processor without products in it."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Sample case after case."""
        check_path("fused", "cpu")
        if shutil.which("perf") is None:
            raise ValueError("perf is not installed; it comes with the kernel's tools (linux-perf)")
        rows, precision = [], self.precision or lowest_precision("fused", "cpu")
        for agent, preset, size in self._named():
            case = Case(preset, size, "fused", threads=1, precision=precision, agent=agent)
            shares = kinds(_sampled(case))
            facts = {"agent": agent, "preset": preset, "size": size, "precision": precision}
            rows += [facts | {"kind": k, "share": v} for k, v in shares.items()]
        print(json.dumps(rows, indent=2) if self.json else pd.DataFrame(rows).to_string(index=False))

    def _named(self) -> list[tuple[str, str, str]]:
        """Return the methods, presets and sizes to sample; a method without presets has one, its own."""
        found = {
            (agent, preset if agent in ("vgf", "best_of_n") else "default", size): None
            for agent, preset, size in itertools.product(self.agent, self.preset, self.size)
        }
        return list(found)


def _sampled(case: Case) -> str:
    """Return perf's report of some seconds of a case."""
    with (
        closing(python_worker(vars(case), f"{case.agent}, {case.preset}, {case.size}")) as worker,
        tempfile.TemporaryDirectory() as folder,
    ):
        worker.warm_up()
        data = str(Path(folder) / "samples")
        record = f"perf record -q -e cpu-clock -F {RATE} -p {worker.process.pid} -o".split()
        perf = subprocess.Popen([*record, data, "sleep", str(SECONDS)], stderr=subprocess.DEVNULL)
        while perf.poll() is None:
            worker.turn()
        report = ["perf", "report", "-i", data, *["-q", "--stdio", "--sort", "dso,symbol", "-g", "none"]]
        return subprocess.run(report, capture_output=True, text=True).stdout
