"""One flow at several numbers of Euler steps: rows by task, and the prediction answered by its rule."""

from __future__ import annotations

import pytest

from tests.helpers.study_records import CUBE, HOPPER, one_task_study
from vgf.results import reference_steps
from vgf.results.tables import Study

Scores = dict[tuple[str, int], list[float]]  # task and Euler steps: a score for each seed


def _study(scores: Scores) -> Study:
    parts = [one_task_study({(f"euler_{steps}", 0): own}, task=task) for (task, steps), own in scores.items()]
    return Study("reference_steps", "cpu", tuple(source for part in parts for source in part.sources))


def test_rows_are_put_together_by_task_with_steps_ascending() -> None:
    own = {(HOPPER, 50): [1.0, 3.0], (HOPPER, 5): [5.0, 5.0], (CUBE, 5): [0.0, 2.0]}
    other = one_task_study({("bc", 0): [9.0, 9.0]}).sources
    table = reference_steps.by_steps(Study("reference_steps", "cpu", (*other, *_study(own).sources)))
    assert table[["task", "steps", "mean", "seeds"]].to_numpy().tolist() == [
        [HOPPER, 5, 5.0, 2], [HOPPER, 50, 2.0, 2], [CUBE, 5, 1.0, 2],
    ]  # fmt: skip
    assert table.set_index("task").loc[CUBE, "low"] == 0, "a share of episodes is not below 0"


@pytest.mark.parametrize(
    ("task", "few", "many", "word", "answer"),
    [
        (HOPPER, [60.0, 61, 59], [50.0, 51, 50], "above", "as predicted"),
        (HOPPER, [50.0, 61, 40], [50.0, 51, 50], "not clearly apart", "as predicted"),
        (HOPPER, [40.0, 41, 39], [50.0, 51, 50], "below", "otherwise"),
        (CUBE, [10.0, 11, 9], [50.0, 51, 50], "below", "as predicted"),
        (CUBE, [50.0, 61, 40], [50.0, 51, 50], "not clearly apart", "otherwise"),
        (CUBE, [0.0, 1, 0], [4.0, 4, 5], "below", "tells nothing"),
    ],
)
def test_the_prediction_is_answered_by_its_rule(
    task: str, few: list[float], many: list[float], word: str, answer: str
) -> None:
    table = reference_steps.compared(_study({(task, 1): few, (task, 50): many}))
    (row,) = table.itertuples()
    assert (row.word, row.answer) == (word, answer)
    assert (row.few, row.many) == (sum(few) / 3, sum(many) / 3)
    assert f"({row.gain:+.1f} [" in reference_steps.in_words(table)


def test_without_a_pair_nothing_is_compared() -> None:
    table = reference_steps.compared(_study({(HOPPER, 1): [1.0, 2.0]}))
    assert table.empty
    assert reference_steps.in_words(table) == "No task has both yet"


def test_a_clone_on_another_file_of_the_same_recipe_is_told_with_both_scores() -> None:
    own, clones = _study({(HOPPER, 10): [50.0, 54], (CUBE, 10): [4.0, 4]}), [
        source for task, scores in ((HOPPER, [40.0, 42]), (CUBE, [4.0, 4]))
        for source in one_task_study({("bc", 0): scores}, task=task).sources
    ]  # fmt: skip
    files = {HOPPER: ("Haswell", "SkylakeX"), CUBE: ("Haswell", "Haswell")}
    for place, sources in enumerate((own.sources, clones)):
        for source in sources:
            kernel = files[source.task.name][place]
            source.record.runs[-1]["dataset"] = {"sha256": kernel, "blas": kernel, "rows": 9}
    words = reference_steps.other_files(own, Study("campaign", "cpu", tuple(clones)))
    assert "kernel Haswell in place of SkylakeX" in words
    assert "The clone scores 52.0 [" in words
    assert "41.0 [" in words
    assert "cube" not in words
    assert reference_steps.other_files(own, own, method="euler_10") == ""
    clones[0].record.runs[-1]["dataset"]["rows"] = 8
    assert reference_steps.other_files(own, Study("campaign", "cpu", tuple(clones))) == ""
