"""Chapters: text in git, one parameter, executed without an error and in time."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jupytext
import pytest
import yaml

from tests.helpers.site import CHAPTERS, ROOT
from vgf.book.declared import declared

SECONDS = 180  # chapters are written for 90 s on two cores at quick; a busy machine may take twice as long


def source(chapter: str) -> Path:
    """Return a chapter's text."""
    return ROOT / f"{chapter}.md"


def executed(chapter: str) -> dict[str, Any]:
    """Return a chapter as papermill left it."""
    path = ROOT / f"{chapter}.ipynb"
    if not path.exists():
        pytest.fail(f"{path.name} is not there; `make book` executes it", pytrace=False)
    return json.loads(path.read_text())


def cells(chapter: str) -> list[Any]:
    """Return the code cells of a chapter's text."""
    return [cell for cell in jupytext.read(source(chapter)).cells if cell.cell_type == "code"]


def test_git_holds_no_outputs() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    made = re.compile(r"\.ipynb$|^data/(figures|cache)/|^data/results/[^/]*\.quick/|^_build/|^\.snakemake/")
    assert [path for path in listed if made.search(path)] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_opens_as_a_notebook(chapter: str) -> None:
    header = yaml.safe_load(source(chapter).read_text().split("---")[1])
    assert header["jupytext"]["text_representation"]["format_name"] == "myst"
    assert header["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_has_the_one_parameter_first(chapter: str) -> None:
    tagged = [i for i, cell in enumerate(cells(chapter)) if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == [0]
    lines = [line for line in cells(chapter)[0].source.splitlines() if line and not line.startswith("#")]
    assert len(lines) == 1
    assert re.match(r"scale = \"quick\"", lines[0])


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_says_what_it_does_and_what_was_found(chapter: str) -> None:
    text = source(chapter).read_text()
    assert re.search(r"^# .+$", text, re.MULTILINE)
    assert "What this page does" in text
    assert "What we found" in text


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_figure_a_chapter_shows_is_one_it_makes(chapter: str) -> None:
    shown = re.findall(r"\{include\} \.\./data/figures/([\w-]+)\.md", source(chapter).read_text())
    assert set(shown) <= set(declared(Path(chapter).name).figures)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_picture_comes_before_any_code(chapter: str) -> None:
    before = source(chapter).read_text().partition("```{code-cell}")[0]
    assert "```{include} ../data/figures/" in before


@pytest.mark.parametrize("page", [*CHAPTERS, *(f"book/{path.stem}" for path in (ROOT / "book").glob("*.md"))])
def test_no_line_of_text_begins_with_a_percent_sign_which_would_hide_it(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / f"{page}.md").read_text(), flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"^ *%.*", text, re.MULTILINE) == []


def test_no_figure_is_made_twice() -> None:
    made = [figure for chapter in CHAPTERS for figure in declared(Path(chapter).name).figures]
    assert sorted(made) == sorted(set(made))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_prepares_itself_in_two_cells_behind_one_fold_and_knows_its_name(chapter: str) -> None:
    tagged = [i for i, cell in enumerate(cells(chapter)) if "setup" in cell.metadata.get("tags", [])]
    assert tagged == [0, 1]
    prepared = cells(chapter)[1].source
    assert "from vgf.book.chapter import" in prepared
    assert "myst_nb" not in source(chapter).read_text()
    named = re.findall(r"^chapter = Chapter\(\"(\w+)\", scale\)$", prepared, re.MULTILINE)
    assert named == [Path(chapter).name] * bool(declared(Path(chapter).name).figures)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_an_executed_chapter_has_no_error_and_is_of_this_text(chapter: str) -> None:
    code = [cell for cell in executed(chapter)["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert [output["ename"] for output in outputs if output["output_type"] == "error"] == []
    own = ["".join(c["source"]) for c in code if "injected-parameters" not in c["metadata"].get("tags", [])]
    assert own == [cell.source for cell in cells(chapter)], "executed from an older text; run `make book`"
    assert all(cell["execution_count"] for cell in code if "".join(cell["source"]).strip())


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_an_executed_chapter_kept_its_time(chapter: str) -> None:
    run = executed(chapter)["metadata"]["papermill"]
    if run["parameters"]["scale"] == "quick":
        assert run["duration"] < SECONDS


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_an_executed_chapter_prints_no_warning(chapter: str) -> None:
    outputs = [output for cell in executed(chapter)["cells"] for output in cell.get("outputs", [])]
    printed = ["".join(output["text"]) for output in outputs if output.get("name") == "stderr"]
    assert [text for text in printed if "Warning" in text or "Traceback" in text] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_an_executed_chapter_names_no_place_and_no_host(chapter: str) -> None:
    text = (ROOT / f"{chapter}.ipynb").read_text()
    places = {str(ROOT), str(Path.home()), sys.prefix} - {"/"}
    assert [place for place in places if place in text] == []
    assert not re.search(rf"\b{re.escape(platform.node())}\b", json.dumps(executed(chapter)["metadata"]))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_output_names_a_place_on_the_machine_that_ran_it(chapter: str) -> None:
    outputs = json.dumps([cell["outputs"] for cell in executed(chapter)["cells"] if cell["cell_type"] == "code"])
    places = rf"(?<![\w.]){re.escape(str(ROOT))}|(?<![\w.:/])/(?:home|root|tmp|private|Users|var|mnt|opt)/[\w.-]+"
    assert re.findall(places, outputs) == []
