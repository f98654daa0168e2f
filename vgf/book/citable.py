"""What makes a figure citable: where it comes from, how to cite it, and what a page shows below it.

A figure's provenance is gathered when it is drawn, from what its chapter declares, the records and git; it lands in
`ID.json`, and everything else here is rendered from that file. It holds no date and no machine: the same figure from
the same code gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import pandas as pd

from vgf import __version__
from vgf.book import declared, guard
from vgf.support.json_text import read_facts
from vgf.support.paths import data_folder, project_folder
from vgf.support.provenance import git, uncommitted

ROOT = project_folder()
FIGURES = data_folder() / "figures"
SITE = "https://vgf-companion.github.io/vgf-companion"  # GitHub's pages of the repository that CITATION.cff names
AUTHOR, YEAR = "The VGF companion developers", "2026"
SHOWS = r"\{{include\}} [./]*data/figures/({})\.md"  # how a page shows a figure that the package makes
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
    """Return where a figure comes from that no chapter makes but the package.

    Args:
        ident: the figure's id; its page is the first that shows it.
        data: the figure's frame; a column `seed` names its seeds.
        experiment: name of a file in `data/experiments/` behind it.
        seeds: seeds behind the figure; without them the frame's.

    Returns:
        chapter (its page, or empty outside the book), scale (of the chapter, else empty), experiments, records
        (folder, seeds and commits of each study read), seeds, commit, dirty, version and libraries.
    """
    experiments = [experiment] if experiment else []
    return _facts(chapter_of(ident), "", experiments, [], _own_seeds(data) if seeds is None else seeds)


def chapter_provenance(
    name: str,
    scale: str,
    studies: Sequence[str],
    data: pd.DataFrame,
    *,
    experiment: str | None = None,
    seeds: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Return where a chapter's figure comes from, as `provenance` does.

    Args:
        name: the chapter's.
        scale: the scale it runs at.
        studies: those it declares, all of them behind the figure unless `experiment` names one.
        data: the figure's frame; a column `seed` names its seeds.
        experiment: name of the one study behind it.
        seeds: seeds behind the figure; without them the frame's, then the records', then those in the chapter's code.
    """
    labels = [declared.label(study, scale) for study in studies]
    if experiment:
        labels = [label for label in labels if label.rpartition(".")[0] == experiment]
    with guard.unnoted():
        records = [found for label in labels for found in _records(label)]
        if seeds is None:
            seeds = _own_seeds(data) or [seed for record in records for seed in record["seeds"]]
            if not seeds and declared.chapter_file(name).exists():
                seeds = list(declared.literal_seeds(declared.code(name)))
    experiments = [experiment] if experiment else [label.rpartition(".")[0] for label in labels]
    return _facts(f"notebooks/{name}", scale, experiments, records, seeds)


def _facts(
    page: str, scale: str, experiments: Iterable[str], records: list[dict[str, Any]], seeds: Iterable[int]
) -> dict[str, Any]:
    """Return provenance, with the code's part of it."""
    return {
        "chapter": page,
        "scale": scale,
        "experiments": list(dict.fromkeys(experiments)),
        "records": records,
        "seeds": sorted({int(seed) for seed in seeds}),
        "commit": git("rev-parse", "HEAD"),
        "dirty": uncommitted(),
        "version": __version__,
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def chapter_of(ident: str) -> str:
    """Return the page that makes a figure, or else shows it, as the table of contents names it; empty if none."""
    for path in sorted((ROOT / "notebooks").glob("*.md")):
        if ident in declared.declared(path.stem).figures:
            return f"notebooks/{path.stem}"
    shows = re.compile(SHOWS.format(re.escape(ident)))
    pages = sorted((ROOT / "book").glob("*.md"))
    return next((f"book/{path.stem}" for path in pages if shows.search(path.read_text(encoding="utf-8"))), "")


def _records(label: str) -> list[dict[str, Any]]:
    """Return the folder, seeds and commits of a study's records; nothing if there are none."""
    paths = [path for path in declared.matching(declared.records(label)) if path.name == "run.json"]
    runs = [run for path in paths for run in read_facts(path, runs=list)["runs"]]
    if not runs:
        return []
    return [
        {
            "folder": declared.from_root(paths[0].parents[2]),
            "seeds": sorted({seed for run in runs for seed in run["seeds"]}),
            "commits": sorted({run["commit"] for run in runs}),
        }
    ]


def _own_seeds(data: pd.DataFrame) -> list[int]:
    """Return the seeds that a frame names."""
    return [int(seed) for seed in data["seed"].dropna().unique()] if "seed" in data else []


def finding(caption: str) -> str:
    """Return the first sentence of a caption, which says what the figure shows; MyST, without bold."""
    plain = " ".join(caption.replace("**", "").split())
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`{$])", plain, maxsplit=1)[0]


def bibtex(ident: str, caption: str, source: dict[str, Any]) -> str:
    """Return the BibTeX entry of a figure: title, id, address, version and commit; no date but the book's year.

    The title is made of the id, so it stays when the figure is drawn anew; what the figure shows is in the note.
    """
    found = re.sub(r"\s*\{[\w:]+\}`[^`]*`", "", finding(caption)).rstrip(".")
    parts = re.split(r"(\$[^$]*\$)", found)  # mathematics stays as it is
    found = "".join(part if part.startswith("$") else re.sub(r"([%&#_])", r"\\\1", part) for part in parts)
    title = ident.replace("-", " ").capitalize()
    commit = f", commit {source['commit'][:10]}" * bool(source["commit"])
    note = f"Figure {ident}, version {source['version']}{commit}: {found}"
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
    facts = [
        ("Figure", f"`{ident}`, at {{ref}}`#fig-{ident} <fig-{ident}>`"),
        ("Made by", f"{chapter}, scale {source['scale'] or 'not stated'}"),
        ("Seeds", _seeds(source)),
        ("Code", f"{commit}{', with changes not committed' * source['dirty']}; version {source['version']}"),
    ]
    if (source["chapter"] or "").startswith("notebooks/"):
        facts.insert(2, ("Made again by", f"`make chapter CH={source['chapter'].partition('/')[2]}`"))
    if source["experiments"]:
        facts.append(("Experiment", ", ".join(f"`data/experiments/{name}.yaml`" for name in source["experiments"])))
    for record in source["records"]:
        commits = ", ".join(f"`{commit[:10]}`" for commit in record["commits"])
        facts.append(("Record", f"`{record['folder']}`, seeds {listed(record['seeds'])}, trained at commit {commits}"))
    facts += [("Drawn, but not in the data", source["aside"])] if source["aside"] else []
    libraries = ", ".join(f"{name} {number}" for name, number in source["libraries"].items())
    return [*facts, ("Libraries", libraries)]


def _seeds(source: dict[str, Any]) -> str:
    """Say what seeds a figure has: of the training on record, or of the random numbers that the page itself draws."""
    kind = f"{'training' if source['records'] else 'random'} seed{'s' * (len(source['seeds']) != 1)}"
    return f"{kind} {listed(source['seeds'])}" if source["seeds"] else "none"


def listed(numbers: Sequence[int]) -> str:
    """Return numbers as people write them: runs of three or more by their ends."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
