"""Tables of kept policies: rows of a record that was trained anew give way, those of other records are guarded."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from vgf.results import policy_tables


def _record(folder: Path, name: str, content: str) -> dict[str, str]:
    """Write a record and return what rows made from it say of it."""
    run = folder / name / "run.json"
    run.parent.mkdir(parents=True, exist_ok=True)
    run.write_text(content)
    return {"record": policy_tables.sha256(run)}


def _rows(task: str, score: float) -> pd.DataFrame:
    return pd.DataFrame({"task": [task], "method": ["vgf"], "score": [score]})


def test_rows_of_a_record_that_was_trained_anew_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "seen.csv"
    for task, score in (("a", 1.0), ("b", 2.0)):
        policy_tables.write(path, _rows(task, score), {f"{task}/vgf": _record(tmp_path, f"{task}/vgf", "{}")})
    anew = _record(tmp_path, "b/vgf", '{"again": 1}')
    assert any("b/vgf" in line for line in policy_tables.faults(tmp_path))
    policy_tables.check(path, ["b/vgf"])
    policy_tables.write(path, _rows("b", 3.0), {"b/vgf": anew})
    assert pd.read_csv(path)["score"].tolist() == [1.0, 3.0]
    assert list(policy_tables.faults(tmp_path)) == []


def test_rows_of_another_record_that_was_trained_anew_are_refused_before_the_work(tmp_path: Path) -> None:
    path = tmp_path / "seen.csv"
    policy_tables.write(path, _rows("a", 1.0), {"a/vgf": _record(tmp_path, "a/vgf", "{}")})
    _record(tmp_path, "a/vgf", '{"again": 1}')
    with pytest.raises(ValueError, match=r"the record of a/vgf is not the one .* make it anew with all policies"):
        policy_tables.check(path, ["b/vgf"])
    assert pd.read_csv(path)["score"].tolist() == [1.0]


def test_a_table_that_was_changed_by_hand_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seen.csv"
    policy_tables.write(path, _rows("a", 1.0), {"a/vgf": _record(tmp_path, "a/vgf", "{}")})
    path.write_text(path.read_text().replace("1", "9"))
    with pytest.raises(ValueError, match="changed since it was made"):
        policy_tables.check(path, ["a/vgf"])
    policy_tables.check(tmp_path / "none.csv", [])  # nothing there, nothing to guard
