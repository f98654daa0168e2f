"""What makes a figure citable: where it comes from, how to cite it, what a page shows below it, and the gallery.

A figure's provenance is gathered when it is drawn, from the chapter's text, the running notebook and git, so that a
chapter need say nothing; it lands in `ID.json`, and everything else here is rendered from that file. It holds no date
and no machine: the same figure from the same code gives the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from vgf import __version__
from vgf.support.paths import data_folder, project_folder
from vgf.support.provenance import git

ROOT = project_folder()
FIGURES = data_folder() / "figures"
SITE = "https://vgf-companion.github.io/vgf-companion"  # GitHub's pages of the repository that CITATION.cff names
AUTHOR, YEAR = "The VGF companion developers", "2026"
MAKES = r"\bsave_figure\(\s*\w+,\s*\"({})\""  # how a chapter's text names a figure it makes
SHOWS = r"\{{include\}} [./]*data/figures/({})\.md"  # and how a page shows one that the package makes
LIBRARIES = ("torch", "numpy", "matplotlib")
DOWNLOADS = (
    ("SVG", ".svg"),
    ("PDF", ".pdf"),
    ("PNG", ".png"),
    ("data (CSV)", ".csv"),
    ("as drawn (CSV)", ".drawn.csv"),
    ("BibTeX", ".bib"),
)


def provenance(
    ident: str, data: pd.DataFrame, *, experiment: str | None = None, seeds: Sequence[int] | None = None
) -> dict[str, Any]:
    """Return where a figure comes from.

    Args:
        ident: the figure's id; the chapter is the one whose text makes it.
        data: the figure's frame; a column `seed` names its seeds.
        experiment: name of a file in `data/experiments/`; without it, those the chapter shows.
        seeds: seeds behind the figure; without them the frame's, then the records', then those in the chapter's code.

    Returns:
        chapter (its page, or empty outside the book), scale (the running notebook's parameter), experiments, records
        (folder, seeds and commits of each study read), seeds, commit, dirty, version and libraries.
    """
    chapter = chapter_of(ident)
    text = (ROOT / f"{chapter}.md").read_text(encoding="utf-8") if chapter else ""
    scale = getattr(sys.modules.get("__main__"), "scale", None)
    scale = scale if isinstance(scale, str) else ""
    shown = dict.fromkeys(re.findall(r"data/experiments/([\w-]+)\.yaml", text))
    experiments = [experiment] if experiment else list(shown)
    records = [found for name in experiments for found in _records(name, scale)]
    if seeds is None:
        seeds = _seeds(data, records, text)
    return {
        "chapter": chapter,
        "scale": scale,
        "experiments": experiments,
        "records": records,
        "seeds": sorted({int(seed) for seed in seeds}),
        "commit": git("rev-parse", "HEAD"),
        "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
        "version": __version__,
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def chapter_of(ident: str) -> str:
    """Return the page whose text makes a figure, or else shows it, as the table of contents names it; empty if none."""
    for folder, how in (("notebooks", MAKES), ("book", SHOWS)):
        named = re.compile(how.format(re.escape(ident)))
        for path in sorted((ROOT / folder).glob("*.md")):
            if named.search(path.read_text(encoding="utf-8")):
                return f"{folder}/{path.stem}"
    return ""


def _records(study: str, scale: str) -> list[dict[str, Any]]:
    """Return the folder, seeds and commits of a study's records at the notebook's scale; nothing if there are none."""
    folder = data_folder() / "results" / f"{study}.{scale}"
    runs = [run for path in sorted(folder.glob("*/*/run.json")) for run in json.loads(path.read_text())["runs"]]
    if not runs:
        return []
    return [
        {
            "folder": folder.relative_to(ROOT).as_posix(),
            "seeds": sorted({seed for run in runs for seed in run["seeds"]}),
            "commits": sorted({run["commit"] for run in runs}),
        }
    ]


def _seeds(data: pd.DataFrame, records: list[dict[str, Any]], text: str) -> list[int]:
    """Return the seeds of the frame, else of the records, else those set in the chapter's code."""
    if "seed" in data:
        return [int(seed) for seed in data["seed"].dropna().unique()]
    literal = re.findall(r"(?:manual_seed|default_rng)\((\d+)\)", text)
    return [seed for record in records for seed in record["seeds"]] or [int(seed) for seed in literal]


def finding(caption: str) -> str:
    """Return the first sentence of a caption, which says what the figure shows; MyST, without bold."""
    plain = " ".join(caption.replace("**", "").split())
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`{$])", plain, maxsplit=1)[0]


def bibtex(ident: str, caption: str, source: dict[str, Any]) -> str:
    """Return the BibTeX entry of a figure: title, id, address, version and commit; no date but the book's year."""
    title = re.sub(r"\s*\{[\w:]+\}`[^`]*`", "", finding(caption)).rstrip(".")
    parts = re.split(r"(\$[^$]*\$)", title)  # mathematics stays as it is
    title = "".join(part if part.startswith("$") else re.sub(r"([%&#_])", r"\\\1", part) for part in parts)
    note = f"Figure {ident}, version {source['version']}" + (
        f", commit {source['commit'][:10]}" * bool(source["commit"])
    )
    fields = {
        "author": f"{{{AUTHOR}}}",
        "title": f"{{{title}}}",
        "howpublished": "Value Gradient Flow, a companion",
        "year": YEAR,
        "note": note,
        "url": f"{SITE}/{source['chapter'] or 'book/figures'}.html#fig-{ident}",
    }
    lines = [f"  {name:<12} = {{{text}}}," for name, text in fields.items()]
    return "\n".join([f"@misc{{vgf-companion:{ident},", *lines, "}", ""])


def downloads(ident: str) -> str:
    """Return links to all files of a figure, from the book's root."""
    return ", ".join(f"{{download}}`{label} </data/figures/{ident}{end}>`" for label, end in DOWNLOADS)


def fragment(ident: str, caption: str, alt: str, source: dict[str, Any]) -> str:
    """Return what a page includes: the numbered figure, its files, and a fold-out with provenance and BibTeX."""
    figure = f"```{{figure}} /data/figures/{ident}.svg\n:name: fig-{ident}\n:alt: {alt}\n\n{caption}\n```\n"
    files = f":::{{div}} figure-files\n{downloads(ident)}\n:::\n"
    facts = "\n".join(f"- **{name}:** {text}" for name, text in origin(ident, source))
    entry = f"```{{code-block}} bibtex\n{bibtex(ident, caption, source)}```"
    opening = "::::{dropdown} Where it comes from, how to cite it\n:class-container: figure-origin\n"
    return f"{figure}\n{files}\n{opening}\n{facts}\n\n{entry}\n::::\n"


def origin(ident: str, source: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a figure's provenance as names and MyST lines."""
    chapter = f"{{doc}}`/{source['chapter']}`" if source["chapter"] else "no chapter of this book"
    commit = f"commit `{source['commit'][:10]}`" if source["commit"] else "no git checkout"
    changed = ", with changes not committed" if source["dirty"] else ""
    facts = [
        ("Figure", f"`{ident}`, at {{ref}}`#fig-{ident} <fig-{ident}>`"),
        ("Made by", f"{chapter}, scale {source['scale'] or 'not stated'}"),
        ("Seeds", listed(source["seeds"]) or "none"),
        ("Code", f"{commit}{changed}; version {source['version']}"),
    ]
    if source["experiments"]:
        facts.append(("Experiment", ", ".join(f"`data/experiments/{name}.yaml`" for name in source["experiments"])))
    for record in source["records"]:
        commits = ", ".join(f"`{commit[:10]}`" for commit in record["commits"])
        facts.append(("Record", f"`{record['folder']}`, seeds {listed(record['seeds'])}, trained at commit {commits}"))
    if source["aside"]:
        facts.append(("Drawn, but not in the data", source["aside"]))
    libraries = ", ".join(f"{name} {number}" for name, number in source["libraries"].items())
    return [*facts, ("Libraries", libraries)]


def listed(numbers: Sequence[int]) -> str:
    """Return numbers as people write them: runs of three or more by their ends."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def gallery(pages: Sequence[str], folder: Path = FIGURES) -> str:
    """Return the figures of some pages in MyST: a section a page, a thumbnail and what it says for each figure.

    Args:
        pages: as the table of contents names them, in its order.
        folder: where their figures lie.

    Raises:
        FileNotFoundError: if a chapter has not been run.
    """
    lines = []
    for page in pages:
        text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
        how = MAKES if page.startswith("notebooks/") else SHOWS
        idents = re.findall(how.format("[\\w-]+"), text)
        if how is SHOWS:  # generated tables are included in the same way
            idents = [ident for ident in idents if (folder / f"{ident}.svg").exists() and chapter_of(ident) == page]
        figures = [json.loads((folder / f"{ident}.json").read_text()) for ident in idents]
        if figures:
            title = re.search(r"^# (.+)$", text, re.MULTILINE)
            lines += [f"## {title[1] if title else page}", "", "`````{grid} 1 1 2 2", ":gutter: 4", ""]
            lines += [*map(_exhibit, figures), "`````", ""]
    return "\n".join(lines)


def _exhibit(figure: dict[str, Any]) -> str:
    """Return one item of the gallery."""
    ident = figure["id"]
    return (
        f"````{{grid-item}}\n:class: exhibit\n\n"
        f"```{{image}} /data/figures/{ident}.small.png\n:alt: {figure['alt']}\n:loading: lazy\n```\n\n"
        f"{{numref}}`fig-{ident}`: {finding(figure['caption'])}\n\n"
        f":::{{div}} figure-files\n`{ident}` {downloads(ident)}\n:::\n````"
    )
