"""What is published beside the code: citation, metadata, releases, and the notebooks behind the launch buttons."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tarfile
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

import vgf
from tests.helpers.site import CHAPTERS, PAGES, ROOT, SITE


def script(name: str, folder: str = ".ci") -> types.ModuleType:
    """Load a script that is no part of the package."""
    specification = importlib.util.spec_from_file_location(f"script_{name}", ROOT / folder / f"{name}.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


release, citation = script("release"), script("citation", "book/_ext")
CITATION, PROJECT = release.read_sources()
VERSION = CITATION["version"]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")}


def steps(workflow: str, job: str) -> list[dict[str, Any]]:
    """Return the steps of a workflow's job."""
    return WORKFLOWS[workflow]["jobs"][job]["steps"]


def commands(workflow: str, job: str) -> str:
    """Return what a job runs, joined."""
    return "\n".join(step.get("run", "") for step in steps(workflow, job))


def test_every_file_names_the_same_version() -> None:
    section = release.changes(VERSION)
    assert release.disagreements(CITATION, PROJECT, section, "", changed=False) == []
    assert vgf.__version__ == PROJECT["version"]
    assert json.loads((ROOT / "codemeta.json").read_text())["version"] == VERSION
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1] == VERSION


def test_codemeta_is_made_of_the_citation_file() -> None:
    assert (ROOT / "codemeta.json").read_text() == release.codemeta_text(CITATION, PROJECT), (
        "run `python .ci/release.py --codemeta`"
    )


def test_the_addresses_agree() -> None:
    repository = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    assert CITATION["repository-code"] == repository
    owner, name = repository.split("/")[-2:]
    assert CITATION["url"] == f"https://{owner}.github.io/{name}"


RELEASED = {**CITATION, "date-released": "2026-12-01"}
SECTION = f"{VERSION} (2026-12-01)\n\n- All.\n"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"tag": "v9.9.9"}, ["the tag is v9.9.9"]),
        ({"section": ""}, ["no section"]),
        ({"section": f"{VERSION} (unreleased)\n"}, ["does not date"]),
        ({"section": f"{VERSION} (2026-12-02)\n"}, ["date-released: 2026-12-02"]),
        ({"project": {"version": "9.9.9"}}, ["pyproject.toml has version 9.9.9"]),
        ({"changed": True}, ["not committed"]),
    ],
)
def test_a_release_of_disagreeing_files_is_refused(changes: dict[str, Any], said: list[str]) -> None:
    given = {"citation": RELEASED, "project": PROJECT, "section": SECTION, "tag": f"v{VERSION}", "changed": False}
    found = release.disagreements(**{**given, **changes})
    assert len(found) == len(said)
    assert all(words in line for words, line in zip(said, found, strict=True))


def test_a_wrong_tag_gets_one_line_and_leaves_nothing() -> None:
    before = (ROOT / "_build" / "release").exists()
    command = [sys.executable, ".ci/release.py", "--tag", "v9.9.9"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1
    assert run.stderr.startswith("release: the tag is v9.9.9")
    assert (ROOT / "_build" / "release").exists() == before


def written(folder: Path) -> Path:
    """Write a little release and return its folder."""
    files = {"data/results/x.csv": folder / "x.csv", "run": folder / "run", "site/index.html": folder / "index.html"}
    for number, path in enumerate(files.values()):
        path.write_text(f"file {number}\n")
    files["run"].chmod(0o700)
    out = folder / "release"
    release.write_release(out, "book-1", files, folder / "index.html", 1_700_000_000)
    return out


def test_a_release_is_complete_and_its_checksums_hold(tmp_path: Path) -> None:
    out = written(tmp_path)
    sums = dict(reversed(line.split("  ")) for line in (out / "SHA256SUMS").read_text().splitlines())
    names = {"book-1.tar.gz", "book-1-site.zip", "book-1-records.tar.gz", "book-1.pdf", "codemeta.json", "CITATION.cff"}
    assert {path.name for path in out.iterdir()} == names | {"SHA256SUMS"}
    assert sums == {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names}
    with tarfile.open(out / "book-1.tar.gz") as archive:
        members = archive.getmembers()
        inside = archive.extractfile("book-1/SHA256SUMS")
        assert inside
        listed = [line.split("  ")[1] for line in inside.read().decode().splitlines()]
    assert sorted(f"book-1/{name}" for name in [*listed, "SHA256SUMS"]) == [member.name for member in members]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(1_700_000_000, 0, 0, "", "")}
    assert {m.name: m.mode for m in members}["book-1/run"] == 0o755
    assert zipfile.ZipFile(out / "book-1-site.zip").namelist() == ["book-1-site/index.html"]
    with tarfile.open(out / "book-1-records.tar.gz") as archive:
        assert archive.getnames() == ["book-1-records/data/results/x.csv"]


