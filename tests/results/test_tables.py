"""Tables: every number from the per-seed files, headed by what it needs, and checked against what is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from myst_nb import glue
from scipy.stats import t

from tests.helpers.study_records import BUDGETS, CUBE, HOPPER, SEEDS, by_hand, returns, write_record, write_study
from vgf import cli, records
from vgf.datasets import DATASETS, get_task
from vgf.results import stats, table_text, tables
from vgf.results.commands import check, glued, present
from vgf.results.table_text import FORMATS


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Records of three methods on two tasks."""
    write_study(tmp_path / "results", (HOPPER, CUBE), BUDGETS)
    return tmp_path / "results"


def test_every_mean_is_that_of_the_normalised_seeds(results: Path) -> None:
    numbers = tables.numbers("both", "cpu", results)
    for checkpoint in ("last", "best"):
        for task in (HOPPER, CUBE):
            for method, budgets in BUDGETS.items():
                for steps in budgets:
                    runs = by_hand(checkpoint, task, method, steps)
                    address = f"both.cpu/{checkpoint}/mean/{task}/{method}/{steps}"
                    assert numbers[address] == pytest.approx(runs.mean(), rel=1e-5)
                    assert numbers[f"{address}/low"] <= numbers[address] <= numbers[f"{address}/high"]
                    half = t.ppf(0.975, len(runs) - 1) * runs.std(ddof=1) / len(runs) ** 0.5
                    ends = runs.mean() - half, runs.mean() + half
                    low, high = (max(0.0, ends[0]), min(100.0, ends[1])) if task == CUBE else ends  # of a success
                    assert numbers[f"{address}/low"] == pytest.approx(low, rel=1e-5)
                    assert numbers[f"{address}/high"] == pytest.approx(high, rel=1e-5)


def test_sums_over_tasks_are_those_of_stats(results: Path) -> None:
    numbers = tables.numbers("both", "cpu", results)
    vgf, bc = ([by_hand("last", task, method, 0) for task in (CUBE, HOPPER)] for method in ("vgf", "bc"))
    for name, found in (("mean", stats.of_mean(vgf)), ("iqm", stats.estimate(stats.iqm, vgf))):
        address = f"both.cpu/last/{name}/all-tasks/vgf/0"
        for end, value in (("", found.value), ("/low", found.low), ("/high", found.high)):
            assert numbers[f"{address}{end}"] == pytest.approx(value, rel=1e-5)
    address = "both.cpu/last/improvement/all-tasks"
    assert numbers[f"{address}/vgf/0/bc/0"] == pytest.approx(float(stats.improvement(vgf, bc)), rel=1e-5)
    assert numbers[f"{address}/bc/0/vgf/0/low"] == pytest.approx(1 - numbers[f"{address}/vgf/0/bc/0/high"], abs=1e-5)
    assert numbers[f"{address}/vgf/0/bc/0"] + numbers[f"{address}/bc/0/vgf/0"] == pytest.approx(1, rel=1e-5)


def test_the_best_checkpoint_is_never_the_untrained_one_and_never_below_the_last(results: Path) -> None:
    folder = write_record(results, HOPPER, "bc", study="untrained")
    for seed in SEEDS:
        path = records.seed_file(folder, seed)
        rows = pd.read_csv(path)
        rows.loc[rows["update"] == 0, "return"] = 1e6
        path.write_text(rows.to_csv(index=False))
    records.merge_run(folder, records.read_runs(folder)[-1])  # sealed again
    numbers = tables.numbers("untrained", "cpu", results)
    assert numbers[f"untrained.cpu/best/mean/{HOPPER}/bc/0"] < 1000
    numbers = tables.numbers("both", "cpu", results)
    for address, value in numbers.items():
        if "/last/mean/" in address and not address.endswith(("low", "high")):
            assert numbers[address.replace("/last/", "/best/")] >= value


