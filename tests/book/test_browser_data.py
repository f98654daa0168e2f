"""The data of the results browser: every number is one of the tables', and nothing of a record is lost."""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.helpers.site import ROOT
from vgf import records
from vgf.book import browser_data, plots
from vgf.book.curves import MARKERS
from vgf.results import tables
from vgf.results.commands import present
from vgf.results.study_text import NAMES, silent

LABELS = [f"{name}.{scale}" for name, scale in present(records.results_folder()) if scale != "quick"]
Views = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    """Return what the page is given, made once."""
    return browser_data.page_data()


@pytest.fixture(scope="module")
def views(data: dict[str, Any]) -> Views:
    """Return the views by study and task."""
    return {(view["study"], view["task"]): view for view in data["views"]}


@cache
def study(label: str) -> tables.Study:
    """Return a committed study, read once."""
    return tables.read_study(*label.rsplit(".", 1))


def table(label: str) -> pd.DataFrame:
    """Return a study's committed table, last checkpoint alone; computed anew while a study that runs has none yet."""
    path = ROOT / "data" / "tables" / f"{label}.csv"
    every = tables.parse(path.read_text()) if path.exists() else study(label).numbers
    return every[(every["checkpoint"] == "last") & (every["statistic"] == "mean") & (every["task"] != tables.ALL)]


@pytest.mark.parametrize("label", LABELS)
def test_the_end_of_every_curve_is_its_row_in_the_committed_table(label: str, views: Views) -> None:
    found = {}
    for (study, task), view in views.items():
        for record in view["records"] if study == label else ():
            for steps, budget in record["budgets"].items():
                update, mean, low, high, seeds = budget["curve"][-1]
                if update == record["updates"]:
                    found[task, record["method"], steps] = (mean, low, high, len([s for s in seeds if s is not None]))
    rows = table(label)
    rows = rows[rows["task"].isin([task for _, task in views])]  # not the means over an environment's tasks
    in_table = {
        (row.task, row.method, row.test_steps): (
            row.value,
            None if math.isnan(row.low) else row.low,
            None if math.isnan(row.high) else row.high,
            row.runs,
        )
        for row in rows.itertuples()
    }
    assert found == in_table
    assert found


def test_every_committed_record_has_its_place(views: Views) -> None:
    folders = {path.parent for path in (ROOT / "data" / "results").glob("*.cpu/*/*/run.json")}
    shown = {
        ROOT / "data" / "results" / study / task / record["method"]
        for (study, task), view in views.items()
        for record in view["records"]
    }
    assert shown == folders


def test_a_curve_holds_each_seeds_scores_at_each_update(views: Views) -> None:
    view = views["d4rl.cpu", "hopper-medium-v2"]
    record = next(record for record in view["records"] if record["method"] == "vgf")
    source = next(
        source
        for source in study("d4rl.cpu").sources
        if (source.task.name, source.method) == ("hopper-medium-v2", "vgf")
    )
    for steps, budget in record["budgets"].items():
        rows = source.scores[source.scores["test_steps"] == int(steps)]
        assert [point[0] for point in budget["curve"]] == sorted(rows["update"].unique())
        for update, mean, _, _, seeds in budget["curve"]:
            own = rows[rows["update"] == update].set_index("seed")["score"]
            assert seeds == pytest.approx([own[seed] for seed in record["seeds"]], rel=1e-5)
            assert mean == pytest.approx(own.mean(), rel=1e-5)
    runs = source.record.runs
    assert record["minutes"] == pytest.approx(sum(run["seconds"]["training"] for run in runs) / 60, abs=0.051)


def test_what_a_reader_meets_first_is_a_budget_of_training_and_no_silent_view(
    data: dict[str, Any], views: Views
) -> None:
    for view in data["views"]:
        budgets = {steps for record in view["records"] for steps in record["budgets"]}
        assert str(view["budget"]) in budgets
    assert views["d4rl.cpu", "hopper-medium-v2"]["budget"] == 3  # what d4rl.yaml trains with


