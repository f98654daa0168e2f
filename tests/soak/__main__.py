"""Run the campaign, go on where it was, and write its figures; see `tests.soak`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.helpers.site import ROOT
from tests.soak import inputs, kills, writers, writes
from tests.soak.inputs import READERS
from tests.soak.stages import STAGES
from vgf.support.files import write_json
from vgf.support.json_text import read_facts
from vgf.support.progress import Progress, log
from vgf.support.provenance import code_provenance

RECORD = ROOT / "data" / "results" / "soak" / "soak.json"
DENIED = 8  # writes of each stage and kind of fault
Job = tuple[str, str, Callable[[Path], dict[str, Any]]]  # part, its name there, and what does it in a folder


def jobs(share: float, seed: int) -> Iterator[Job]:
    """Yield all that is to be done, at a share of the full size."""
    for at, reader in enumerate(READERS):
        count = max(1, round(share * reader.count))
        yield "inputs", reader.name, lambda home, r=reader, n=count, s=seed + at: inputs.tried(r, n, s, home)
    for at, stage in enumerate(STAGES):
        count = max(1, round(share * stage.kills))
        yield "kills", stage.name, lambda home, t=stage, n=count, s=seed + at: kills.killed(t, n, s, home)
    for at, stage in enumerate(STAGES):
        count = max(1, round(share * DENIED))
        yield "writes", stage.name, lambda home, t=stage, n=count, s=seed + at: writes.denied(t, n, s, home)
    counts = writers.PROCESSES if share >= 1 else writers.PROCESSES[:1]
    for stage in STAGES:
        yield "writers", stage.name, lambda home, t=stage: writers.shared(t, counts, home)


def apart(work: Callable[[Path], dict[str, Any]], home: Path, done: Path) -> dict[str, Any]:
    """Do a job in a forked process, which may set and load what it likes, and keep its result in a file."""
    began = time.monotonic()
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            home.mkdir(parents=True, exist_ok=True)
            nowhere = os.open(home.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            found = work(home)
            of = {"seconds": round(time.monotonic() - began, 1), "commit": code_provenance()["commit"]}
            write_json(done, found | of)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    if os.waitpid(pid, 0)[1]:
        raise ValueError(f"{home.with_suffix('.log')}: the campaign itself failed; its last lines say where")
    return read_facts(done)


def figures(rows: dict[str, list[dict[str, Any]]], share: float, whole: bool) -> dict[str, Any]:
    """Return the record: each part's rows, and how many there are altogether."""
    told = {
        "kills": sum(row["kills"] for row in rows["kills"]),
        "inputs": sum(row["files"] for row in rows["inputs"]),
        "denied": sum(sum(row["outcomes"].values()) for row in rows["writes"]),
        "processes": max((max(row["processes"]) for row in rows["writers"]), default=0),
        "faults": sum(row["faults"] for part in rows.values() for row in part),
        "seconds": round(sum(row["seconds"] for part in rows.values() for row in part)),
    }
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    return {"complete": whole, "share": share, "finished": finished, "sum": told, **rows, **code_provenance()}


def place(asked: argparse.Namespace, part: str, name: str) -> Path:
    """Return where the result of a job is kept."""
    slug = "".join(letter if letter.isalnum() else "-" for letter in name)
    return asked.home / f"share{asked.share:g}-seed{asked.seed}" / f"{part}-{slug}.json"


def collected(asked: argparse.Namespace, every: list[Job]) -> tuple[dict[str, list[dict[str, Any]]], bool]:
    """Return the results there are, by part, and whether those are all."""
    rows: dict[str, list[dict[str, Any]]] = {"inputs": [], "kills": [], "writes": [], "writers": []}
    for part, name, _ in every:
        if (done := place(asked, part, name)).exists():
            rows[part].append(read_facts(done))
    return rows, sum(map(len, rows.values())) == len(every)


def main() -> int:
    """Do what is missing; return 1 if there were faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="parts: kills inputs writes writers, or names in them")
    parser.add_argument("--share", type=float, default=1.0, help="of the full size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--home", type=Path, default=ROOT / "_build" / "soak", help="where it works and goes on from")
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--again", action="store_true", help="do the chosen parts anew, after faults were mended")
    asked = parser.parse_args()
    every = list(jobs(asked.share, asked.seed))
    chosen = [job for job in every if not asked.only or any(word in (job[0], job[1]) for word in asked.only)]
    with Progress("soak", len(chosen), "job") as progress:
        for part, name, work in chosen:
            done = place(asked, part, name)
            if asked.again or not done.exists():
                try:
                    found = apart(work, asked.home / "work" / done.stem, done)
                except ValueError as error:
                    log(f"{part}, {name}: {error}")
                    continue
                log(f"{part}, {name}: {found['faults']} faults in {found['seconds']} s")
                for line in found["examples"]:
                    log(f"    {line}")
            progress.update()
            rows, whole = collected(asked, every)
            write_json(asked.record, figures(rows, asked.share, whole))
    rows, _ = collected(asked, every)
    total = figures(rows, asked.share, False)["sum"]
    print(json.dumps(total))
    return int(total["faults"] > 0)


if __name__ == "__main__":
    sys.exit(main())