def test_the_papers_number_stands_beside_the_method_that_bears_its_name(results: Path) -> None:
    numbers = tables.numbers("both", "cpu", results)
    paper = {key: value for key, value in numbers.items() if "/paper/" in key}
    assert paper == {
        f"both.cpu/paper/mean/{HOPPER}/vgf": 97.9,
        f"both.cpu/paper/mean/{HOPPER}/iql": 66.3,
        f"both.cpu/paper/mean/{CUBE}/vgf": 70.0,
        f"both.cpu/paper/mean/{CUBE}/iql": 7.0,
    }
    folder = results / "both.cpu" / HOPPER
    (folder / "vgf").rename(folder / "vgf_longer")  # a variant is not the paper's method
    assert f"both.cpu/paper/mean/{HOPPER}/vgf_longer" not in tables.numbers("both", "cpu", results)


def test_only_tasks_that_every_method_has_are_summed_over(results: Path) -> None:
    for path in (results / "both.cpu" / CUBE / "iql").iterdir():
        path.unlink()
    study = tables.read_study("both", "cpu", results)
    assert study.shared == [HOPPER]
    assert "IQM over 1 task |" in FORMATS["md"](study)
    iqm = study.numbers.query("statistic == 'iqm' and checkpoint == 'last'")
    assert set(iqm["method"]) == {"bc", "iql", "vgf"}


def test_a_markdown_table_says_what_it_must_not_be_read_without(results: Path) -> None:
    text = FORMATS["md"](tables.read_study("both", "cpu", results))
    for words in (
        "**both.cpu, last checkpoint**",
        "**both.cpu, best checkpoint**",
        "**both.cpu, probability of improvement**",
        "scale cpu: seeds 0 to 2; 100 updates; 4 evaluation episodes for each seed and budget; 2 evaluated checkpoints",
        "dataset of hopper-medium-v2: official, sha256 10101010",
        f"dataset of {CUBE}: regenerated, 20 episodes, sha256 {len(CUBE):02x}{len(CUBE):02x}",
        "chosen by the very score shown and so biased upwards",
        "score: return, normalised as D4RL does; percent of episodes that succeed",
        "With 3 seeds Student's holds the true mean of a task 95 % of the time where scores are normal; by simulation,",
        "89 % where they are skewed, and percentiles 73 % where they are normal",
        "| task | bc | iql | iql, paper | vgf, 0 steps | vgf, 1 step | vgf, paper |",
    ):
        assert words in text, words
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {line.count(" | ") for line in rows[:5]} == {6}
    last = by_hand("last", HOPPER, "vgf", 1).mean()
    assert f"{last:.1f} [" in next(line for line in rows if line.startswith(f"| {HOPPER}"))


def test_a_run_fine_tuned_online_is_reported_before_and_after(results: Path) -> None:
    folder = results / "both.cpu" / HOPPER / "vgf"
    for seed in SEEDS:  # the second evaluation ends the offline phase
        rows = pd.read_csv(records.seed_file(folder, seed))
        rows.insert(2, "environment_steps", (rows["update"] - 50).clip(lower=0) * 2)
        records.seed_file(folder, seed).write_text(rows.to_csv(index=False))
    records.merge_run(folder, records.read_runs(folder)[-1])  # sealed again
    numbers = tables.numbers("both", "cpu", results)
    for steps in BUDGETS["vgf"]:
        row = get_task(HOPPER)
        before = [row.normalised(returns(HOPPER, "vgf", seed, 50, steps).mean()) for seed in SEEDS]
        after = by_hand("last", HOPPER, "vgf", steps).mean()
        assert numbers[f"both.cpu/offline/mean/{HOPPER}/vgf/{steps}"] == pytest.approx(np.mean(before), rel=1e-5)
        assert numbers[f"both.cpu/last/mean/{HOPPER}/vgf/{steps}"] == pytest.approx(after, rel=1e-5)
    text = FORMATS["md"](tables.read_study("both", "cpu", results))
    assert "**both.cpu, offline checkpoint**" in text
    assert "\n- online: the last of these updates, over 0 to 100 environment steps a seed\n" in text


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"episodes": 20, "rows": 200}, "regenerated, 20 episodes, 200 rows, sha256 abababab"),
        ({"episodes": 9999, "rows": 200, "most_rows": 200}, "regenerated, 200 rows, sha256 abababab"),
    ],
)
def test_a_dataset_is_told_by_its_size_and_not_by_its_cap(tmp_path: Path, facts: dict[str, int], words: str) -> None:
    path = write_record(tmp_path, HOPPER, "bc") / "run.json"
    content = json.loads(path.read_text())
    content["runs"][0]["dataset"] = {"source": "regenerated", "sha256": "ab" * 32, **facts}
    path.write_text(json.dumps(content))
    assert f"dataset of {HOPPER}: {words}\n" in FORMATS["md"](tables.read_study("both", "cpu", tmp_path))


