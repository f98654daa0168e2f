"""How episodes end: which tasks count, and when a method ends all of them alike."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.helpers.study_records import CUBE, HOPPER
from vgf.results import episode_ends

LIMIT = 1000
Lengths = dict[str, list[list[int]]]  # method: a list for each seed


def _study(own: Lengths, task: str = HOPPER) -> Any:
    def episodes(seeds: list[list[int]]) -> pd.DataFrame:
        last = [(s, 100, 0, e, length) for s, seed in enumerate(seeds) for e, length in enumerate(seed)]
        younger = [(s, 50, 0, 0, 1) for s in range(len(seeds))]
        moved = [(s, 100, 3, 0, 2) for s in range(len(seeds))]
        return pd.DataFrame(younger + moved + last, columns=["seed", "update", "test_steps", "episode", "length"])

    sources = [
        SimpleNamespace(task=SimpleNamespace(name=task), method=m, record=SimpleNamespace(episodes=episodes(s)))
        for m, s in own.items()
    ]
    return SimpleNamespace(tasks=[task], sources=sources)


MANY: Lengths = {
    "bc": [[300, 400, 500, 1000], [200, 600, 700, 900]],
    "vgf": [[95, 100, 100, 105], [200, 200, 200, 201]],
    "iql": [[1000, 1000, 1000, 1000], [1000, 1000, 1000, 1000]],
    "idql": [[95, 100, 100, 105], [100, 150, 150, 200]],
}


def test_the_last_unmoved_episodes_are_read_the_longest_method_first() -> None:
    found = episode_ends.lengths(_study(MANY))
    assert list(dict.fromkeys(found["method"])) == ["iql", "bc", "vgf", "idql"]
    assert found[(found["method"] == "vgf") & (found["seed"] == 0)]["length"].tolist() == [95, 100, 100, 105]
    assert len(found) == 4 * 2 * 4


@pytest.mark.parametrize(
    "left_out",
    [
        _study(MANY, CUBE),  # a goal that is met ends an episode there
        _study(MANY, "antmaze-umaze-v2"),  # here too, although its score is a return
        _study({method: [[LIMIT] * 4] * 2 for method in MANY}),  # no fall
        _study({method: MANY[method] for method in ("bc", "vgf", "iql")}),  # few methods
    ],
)
def test_a_task_is_left_out_where_lengths_say_nothing(left_out: Any) -> None:
    found = episode_ends.lengths(left_out)
    assert found.empty
    assert episode_ends.ends_in_words(episode_ends.ends(found)) == "No task has enough methods yet."


def test_alike_needs_every_seed_narrow_and_no_episode_at_the_limit() -> None:
    table = episode_ends.ends(episode_ends.lengths(_study(MANY))).set_index("method")
    assert table["alike"].to_dict() == {"iql": False, "bc": False, "vgf": True, "idql": False}
    assert table.loc["idql", "spread"] == pytest.approx((np.quantile([100, 150, 150, 200], 0.75) - 137.5) / 150)
    assert table["reached"].to_dict() == {"iql": 8, "bc": 1, "vgf": 0, "idql": 0}
    assert (table.loc["vgf", "shortest"], table.loc["vgf", "longest"]) == (100, 200)


def test_words_and_table_name_the_methods() -> None:
    table = episode_ends.ends(episode_ends.lengths(_study(MANY)))
    words = episode_ends.ends_in_words(table)
    assert "VGF ends most episodes alike: a seed's median length is 100 to 200 steps." in words
    assert words.endswith("Of 3 other methods, 2 reach the limit in some episodes.")
    assert episode_ends.ends_counted(table).startswith("Of 4 methods, 1 end most episodes alike on")
    assert "| VGF | 100 to 200 | " in episode_ends.ends_table(table, HOPPER)
    none = episode_ends.ends_in_words(table[~table["alike"]])
    assert none.endswith("no method ends most of its episodes alike.")
    assert "other" not in episode_ends.ends_in_words(table[table["alike"]])
