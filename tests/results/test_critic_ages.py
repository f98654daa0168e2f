"""Scores by the age of the critic: over studies of several lengths, and between the last two evaluations."""

from __future__ import annotations

import numpy as np

from tests.helpers.study_records import HOPPER, one_task_study
from vgf.results import critic_ages, stats
from vgf.results.tables import MethodScores


def test_ages_are_of_the_critic_in_every_study_and_leave_the_untrained_out() -> None:
    old = one_task_study({("vgf", 0): [1, 2], ("vgf", 3): [3, 4], ("iql", 0): [9, 9]}, pretrain=1000)
    young = one_task_study({("vgf", 0): [5, 6]}, "d4rl")
    found = critic_ages.ages([young, old], ["vgf"], [HOPPER])
    assert set(found["age"]) == {50, 100}
    assert set(found["method"]) == {"vgf"}
    means = found.groupby(["study", "steps", "age"])["score"].mean()
    assert means.to_dict() == {
        (study, steps, age): mean
        for study, steps, mean in (("campaign", 0, 1.5), ("campaign", 3, 3.5), ("d4rl", 0, 5.5))
        for age in (50, 100)
    }
    assert critic_ages.ages([young], ["vgf"], ["another"]).empty


def test_the_table_of_ages_has_a_line_for_each_row_and_task() -> None:
    study = one_task_study({("bc", 0): [1.0, 2, 3], ("vgf", 0): [10.0, 20, 30]})
    source = study.sources[1]
    source.scores.loc[source.scores["update"] == 100, "score"] += [1.0, 2.0, 3.0]
    low, high = stats.student([np.array([1.0, 2.0, 3.0])]).interval()
    line = critic_ages.ages_table(study).splitlines()[-1]
    change = f"+2.0 [{low:.1f}, {high:.1f}]"
    assert line == f"| VGF without a test step | hopper-medium | 50 to 100 | 20.0 | 22.0 | {change} |"
    assert critic_ages.ages_table(one_task_study({("bc", 0): [1.0, 2]})).startswith("No critic")


def test_a_change_with_age_is_paired_by_seed_and_needs_two_ages() -> None:
    study = one_task_study({("vgf", 0): [10.0, 20, 30]})
    (source,) = study.sources
    source.scores.loc[source.scores["update"] == 100, "score"] += [1.0, 2.0, 3.0]
    low, high = stats.student([np.array([1.0, 2.0, 3.0])]).interval()
    said = critic_ages.ages_in_words(source, "It")
    assert said == f"From 50 to 100 updates It goes from 20.0 to 22.0 on hopper-medium (+2.0 [{low:.1f}, {high:.1f}])"
    assert low < 0 < high
    assert critic_ages.ages_in_words(source, "It", clear=True) == ""
    source.scores.loc[source.scores["update"] == 100, "score"] += 20.0
    assert "(+22.0 [" in critic_ages.ages_in_words(source, "It", clear=True)
    young = source.scores[source.scores["update"] < 100]
    assert critic_ages.ages_in_words(MethodScores(source.task, "vgf", "vgf", source.record, young), "It") == ""