def test_latex_says_the_same_numbers_and_escapes(results: Path) -> None:
    study = tables.read_study("both", "cpu", results)
    text = FORMATS["tex"](study)
    cells = [line.strip("| ").split(" | ") for line in FORMATS["md"](study).splitlines() if line.startswith("| hopper")]
    for row in cells:
        assert " & ".join(row) + r" \\" in text
    assert r"95 \% interval" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 3
    assert not [line for line in text.splitlines() if "%" in line.replace(r"\%", "")]


def test_the_csv_gives_back_the_numbers(results: Path) -> None:
    study = tables.read_study("both", "cpu", results)
    assert tables.addresses(tables.parse(FORMATS["csv"](study)), "both.cpu") == tables.numbers("both", "cpu", results)


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    folder = write_record(tmp_path, HOPPER, "bc")
    content = json.loads((folder / "run.json").read_text())
    content["runs"][0]["seeds"] = [1]
    (folder / "run.json").write_text(json.dumps(content))
    text = FORMATS["md"](tables.read_study("both", "cpu", tmp_path))
    assert f"| {HOPPER} | {by_hand('last', HOPPER, 'bc', 0)[1]:.1f} |" in text
    assert "probability of improvement" not in text


# ------------------------------------------------------------------------------------------- the command and the check


