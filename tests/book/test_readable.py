"""Notebooks to download: their Markdown is what plain Jupyter reads, and they run where nothing but the package is."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from markdown_it import MarkdownIt

from tests.helpers.site import CHAPTERS, ROOT, SITE

QUICK = ("notebooks/00_standalone_vgf", pytest.param("notebooks/02_mmd_bound", marks=pytest.mark.soak))  # no record
ROLE = re.compile(r"\{[a-z][\w:.-]*\}`")
DIRECTIVE = re.compile(r"^\s*(?:`{3,}|:{3,}|~{3,})\s*\{", re.MULTILINE)
OPTION = re.compile(r"^\s*:(?:name|label|alt|widths|header-rows|class):", re.MULTILINE)
KEPT = r"%pip install.*"
EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=900).execute()
"""


def offered(chapter: str) -> Any:
    """Return the notebook that a chapter's page offers."""
    path = SITE / "_sources" / f"{chapter}.ipynb"
    if not path.exists():
        pytest.fail(f"{path.name} is not there; `make book` writes it", pytrace=False)
    return nbformat.read(path, as_version=4)


def markdown(notebook: Any) -> list[str]:
    """Return every piece of Markdown in a notebook, outputs included."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return texts + [output["data"]["text/markdown"] for output in outputs if "text/markdown" in output.get("data", {})]


def outside_code(text: str) -> str:
    """Return Markdown without code blocks, which may show what they like."""
    lines = text.splitlines()
    for token in MarkdownIt().parse(text):
        if token.type in ("fence", "code_block") and token.map and not token.info.startswith("{"):
            lines[token.map[0] : token.map[1]] = [""] * (token.map[1] - token.map[0])
    return "\n".join(lines)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_role_and_no_directive_is_left(chapter: str) -> None:
    for text in map(outside_code, markdown(offered(chapter))):
        assert ROLE.findall(text) + DIRECTIVE.findall(text) + OPTION.findall(text) == []


def test_the_search_for_roles_finds_what_a_chapter_has() -> None:
    text = outside_code(
        "```python\nx = '{glue:text}`a`'\n```\n\n{glue:text}`a`, {prf:ref}`b`\n\n```{math}\n:label: c\n```\n"
    )
    assert ROLE.findall(text) == ["{glue:text}`", "{prf:ref}`"]
    assert (len(DIRECTIVE.findall(text)), len(OPTION.findall(text))) == (1, 1)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_notebook_is_valid_and_has_every_cell_of_the_chapter_after_the_one_that_installs(chapter: str) -> None:
    notebook, executed = offered(chapter), nbformat.read(ROOT / f"{chapter}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert re.search(KEPT, notebook.cells[0].source)
    code = [cell.source for cell in notebook.cells[1:] if cell.cell_type == "code"]
    own = [cell for cell in executed.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    assert code == [cell.source for cell in own if cell.cell_type == "code"]
    kinds = [kind for cell in notebook.cells for o in cell.get("outputs", []) for kind in o.get("data", {})]
    assert [kind for kind in kinds if "papermill.record" in kind] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_word_of_the_chapter_is_there(chapter: str) -> None:
    """Plain words of the text, in its order; what roles and directives become is not compared."""
    executed = nbformat.read(ROOT / f"{chapter}.ipynb", as_version=4)
    said = " ".join(re.findall(r"[A-Za-z]{4,}", " ".join(markdown(offered(chapter)))))
    for cell in executed.cells:
        if cell.cell_type == "markdown":
            plain = re.sub(
                r"(?ms)^(`{3,}|:{3,}).*?^\1\s*$|`[^`]*`|\$[^$]*\$|\{[^}]*\}|\[[^\]]*\]|\([^)]*\)", "#", cell.source
            )
            for sentence in re.findall(r"[A-Za-z]{4,}(?:[ \n,]+[A-Za-z]{4,}){4,}", plain):
                assert " ".join(re.findall(r"[A-Za-z]{4,}", sentence)) in said


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_below_the_title_stand_time_memory_and_where_to_run(chapter: str) -> None:
    notebook = offered(chapter)
    title = next(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    run = notebook.metadata
    took = f"{max(1, round(run['papermill']['duration']))} s on {run['machine']['cores']} core"
    memory = f"{run['run']['peak_memory_bytes'] / (1 << 30):.1f} GiB of memory"
    page = (SITE / f"{chapter}.html").read_text()
    (line,) = re.findall(r'<p class="chapter-opening">(.*?)</p>', page)
    assert re.search(r'</h1>\s*<p class="chapter-opening">', page)
    for text in (title.split("\n")[2], line):
        assert took in text
        assert memory in text
        assert all(f"{chapter}.ipynb" in address for address in re.findall(r"https://[^\s\"')]*ipynb", text))
        assert "colab" in text
        assert "mybinder" in text


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_picture_travels_with_its_cell(chapter: str) -> None:
    for cell in offered(chapter).cells:
        shown = (
            re.findall(r"!\[[^\]]*\]\((?:attachment:)?([^)]+)\)", cell.source) if cell.cell_type == "markdown" else []
        )
        assert set(shown) == set(cell.get("attachments", {}))
        for content in cell.get("attachments", {}).values():
            ((kind, encoded),) = content.items()
            assert kind in ("image/png", "image/svg+xml")
            assert len(base64.b64decode(encoded)) > 100


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_link_leads_to_a_page_and_a_place_that_are_there(chapter: str) -> None:
    base = f"{yaml.safe_load((ROOT / 'CITATION.cff').read_text())['url'].rstrip('/')}/"
    links = {a for text in markdown(offered(chapter)) for a in re.findall(r"\]\((https?://[^)\s]+)\)", text)}
    own = [link.removeprefix(base) for link in links if link.startswith(base)]
    for path, _, anchor in (link.partition("#") for link in own):
        assert (SITE / path).is_file(), path
        if anchor:
            assert re.search(rf'id="{re.escape(anchor)}"', (SITE / path).read_text()), f"{path}#{anchor}"


def first_cell(chapter: str) -> Callable[[], None]:
    """Return a function that runs a notebook's first cell, with what `%pip` is given noted in its list `asked`."""
    source = re.sub(r"%pip (.+)", r"asked.append(\1)".replace(r"\1", "'''\\1'''"), offered(chapter).cells[0].source)

    def run() -> None:
        exec(source, {"asked": run.asked})  # type: ignore[attr-defined]

    run.asked = []  # type: ignore[attr-defined]
    return run


