"""Tables made from a study's trained policies: what a chapter reads, since policies are not in git.

NAME.csv lies in `data/results/STUDY.SCALE` with NAME.json beside it, which has the csv's checksum and, for each policy
it was made from, those of policy and record, with code, libraries and machine. Nobody without the policies can compute
such a table again, so `vgf tables --check` holds it to its checksum, and its records to theirs. `main` is what every
module that makes one runs as.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from vgf import records
from vgf.support.files import sha256, write_bytes, write_json
from vgf.support.json_text import read_facts
from vgf.support.progress import log
from vgf.support.provenance import code_provenance

RUN = "run.json"


def of_policies(files: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return what a table was made from: of each policy, by TASK/METHOD, checksums, code and machine."""
    return {
        "/".join(file.parts[-3:-1]): {"policy": sha256(file), "record": sha256(file.parent / RUN), **code_provenance()}
        for file in files
    }


def write(path: Path, table: pd.DataFrame, made: Mapping[str, dict[str, Any]]) -> None:
    """Write a table and what it was made from; what is there of other tasks and methods is kept.

    Args:
        path: of the csv.
        table: its rows, with columns task and method.
        made: for each TASK/METHOD what its rows were made from.

    Raises:
        ValueError: as `check`.
    """
    check(path, made)
    if path.exists():
        before = records.read_csv(path)
        other = ~(before["task"] + "/" + before["method"]).isin(made)
        table = pd.concat([before[other], table])
        made = {**read_facts(path.with_suffix(".json"), made=dict)["made"], **made}
    write_bytes(path, as_csv(table))
    write_json(path.with_suffix(".json"), {"sha256": sha256(path), "made": dict(made)})
    log(f"{path}: {len(table)} rows")


def check(path: Path, made: Collection[str]) -> None:
    """Refuse a table whose rows of other tasks and methods than `made` are not as they were written."""
    if path.exists():
        for line in faults(path.parent, path.name, made):
            raise ValueError(f"{line}; remove it, and make it anew with all policies")


def as_csv(table: pd.DataFrame) -> bytes:
    """Return a table as it is written."""
    return table.to_csv(index=False, float_format="%.8g", lineterminator="\n").encode()


def faults(folder: Path, pattern: str = "*.csv", but: Collection[str] = ()) -> Iterator[str]:
    """Yield a line for each table of a study that is not as it was written.

    Args:
        folder: of the study.
        pattern: of the tables' names.
        but: each TASK/METHOD whose record may have changed, because its rows are about to be replaced.
    """
    for path in sorted(folder.glob(pattern)):
        facts = path.with_suffix(".json")
        if not facts.exists():
            yield f"{path}: there is no {facts.name} beside it with its checksum"
            continue
        content = read_facts(facts, "make the table anew", sha256=str, made=dict)
        if content["sha256"] != sha256(path):
            yield f"{path}: changed since it was made (its checksum is not the one in {facts.name})"
        for name, made in content["made"].items():
            run = folder / name / RUN
            if name not in but and "record" in made and (not run.exists() or sha256(run) != made["record"]):
                yield f"{path}: the record of {name} is not the one whose policy it was made from"
