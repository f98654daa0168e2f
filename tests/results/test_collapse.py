"""The rule of the study on critics: every word can come out, and chance alone rarely says that a critic fell."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vgf.results import collapse


def _scores(*ages: list[float]) -> pd.DataFrame:
    rows = [(1000 * (i + 1), seed, score) for i, age in enumerate(ages) for seed, score in enumerate(age)]
    return pd.DataFrame(rows, columns=["update", "seed", "score"])


@pytest.mark.parametrize(
    ("first", "last", "word"),
    [
        ([80, 90, 85, 95, 90], [80, 90, 85, 95, 90], "no clear loss"),
        ([80, 90, 85, 95, 90], [90, 100, 95, 100, 95], "no clear loss"),
        ([80, 90, 85, 95, 90], [70, 75, 70, 80, 80], "falls"),
        ([80, 90, 85, 95, 90], [0, 10, 0, 20, 0], "collapses"),
        ([80, 90, 85, 95, 90], [0, 90, 100, 100, 90], "no clear loss"),  # one seed of five is no clear fall
        ([0, 0, 0, 0, 0], [0, 0, 0, 0, 0], "no clear loss"),
    ],
)
def test_each_word_comes_out(first: list[float], last: list[float], word: str) -> None:
    found = collapse.fate(_scores(first, [50, 50, 50, 50, 50], last))
    assert found.word == word
    assert found.change.value == pytest.approx(np.mean(last) - np.mean(first))
    assert found.seeds == 5


def test_chance_alone_rarely_says_that_a_critic_fell() -> None:
    rng = np.random.default_rng(0)
    words = [collapse.fate(_scores(*(10.0 * rng.binomial(10, 0.7, size=(2, 5))).tolist())).word for _ in range(1000)]
    # a two-sided interval at 95 % leaves 2.5 % below; shares of ten episodes are coarse, hence the room
    assert words.count("no clear loss") > 0.96 * len(words)


def test_a_choice_decides_if_one_row_stays_good_and_the_other_collapses() -> None:
    good, bad = _scores([90, 80, 85], [90, 80, 85]), _scores([90, 80, 85], [0, 5, 0])
    middling = _scores([90, 80, 85], [70, 60, 66])
    fates = [collapse.fate(rows) for rows in (good, bad, middling)]
    assert [fate.word for fate in fates] == ["no clear loss", "collapses", "falls"]
    assert collapse.decides(fates[0], fates[1])
    assert collapse.decides(fates[1], fates[0])
    assert not collapse.decides(fates[0], fates[2])
    assert not collapse.decides(fates[1], fates[1])


def test_updates_of_a_reference_trained_first_are_not_the_critic_s() -> None:
    scores = pd.DataFrame(
        {"seed": [0] * 4, "update": [0, 50, 60, 70], "test_steps": [0] * 4, "score": [1.0, 2.0, 3.0, 4.0]}
    )
    other = scores.assign(test_steps=3, score=9.0)
    entry: dict[str, Any] = {"settings": {"config": {"pretrain": 50}}}
    source: Any = SimpleNamespace(scores=pd.concat([scores, other]), record=SimpleNamespace(runs=[entry]))
    assert collapse.ages(source).to_dict("list") == {"update": [10, 20], "seed": [0, 0], "score": [3.0, 4.0]}
    assert collapse.ages(source, 3)["score"].tolist() == [9.0, 9.0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (_scores([1, 2]), "two evaluations"),
        (_scores([1, 2], [1, 2, 3]), "different seeds"),
    ],
)
def test_what_has_no_fate_is_refused(rows: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        collapse.fate(rows)


def test_the_table_says_who_decides_and_how_alike_critics_are() -> None:
    fates = {
        "as it is": collapse.fate(_scores([90, 80, 85], [0, 5, 0])),
        "without a step": collapse.fate(_scores([90, 80, 85], [90, 80, 85])),
    }
    shown = collapse.table(fates, "as it is", {"without a step": np.array([0.5, 0.7])})
    assert shown["decides"].tolist() == ["", "yes"]
    assert shown["it"].tolist() == ["collapses", "no clear loss"]
    assert shown["seeds agree"].tolist() == ["", "0.60"]
    assert shown.loc["as it is", "first"].startswith("85 [")
