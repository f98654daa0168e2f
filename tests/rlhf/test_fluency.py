"""Fluency on both sides: people's own text is at one, a more predictable one below, and repetition is counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vgf.rlhf.study.fluency import against_people, repeated, summary


def study() -> pd.DataFrame:
    """Return twelve prompts on two seeds: people at perplexity 50, a method at half and one at twice that."""
    lines = []
    for method, level in (("human", 50.0), ("cold_L1", 25.0), ("vgf_L1", 100.0)):
        for seed in range(2):
            for k in range(12):
                nats = (10 + k) * (np.log(level) + 0.1 * (k - 5.5) * (method != "human") / (10 + k))
                line = {"method": method, "seed": seed, "prompt": f"p{k}", "nats": nats, "length": 10 + k}
                lines.append(line | {"response": "a b a b" if method == "cold_L1" else "a b c d"})
    return pd.DataFrame(lines)


def test_a_pair_of_words_that_comes_again_is_a_repetition() -> None:
    assert repeated("the film is good") == 0
    assert repeated("a b A b") == pytest.approx(1 / 3)
    assert repeated("so so so so") == pytest.approx(2 / 3)
    assert repeated("one") == repeated("") == 0


def test_people_are_at_one_and_the_more_predictable_below() -> None:
    rows = study()
    low, high = against_people(rows, "cold_L1"), against_people(rows, "vgf_L1")
    assert low.value == pytest.approx(0.5)
    assert high.value == pytest.approx(2.0)
    assert low.low < low.value < low.high < 1 < high.low
    assert against_people(rows, "human").value == 1
    found = summary(rows)
    assert list(found.index) == ["vgf_L1", "cold_L1"]
    assert found.loc["cold_L1", "repeated"] == pytest.approx(1 / 3)
    assert found.loc["vgf_L1", "repeated"] == 0


def test_without_people_there_is_nothing_to_compare_with() -> None:
    rows = study()
    with pytest.raises(ValueError, match="no prompt of it has a row of people's response"):
        against_people(rows[rows["method"] != "human"], "vgf_L1")
