"""What chapters declare: read as it is written, held against their text, and against what they read when executed."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.site import CHAPTERS, ROOT
from vgf.book import claims
from vgf.book.declared import Declared, code, declared, from_root, label, literal_seeds, matching, records
from vgf.book.imports import Imports
from vgf.support.paths import data_folder

NAMES = [Path(chapter).name for chapter in CHAPTERS]
FILE = "notebooks/chapters.yaml"


def calls(chapter: str, function: str) -> list[str]:
    """Return the text given to a method in a chapter's cells as the thing's name, in order of the page."""
    nodes = [node for node in ast.walk(code(chapter)) if isinstance(node, ast.Call)]
    named = [node for node in nodes if ast.unparse(node.func) in (f"chapter.{function}", f"loops.{function}")]
    place = 1 if function in ("save_figure", "write") else 0
    return [ast.literal_eval(node.args[place]) for node in named]


def shown(chapter: str) -> set[str]:
    """Return the files of the project that a chapter's page shows."""
    text = (ROOT / "notebooks" / f"{chapter}.md").read_text()
    paths = re.findall(r"^[`:]{3,}\{literalinclude\} (\S+)", text, re.MULTILINE)
    return {from_root((ROOT / "notebooks" / path).resolve()) for path in paths}


def run_of(chapter: str) -> dict[str, Any]:
    """Return what the pipeline noted when it executed a chapter."""
    path = ROOT / "notebooks" / f"{chapter}.ipynb"
    if not path.exists():
        pytest.fail(f"{path.name} is not there; `make book` executes it", pytrace=False)
    found: dict[str, Any] = json.loads(path.read_text())["metadata"]["run"]
    return found


def test_every_chapter_of_the_book_is_declared_and_no_other() -> None:
    assert sorted(yaml.safe_load((ROOT / FILE).read_text())) == sorted(NAMES)


@pytest.mark.parametrize("chapter", NAMES)
def test_a_chapter_declares_the_figures_films_and_verdicts_that_its_cells_make(chapter: str) -> None:
    assert list(declared(chapter).figures) == calls(chapter, "save_figure")
    assert list(declared(chapter).loops) == calls(chapter, "write")
    assert sorted(declared(chapter).verdicts) == sorted(calls(chapter, "verdict"))
    assert set(declared(chapter).verdicts) <= set(claims.read_claims().index)


@pytest.mark.parametrize("chapter", NAMES)
def test_what_a_page_shows_executes_it_anew_when_it_changes(chapter: str) -> None:
    reads = declared(chapter)
    files = {from_root(path) for pattern in reads.files for path in matching(pattern)}
    modules = {from_root(path) for path in Imports().reached([code(chapter)], reads.modules).values()}
    assert shown(chapter) - files - modules == set()


@pytest.mark.parametrize("chapter", NAMES)
def test_nothing_is_declared_that_is_not_there_or_that_an_import_leads_to(chapter: str) -> None:
    reads = declared(chapter)
    made_here = ("data/cache/",)
    assert [p for p in reads.files if not matching(p) and not p.startswith(made_here)] == []
    assert [study for study in reads.studies if "." in study and not matching(records(study))] == []
    assert set(reads.modules) & set(Imports().reached([code(chapter)])) == set()


@pytest.mark.parametrize("chapter", NAMES)
def test_everything_declared_was_read_or_is_shown(chapter: str) -> None:
    reads, run = declared(chapter), run_of(chapter)
    scale = json.loads((ROOT / "notebooks" / f"{chapter}.ipynb").read_text())["metadata"]["papermill"]["parameters"]
    seen = set(run["read"]) | shown(chapter)
    vain = [pattern for pattern in reads.files if not {from_root(path) for path in matching(pattern)} & seen]
    for study in reads.studies:
        own = {from_root(path) for path in matching(records(label(study, scale["scale"])))}
        vain += [] if own & seen else [study]
    files = {module: from_root(Imports().file_of(module) or Path()) for module in reads.modules}
    assert [*vain, *(module for module, file in files.items() if file not in seen)] == []


def test_a_label_names_the_scale_and_its_records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert label("d4rl", "cpu") == "d4rl.cpu"
    assert label("tuning.cpu", "paper") == "tuning.cpu"
    monkeypatch.setenv("VGF_DATA", str(tmp_path))
    assert records("d4rl.cpu") == "data/results/d4rl.cpu/*/*/*"
    (tmp_path / "results" / "rlhf" / "cpu").mkdir(parents=True)
    assert records("rlhf.cpu") == "data/results/rlhf/cpu/*/*/*"


def test_a_pattern_names_files_wherever_the_data_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VGF_DATA", str(tmp_path / "elsewhere"))
    folder = data_folder() / "results" / "a.cpu" / "task" / "bc"
    folder.mkdir(parents=True)
    for name in ("run.json", "seed0.csv", ".lock"):
        (folder / name).touch()
    found = [from_root(path) for path in matching(records("a.cpu"))]
    assert found == [f"data/results/a.cpu/task/bc/{name}" for name in ("run.json", "seed0.csv")]
    assert matching("data/results/a.cpu/none.csv") == []
    assert matching("data/results/**/*.json") == [folder / "run.json"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("other:\n", "declares no chapter one"),
        ("one: {reads: [a]}\n", "reads: not known"),
        ("one: {files: data/paper}\n", "needs a list of words"),
        ("one: {files: [a, a]}\n", "names something twice"),
    ],
)
def test_a_declaration_that_is_wrong_is_one_line(
    text: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VGF_DATA", str(tmp_path / "data"))
    (tmp_path / "notebooks").mkdir()
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ValueError, match=words) as raised:
        declared("one")
    assert "\n" not in str(raised.value)


def test_a_chapter_without_anything_declares_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VGF_DATA", str(tmp_path / "data"))
    (tmp_path / "notebooks").mkdir()
    (tmp_path / FILE).write_text("one:\n")
    assert declared("one") == Declared()


def test_seeds_are_those_that_calls_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VGF_DATA", str(tmp_path / "data"))
    (tmp_path / "notebooks").mkdir()
    cells = (
        "The seed in `default_rng(5)` is only spoken of.\n",
        "```{code-cell} ipython3\n:tags: [hide-cell]\n\nimport torch\n```\n",
        "```{code-cell}\na = torch.Generator().manual_seed(3)\nb = default_rng(seed)\n```\n",
    )
    (tmp_path / "notebooks" / "one.md").write_text("\n".join(cells))
    assert list(literal_seeds(code("one"))) == [3]
