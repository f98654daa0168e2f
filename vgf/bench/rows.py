"""What is printed of a case: a line of JSON, or of a table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any, Protocol

import pandas as pd

from vgf.bench.cases import Case

TITLES = {  # of the table's columns, by what a row calls them; a column that no row has is left out
    "added": "added",
    "agent": "agent",
    "size": "size",
    "preset": "preset",
    "path": "path",
    "precision": "precision",
    "seeds": "seeds",
    "particles": "N",
    "train_steps": "L",
    "bank": "bank",
}


class Timed(Protocol):
    """What has run a case: a process (`vgf.bench.turns`), or part of one (`vgf.bench.gpu`).

    Attributes:
        times: ms of an update, one for each block.
        facts: flop of an update, most memory in bytes, threads.
    """

    times: list[float]
    facts: dict[str, Any]


def timing(worker: Timed) -> dict[str, Any]:
    """Return the median of a worker's blocks, their quartiles, and all of them, in ms."""
    low, median, high = (
        statistics.quantiles(worker.times, n=4, method="inclusive") if len(worker.times) > 1 else (worker.times * 3)
    )
    return {"ms_per_update": median, "ms_low": low, "ms_high": high, "ms_blocks": worker.times}


def ratio(slow: dict[str, Any], quick: dict[str, Any]) -> float:
    """Return how many times as fast the second row is: the median over blocks that took turns."""
    return statistics.median(a / b for a, b in zip(slow["ms_blocks"], quick["ms_blocks"], strict=True))


def update_row(case: Case, worker: Timed, rates: dict[str, float]) -> dict[str, Any]:
    """Return one line of `vgf bench update`; `rates` are the matmul peaks of the kinds of number, FLOP/s."""
    timed, flop, peak = timing(worker), worker.facts["flop"], rates[case.dtype]
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
            "process_memory_bytes": worker.facts.get("process_memory"),
            "threads": worker.facts["threads"],
        }
    )


def release_row(agent: str, size: str, worker: Timed) -> dict[str, Any]:
    """Return the line of the authors' own code; `agent` is what its file is called there."""
    facts = {name: value for name, value in worker.facts.items() if name in ("jax", "device")}
    memory = {"process_memory_bytes": worker.facts["process_memory"]}
    told = {"agent": agent, "preset": "release", "size": size, "path": "official", "seeds": 1}
    return told | timing(worker) | facts | memory


def update_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the lines as a table, with ratios to the fast path and to the authors' code where these were timed."""
    return pd.DataFrame([_shown(row, rows) for row in rows]).to_string(index=False)


def _shown(row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return a line of the table."""
    shown = {title: "" if row.get(name) is None else row[name] for name, title in TITLES.items() if name in rows[0]}
    shown |= {
        "ms/update": f"{row['ms_per_update']:.1f}",
        "quartiles": f"{row['ms_low']:.1f} to {row['ms_high']:.1f}",
        "GFLOP": f"{row['flop_per_update'] / 1e9:.1f}" if "flop_per_update" in row else "",
        "GFLOP/s": f"{row['flop_per_s'] / 1e9:.0f}" if "flop_per_s" in row else "",
        "of peak": f"{row['share_of_peak']:.0%}" if "share_of_peak" in row else "",
        "MB": f"{row['peak_memory_bytes'] / 1e6:.0f}" if "peak_memory_bytes" in row else "",
    }
    if any("seconds_per_100k_updates_all_cores" in one for one in rows):
        seconds = row.get("seconds_per_100k_updates_all_cores")
        shown["s/100k, all cores"] = "" if seconds is None else f"{seconds:.0f}"
    for path, title in (("fast", "fast / this"), ("official", "official / this")):
        beside = [one for one in rows if one["path"] == path and _alike(one, row)]
        if any(one["path"] == path for one in rows) and "added" not in row:
            shown[title] = f"{min(ratio(one, row) for one in beside):.2f}" if beside else ""
    return shown


def _alike(one: dict[str, Any], row: dict[str, Any]) -> bool:
    """Say whether a row stands for the same updates as another, however done."""
    if one["path"] == "official":
        return one["size"] == row["size"] and one["agent"] == row.get("theirs", row["agent"])
    names = ("agent", "preset", "size", "seeds", "particles", "train_steps")
    return all(one.get(name) == row.get(name) for name in names)
