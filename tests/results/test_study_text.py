"""Tables and sentences of a study: each number is the records', and tasks on which nobody scores are sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.study_records import CUBE, HOPPER, by_hand, write_record, write_study
from vgf.records import read_runs
from vgf.results import study_text, tables


@pytest.fixture
def study(tmp_path: Path) -> tables.Study:
    """Three methods on two tasks, one of them on one task alone."""
    write_record(tmp_path, HOPPER, "iql")
    return write_study(tmp_path, (HOPPER, CUBE), ("bc", "vgf"))


def test_the_table_shows_each_mean_and_a_dash_where_nothing_was_run(study: tables.Study) -> None:
    lines = study_text.score_table(study).splitlines()
    head = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert head == ["method", *map(study_text.short, study.tasks)]  # no mean over tasks: iql has run on one
    rows = {row[0]: row[1:] for row in ([c.strip() for c in line.strip("|").split("|")] for line in lines[2:])}
    assert list(rows) == ["BC (flow)", "IQL", "VGF, L = 0", "VGF, L = 1"]
    place = study.tasks.index(HOPPER)
    assert rows["IQL"][1 - place] == "–"
    assert rows["VGF, L = 1"][place].startswith(f"{by_hand('last', HOPPER, 'vgf', 1).mean():.1f} [")


def test_a_tasks_table_has_budgets_across_and_a_dash_where_a_method_has_one_alone(study: tables.Study) -> None:
    names = {"vgf": "flow", "iql": "IQL", "fql": "not run"}
    lines = study_text.budget_table(study, HOPPER, names).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert rows[0] == [study_text.short(HOPPER), "no step", "L = 1"]
    assert [row[0] for row in rows[2:]] == ["flow", "IQL"]
    for steps in (0, 1):
        assert rows[2][1 + steps].startswith(f"{by_hand('last', HOPPER, 'vgf', steps).mean():.1f} [")
    assert rows[3][2] == "–"


def test_the_papers_number_stands_beside_ours_at_the_budget_asked_for(study: tables.Study) -> None:
    rows = [line for line in study_text.beside_paper(study, {"gait": 1, "goal": 1}).splitlines() if "VGF" in line]
    assert len(rows) == 2
    (hopper,) = [row for row in rows if "hopper" in row]
    assert f"| VGF, L = 1 | {by_hand('last', HOPPER, 'vgf', 1).mean():.1f} [" in hopper
    assert hopper.endswith("| 97.9 |")


def test_where_the_paper_has_no_number_a_sentence_says_so_and_no_empty_table(study: tables.Study) -> None:
    vars(study)["numbers"] = study.numbers[study.numbers["checkpoint"] != "paper"]  # a cached property
    text = study_text.beside_paper(study, {"gait": 1, "goal": 1})
    assert "no number" in text
    assert "|" not in text


def test_the_price_of_a_task_is_what_its_records_took() -> None:
    core = tables.read_study("core", "cpu")
    (task,) = core.tasks
    runs = {s.method: read_runs(core.sources[0].record.folder.parent / s.method)[-1] for s in core.sources}
    each = {method: sum(run["seconds"].values()) / len(run["seeds"]) for method, run in runs.items()}
    assert f"{sum(each.values()) * 50 / 3600:.1f} core-hours" in study_text.price_in_words([core], 50)
    one = next(iter(each))
    assert f"{each[one] * 500 / 3600:.1f} core-hours" in study_text.price_in_words([core], 500, [one])
    assert task == "hopper-medium-v2"


def test_starts_are_of_the_untrained_policy(study: tables.Study) -> None:
    table = study_text.starts(study).set_index(["task", "method"])
    assert len(table) == 5
    for (task, method), row in table.iterrows():
        assert row["end"] == pytest.approx(by_hand("last", task, method, 0).mean(), rel=1e-6)
    source = next(s for s in study.sources if (s.task.name, s.method) == (HOPPER, "bc"))
    untrained = source.scores[source.scores["update"] == 0]["score"].mean()
    assert table.loc[(HOPPER, "bc"), "start"] == pytest.approx(untrained, rel=1e-6)


def test_a_task_with_a_low_score_is_left_out_with_its_highest(
    study: tables.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_text, "WORTH", 1 + max(by_hand("last", HOPPER, *key).mean() for key in study.keys))
    (said,) = [part for part in study_text.silent_in_words(study).split(" On ") if study_text.short(HOPPER) in part]
    best = max(study.keys, key=lambda key: by_hand("last", HOPPER, *key).mean())
    mean = by_hand("last", HOPPER, *best).mean()
    assert f"(highest: {dict(study_text.ordered(study))[best]}, {mean:.1f})" in said


def test_the_table_of_starts_has_no_column_of_zeros(study: tables.Study) -> None:
    means = study_text.starts(study).set_index(["method", "task"]).round(1)
    lines = study_text.starts_table(study).splitlines()
    head, rows = lines[0], {line.split(" | ")[0].strip("| "): line for line in lines[2:]}
    assert head == f"| method | {' | '.join(map(study_text.short, study.tasks))} |"
    own = means.loc["bc", HOPPER]
    assert f"{own['start']:.1f} to {own['end']:.1f}" in rows["BC (flow)"]
    assert "–" in rows["IQL"]
    for source in study.sources:
        source.scores.loc[source.scores["update"] == 0, "score"] = 0.0
    again = study_text.starts_table(study)
    assert again.splitlines()[0] == head
    assert " to " not in again
    assert again.endswith("Untrained, no method scores on these tasks.")
