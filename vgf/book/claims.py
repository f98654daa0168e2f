"""What the paper claims, and what our runs say about it.

Claims are rows of `data/paper/claims.csv`. A chapter that has tested one calls `verdict`, which leaves a small
file; `vgf.book.paper_map` joins both into the table of the front page. A claim without a file reads "untested": no
status can be typed by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict, get_args

import pandas as pd

from vgf.results.judgement import Status
from vgf.support.files import write_bytes
from vgf.support.json_text import read_facts
from vgf.support.paths import data_folder

DATA = data_folder()
CLAIMS = DATA / "paper" / "claims.csv"
VERDICTS = DATA / "figures" / "verdicts"


class Verdict(TypedDict):
    """What one chapter found about one claim."""

    status: Status
    evidence: str  # MyST: one line, may reference figures and equations
    scale: str


def read_claims(path: Path = CLAIMS) -> pd.DataFrame:
    """Return the claims, indexed by id, with columns claim, chapter and where."""
    return pd.read_csv(path, index_col="id", keep_default_na=False)


def verdict(claim: str, status: Status, evidence: str, scale: str, *, directory: Path = VERDICTS) -> None:
    """Record what a run says about a claim; written atomically.

    Args:
        claim: id of a row of `data/paper/claims.csv`.
        status: computed by the caller from its results, never a constant.
        evidence: one line of MyST saying what was measured and where it is shown.
        scale: quick, cpu or paper.
        directory: where the verdict file goes.

    Raises:
        ValueError: for an unknown claim or status.
    """
    if claim not in read_claims().index:
        raise ValueError(f"claim {claim!r} is not a row of {CLAIMS.name}")
    if status not in get_args(Status):
        raise ValueError(f"status must be one of {', '.join(get_args(Status))}, got {status!r}")
    record = Verdict(status=status, evidence=" ".join(evidence.split()), scale=scale)
    write_bytes(directory / f"{claim}.json", json.dumps(record, indent=1).encode())


def standing(claim: str, verdicts: Path = VERDICTS) -> tuple[str, str]:
    """Return a claim's status and the evidence for it, one line of MyST; "untested" where no chapter has judged it."""
    path = verdicts / f"{claim}.json"
    if not path.exists():
        return "untested", "not run yet"
    found = read_facts(path, "run its chapter again", status=str, evidence=str, scale=str)
    return found["status"], f"{found['evidence']} Scale: {found['scale']}."