def test_silence_is_said_of_the_views_in_which_nobody_scores_and_of_no_other(
    data: dict[str, Any], views: Views
) -> None:
    for label in data["studies"]:
        nobody = silent(study(label))
        own = {task: view["silent"] for (study, task), view in views.items() if study == label}
        assert {task for task, said in own.items() if said} == set(nobody)
        for task, (key, mean) in nobody.items():
            assert own[task][:2] == list(key)
            assert own[task][2] == pytest.approx(mean, rel=1e-5)
            rows = table(label)
            assert own[task][2] == pytest.approx(rows[rows["task"] == task]["value"].max(), rel=1e-5)
    assert any(view["silent"] for view in data["views"])


def test_methods_keep_colour_and_mark_and_no_two_of_a_view_look_alike(data: dict[str, Any]) -> None:
    for method, look in data["methods"].items():
        assert look["light"] == plots.method_colour(method)
        assert look["dark"] == plots.DARK[look["light"]]
        assert look["own"] == (method in plots.METHODS)
    for view in data["views"]:
        looks = [(data["methods"][r["method"]]["light"], r["shape"]) for r in view["records"]]
        assert len(set(looks)) == len(looks)
        for record in view["records"]:
            if record["method"] in NAMES:
                assert record["shape"] == MARKERS[NAMES[record["method"]]]


def test_more_methods_than_marks_go_round() -> None:
    methods = [f"variant{k}" for k in range(len(browser_data.SHAPES) + 2)]
    found = browser_data.shapes(["vgf", *methods])
    assert list(found) == ["vgf", *methods]
    assert MARKERS[NAMES["vgf"]] not in [found[method] for method in methods]
    assert set(browser_data.shapes([*NAMES, "other"])) == {*NAMES, "other"}


def test_a_method_of_ones_own_name_says_what_differs(views: Views) -> None:
    said = {record["method"]: record["differs"] for record in views["ablations.cpu", "hopper-medium-v2"]["records"]}
    assert said["train_0"] == "train_steps: 0"
    assert "step_size: " in said["other_step"]
    assert "step_size" not in said["vgf"]
    assert {record["differs"] for record in views["d4rl.cpu", "hopper-medium-v2"]["records"]} == {""}


def test_a_fine_tuning_online_says_where_it_begins(views: Views) -> None:
    records = views["online.cpu", "hopper-medium-v2"]["records"]
    for record in records:
        updates = [point[0] for point in record["budgets"]["0"]["curve"]]
        assert record["online"] in updates[:-1]
    assert {record["online"] for record in views["d4rl.cpu", "hopper-medium-v2"]["records"]} == {None}


def test_every_chapter_table_and_choice_is_there(data: dict[str, Any]) -> None:
    for label, study in data["studies"].items():
        path = ROOT / "data" / "tables" / f"{label}.csv"
        assert study["table"] == (f"data/tables/{label}.csv" if path.exists() else None)
        assert study["about"].endswith((".", "?"))
        assert (ROOT / study["choices"]).exists()
        for chapter, title in study["chapters"].items():
            assert f"# {title}\n" in (ROOT / "notebooks" / f"{chapter}.md").read_text()
    assert data["studies"]["d4rl.cpu"]["table"]
    assert "09_d4rl" in data["studies"]["d4rl.cpu"]["chapters"]


def test_what_is_written_is_light_and_more_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: dict[str, Any]
) -> None:
    monkeypatch.setattr(browser_data, "page_data", lambda: data)
    browser_data.write(tmp_path)
    size = (tmp_path / "browser.json").stat().st_size
    assert size < browser_data.LIMIT == 350_000
    monkeypatch.setattr(browser_data, "LIMIT", size - 1)
    with pytest.raises(ValueError, match=f"has {size} bytes"):
        browser_data.write(tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_without_records_there_is_nothing_to_choose(tmp_path: Path) -> None:
    assert browser_data.page_data(tmp_path)["views"] == []


def test_the_page_can_draw_the_mark_of_every_method() -> None:
    script = (ROOT / "book" / "_static" / "browse" / "chart.js").read_text()
    known = re.findall(r'^    "?(.)"?: r =>', script, re.MULTILINE)
    assert set(browser_data.SHAPES) <= set(known)
