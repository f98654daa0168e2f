"""What is printed of a case: a line of JSON, or of a table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any, Protocol

import pandas as pd

from vgf.bench.cases import Case


class Timed(Protocol):
    """What has run a case: a process (`vgf.bench.turns`), or part of one (`vgf.bench.gpu`).

    Attributes:
        times: ms of an update, one for each block.
        facts: flop of an update, most memory in bytes, threads.
    """

    times: list[float]
    facts: dict[str, Any]


def timing(worker: Timed) -> dict[str, float]:
    """Return the median of a worker's blocks and their quartiles, in ms."""
    low, median, high = (
        statistics.quantiles(worker.times, n=4, method="inclusive") if len(worker.times) > 1 else (worker.times * 3)
    )
    return {"ms_per_update": median, "ms_low": low, "ms_high": high}


def update_row(case: Case, worker: Timed, rates: dict[str, float]) -> dict[str, Any]:
    """Return one line of `vgf bench update`; `rates` are the matmul peaks of the precisions, FLOP/s."""
    timed, flop, peak = timing(worker), worker.facts["flop"], rates[case.config.precision]
    rate = flop / timed["ms_per_update"] * 1e3
    return (
        case.facts()
        | timed
        | {
            "ms_per_seed": timed["ms_per_update"] / case.seeds,
            "flop_per_update": flop,
            "flop_per_s": rate,
            "matmul_peak_flop_per_s": peak,
            "share_of_peak": rate / peak,
            "peak_memory_bytes": worker.facts["memory"],
            "threads": worker.facts["threads"],
        }
    )


def release_row(size: str, worker: Timed) -> dict[str, Any]:
    """Return the line of the authors' release."""
    return {"preset": "release", "size": size, "path": "official", "seeds": 1} | timing(worker) | worker.facts


def update_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the lines as a table, and the ratios to the official release where it was timed."""
    official = {row["size"]: row["ms_per_update"] for row in rows if row["path"] == "official"}
    shown = [
        {
            **({"added": row["added"]} if "added" in row else {}),
            "size": row["size"],
            "preset": row["preset"],
            "path": row["path"],
            "precision": row.get("precision", ""),
            "seeds": row["seeds"],
            "N": row.get("particles", ""),
            "L": row.get("train_steps", ""),
            "ms/update": f"{row['ms_per_update']:.1f}",
            "quartiles": f"{row['ms_low']:.1f} to {row['ms_high']:.1f}",
            "GFLOP": f"{row['flop_per_update'] / 1e9:.1f}" if "flop_per_update" in row else "",
            "GFLOP/s": f"{row['flop_per_s'] / 1e9:.0f}" if "flop_per_s" in row else "",
            "of peak": f"{row['share_of_peak']:.0%}" if "share_of_peak" in row else "",
            "MB": f"{row['peak_memory_bytes'] / 1e6:.0f}" if "peak_memory_bytes" in row else "",
            "official / this": f"{official[row['size']] / row['ms_per_update']:.2f}" if row["size"] in official else "",
        }
        for row in rows
    ]
    return pd.DataFrame(shown).to_string(index=False)
