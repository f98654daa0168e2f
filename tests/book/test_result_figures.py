"""The figures and tables of the results chapters, and the index of results: what they show is what the records give."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tests.helpers.site import ROOT
from tests.helpers.study_records import BUDGETS, CUBE, HOPPER, SEEDS, by_hand, write_record, write_study
from vgf.book import index, plots, result_figures
from vgf.records import merge_run, read_runs
from vgf.results import study_text, tables


@pytest.fixture
def study(tmp_path: Path) -> tables.Study:
    """Three methods on two tasks, one of them on one task alone."""
    write_record(tmp_path, HOPPER, "iql")
    return write_study(tmp_path, (HOPPER, CUBE), ("bc", "vgf"))


def test_a_task_on_which_nobody_scores_is_a_sentence_and_no_column(tmp_path: Path) -> None:
    write_study(tmp_path, (HOPPER, CUBE), ("bc", "vgf"))
    for file in tmp_path.glob(f"both.cpu/{CUBE}/*/seed*.csv"):
        if not file.name.endswith("curve.csv"):
            pd.read_csv(file).assign(success=0).to_csv(file, index=False)
    for method in ("bc", "vgf"):
        folder = tmp_path / "both.cpu" / CUBE / method
        merge_run(folder, read_runs(folder)[-1])  # sealed again
    study = tables.read_study("both", "cpu", tmp_path)
    assert study_text.telling(study) == [HOPPER]
    text = study_text.score_table(study)
    head, last = text.splitlines()[0], text.splitlines()[-1]
    assert study_text.short(CUBE) not in head
    assert "mean over 2 tasks" in head
    assert last == f"On {study_text.short(CUBE)} nobody scores, so it is left out."
    starts = study_text.starts_table(study).splitlines()
    assert starts[0] == f"| method | {study_text.short(HOPPER)} |"
    assert study_text.short(CUBE) not in study_text.beside_paper(study, {"gait": 1, "goal": 1})
    figure, drawn = result_figures.draw_scores(study)
    assert set(drawn["task"]) == {HOPPER}
    plt.close(figure)
    shutil.rmtree(tmp_path / "both.cpu" / HOPPER)
    alone = tables.read_study("both", "cpu", tmp_path)
    assert study_text.telling(alone) == [CUBE], "where nobody scores anywhere, there is nothing else to draw"
    assert study_text.score_table(alone) == last, "and a table would be zeros"


def test_the_figures_hold_every_seed_and_budget(study: tables.Study) -> None:
    figure, drawn = result_figures.draw_scores(study)
    cells = sum(len(BUDGETS[s.method]) for s in study.sources)
    assert len(drawn) == cells * len(SEEDS)
    own = drawn[(drawn["task"] == HOPPER) & (drawn["method"] == "VGF, L = 1")]
    np.testing.assert_allclose(own["score"], by_hand("last", HOPPER, "vgf", 1))
    plt.close(figure)
    figure, drawn = result_figures.draw_budgets(study, ["vgf"])
    assert sorted(drawn["test_steps"].unique()) == [0, 1]
    lines = [line for ax in figure.axes for line in ax.lines if len(line.get_xdata()) == 2]
    assert any(np.allclose(line.get_ydata(), drawn[drawn["task"] == HOPPER]["mean"]) for line in lines)
    plt.close(figure)
    figure, drawn = result_figures.draw_curves(study, [("bc", 0), ("vgf", 1)])
    assert set(drawn["method"]) == {"BC (flow)", "VGF"}  # one budget drawn: it is not named
    assert sorted(drawn["update"].unique()) == [0, 50, 100]
    plt.close(figure)


def test_captions_say_what_was_drawn() -> None:
    rows = [(CUBE, 0, 1.0), (CUBE, 2, 1.0), (HOPPER, 0, 1.0), (HOPPER, 2, 3.0), ("other", 0, 2.0), ("other", 2, 1.0)]
    budgets = pd.DataFrame(rows, columns=["task", "test_steps", "mean"])
    cube, hopper = study_text.short(CUBE), study_text.short(HOPPER)
    assert study_text.best_budgets_in_words(budgets) == (
        f"VGF scores highest with no step on 1 of 3 tasks. Highest elsewhere: any on {cube}, 2 on {hopper}."
    )
    assert study_text.best_budgets_in_words(budgets.iloc[4:]) == "VGF scores highest with no step on 1 of 1 task."
    scores = [(0, 0.0), (50, 20.0), (50, 40.0), (100, 10.0)]
    curves = pd.DataFrame(scores, columns=["update", "score"]).assign(method="BC (flow)", task=HOPPER)
    up = curves[curves["update"] == 50].assign(update=100, score=31.0, task=CUBE)
    curves = pd.concat([curves, curves.assign(task=CUBE).iloc[:3], up])
    assert study_text.second_half_in_words(curves) == "At the end 1 of 2 mean scores are higher than half-way."
    assert study_text.second_half_in_words(curves[curves["task"] == HOPPER]).startswith("At the end 0 of 1")


def test_a_critic_picks_where_the_best_is_ahead_of_any_one() -> None:
    def rows(task: str, best: list[float], worst: list[float], many: list[float]) -> pd.DataFrame:
        table = {("best", 5): best, ("worst", 5): worst, ("best", 32): many, ("worst", 32): worst, ("any", 5): worst}
        parts = [(choice, n, seed, x) for (choice, n), scores in table.items() for seed, x in enumerate(scores)]
        return pd.DataFrame(parts, columns=["choice", "particles", "seed", "score"]).assign(task=task)

    ranked = pd.concat(
        [rows(HOPPER, [3.0, 5.0], [1.0, 2.2], [5.0, 7.0]), rows(CUBE, [1.0, 1.0], [5.0, 5.0], [0.0, 0.0])]
    )
    hopper, cube = study_text.short(HOPPER), study_text.short(CUBE)
    assert study_text.ranking_in_words(ranked).split(". ") == [
        f"On {hopper} the critic picks better than chance among 5 actions (4 for the best, 2 for any, 2 for the worst)",
        "It picks better still among 32 (6 for the best)",
        f"On {cube} the critic picks no better than chance among 5 actions "
        "(1 for the best, 5 for any, 5 for the worst)",
        "It picks worse among 32 (0 for the best).",
    ]
    assert study_text.picked_in_words(ranked) == "1 of 2 tasks"
    figure = result_figures.draw_ranking(ranked, "return")
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [
        *("worst\nof 32", "worst\nof 5", "any", "best\nof 5", "best\nof 32")
    ]
    assert figure.axes[0].lines[-1].get_ydata().tolist() == [1.6, 1.6, 1.6, 4.0, 6.0]  # type: ignore[union-attr]
    plt.close(figure)


def test_the_index_has_a_row_for_each_record_and_leaves_quick_ones_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in ("bc", "vgf"):
        folder = write_record(tmp_path, HOPPER, method, study="d4rl")
        write_record(tmp_path, CUBE, method, study="other", scale="quick")
    runs = read_runs(folder)
    full = {"seconds": {"training": 60.0}, "finished": "2026-01-02T03:04:05+00:00", "dirty": False}
    complete = [runs[0] | full | {"settings": {"agent": "vgf", "updates": 100}, "commit": "abcdef0123"}]
    record = tables.records.read_record
    monkeypatch.setattr(
        tables.records,
        "read_record",
        lambda path: record(path).__class__(path, complete, record(path).episodes, record(path).curve),
    )
    text = index.render_results_index(tmp_path)
    assert re.findall(r"^## (\S+)", text, re.MULTILINE) == ["d4rl.cpu"]
    rows = [line for line in text.splitlines() if line.startswith(f"| {HOPPER}")]
    assert len(rows) == 2
    assert all("`abcdef0`" in row and "2026-01-02" in row and row.endswith("| 1 |") for row in rows)
    assert "09_d4rl" in index.chapters("d4rl")
    assert "09_d4rl" in index.chapters("tuning")  # reads its records, and names no file of it


def test_the_index_says_how_old_a_critic_is_and_what_it_is_heading_to() -> None:
    text = index.render_results_index(ROOT / "data" / "results")
    rows = [
        line.split(" | ")
        for line in text.split("## ablations.cpu")[1].split("## ")[0].splitlines()
        if "cheetah" in line
    ]
    ages = {row[1].strip("`"): row[4] for row in rows}
    assert ages["train_0"] == "29 %"
    assert re.fullmatch(r"29 %, 1\.1\d", ages["vgf"]), ages
    (clone,) = {line.split(" | ")[4] for line in text.splitlines() if "| `bc` |" in line}
    assert clone == "", "a clone has no critic"


def test_a_critic_that_knows_only_what_is_bad_is_told_from_one_that_knows_nothing() -> None:
    scores = {("best", 5): 9.0, ("any", 5): 13.0, ("worst", 5): 1.0, ("best", 32): 6.0, ("worst", 32): 0.0}
    ranked = pd.DataFrame(
        [(c, n, 0, x) for (c, n), x in scores.items()], columns=["choice", "particles", "seed", "score"]
    )
    text = study_text.ranking_in_words(ranked.assign(task=HOPPER))
    assert study_text.picked_in_words(ranked.assign(task=HOPPER)) == "0 of 1 task"
    assert (
        "tells the worst apart on every seed, but picks no better than chance among 5 actions (9 for the best" in text
    )


def colours_of(figure: plt.Figure) -> set[str]:
    """Return the colours of a figure's lines."""
    return {str(line.get_color()) for ax in figure.axes for line in ax.get_lines()}