def test_the_same_files_give_the_same_release(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    one, two = map(written, folders)
    assert (one / "SHA256SUMS").read_text() == (two / "SHA256SUMS").read_text()


def test_a_release_that_fails_leaves_the_one_before(tmp_path: Path) -> None:
    out = written(tmp_path)
    with pytest.raises(FileNotFoundError):
        release.write_release(out, "book-1", {"gone": tmp_path / "gone"}, tmp_path / "index.html", 0)
    assert (out / "book-1.tar.gz").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_archive_holds_the_source_and_what_the_book_made_but_no_weights_of_quick_runs() -> None:
    held = release.members()
    assert {"vgf/flow.py", "CITATION.cff", "requirements.lock", *(f"{chapter}.ipynb" for chapter in CHAPTERS)} <= set(
        held
    )
    assert {f"site/{page}.html" for page in PAGES} <= set(held)
    assert [name for name in held if ".quick/" in name and (name.endswith(".safetensors") or "/." in name)] == []
    assert [name for name in held if name.startswith((".git/", ".venv", "data/cache"))] == []


def test_nothing_in_the_archive_names_the_folder_it_was_made_in(tmp_path: Path) -> None:
    assert [name for name, path in release.members().items() if release.names_this_machine(path)] == []
    (tmp_path / "log").write_text(f"read {ROOT}/data/x.csv\n")
    assert release.names_this_machine(tmp_path / "log")


# --- launch buttons


@pytest.mark.parametrize("page", PAGES)
def test_the_launch_buttons_of_a_chapter_open_it_executed_and_other_pages_have_none(page: str) -> None:
    repository = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]
    owner, name = repository["url"].split("/")[-2:]
    place = f"{owner}/{name}"
    opened = set(re.findall(r'href="(https://(?:colab\.|mybinder\.)[^"]+)"', (SITE / f"{page}.html").read_text()))
    wanted = {
        f"https://colab.research.google.com/github/{place}/blob/{repository['branch']}/{page}.ipynb",
        f"https://mybinder.org/v2/gh/{place}/{repository['branch']}?urlpath=lab/tree/{page}.ipynb",
    }
    assert opened == (wanted if page in CHAPTERS else set())


def test_the_pages_workflow_publishes_what_the_buttons_open() -> None:
    branch = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["branch"]
    run = commands("pages", "executed")
    assert f"checkout --quiet --orphan {branch}" in run
    assert f"push --quiet --force origin {branch}" in run
    packed = commands("pages", "build")
    copied = packed.index("cp _build/html/_sources/notebooks/*.ipynb notebooks/")
    assert copied < packed.index("--file executed.tar.gz"), "the readable notebooks are what is published"


def test_what_the_pages_workflow_packs_arrives_on_the_branch(tmp_path: Path) -> None:
    made = [
        "notebooks/a.ipynb",
        "data/figures/deep/f.csv",
        "data/results/s.quick/t/m/run.json",
        "data/tables/s.quick.md",
    ]
    left = ["data/results/s.quick/t/m/policy.safetensors", "data/results/s.quick/t/m/.lock"]
    origin, built, fresh = tmp_path / "origin.git", tmp_path / "built", tmp_path / "fresh"
    run: Any = functools.partial(subprocess.run, check=True, capture_output=True, text=True)
    run(["git", "init", "-q", "--bare", "-b", "main", origin])
    run(["git", "clone", "-q", origin, built])
    (built / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    (built / "source.py").write_text("1\n")
    run(["git", "add", "."], cwd=built)
    run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "one"], cwd=built)
    run(["git", "push", "-q", "origin", "HEAD:main"], cwd=built)
    run(["git", "clone", "-q", origin, fresh])
    for name in (*made, *left):
        (built / name).parent.mkdir(parents=True, exist_ok=True)
        (built / name).write_text(name)
    (pack,) = [step["run"] for step in steps("pages", "build") if "executed.tar.gz" in step.get("run", "")]
    run(["bash", "-e", "-c", re.sub(r"^cp _build.*$", "", pack, flags=re.MULTILINE)], cwd=built)
    environment = {**os.environ, "RUNNER_TEMP": str(built), "GITHUB_SHA": "abc"}
    run(["bash", "-e", "-c", commands("pages", "executed")], cwd=fresh, env=environment)
    listed = run(["git", "ls-tree", "-r", "--name-only", "executed"], cwd=origin).stdout.splitlines()
    assert sorted(listed) == sorted([*made, ".gitignore", "source.py"])


