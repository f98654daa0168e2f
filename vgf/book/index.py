"""The index of results: every committed record, with what made it, read off the records themselves.

A reader who doubts a number starts here: study, task and method lead to the folder of per-seed files, the commit and
the dataset's digest. Nothing is typed; a record without a table, or a study without a chapter, is seen at once. The
trade-off is plain tables, folded, where `vgf.book.browser_data` lets a reader choose.
"""

from __future__ import annotations

from pathlib import Path

from vgf import records
from vgf.book.declared import SCALES, declared
from vgf.results.commands import present
from vgf.results.tables import MethodScores, Study, read_study
from vgf.support.paths import data_folder, project_folder
from vgf.training import critic_age


def render_results_index(results: Path | None = None) -> str:
    """Return the index as MyST: a section for each study that is in git, in the order of their names."""
    root = results or records.results_folder()
    studies = [read_study(name, scale, root) for name, scale in present(root) if scale != "quick"]
    if not studies:
        return "No record of a larger scale than quick is here.\n"
    return "\n".join(line for study in studies for line in _section(study))


def _section(study: Study) -> list[str]:
    """Return one study: where it is shown, its files, and a row for each record."""
    shown = chapters(study.name)
    where = ", ".join(f"{{doc}}`/notebooks/{chapter}`" for chapter in shown) or "no chapter yet"
    files = ", ".join(
        f"{{download}}`{text} </data/tables/{study.label}.{end}>`"
        for text, end in (("CSV", "csv"), ("Markdown", "md"), ("LaTeX", "tex"))
        if (data_folder() / "tables" / f"{study.label}.{end}").exists()
    )
    hours = sum(sum(run["seconds"].values()) for source in study.sources for run in source.record.runs) / 3600
    return [
        f"## {study.label}",
        "",
        f"Shown in {where}. Choices: {{download}}`{study.name}.yaml </data/experiments/{study.name}.yaml>`. "
        f"All numbers: {files or 'no table yet'}. {hours:.1f} hours of training and evaluation.",
        "",
        f":::{{dropdown}} {len(study.sources)} record{'s' * (len(study.sources) != 1)}",
        "| task | method | seeds | updates | critic | dataset | finished | commit | minutes |",
        "|---|---|---|--:|---|---|---|---|--:|",
        *(_row(source) for source in study.sources),
        ":::",
        "",
    ]


def _row(source: MethodScores) -> str:
    """Return one record's row, of its last run."""
    run = source.record.runs[-1]
    data = run["dataset"]
    commit = (run["commit"] or "unknown")[:7] + ("+" if run["dirty"] else "")
    cells = (
        source.task.name,
        f"`{source.method}`",
        ", ".join(map(str, run["seeds"])),
        str(run["settings"]["updates"]),
        _age(source),
        f"{data['source']}, `{data['sha256'][:8]}`",
        run["finished"][:10],
        f"`{commit}`",
        f"{sum(run['seconds'].values()) / 60:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def _age(source: MethodScores) -> str:
    """Return how old a record's critics are, and how high they value beside the behaviour's; empty without a critic."""
    settings = source.record.runs[-1]["settings"]
    table = critic_age.ages(settings, source.record.curve)
    if table.empty:
        return ""
    last = table.groupby("seed").tail(1).set_index("seed")
    words, behaviour = f"{100 * last['share'].mean():.0f} %", critic_age.behaviour_of(source.record.folder, settings)
    if behaviour is not None:
        words += f", {critic_age.index(last['asymptote'], behaviour[1]).mean():.2f}"
    return words


def chapters(study: str) -> list[str]:
    """Return the chapters that read a study's records, as they declare, or show its experiment file."""
    folder, found = project_folder() / "notebooks", []
    for path in sorted(folder.glob("*.md")):
        reads = declared(path.stem)
        names = {name.rpartition(".")[0] if name.rpartition(".")[2] in SCALES else name for name in reads.studies}
        if study in names or f"data/experiments/{study}.yaml" in reads.files:
            found.append(path.stem)
    return found
