"""Sums of few runs: closed forms, rliable's own numbers on rliable's own draws, and what a bootstrap must be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.helpers.site import ROOT
from vgf.results import stats

RLIABLE = json.loads((ROOT / "tests" / "reference" / "rliable_reference.json").read_text())
RUNS = arrays(np.float64, st.integers(1, 6), elements=st.floats(-100, 100, allow_nan=False).map(lambda v: round(v, 2)))
TASKS = st.lists(RUNS, min_size=1, max_size=4)


def of_rliable(matrix: list[list[float]]) -> list[np.ndarray]:
    """Return rliable's runs x tasks as our list of tasks."""
    return list(np.array(matrix).T)


def test_the_mean_weighs_tasks_and_not_runs() -> None:
    assert stats.mean([np.array([0.0, 2.0, 4.0]), np.array([10.0])]) == 6.0


@pytest.mark.parametrize(
    ("runs", "expected"),
    [([7.0], 7.0), ([1.0, 2.0], 1.5), ([0, 1, 2, 9], 1.5), ([9, 0, 1, 2, 3], 2.0), (range(100), 49.5)],
)
def test_the_interquartile_mean_leaves_a_quarter_out_at_each_end(runs: Any, expected: float) -> None:
    assert stats.iqm([np.array(list(runs), dtype=float)]) == expected


def test_one_wild_run_moves_the_mean_and_not_the_interquartile_mean() -> None:
    calm, wild = np.arange(8.0), np.append(np.arange(7.0), 1e6)
    assert stats.iqm([calm]) == stats.iqm([wild])
    assert stats.mean([wild]) > 1000 * stats.mean([calm])


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([[1, 2]], [[0, 0.5]], 1.0),
        ([[1, 2]], [[3]], 0.0),
        ([[5, 5, 5]], [[5, 5]], 0.5),
        ([[1, 3]], [[2, 2]], 0.5),
        ([[1, 1]], [[0, 1]], 0.75),
        ([[1], [0]], [[0], [0]], 0.75),
    ],
)
def test_improvement_counts_wins_and_half_the_ties(x: Any, y: Any, expected: float) -> None:
    tasks = [[np.array(runs, dtype=float) for runs in group] for group in (x, y)]
    assert stats.improvement(*tasks) == expected


def test_methods_cannot_be_compared_on_unlike_tasks() -> None:
    with pytest.raises(ValueError, match="2 tasks cannot be compared with 1"):
        stats.improvement([np.zeros(2), np.zeros(2)], [np.zeros(2)])


@given(TASKS)
def test_one_method_wins_as_often_as_the_other_loses(tasks: list[np.ndarray]) -> None:
    others = [runs[::-1] + np.arange(len(runs)) for runs in tasks]
    assert stats.improvement(tasks, others) + stats.improvement(others, tasks) == pytest.approx(1)
    assert stats.improvement(tasks, tasks) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["mean", "iqm", "improvement"])
def test_every_number_is_rliables_on_the_draws_rliable_made(name: str) -> None:
    statistic: Callable[..., np.ndarray] = getattr(stats, name)
    reference = RLIABLE[name]
    assert statistic(*map(of_rliable, reference["scores"])) == pytest.approx(reference["value"], rel=1e-12)
    values = np.array([statistic(*map(of_rliable, draw["samples"])) for draw in reference["draws"]])
    np.testing.assert_allclose(values, [draw["value"] for draw in reference["draws"]], rtol=1e-12)
    np.testing.assert_allclose(stats.interval(values), reference["interval"], rtol=1e-12)
    stacked = [
        [np.stack([np.array(draw["samples"][g])[:, m] for draw in reference["draws"]]) for m in range(3)]
        for g in range(len(reference["scores"]))
    ]
    np.testing.assert_allclose(statistic(*stacked), values, rtol=1e-12)


