"""Facts come from the records and from what chapters glue."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.helpers.site import ROOT
from vgf.book import facts
from vgf.results.study_text import NAMES


def notebook(folder: Path, name: str, values: dict[str, str]) -> None:
    """Write an executed chapter that glued some values."""
    outputs = [
        {"metadata": {"scrapbook": {"name": key}}, "data": {"application/papermill.record/text/plain": text}}
        for key, text in values.items()
    ]
    (folder / f"{name}.ipynb").write_text(json.dumps({"cells": [{"outputs": outputs}, {}]}))


def test_glued_values_are_read_as_numbers_and_words(tmp_path: Path) -> None:
    notebook(tmp_path, "a", {"one": "1.5", "two": "7", "word": "'held in part'", "list": "[1]"})
    notebook(tmp_path, "b", {"three": "-2e-3"})
    assert facts.glued(tmp_path) == {"one": 1.5, "two": 7, "word": "held in part", "list": "[1]", "three": -2e-3}


def test_a_chapter_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "03_bandit.ipynb").write_text("{")
    with pytest.raises(ValueError, match=r"03_bandit\.ipynb.*make chapter"):
        facts.glued(tmp_path)


def test_the_share_of_the_papers_training_is_that_of_the_experiment_file() -> None:
    scales = yaml.safe_load((ROOT / "data" / "experiments" / "d4rl.yaml").read_text())["scales"]
    known = facts.of_records()
    assert known["share"] == 100 * scales["cpu"]["updates"] / scales["paper"]["updates"]
    assert known["seeds"] == len(scales["cpu"]["seeds"])
    hidden = scales["cpu"]["agent"]["hidden"]
    assert known["network"] == f"{len(hidden)} layers of {hidden[0]}"


def test_means_are_those_of_the_table() -> None:
    table = pd.read_csv(ROOT / "data" / "tables" / "d4rl.cpu.csv")
    mean = table[(table["checkpoint"] == "last") & (table["statistic"] == "mean") & (table["task"] != "all-tasks")]
    own = mean[(mean["method"] == "bc")]["value"].mean()
    known = facts.of_records()
    assert known["d4rl-bc"] == pytest.approx(own, rel=1e-4)
    assert known["d4rl-tasks"] == mean["task"].nunique()
    named = {NAMES[method] for method in mean["method"].unique()} - {NAMES["vgf"], NAMES["bc"]}
    assert set(re.split(", | and ", str(known["d4rl-others"]))) == named
    ogbench = pd.read_csv(ROOT / "data" / "tables" / "ogbench.cpu.csv")
    most = ogbench[(ogbench["checkpoint"] == "last") & (ogbench["statistic"] == "mean")]["value"].max()
    assert known["ogbench-most"] == pytest.approx(most, rel=1e-4)


def test_hours_are_those_of_the_records() -> None:
    runs = [
        run
        for path in (ROOT / "data" / "results").glob("*.cpu/*/*/run.json")
        for run in json.loads(path.read_text())["runs"]
    ]
    assert facts.of_records()["hours"] == pytest.approx(sum(run["seconds"]["training"] for run in runs) / 3600)
