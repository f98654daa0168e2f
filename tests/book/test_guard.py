"""The guard refuses what a chapter does not declare, and notes what it reads: tried in processes of their own."""

from __future__ import annotations

import json
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.site import ROOT
from vgf.book import guard

TRIED = """
import os, sys
from pathlib import Path
import vgf
from vgf.book import guard

vgf.__path__.insert(0, str(Path.cwd() / "vgf"))
guard.start()
tried = sys.argv[1]
try:
    exec(tried)
except BaseException as error:
    print(type(error).__name__, error)
else:
    print("read")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with two files of data, a page, a figure and modules of its own."""
    texts = ("data/paper/a.csv", "data/paper/b.csv", "book/page.md", "data/figures/own.svg", "data/.lock", "Makefile")
    for name in (*texts, "vgf/toy.py", "vgf/theory.py", "vgf/kernels.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    py_compile.compile(str(tmp_path / "vgf" / "kernels.py"))
    return tmp_path


def attempt(project: Path, tried: str, with_plan: bool = True) -> tuple[str, list[str]]:
    """Return what a line of code came to under a plan that allows a.csv and own.svg, and what was noted."""
    log, planned = project / "reads.txt", project / "plan.json"
    plan = {
        "chapter": "03_bandit",
        "root": str(project),
        "data": str(project / "data"),
        "files": ["data/paper/a.csv", "vgf/toy.py"],
        "makes": ["data/figures/own."],
        "log": str(log),
    }
    planned.write_text(json.dumps(plan))
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | ({guard.VARIABLE: str(planned)} if with_plan else {})
    done = subprocess.run(
        [sys.executable, "-c", TRIED, tried], cwd=project, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip(), log.read_text().split("\n")[:-1] if log.exists() else []


@pytest.mark.parametrize(
    ("tried", "noted"),
    [
        ("open('data/paper/a.csv').read(); open('data/paper/a.csv')", ["data/paper/a.csv"]),
        ("Path('data/../data/paper/a.csv').read_text()", ["data/paper/a.csv"]),
        ("os.close(os.open('data/paper/a.csv', os.O_RDONLY))", ["data/paper/a.csv"]),
        ("os.chdir('data'); open('paper/a.csv')", ["data/paper/a.csv"]),
        ("open('data/paper/b.csv', 'w')", []),
        ("open('data/figures/own.svg')", []),
        ("open('data/.lock')", []),
        ("open('Makefile')", []),
        ("import vgf.toy", ["vgf/toy.py"]),
        ("import importlib; importlib.import_module('vgf.toy')", ["vgf/toy.py"]),
        ("with guard.unnoted(): open('data/paper/a.csv')", []),
    ],
)
def test_what_is_declared_is_read_and_noted_once(project: Path, tried: str, noted: list[str]) -> None:
    said, found = attempt(project, tried)
    assert said == "read"
    assert found == noted


@pytest.mark.parametrize(
    ("tried", "name"),
    [
        ("open('data/paper/b.csv')", "data/paper/b.csv"),
        ("Path('data/paper/b.csv').read_bytes()", "data/paper/b.csv"),
        ("os.open('data/paper/b.csv', os.O_RDONLY)", "data/paper/b.csv"),
        ("open(b'data/paper/b.csv', 'rb')", "data/paper/b.csv"),
        ("open('book/page.md')", "book/page.md"),
        ("import vgf.theory", "vgf.theory"),
        ("import importlib; importlib.import_module('vgf.theory')", "vgf.theory"),
        ("import vgf.kernels", "vgf.kernels"),
        ("with guard.unnoted(): open('data/paper/b.csv')", "data/paper/b.csv"),
        ("try:\n    open('data/paper/b.csv')\nexcept OSError:\n    pass", "data/paper/b.csv"),
    ],
)
def test_what_is_not_declared_is_refused_with_its_name_and_the_remedy(project: Path, tried: str, name: str) -> None:
    said, noted = attempt(project, tried)
    assert said.startswith("UndeclaredReadError 03_bandit")
    assert name in said
    assert "notebooks/chapters.yaml" in said
    assert name not in noted


def test_a_file_that_is_not_there_is_not_refused(project: Path) -> None:
    assert attempt(project, "open('data/paper/none.csv')")[0].startswith("FileNotFoundError")


def test_without_a_plan_nothing_is_watched(project: Path) -> None:
    assert attempt(project, "open('data/paper/b.csv')", with_plan=False) == ("read", [])
