"""Pages cannot go stale: after a change of anything a page reads just that page is executed, and nothing is trained.

Three small chapters stand in for the book's, and a script that copies the text stands in for their execution.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.helpers.site import ROOT

CELL = "```{{code-cell}} ipython3\n{}\n```\n"
CHAPTERS = {
    "01_records": ("from vgf.results import verdicts", {"studies": ["tiny.cpu"], "files": ["data/paper/*.csv"]}),
    "02_quick": ("import vgf.theory", {"studies": ["tiny.quick"], "files": ["data/experiments/tiny.yaml"]}),
    "03_toy": ("from vgf import flow, toy", {"modules": ["vgf.sources.card"]}),
}
STAND_IN = """
import pathlib, shutil, sys
page = pathlib.Path("notebooks", sys.argv[1])
shutil.copy(page.with_suffix(".md"), page.with_suffix(".ipynb"))
"""
RECORD = "data/results/tiny.cpu/task/bc/run.json"
SEED = "data/results/tiny.cpu/task/bc/seed0.csv"
CHANGES = {  # what is changed, and the chapters that read it
    "notebooks/01_records.md": {"01_records"},
    RECORD: {"01_records"},
    SEED: {"01_records"},
    "data/paper/shown.csv": {"01_records"},
    "data/elsewhere.csv": set(),
    "data/experiments/tiny.yaml": {"02_quick"},
    "vgf/results/verdicts.py": {"01_records"},  # a verdict's wording: no training and no other page
    "vgf/theory.py": {"02_quick"},
    "vgf/flow.py": {"03_toy", "02_quick"},
    "vgf/sources/card.py": {"03_toy"},
    "vgf/bench/rows.py": set(),
    "notebooks/chapters.yaml": set(),  # a word said about the declarations, not a declaration
}
# A trained policy can act by a budget that was chosen, and the bounds of `theory` set the ladder it was chosen from.
RETRAINS = {"data/experiments/tiny.yaml", "vgf/flow.py", "vgf/theory.py"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the pipeline with three chapters, all up to date."""
    root = tmp_path_factory.mktemp("pages")
    for name in ("vgf", ".ci", "tests/pipeline"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", root)
    written = {"data/paper/shown.csv": "a\n", "data/elsewhere.csv": "a\n", RECORD: "{}\n", SEED: "a\n"}
    written |= {f"notebooks/{name}.md": CELL.format(code) for name, (code, _) in CHAPTERS.items()}
    written |= {
        "_toc.yml": yaml.safe_dump({"root": "book/intro", "chapters": [{"file": f"notebooks/{n}"} for n in CHAPTERS]})
    }
    written |= {"notebooks/chapters.yaml": yaml.safe_dump({name: reads for name, (_, reads) in CHAPTERS.items()})}
    written |= {".ci/chapter.py": STAND_IN, "data/experiments/d4rl.yaml": "tasks: {}\n"}
    written |= {"data/experiments/tiny.yaml": (ROOT / "tests/pipeline/tiny.yaml").read_text()}
    for name, text in written.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, words in (("vgf", f"{root}/tests/pipeline/vgf_stand_in.py"), ("python", "")):
        path = root / ".venv" / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        path.chmod(0o755)
    snakemake(root, "--cores", "2")
    return root


def snakemake(root: Path, *words: str) -> str:
    """Run the pipeline as far as the chapters, and return what it says."""
    environment = os.environ | {
        "VGF_DATA": str(root / "data"),
        "PATH": f"{root}/.venv/bin{os.pathsep}{os.environ['PATH']}",
    }
    wanted = [f"notebooks/{name}.ipynb" for name in CHAPTERS]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--nolock", "--quiet", "host", *words, "--", *wanted],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def planned(root: Path) -> set[str]:
    """Return the rules that would run."""
    stats = snakemake(root, "-n", "--cores", "1").partition("Job stats:")[2].partition("\n\n")[0]
    return set(re.findall(r"^(\w+) +\d+$", stats, re.MULTILINE)) - {"total"}


def test_nothing_runs_when_nothing_changed(pages: Path) -> None:
    assert planned(pages) == set()


@pytest.mark.parametrize("changed", CHANGES)
def test_a_change_executes_the_pages_that_read_it_and_no_other(pages: Path, changed: str) -> None:
    path = pages / changed
    before, times = path.read_bytes(), path.stat()
    path.write_bytes(before + (b" " if path.suffix == ".json" else b"# changed\n"))
    try:
        rules = planned(pages)
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert {name.removeprefix("chapter_") for name in rules if name.startswith("chapter_")} == CHANGES[changed]
    assert ("train" in rules) == (changed in RETRAINS)


def test_a_declaration_that_changes_executes_its_page(pages: Path) -> None:
    path = pages / "notebooks" / "chapters.yaml"
    before, times = path.read_bytes(), path.stat()
    every = yaml.safe_load(before)
    every["03_toy"] = {"files": ["data/elsewhere.csv"]}
    path.write_text(yaml.safe_dump(every))
    try:
        assert planned(pages) == {"chapter_03_toy"}
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