@given(TASKS, st.integers(0, 5))
def test_a_draw_of_a_task_holds_runs_of_that_task_alone(tasks: list[np.ndarray], seed: int) -> None:
    (drawn,) = stats.resample([tasks], seed, 20)
    for runs, samples in zip(tasks, drawn, strict=True):
        assert samples.shape == (20, len(runs))
        assert np.isin(samples, runs).all()


def test_draws_follow_the_seed_and_leave_the_global_stream_alone() -> None:
    tasks = [np.sqrt(np.arange(5.0)), 10 + np.sqrt(np.arange(7.0))]
    np.random.seed(1)  # noqa: NPY002  # the stream that must not matter
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # type: ignore[index]
    one = stats.estimate(stats.iqm, tasks, seed=3)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002  # type: ignore[index]
    assert stats.estimate(stats.iqm, tasks, seed=3) == one
    assert stats.estimate(stats.iqm, tasks, seed=4) != one
    (longer,) = stats.resample([[*tasks, np.zeros(3)]], 3, 10)
    (shorter,) = stats.resample([tasks], 3, 10)
    assert all(np.array_equal(a, b) for a, b in zip(shorter, longer, strict=False))


def test_two_groups_are_drawn_apart() -> None:
    runs = [np.arange(50.0)]
    x, y = stats.resample([runs, runs], 0, 4)
    assert not np.array_equal(x[0], y[0])


def test_the_interval_has_the_spread_that_theory_gives_a_stratified_mean() -> None:
    rng = np.random.default_rng(0)
    tasks = [rng.normal(loc, scale, size) for loc, scale, size in ((0, 1, 40), (50, 5, 60), (-20, 3, 30))]
    variance = sum(runs.var() / len(runs) for runs in tasks) / len(tasks) ** 2
    found = stats.estimate(stats.mean, tasks, draws=20_000)
    for end, z in ((found.low, -1.96), (found.high, 1.96)):
        assert end - found.value == pytest.approx(z * variance**0.5, rel=0.05)


def test_equal_runs_leave_no_doubt() -> None:
    assert stats.estimate(stats.mean, [np.full(3, 2.0), np.full(2, 4.0)]) == stats.Estimate(3.0, 3.0, 3.0)