def run(capsys: pytest.CaptureFixture[str], results: Path, *words: str) -> tuple[int, str, str]:
    folder = results.parent
    places = ("--results", str(results), "--tables", str(folder / "tables"), "--chapters", str(folder / "chapters"))
    status = cli.main(["tables", *words, *places])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def shown(results: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The tables as the book would show them."""
    assert run(capsys, results, "--out", str(results.parent / "tables"))[0] == 0
    return results.parent / "tables"


def test_the_command_prints_each_format_and_writes_all(
    results: Path, shown: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sorted(path.name for path in shown.iterdir()) == ["both.cpu.csv", "both.cpu.md", "both.cpu.tex"]
    for word, suffix in (("markdown", "md"), ("csv", "csv"), ("latex", "tex")):
        status, out, _ = run(capsys, results, "both", "--format", word)
        assert (status, out) == (0, (shown / f"both.cpu.{suffix}").read_text())


def test_what_follows_from_the_records_passes(results: Path, shown: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, results, "--check") == (0, "both.cpu: every number shown is what the per-seed files give\n", "")


def alter(path: Path, line: int, column: str, value: float) -> None:
    """Change one number of a csv."""
    rows = pd.read_csv(path)
    rows.loc[line, column] = value
    path.write_text(rows.to_csv(index=False))


def test_a_changed_episode_fails_and_names_its_cell(
    results: Path, shown: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results / "both.cpu" / HOPPER / "vgf" / "seed1.csv"
    rows = pd.read_csv(path)
    line = rows.query("update == 100 and test_steps == 1").index[0]
    alter(path, line, "return", rows.loc[line, "return"] + 1)
    status, out, err = run(capsys, results, "--check")
    assert (status, out) == (2, "")
    assert err == f"vgf: {path}: changed since its run wrote it (its checksum is not the one in run.json)\n"
    assert run(capsys, results, "--out", str(shown))[0] == 2  # no table is made of it either


def test_a_changed_number_that_no_table_shows_is_named_by_its_file(
    results: Path, shown: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results / "both.cpu" / CUBE / "bc" / "seed0.csv"
    alter(path, 0, "return", -99.0)
    status, _, err = run(capsys, results, "--check")
    assert status == 2
    assert err.startswith(f"vgf: {path}: changed since its run wrote it")


@pytest.mark.parametrize(("content", "message"), [("a\n2\n", "changed since its run wrote it"), (None, "missing")])
def test_a_record_on_language_that_was_changed_is_named(
    results: Path, shown: Path, capsys: pytest.CaptureFixture[str], content: str | None, message: str
) -> None:
    path = results / "rlhf" / "latent.cpu" / "target" / "seed0.csv"
    records.append_rows(path, pd.DataFrame({"a": [1]}), ["a"])
    records.merge_run(path.parent, {"id": "seed0", "seeds": [0]})
    assert run(capsys, results, "--check")[0] == 0
    _ = path.unlink() if content is None else path.write_text(content)
    status, _, err = run(capsys, results, "--check")
    assert status == 2
    assert err.startswith(f"vgf: {path}: {message}")


@pytest.mark.parametrize(
    ("suffix", "old", "new", "message"),
    [
        ("csv", f"paper,mean,{HOPPER},vgf,,,97.9", f"paper,mean,{HOPPER},vgf,,,91.9", "shown as 91.9, but"),
        ("csv", f"paper,mean,{HOPPER},vgf,,,97.9", f"paper,mean,{HOPPER},fql,,,97.9", "but no record gives it"),
        ("md", "97.9", "91.9", "both.cpu.md: not what the records give"),
        ("tex", "97.9", "91.9", "both.cpu.tex: not what the records give"),
    ],
)
def test_a_table_changed_by_hand_fails(
    results: Path, shown: Path, capsys: pytest.CaptureFixture[str], suffix: str, old: str, new: str, message: str
) -> None:
    path = shown / f"both.cpu.{suffix}"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    status, _, err = run(capsys, results, "--check")
    assert status == 2
    assert message in err


def test_a_row_taken_out_of_a_table_fails(results: Path, shown: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shown / "both.cpu.csv"
    path.write_text("\n".join(line for line in path.read_text().split("\n") if "best,iqm" not in line))
    assert "both.cpu/best/iqm/all-tasks/bc/0: computed, but not in" in run(capsys, results, "--check")[2]


def test_a_table_without_records_fails(results: Path, shown: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shown / "gone.cpu.csv").write_text((shown / "both.cpu.csv").read_text())
    assert "gone.cpu.csv: no record is behind it" in run(capsys, results, "--check")[2]


def chapter(folder: Path, name: str, values: dict[str, Any]) -> None:
    """Leave an executed chapter that glued values."""
    outputs = [
        {
            "output_type": "display_data",
            "data": {"application/papermill.record/text/plain": repr(value)},
            "metadata": {"scrapbook": {"mime_prefix": "application/papermill.record/", "name": key}},
        }
        for key, value in values.items()
    ]
    (folder / f"{name}.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "outputs": outputs}]}))


def test_numbers_glued_into_chapters_are_checked(results: Path, tmp_path: Path) -> None:
    numbers = tables.numbers("both", "cpu", results)
    address = f"both.cpu/last/mean/{HOPPER}/bc/0"
    chapter(
        tmp_path, "right", {address: numbers[address], "other-number": 3.0, f"{address}/low": numbers[f"{address}/low"]}
    )
    assert len(list(glued(tmp_path))) == 2
    assert list(check([("both", "cpu")], results, tmp_path, tmp_path)) == []
    chapter(tmp_path, "wrong", {address: numbers[address] + 0.1, f"{address}9": 1.0})
    wrong, unknown = check([("both", "cpu")], results, tmp_path, tmp_path)
    assert wrong.startswith(f"wrong: {address}: shown as ")
    assert unknown == f"wrong: {address}9: shown as 1, but no record gives it"


def test_a_chapter_that_is_half_written_is_named(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = results.parent / "chapters" / "x.ipynb"
    path.parent.mkdir()
    path.write_text('{"cells": [')
    status, _, err = run(capsys, results, "--check")
    assert status == 2
    assert err.startswith(f"vgf: {path}: not an executed chapter, or one still being written")


def test_a_glued_number_is_found_as_the_book_keeps_it(
    tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"both.cpu/last/mean/{HOPPER}/bc/0"
    value = tables.numbers("both", "cpu", results)[address]
    kept: list[dict[str, Any]] = []

    def display(data: dict[str, Any], metadata: dict[str, Any], raw: bool) -> None:
        kept.append({"output_type": "display_data", "data": data, "metadata": metadata})

    monkeypatch.setattr("IPython.display.display", display)
    glue(address, value, display=False)
    (tmp_path / "x.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "outputs": kept}]}))
    assert list(glued(tmp_path)) == [("x", address, value)]


def test_everything_shown_here_is_what_the_records_here_give(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["tables", "--check"])
    assert status == 0, capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("--check",)])
@pytest.mark.parametrize(("name", "told"), [("empty", "no records in it"), ("missing", "no such folder")])
def test_a_folder_without_records_is_one_line_and_exit_2(
    words: tuple[str, ...], name: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    line = f"vgf: {tmp_path / name}: {told}; `vgf train` makes records, and --results names their folder\n"
    assert run(capsys, tmp_path / name, *words) == (2, "", line)


@pytest.mark.parametrize("words", [("nothing",), ("both.paper",), ("--check", "nothing")])
def test_a_study_without_records_is_one_line_and_exit_2(
    words: tuple[str, ...], results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, results, *words)
    assert (status, out) == (2, "")
    assert err.endswith("there are: both.cpu\n")


def test_studies_are_found_by_name_and_scale(results: Path) -> None:
    write_record(results, CUBE, "bc", scale="quick")
    write_record(results, CUBE, "bc", study="other")
    assert present(results) == [("both", "cpu"), ("both", "quick"), ("other", "cpu")]
    assert present(results, ("both",)) == [("both", "cpu"), ("both", "quick")]
    assert present(results, ("both.quick", "other")) == [("both", "quick"), ("other", "cpu")]
    with pytest.raises(ValueError, match="no record in"):
        tables.read_study("both", "paper", results)


# -------------------------------------------------------------------------------------------------- the paper's numbers


@pytest.mark.parametrize("suite", ["d4rl", "ogbench"])
def test_the_papers_rows_name_known_datasets_and_agents(suite: str) -> None:
    from vgf.agents import AGENTS

    rows = pd.read_csv(tables.data_folder() / "paper" / f"{suite}.csv")
    assert set(rows["dataset"]) <= {name for name, row in DATASETS.items() if row.suite == suite}
    assert set(rows["agent"]) <= set(AGENTS)
    assert not rows.duplicated(["dataset", "agent"]).any()
    assert not rows.isna().any().any()
    assert rows["score"].between(0, 100).all()
    assert (rows.groupby("dataset")["agent"].apply(set).map(frozenset).nunique()) == 1  # a table without gaps


def test_what_a_file_has_and_the_records_lack_is_named_by_task(results: Path) -> None:
    study = tables.read_study("both", "cpu", results)
    rows = [(task, method) for task in (HOPPER, CUBE) for method in (*BUDGETS, "rebrac")]
    assert table_text.not_run(study, rows) == [f"in the file and not run: rebrac on {HOPPER} and {CUBE}"]
    alone = [*((HOPPER, method) for method in BUDGETS), ("walker2d-medium-v2", "bc")]
    assert table_text.not_run(study, alone) == ["in the file and not run: everything on walker2d-medium-v2"]
    assert table_text.not_run(study, [(CUBE, "bc")]) == []