def test_a_method_has_one_colour_in_every_figure(study: tables.Study) -> None:
    for method in ("vgf", "iql", "bc"):
        others = {colour for name, colour in plots.METHODS.items() if name != method} | {plots.MUTED}
        keys = [key for key in study.keys if key[0] == method]
        curves, _ = result_figures.draw_curves(study, keys)
        budgets, _ = result_figures.draw_budgets(study, [method])
        for figure in (curves, budgets):
            assert colours_of(figure) == {plots.METHODS[method]}
            assert not colours_of(figure) & others
            plt.close(figure)
    scores, _ = result_figures.draw_scores(study)
    assert colours_of(scores) == {plots.METHODS[m] for m in ("vgf", "iql", "bc")} | {plots.MUTED}
    plt.close(scores)


def test_budgets_of_one_method_are_told_apart_by_their_lines(study: tables.Study) -> None:
    figure, _ = result_figures.draw_curves(study, [("vgf", steps) for steps in BUDGETS])
    ax = figure.axes[0]
    means = [line for line in ax.get_lines() if not str(line.get_label()).startswith("_")]
    assert len(means) == len(BUDGETS)
    assert len({line.get_linestyle() for line in means}) == len(BUDGETS)
    plt.close(figure)


def test_a_method_without_a_colour_of_its_own_is_muted() -> None:
    assert plots.method_colour("rebrac") == plots.MUTED
    assert len(set(plots.METHODS.values())) == len(plots.METHODS)
    assert set(plots.METHODS.values()) <= set(plots.PALETTE.values())  # each has a dark twin


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.md")), ids=lambda path: path.stem)
def test_no_chapter_gives_a_named_method_another_colour(path: Path) -> None:
    for line in path.read_text().splitlines():
        named = re.search(r'if method == "(\w+)"', line)
        if named and ("colour" in line or "PALETTE" in line):
            assert f'plots.METHODS["{named[1]}"]' in line, line