def test_a_higher_level_gives_a_longer_interval() -> None:
    tasks = [np.arange(9.0)]
    wide, narrow = (stats.estimate(stats.mean, tasks, level=level) for level in (0.99, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_students_mean_of_one_task_is_the_one_sample_test() -> None:
    runs = np.array([3.0, 7.0, 8.0, 1.0, 6.5])
    found = stats.student([runs])
    theirs = scipy.stats.ttest_1samp(runs, 2.0, alternative="greater")
    assert found.above(2.0) == pytest.approx(theirs.pvalue, rel=1e-12)
    assert found.below(2.0) == pytest.approx(1 - theirs.pvalue, rel=1e-12)
    assert found.interval() == pytest.approx(scipy.stats.ttest_1samp(runs, 0).confidence_interval(0.95), rel=1e-12)


def test_students_mean_of_two_tasks_is_half_of_welchs_difference() -> None:
    x, y = np.array([3.0, 7.0, 8.0]), np.array([1.0, 6.5, 2.0, 2.5])
    found = stats.student([x, -y])
    theirs = scipy.stats.ttest_ind(x, y, equal_var=False)
    assert 2 * found.value == pytest.approx(x.mean() - y.mean())
    assert found.freedom == pytest.approx(theirs.df)
    assert 2 * min(found.above(0), found.below(0)) == pytest.approx(theirs.pvalue, rel=1e-12)
    assert [2 * end for end in found.interval(0.9)] == pytest.approx(list(theirs.confidence_interval(0.9)))


def test_runs_that_agree_are_worth_the_flips_of_their_signs_and_one_run_nothing() -> None:
    found = stats.student([np.full(3, 2.0), np.full(2, 4.0)])
    assert (found.value, found.interval()) == (3.0, (3.0, 3.0))
    assert found.above(0) == 1 / 32
    assert (found.above(3.0), found.below(3.0), found.below(0)) == (1.0, 1.0, 1.0)
    alone = stats.student([np.array([2.0]), np.arange(4.0)])
    assert (alone.above(-100), alone.below(100)) == (1.0, 1.0)
    assert np.isnan(alone.interval()).all()


def test_a_spread_that_is_rounding_is_none() -> None:
    """100 x 29 / 50 - 100 x 27 / 50 and 100 x 50 / 50 - 100 x 48 / 50 are both four points and differ as floats."""
    gains = np.array([100 * (29 / 50) - 100 * (27 / 50), 100 * (50 / 50) - 100 * (48 / 50)])
    assert gains[0] != gains[1]
    found = stats.student([gains])
    assert (found.above(0), found.word()) == (0.25, "not clearly apart")
    assert stats.student([np.full(6, -2.0)]).word() == "below", "1 / 64 is clear"
    assert stats.student([np.array([5.0, 6.0, 7.0])]).word() == "above"
    assert stats.student([np.array([5.0])]).word() == "not clearly apart"


@pytest.mark.parametrize(("hits", "count"), [(0, 0), (3, 2), (-1, 2)])
def test_a_share_of_nothing_is_refused(hits: int, count: int) -> None:
    with pytest.raises(ValueError, match="a share needs"):
        stats.of_share(hits, count)


def test_a_tables_mean_does_not_leave_the_scores_there_can_be() -> None:
    runs = np.array([0.0, 0.0, 10.0])
    free, kept = stats.of_mean([runs]), stats.of_mean([runs], (0.0, 100.0))
    assert free.low < 0 == kept.low
    assert (free.value, free.high) == (kept.value, kept.high)
    assert np.isnan([stats.of_mean([np.array([5.0])], (0.0, 100.0)).low]).all()


def test_students_interval_of_few_runs_holds_what_it_says_unless_scores_are_skewed() -> None:
    for runs in (2, 3, 5, 8):
        assert stats.coverage(runs, kind="student") == pytest.approx(0.95, abs=0.015)
        assert stats.coverage(runs) < stats.coverage(runs, kind="student", skewed=True) < 0.92


def test_few_runs_cover_less_than_they_say() -> None:
    found = [stats.coverage(runs) for runs in (1, 2, 3, 8, 30)]
    assert found == sorted(found)
    assert found[0] == 0.0
    # Two runs a, b: the interval is [min, max] of them, as the mean of two draws is a or b with probability 1/4 each.
    assert found[1] == pytest.approx(0.5, abs=0.03)
    assert 0.65 < found[2] < 0.8
    assert found[-1] > 0.92


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([], "every group needs a task"),
        ([np.array([])], "at least one run"),
        ([np.zeros((2, 2))], "a list of at least one run"),
        ([np.array([1.0, np.nan])], "a score is not finite"),
    ],
)
def test_what_cannot_be_summed_up_is_refused(tasks: list[np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stats.estimate(stats.mean, tasks)
    with pytest.raises(ValueError, match=message):
        stats.student(tasks)


def test_coverage_of_too_few_runs_is_refused() -> None:
    with pytest.raises(ValueError, match="runs must be >= 1"):
        stats.coverage(0)
    with pytest.raises(ValueError, match="runs must be >= 2"):
        stats.coverage(1, kind="student")


def test_the_interval_of_a_share_is_the_exact_binomial_one() -> None:
    none, some, every = (stats.of_share(hits, 10) for hits in (0, 3, 10))
    assert (none.low, none.high) == (0.0, pytest.approx(1 - 0.025**0.1))
    assert (every.low, every.high) == (pytest.approx(0.025**0.1), 1.0)
    assert (some.value, some.low, some.high) == (0.3, pytest.approx(0.0667, abs=1e-4), pytest.approx(0.6525, abs=1e-4))
