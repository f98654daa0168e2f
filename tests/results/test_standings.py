"""How methods stand: closed forms on made scores, and the sentence against the table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vgf.results import standings, tables

TASK = "hopper-medium-v2"


def study(**scores: list[float]) -> Any:
    """Return a study of one task whose methods have these scores by seed at no step."""
    sources = [
        SimpleNamespace(
            method=method,
            task=SimpleNamespace(name=TASK),
            by_seed=lambda checkpoint, steps, own=own: pd.Series(own) if (checkpoint, steps) == ("last", 0) else None,
        )
        for method, own in scores.items()
    ]
    return SimpleNamespace(sources=sources, tasks=[TASK], range=lambda tasks: (-np.inf, np.inf))


def test_the_highest_mean_comes_first_with_students_interval() -> None:
    table = standings.standings(study(bc=[10.0, 20.0], iql=[30.0, 30.0], vgf=[1.0, 2.0]), TASK)
    assert list(table["method"]) == ["iql", "bc", "vgf"]
    clone = table.set_index("method").loc["bc"]
    assert clone["value"] == 15.0
    assert clone["high"] - clone["value"] == pytest.approx(12.7062 * 5.0, rel=1e-4)  # t(1) times the standard error
    assert clone["seeds"] == 2


def test_a_task_is_whole_with_four_fifths_of_its_plan() -> None:
    planned = [(TASK, method) for method in ("bc", "vgf", "iql", "fql", "rebrac")]
    assert standings.whole_tasks(study(bc=[1.0], vgf=[1.0], iql=[1.0], fql=[1.0]), planned) == [TASK]
    assert standings.whole_tasks(study(bc=[1.0], vgf=[1.0], iql=[1.0]), planned) == []


def test_the_sentence_names_three_leaders_vgf_and_the_clone() -> None:
    own = study(
        bc=[9.0, 9.0], vgf=[70.0, 70.0], iql=[60.0, 60.0], fql=[50.0, 50.0], rebrac=[40.0, 40.0], idql=[1.0, 1.0]
    )
    said = standings.standings_in_words(standings.standings(own, TASK), TASK)
    assert "Of 6 methods on hopper-medium" in said
    assert said.index("IQL 60.0") < said.index("FQL 50.0") < said.index("ReBRAC 40.0")
    assert "IDQL" not in said
    assert "VGF with no step scores 70.0" in said
    assert said.endswith("the clone 9.0 [9.0, 9.0]")


def test_on_record_hopper_is_whole() -> None:
    longest = tables.read_study("campaign", "cpu")
    table = standings.standings(longest, TASK)
    assert {"bc", "vgf", "best_of_n", "iql"} <= set(table["method"])
    assert table["value"].is_monotonic_decreasing
