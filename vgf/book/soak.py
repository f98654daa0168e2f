"""What was tried to break the package: the figures of `make soak`, read off its record, for the page that shows them.

Nothing is typed. A record of a part of the campaign says so, and a record with faults shows each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vgf.support.json_text import read_facts
from vgf.support.paths import data_folder

PARTS = ("inputs", "kills", "writes", "writers")
OUTCOMES = ("refused", "read as the good one", "read as it says", "read as its addresses say")
Row = Mapping[str, Any]


def render_soak(record: Path | None = None) -> str:
    """Return the figures as MyST.

    Raises:
        ValueError: if the record is missing or damaged, naming it.
    """
    path = record or data_folder() / "results" / "soak" / "soak.json"
    if not path.exists():
        raise ValueError(f"{path}: no such record; `make soak` makes it")
    told = read_facts(path, sum=dict, inputs=list, kills=list, writes=list, writers=list)
    return (
        "\n".join([*_sums(told), *_kills(told["kills"]), *_inputs(told["inputs"]), *_disks(told), *_faults(told)])
        + "\n"
    )


def _sums(told: Row) -> Iterator[str]:
    """Yield what came of all of it."""
    whole, date = told["sum"], told["finished"][:10]
    commits = dict.fromkeys(
        row["commit"][:7] for part in ("inputs", "kills", "writes", "writers") for row in told[part]
    )
    commit = "`, `".join(commits)
    yield (
        f"The record is of {date} and of code at `{commit}`: **{whole['kills']:,} kills**, "
        f"**{whole['inputs']:,} mangled files**, **{whole['denied']:,} denied writes**, "
        f"up to **{whole['processes']} processes** in one folder, {whole['seconds'] / 60:.0f} minutes; "
        f"**{whole['faults']:,} faults**."
    )
    if not told["complete"]:
        yield "\nIt is of a part of the campaign; `make soak` goes on with the rest.\n"
    yield ""


def _kills(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the kills by stage."""
    yield from ("## Kills", "")
    yield from _table(
        ("what was under way", "kills", "different states they left", "runs compared at the end", "faults"),
        [(row["stage"], row["kills"], row["moments"], row["runs to the end"], row["faults"]) for row in rows],
    )


def _inputs(rows: list[Row]) -> Iterator[str]:
    """Yield the mangled files by reader, and by what was done to them."""
    yield from ("## Mangled files", "")
    yield from _table(
        ("reader", "checksum", "files", *OUTCOMES, "faults"),
        [
            (
                row["reader"], "yes" if row["checksum"] else "no", row["files"],
                *(row["outcomes"].get(name, 0) for name in OUTCOMES), row["faults"],
            )
            for row in rows
        ],
    )  # fmt: skip
    kinds: Counter[str] = Counter()
    for row in rows:
        kinds.update(row["kinds"])
    yield from _table(("what was done to the file", "files"), kinds.most_common())


def _disks(told: Row) -> Iterator[str]:
    """Yield the denied writes and the shared folders by stage."""
    yield from ("## Disks and shared folders", "")
    together = {row["stage"]: row for row in told["writers"]}
    rows = []
    for row in told["writes"]:
        ends: Counter[str] = Counter()
        for outcome, count in row["outcomes"].items():
            ends[outcome.partition(": ")[2]] += count
        other = together.get(row["stage"], {"processes": [], "faults": 0})
        processes = ", ".join(map(str, other["processes"])) or "-"
        faults = row["faults"] + other["faults"]
        rows.append((row["stage"], row["writes"], ends["one line"], ends["done without it"], processes, faults))
    yield from _table(
        ("work", "writes of a run", "denied: one line", "denied: done without it", "processes at once", "faults"), rows
    )


def _faults(told: Row) -> Iterator[str]:
    """Yield every fault that is told in full."""
    parts = [(part, row) for part in PARTS for row in told[part]]
    lines = [(part, row.get("stage", row.get("reader")), line) for part, row in parts for line in row["examples"]]
    if lines:
        yield from ("## Faults that are left", "")
        yield from (f"- {part}, {name}: `{line}`" for part, name, line in lines)


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield a table, whole numbers to the right with their thousands apart."""
    names = list(head)
    yield f"| {' | '.join(names)} |"
    yield "|---" + "|--:" * (len(names) - 1) + "|"
    for row in rows:
        yield f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else str(cell) for cell in row)} |"
    yield ""
