"""The paper, row by row: where each equation, line, table, figure and claim is in the code, the book and the records.

`data/paper/map.csv` has a row for each. What a row says of its status cannot be typed: a row with a claim takes the
verdict that a chapter has left, a row with a chapter is *worked out* there, one with code alone is *in code*, and the
rest is *open*. The front page's scoreboard (`vgf.book.board`) has the same claims. The tests resolve every name in it;
rendering checks only what needs no import of the code.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vgf.book.board import badge, cells, list_table
from vgf.book.claims import DATA, VERDICTS, read_claims, standing

MAP = DATA / "paper" / "map.csv"
KINDS = {  # in the order of the page
    "equation": "Equations",
    "algorithm": "The algorithm, line by line",
    "table": "Tables",
    "figure": "Figures",
    "claim": "Claims",
    "remark": "Said in passing",
}


def read_map(path: Path = MAP) -> pd.DataFrame:
    """Return the map, indexed by id; a row of kind claim has its words, place and chapter from claims.csv.

    Returns:
        Columns kind, what, where, code (`module:name`), chapter (of `notebooks/`), record (a path or an experiment's
        name) and claim (an id of claims.csv); all but kind, what and where may be empty.

    Raises:
        ValueError: if an id is there twice, a kind or claim is unknown, or a claim has no row of its own.
    """
    rows, claims = pd.read_csv(path, index_col="id", keep_default_na=False), read_claims()
    if rows.index.has_duplicates:
        raise ValueError(f"{path.name}: ids there twice: {', '.join(rows.index[rows.index.duplicated()])}")
    if unknown := sorted(set(rows["kind"]) - set(KINDS)):
        raise ValueError(f"{path.name}: unknown kinds {', '.join(unknown)}; there are {', '.join(KINDS)}")
    if unknown := sorted(set(rows["claim"]) - set(claims.index) - {""}):
        raise ValueError(f"{path.name}: claims {', '.join(unknown)} are no rows of claims.csv")
    own = rows.loc[rows["kind"] == "claim", "claim"]
    if sorted(own) != sorted(claims.index):
        odd = sorted(set(own) ^ set(claims.index)) or sorted(own[own.duplicated()])
        raise ValueError(f"{path.name}: needs one row of kind claim for each row of claims.csv; see {', '.join(odd)}")
    of_claims = claims.loc[own].rename(columns={"claim": "what"}).set_index(own.index)
    rows.loc[own.index, ["what", "where", "chapter"]] = of_claims[["what", "where", "chapter"]]
    return rows


def status(row: pd.Series, verdicts: Path = VERDICTS) -> str:
    """Return the status of a row of the map."""
    if row["claim"]:
        return standing(row["claim"], verdicts)[0]
    return "worked out" if row["chapter"] else "in code" if row["code"] else "open"


def render_map(*, verdicts: Path = VERDICTS) -> str:
    """Return the whole map in MyST: a section and a list-table for each kind."""
    rows, lines = read_map(), []
    for kind, title in KINDS.items():
        lines += [f"## {title}", ""]
        heads = ("What the paper says", "In the paper", "In code", "Chapter, record", "Status")
        lines += list_table("paper-map", "33 12 24 21 10", heads)
        for ident, row in rows[rows["kind"] == kind].iterrows():
            code = f"`{row['code'].replace(':', '.')}`" if row["code"] else "none"
            chapter = f"{{doc}}`/notebooks/{row['chapter']}`" if row["chapter"] else ""
            record = f"`{record_path(row['record'])}`" if row["record"] else ""
            here = ", ".join(filter(None, (chapter, record))) or "none yet"
            what = f"[{row['what']}]{{#map-{ident}}}"
            lines.append(cells(what, row["where"], code, here, badge(status(row, verdicts))))
        lines += ["```", ""]
    return "\n".join(lines)


def record_path(record: str) -> str:
    """Return the path, from the root, of what a row names as its record: an experiment's file, or the path itself."""
    study = Path("data", "experiments", f"{record}.yaml")
    results = Path("data", "results", record)
    if "/" in record:
        return record
    return (study if (DATA.parent / study).exists() else results).as_posix()
