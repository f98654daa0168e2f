"""What a chapter reads and makes, as `notebooks/chapters.yaml` declares it.

The pipeline depends on exactly this, and on the modules that the chapter's code imports (`vgf.book.imports`);
`vgf.book.guard` refuses every other read while the chapter is executed. One file for all chapters shows at a glance
what depends on what, and tools that rewrite a chapter's front matter cannot lose it. The price is a second file to
touch for a new chapter. This module imports nothing heavy: the pipeline reads it at each start.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from vgf.support.paths import data_folder, project_folder

CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
OPTIONS = re.compile(r"\A(?:---\n(?s:.*?)\n---\n|(?::[\w-]+:.*\n)+)")
SCALES = ("quick", "cpu", "paper")


@dataclass(frozen=True)
class Declared:
    """What a chapter reads, and what it leaves in `data/figures/`.

    Attributes:
        studies: read; names, or `name.scale` where the scale is not the chapter's.
        files: read or shown; patterns of paths from the project's root.
        modules: loaded; dotted names of modules that no import of the chapter's code leads to.
        figures: made; ids, in the order of the page.
        loops: made; names of sets of films (`vgf.book.loops`).
        verdicts: made; claims it judges, ids of `data/paper/claims.csv`.
    """

    studies: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()


def chapter_file(chapter: str) -> Path:
    """Return where a chapter's text is; `chapter` is the file's name without its ending."""
    return project_folder() / "notebooks" / f"{chapter}.md"


def declared(chapter: str) -> Declared:
    """Return what a chapter declares.

    Raises:
        ValueError: if the file has no such chapter, a key that is not known, or a value that is no list of words.
    """
    path = project_folder() / "notebooks" / "chapters.yaml"
    every, known = _read(path, path.stat().st_mtime_ns), [field.name for field in fields(Declared)]
    if chapter not in every:
        raise ValueError(f"{path.name}: declares no chapter {chapter}; add it, with what it reads and makes")
    given = every[chapter] or {}
    if odd := sorted(set(given) - set(known)):
        raise ValueError(f"{path.name}: {chapter}: {', '.join(odd)}: not known; there are {', '.join(known)}")
    for name, words in given.items():
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"{path.name}: {chapter}: {name}: needs a list of words, got {words!r}")
        if len(set(words)) < len(words):
            raise ValueError(f"{path.name}: {chapter}: {name}: names something twice")
    return Declared(**{name: tuple(words) for name, words in given.items()})


@lru_cache(maxsize=1)
def _read(path: Path, changed: int) -> dict[str, Any]:
    """Return the file's content, read once for each of its versions."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def label(study: str, scale: str) -> str:
    """Return `name.scale` of a study as declared, for a chapter that runs at `scale`."""
    return study if study.rpartition(".")[2] in SCALES else f"{study}.{scale}"


def records(study: str) -> str:
    """Return the pattern of a study's records, of one called `name.scale`: three levels below `data/results/`."""
    name, _, scale = study.rpartition(".")
    nested = (data_folder() / "results" / name / scale).is_dir()  # studies on language lie in a folder for each scale
    return f"data/results/{name}/{scale}/*/*/*" if nested else f"data/results/{study}/*/*/*"


def matching(pattern: str) -> list[Path]:
    """Return the files that a pattern from the project's root names now, sorted; no folders, no hidden files."""
    root, inside = (data_folder(), pattern[5:]) if pattern.startswith("data/") else (project_folder(), pattern)
    found = [root / inside] if not set("*?[") & set(inside) else root.glob(inside)
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def from_root(path: Path) -> str:
    """Return a path as the declarations write it, data first wherever VGF_DATA puts them."""
    if path.is_relative_to(data_folder()):
        return f"data/{path.relative_to(data_folder()).as_posix()}"
    return path.relative_to(project_folder()).as_posix()


def code(chapter: str) -> ast.Module:
    """Return the code of a chapter's cells, parsed, as if it were one module."""
    text = chapter_file(chapter).read_text(encoding="utf-8")
    cells = [ast.parse(OPTIONS.sub("", body)) for body in CELL.findall(text)]
    return ast.Module([statement for cell in cells for statement in cell.body], [])


def literal_seeds(tree: ast.Module) -> Iterator[int]:
    """Yield the seeds written into calls of `manual_seed` and `default_rng`."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in ("manual_seed", "default_rng") and call.args and isinstance(call.args[0], ast.Constant):
            yield int(call.args[0].value)  # type: ignore[arg-type]
