"""`vgf tables`: print the tables, write them for the book, or check that what is shown is what the records give.

The check has three parts, for there are three ways to show a wrong number: a table in `data/tables` that no longer
follows from the per-seed files, a number glued into a chapter that was executed before its record changed, and a file
that is no longer as it was made: a seed's, or a table made from trained policies (`vgf.results.policy_tables`). It
computes everything anew, so it costs as much as making the tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from vgf import records
from vgf.results import policy_tables
from vgf.results.table_text import FORMATS
from vgf.results.tables import CHECKPOINTS, addresses, parse, read_study
from vgf.support.files import sha256, write_bytes
from vgf.support.json_text import read_facts
from vgf.support.paths import data_folder, project_folder

TOLERANCE = 1e-5  # relative: tables keep six digits


def glued(folder: Path) -> Iterator[tuple[str, str, float]]:
    """Yield chapter, name and value of every number that executed chapters have glued under an address.

    Raises:
        ValueError: for a chapter that cannot be read, naming it.
    """
    for path in sorted(folder.glob("*.ipynb")):
        try:
            cells = read_facts(path, cells=list)["cells"]
        except ValueError as error:
            raise ValueError(f"{path}: not an executed chapter, or one still being written ({error})") from None
        for cell in cells:
            for output in cell.get("outputs", []):
                name = output.get("metadata", {}).get("scrapbook", {}).get("name", "")
                if name.split("/")[1:2] in ([checkpoint] for checkpoint in (*CHECKPOINTS, "paper")):
                    text = next("".join(t) for mime, t in output["data"].items() if mime.endswith("text/plain"))
                    yield path.stem, name, float(text)


def differences(shown: Mapping[str, float], computed: Mapping[str, float]) -> Iterator[str]:
    """Yield a line for each number that is shown and cannot be computed, or comes out otherwise."""
    for address, value in shown.items():
        if address not in computed:
            yield f"{address}: shown as {value:g}, but no record gives it"
        elif not math.isclose(value, computed[address], rel_tol=TOLERANCE, abs_tol=1e-9):
            yield f"{address}: shown as {value:g}, but the per-seed files give {computed[address]:g}"


def check(studies: Sequence[tuple[str, str]], results: Path, tables: Path, chapters: Path) -> Iterator[str]:
    """Yield a line for each number shown that the per-seed files do not give, and for each file that has changed."""
    everything: dict[str, float] = {}
    for name, scale in studies:
        study = read_study(name, scale, results)
        computed = addresses(study.numbers, study.label)
        everything |= computed
        path = tables / f"{study.label}.csv"
        if path.exists():
            shown = addresses(parse(path.read_text(encoding="utf-8")), study.label)
            found = [*differences(shown, computed)]
            found += [f"{key}: computed, but not in {path}" for key in computed if key not in shown]
            yield from found
            for suffix, render in FORMATS.items():
                other = path.with_suffix(f".{suffix}")
                if not found and (not other.exists() or other.read_text(encoding="utf-8") != render(study)):
                    yield f"{other}: not what the records give; `vgf tables --out {tables}` writes it"
        for source in study.sources:
            yield from records.faults(source.record.folder)
        yield from policy_tables.faults(results / study.label)
    for chapter, address, value in glued(chapters):
        if address.split("/")[0] in {f"{name}.{scale}" for name, scale in studies}:
            yield from (f"{chapter}: {line}" for line in differences({address: value}, everything))


def language(results: Path) -> Iterator[str]:
    """Yield a line for each file of a record on language that is missing or not as its run left it."""
    for run in sorted(results.glob("rlhf/**/run.json")):
        for name, sealed in records.checksums(run.parent).items():
            path = run.parent / name
            if not path.exists():
                yield f"{path}: missing, though run.json has its checksum"
            elif sha256(path) != sealed:
                yield f"{path}: changed since its run wrote it (its checksum is not the one in run.json)"


def present(results: Path, chosen: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return studies and scales that have records; of `chosen`, STUDY or STUDY.SCALE, all must.

    Raises:
        ValueError: for one that has none.
    """
    found = sorted({path.parents[2].name for path in results.glob("*.*/*/*/run.json")})
    for word in chosen:
        if word not in found and word not in {label.rpartition(".")[0] for label in found}:
            raise ValueError(f"no records of {word!r} in {results}; there are: {', '.join(found) or 'none'}")
    labels = [label for label in found if not chosen or label in chosen or label.rpartition(".")[0] in chosen]
    return [(name, scale) for name, _, scale in (label.rpartition(".") for label in labels)]


def tables_command(
    study: tyro.conf.Positional[tuple[str, ...]] = (),
    format: Literal["markdown", "csv", "latex"] = "markdown",
    out: Path | None = None,
    check_all: Annotated[bool, tyro.conf.arg(name="check")] = False,
    results: Path | None = None,
    tables: Path | None = None,
    chapters: Path | None = None,
) -> None:
    """Turn records into tables, or check that what is shown is what the records give.

    Args:
        study: names of experiment files, or NAME.SCALE; everything that has records by default.
        format: of what is printed.
        out: write all three formats into this folder instead of printing one; the book reads data/tables.
        check_all: compute every number of the tables and of the executed chapters anew from the per-seed files, and
            fail with one line when one differs or a per-seed file has changed since its run wrote it.
        results: where records are, data/results by default.
        tables: where `--check` finds tables, data/tables by default.
        chapters: where `--check` finds executed chapters, notebooks by default.
    """
    root, shown = results or records.results_folder(), tables or data_folder() / "tables"
    studies = present(root, study)
    if not studies and (results is not None or not check_all):  # a clone without records has nothing to check
        told = "no records in it" if root.is_dir() else "no such folder"
        raise ValueError(f"{root}: {told}; `vgf train` makes records, and --results names their folder")
    if check_all:
        found = list(check(studies, root, shown, chapters or project_folder() / "notebooks"))
        if not study:
            found += language(root)
            labels = {f"{name}.{scale}" for name, scale in studies}
            found += [f"{path}: no record is behind it" for path in shown.glob("*.csv") if path.stem not in labels]
        if found:
            raise ValueError(f"{found[0]}{f' (and {len(found) - 1} more)' if len(found) > 1 else ''}")
        names = ", ".join(f"{name}.{scale}" for name, scale in studies) or "no records"
        print(f"{names}: every number shown is what the per-seed files give")
        return
    for name, scale in studies:
        table = read_study(name, scale, root)
        if bad := [line for source in table.sources for line in records.faults(source.record.folder)]:
            raise ValueError(bad[0])
        if out is None:
            print(FORMATS[{"markdown": "md", "latex": "tex"}.get(format, format)](table), end="")
        else:
            for suffix, render in FORMATS.items():
                write_bytes(out / f"{table.label}.{suffix}", render(table).encode())
