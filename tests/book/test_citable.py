"""A figure's provenance is gathered by itself, and its BibTeX is sound."""

from __future__ import annotations

import json
import re
import subprocess

import pandas as pd
import pytest
import yaml

import vgf
from tests.helpers.site import ROOT
from vgf.book import citable

FRAME = pd.DataFrame({"x": [1, 2]})
SOURCE = {
    "chapter": "notebooks/03_bandit",
    "scale": "quick",
    "experiments": ["d4rl"],
    "records": [{"folder": "data/results/d4rl.cpu", "seeds": [0, 1, 2], "commits": ["a" * 40]}],
    "seeds": [0, 1, 2, 5],
    "commit": "0123456789abcdef",
    "dirty": True,
    "version": "9.9.9",
    "libraries": {"torch": "1.2"},
    "aside": "jitter",
}


def head() -> str:
    """Return the commit of this checkout; empty outside one."""
    run = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return run.stdout.strip()


def test_the_address_and_the_year_are_those_of_the_book() -> None:
    repository = yaml.safe_load((ROOT / "CITATION.cff").read_text())["repository-code"]
    owner, name = repository.split("/")[-2:]
    assert f"https://{owner}.github.io/{name}" == citable.SITE
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert config["copyright"] == citable.YEAR
    assert config["author"] == citable.AUTHOR


def test_a_figure_of_a_chapter_says_where_it_comes_from() -> None:
    found = citable.chapter_provenance("00_standalone_vgf", "quick", [], FRAME)
    assert found["chapter"] == "notebooks/00_standalone_vgf"
    assert (found["scale"], found["seeds"], found["version"]) == ("quick", [0], vgf.__version__)
    assert found["commit"] == head()
    assert isinstance(found["dirty"], bool)
    assert set(found["libraries"]) == set(citable.LIBRARIES)
    assert not re.search(r"\d{4}-\d\d-\d\d|/(?:home|root|tmp)/", json.dumps(found))


def test_a_figure_of_the_package_is_of_the_page_that_shows_it() -> None:
    found = citable.provenance("explorer-presets", FRAME, seeds=[0])
    assert (found["chapter"], found["scale"], found["records"]) == ("book/explore", "", [])
    assert citable.chapter_of("standalone-walk") == "notebooks/00_standalone_vgf"
    assert citable.provenance("never-made", FRAME)["chapter"] == ""
    assert citable.chapter_of("standalone") == ""  # the start of an id is not the id


def test_records_behind_a_figure_are_named_with_their_commits() -> None:
    found = citable.chapter_provenance("09_d4rl", "cpu", ["d4rl", "tuning.cpu"], FRAME, experiment="d4rl")
    runs = [
        run
        for path in (ROOT / "data" / "results" / "d4rl.cpu").glob("*/*/run.json")
        for run in json.loads(path.read_text())["runs"]
    ]
    (record,) = found["records"]
    assert found["experiments"] == ["d4rl"]
    assert record["folder"] == "data/results/d4rl.cpu"
    assert set(record["commits"]) == {run["commit"] for run in runs}
    assert set(record["seeds"]) == {seed for run in runs for seed in run["seeds"]} == set(found["seeds"])
    both = citable.chapter_provenance("09_d4rl", "cpu", ["d4rl", "tuning.cpu"], FRAME)
    assert both["experiments"] == ["d4rl", "tuning"]
    assert [record["folder"] for record in both["records"]] == ["data/results/d4rl.cpu", "data/results/tuning.cpu"]


def test_seeds_are_the_callers_or_the_frames_before_any_other() -> None:
    frame = pd.DataFrame({"seed": [3, 1, 1, float("nan")]})
    for given, seeds in ((None, [1, 3]), (range(4), [0, 1, 2, 3])):
        assert citable.provenance("standalone-walk", frame, seeds=given)["seeds"] == seeds
        assert citable.chapter_provenance("00_standalone_vgf", "quick", [], frame, seeds=given)["seeds"] == seeds


@pytest.mark.parametrize(
    ("caption", "first"),
    [
        ("It rises. More.", "It rises."),
        ("**It rises\nto the top.** More.", "It rises to the top."),
        ("It is 0.5 at most; see {eq}`x`. More.", "It is 0.5 at most; see {eq}`x`."),
        ("Nothing more", "Nothing more"),
        ("Bounded? $x$ says so.", "Bounded?"),
    ],
)
def test_a_finding_is_the_first_sentence(caption: str, first: str) -> None:
    assert citable.finding(caption) == first


def test_a_bibtex_entry_names_title_id_address_version_and_commit() -> None:
    entry = citable.bibtex("bandit-support", "Up to 5 % & more in $a_b$ {eq}`x`. Rest.", SOURCE)
    assert entry.startswith("@misc{vgf-companion:bandit-support,\n")
    assert entry.endswith("}\n")
    assert entry.count("{") == entry.count("}")
    fields = dict(re.findall(r"^  (\w+) += \{(.*)\},$", entry, re.MULTILINE))
    assert fields == {
        "author": "{The VGF companion developers}",
        "title": "{Bandit support}",
        "howpublished": "Value Gradient Flow, a companion",
        "year": "2026",
        "note": r"Figure bandit-support, version 9.9.9, commit 0123456789: Up to 5 \% \& more in $a_b$",
        "url": f"{citable.SITE}/notebooks/03_bandit.html#fig-bandit-support",
    }


def test_the_title_of_a_figure_stays_when_its_finding_changes() -> None:
    titles = {re.search(r"title +=.*", citable.bibtex("a-figure", text, SOURCE)) for text in ("One. Rest.", "Two.")}
    assert {found[0] for found in titles if found} == {"title        = {{A figure}},"}


def test_the_fold_out_holds_all_of_the_provenance() -> None:
    text = citable.fragment("bandit-support", "It leaves.", "A curve.", SOURCE)
    fold = text[text.index("::::{dropdown}") :]
    for part in (
        "{doc}`/notebooks/03_bandit`, scale quick",
        "**Seeds:** training seeds 0 to 2, 5",
        "`0123456789`, with changes not committed",
        "`data/experiments/d4rl.yaml`",
        "`data/results/d4rl.cpu`, seeds 0 to 2, trained at commit `aaaaaaaaaa`",
        "torch 1.2",
        "**Drawn, but not in the data:** jitter",
        citable.bibtex("bandit-support", "It leaves.", SOURCE),
    ):
        assert part in fold


@pytest.mark.parametrize(
    ("seeds", "records", "words"),
    [
        ([0], [], "random seed 0"),
        ([0, 1, 2], [], "random seeds 0 to 2"),
        ([0], SOURCE["records"], "training seed 0"),
        ([0, 1], SOURCE["records"], "training seeds 0, 1"),
        ([], [], "none"),
    ],
)
def test_seeds_say_whether_they_are_those_of_training(seeds: list[int], records: list[object], words: str) -> None:
    assert dict(citable.origin("a-figure", {**SOURCE, "seeds": seeds, "records": records}))["Seeds"] == words


@pytest.mark.parametrize(
    ("numbers", "words"), [([], ""), ([4], "4"), ([1, 0], "0, 1"), ([0, 1, 2, 3, 7], "0 to 3, 7"), ([5, 5], "5")]
)
def test_numbers_are_listed_as_people_write_them(numbers: list[int], words: str) -> None:
    assert citable.listed(numbers) == words