@pytest.mark.parametrize("chapter", ["notebooks/00_standalone_vgf", "notebooks/09_d4rl"])
def test_where_everything_is_the_first_cell_does_nothing(chapter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("started a program"))
    run = first_cell(chapter)
    run()
    assert run.asked == []  # type: ignore[attr-defined]


def test_where_the_package_is_missing_the_first_cell_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    run = first_cell("notebooks/00_standalone_vgf")
    run()
    repository = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]
    (asked,) = run.asked  # type: ignore[attr-defined]
    assert f"git+{repository['url']}@{repository['branch']}" in asked


def test_where_the_records_are_missing_the_first_cell_fetches_them_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[list[str]] = []

    def run_program(command: list[str], **options: object) -> types.SimpleNamespace:
        fetched.append(command)
        Path(command[-1], "data").mkdir(parents=True)
        return types.SimpleNamespace(returncode=0)

    monkeypatch.setenv("VGF_DATA", str(tmp_path / "none"))
    monkeypatch.setattr(subprocess, "run", run_program)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        first_cell("notebooks/09_d4rl")()
    assert [command[:2] for command in fetched] == [["git", "clone"]]
    assert os.environ["VGF_DATA"] == str(tmp_path / "vgf-companion" / "data")


@pytest.mark.parametrize("chapter", QUICK)
def test_a_downloaded_notebook_runs_in_an_empty_folder(chapter: str, tmp_path: Path) -> None:
    packages, empty = tmp_path / "packages", tmp_path / "empty"
    shutil.copytree(
        ROOT / "vgf", packages / "vgf", ignore=shutil.ignore_patterns("__pycache__")
    )  # no checkout around it
    empty.mkdir()
    notebook = empty / "downloaded.ipynb"
    shutil.copy(SITE / "_sources" / f"{chapter}.ipynb", notebook)
    unset = {"VGF_DATA", "VGF_CHAPTER_PLAN", "PYTHONSTARTUP"}
    environment = {key: value for key, value in os.environ.items() if key not in unset} | {
        "PYTHONPATH": str(packages),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(notebook)], cwd=empty, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert {path.name for path in empty.iterdir()} <= {"downloaded.ipynb", "data"}  # its figures
