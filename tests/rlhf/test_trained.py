"""How far rivals were trained, as records say it: a reward that had stopped rising, a cut, and rows of a few steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vgf import records
from vgf.rlhf.settings import SIZES
from vgf.rlhf.study.records import write_curve
from vgf.rlhf.study.trained import COLUMNS, longest, trainings

REWARDS = (0.0, 1.0, 2.0, 1.5)


def put(study: Path, method: str, seed: int, **told: Any) -> None:
    """Record a run of a method, trained by the rule where its steps and end are given."""
    folder = study / method
    folder.mkdir(parents=True, exist_ok=True)
    records.seed_file(folder, seed).write_text("prompt\na\n")
    run: dict[str, Any] = {"id": f"seed{seed}", "seeds": [seed]}
    if "stopped" in told:
        write_curve(
            folder, seed, [{"step": 10 * k, "reward": reward, "error": 0.1} for k, reward in enumerate(REWARDS)]
        )
        run["stages"] = {method: {"kept": 20, "steps": 30, **told}}
    else:
        run["settings"] = {"sizes": told}
    records.merge_run(folder, run)


def test_a_line_says_where_the_reward_began_was_highest_and_ended(tmp_path: Path) -> None:
    assert list(trainings(tmp_path).columns) == list(COLUMNS)
    put(tmp_path, "ppo_trained", 4, stopped=True)
    (line,) = trainings(tmp_path).itertuples(index=False, name=None)
    assert line == ("ppo_trained", 4, 0.0, 2.0, 20, 1.5, 30, True)


def test_one_seed_that_was_cut_short_is_enough_not_to_count(tmp_path: Path) -> None:
    put(tmp_path, "dpo_trained", 4, stopped=True)
    assert longest([tmp_path], "dpo") == ("dpo_trained", True)
    put(tmp_path, "dpo_trained", 5, stopped=False)
    assert longest([tmp_path], "dpo") == ("dpo_trained", False)


def test_seeds_of_several_machines_count_together(tmp_path: Path) -> None:
    put(tmp_path / "one", "dpo_trained", 4, stopped=True)
    put(tmp_path / "other", "ppo_trained", 4, stopped=False)
    folders = [tmp_path / "one", tmp_path / "other"]
    assert longest(folders, "dpo") == ("dpo_trained", True)
    assert longest(folders, "ppo") == ("ppo_trained", False)
    put(tmp_path / "other", "dpo_trained", 4, stopped=False)
    assert longest(folders, "dpo") == ("dpo_trained", False)


@pytest.mark.parametrize(("steps", "in_full"), [(30, False), (SIZES["paper"].bc_steps, True)])
def test_a_fixed_number_of_steps_counts_where_it_is_the_papers_scale(steps: int, in_full: bool, tmp_path: Path) -> None:
    put(tmp_path, "ppo", 3, bc_steps=steps)
    assert longest([tmp_path], "ppo") == ("ppo", in_full)
    assert longest([tmp_path], "dpo") == ("dpo", False)


def test_a_changed_curve_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "rloo_trained", 4, stopped=True)
    path = tmp_path / "rloo_trained" / "seed4.curve.csv"
    path.write_text(path.read_text().replace("1.5", "9.5"))
    with pytest.raises(ValueError, match=r"seed4\.curve\.csv"):
        trainings(tmp_path)