def test_a_tag_makes_a_tested_release() -> None:
    assert WORKFLOWS["release"][True]["push"]["tags"] == ["v*"]  # YAML reads `on` as true
    run = commands("release", "build")
    assert run.index(".ci/run") < run.index("make release TAG=")
    published = commands("release", "publish")
    assert published.index("sha256sum --check") < published.index("gh release create")
    kept = next(step["with"]["path"] for step in steps("release", "build") if "upload-artifact" in step.get("uses", ""))
    assert kept.split() == ["_build/release", "_build/release-notes.md"]  # what they share, _build/, is cut off


@pytest.mark.parametrize("workflow", sorted(WORKFLOWS))
def test_a_job_that_may_write_runs_nothing_but_the_workflow_and_actions_are_pinned(workflow: str) -> None:
    assert WORKFLOWS[workflow]["permissions"] == {"contents": "read"}
    for name, job in WORKFLOWS[workflow]["jobs"].items():
        if "permissions" in job:
            assert not re.search(r"make|python|\.ci/", commands(workflow, name))
        else:
            checkout = next(step for step in job["steps"] if "/checkout@" in step.get("uses", ""))
            assert checkout["with"]["persist-credentials"] is False
        assert "timeout-minutes" in job
        used = [step["uses"] for step in job["steps"] if "uses" in step]
        assert [action for action in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", action)] == []


@pytest.mark.parametrize("workflow", sorted(WORKFLOWS))
def test_a_workflow_runs_only_what_is_there(workflow: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for job in WORKFLOWS[workflow]["jobs"]:
        run = commands(workflow, job)
        assert set(re.findall(r"\bmake ([a-z-]+)", run)) <= targets
        assert [path for path in re.findall(r"(?<![\w/])\.ci/[\w.]+", run) if not (ROOT / path).exists()] == []


# --- citing a page


BOOK = citation.Book("A book", ("The makers", ("Doe", "Jo")), "1.2", "2026", "https://a.example/b")


def test_a_page_is_cited_by_title_and_address() -> None:
    entry = citation.bibtex(BOOK, "notebooks/03_bandit", "A 5 % bandit of $O(N_x)$ & co_")
    assert entry.startswith("@incollection{vgfcompanion202603bandit,\n")
    assert "author    = {{The makers} and Doe, Jo}" in entry
    assert r"title     = {A 5 \% bandit of $O(N_x)$ \& co\_}" in entry
    assert "url       = {https://a.example/b/notebooks/03_bandit.html}" in entry
    assert entry.count("{") - entry.count(r"\{") == entry.count("}") - entry.count(r"\}")
    line = citation.sentence(BOOK, "book/intro", "Start")
    assert line == "The makers, Jo Doe (2026). “Start.” In A book, version 1.2. https://a.example/b/book/intro.html"


def test_no_two_pages_share_a_key() -> None:
    keys = [citation.key(BOOK, page) for page in PAGES]
    assert len(set(keys)) == len(keys)


def test_a_citation_file_without_an_address_is_refused(tmp_path: Path) -> None:
    (tmp_path / "CITATION.cff").write_text("title: A\nauthors: [{name: B}]\nversion: 1.0\n")
    with pytest.raises(ValueError, match=r"CITATION\.cff: no url"):
        citation.read_book(tmp_path / "CITATION.cff", "2026")


def test_the_year_is_that_of_the_release(tmp_path: Path) -> None:
    path = tmp_path / "CITATION.cff"
    path.write_text("title: A\nauthors: [{name: B}]\nversion: '1.0'\nurl: https://a.example/\n")
    assert citation.read_book(path, "2026").year == "2026"
    path.write_text(path.read_text() + "date-released: 2027-01-05\n")
    assert citation.read_book(path, "2026").year == "2027"
    assert citation.read_book(path, "2026").address == "https://a.example"
