r"""What a handful of runs says: mean, interquartile mean and probability of improvement, each with an interval.

With few seeds a mean over tasks says little without its uncertainty, and one task can carry it. So scores are summed
up as agarwal2021rliable advise. With x_mk the score of run k on task m, M tasks and K_m runs,

    mean        (1/M) sum_m (1/K_m) sum_k x_mk
    IQM         mean of all x_mk without the lowest and the highest quarter: robust to outliers, yet not to one task
    P(X > Y)    (1/M) sum_m (1/(K_m L_m)) sum_kl [ 1(x_mk > y_ml) + 1(x_mk = y_ml) / 2 ]

and the interval of each is the percentile interval of a stratified bootstrap: runs are drawn anew, with replacement,
within each task, and X and Y apart. The tasks themselves stay, so an interval speaks of these tasks alone. What is
drawn depends on the seed and on a task's place, never on numpy's global stream; a task added at the end changes no
other's draws. The trade-off of percentiles is that few runs give intervals that are too short: `coverage` says by how
much. Nothing here knows an agent; arrays are numpy's, in double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

Scores = Sequence[np.ndarray]  # one array a task, [..., K_m]; the leading axes are bootstrap draws

DRAWS = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A number and its interval.

    Attributes:
        value: of the runs as they are.
        low, high: ends of the interval.
    """

    value: float
    low: float
    high: float


def mean(scores: Scores) -> np.ndarray:
    """Return the mean over tasks of the mean over runs, [...]; tasks weigh the same however many runs they have."""
    return np.mean(np.stack([runs.mean(-1) for runs in scores]), axis=0)


def iqm(scores: Scores) -> np.ndarray:
    """Return the interquartile mean over all runs of all tasks, [...]: a quarter of them, rounded down, off each end.

    A task weighs as its runs do, so tasks should have equally many (agarwal2021rliable).
    """
    runs = np.sort(np.concatenate(scores, axis=-1), axis=-1)
    cut = runs.shape[-1] // 4
    return runs[..., cut : runs.shape[-1] - cut].mean(-1)


def improvement(scores: Scores, others: Scores) -> np.ndarray:
    """Return the probability that a run of the first beats one of the second on a task drawn at random, [...].

    Ties count half: the Mann-Whitney statistic over K_m L_m, averaged over tasks (agarwal2021rliable).

    Raises:
        ValueError: if the two are not of the same number of tasks.
    """
    if len(scores) != len(others):
        raise ValueError(f"{len(scores)} tasks cannot be compared with {len(others)}")
    wins = []
    for x, y in zip(scores, others, strict=True):
        difference = x[..., :, None] - y[..., None, :]
        wins.append(0.5 * (1 + np.sign(difference).mean((-2, -1))))
    return np.mean(np.stack(wins), axis=0)


def estimate(
    statistic: Callable[..., np.ndarray], *groups: Scores, seed: int = 0, draws: int = DRAWS, level: float = LEVEL
) -> Estimate:
    """Return a statistic of one or several groups of runs with its stratified bootstrap interval.

    Args:
        statistic: `mean`, `iqm`, `improvement`, or another that reduces the last axis of its groups' arrays.
        groups: for each argument of the statistic, the scores [K_m] of every task; K_m may differ.
        seed: of the draws.
        draws: bootstrap samples.
        level: of the interval, in (0, 1).

    Raises:
        ValueError: if a group has no task, or a task no run or a score that is not finite.
    """
    arrays = [[np.asarray(runs, dtype=np.float64) for runs in group] for group in groups]
    for group in arrays:
        if not group or any(runs.ndim != 1 or not len(runs) for runs in group):
            raise ValueError("every group needs a task, and every task a list of at least one run")
        if not all(np.isfinite(runs).all() for runs in group):
            raise ValueError("a score is not finite")
    low, high = interval(statistic(*resample(arrays, seed, draws)), level)
    return Estimate(float(statistic(*arrays)), low, high)


def resample(groups: Sequence[Scores], seed: int, draws: int) -> list[list[np.ndarray]]:
    """Return each group's runs [K_m] drawn anew within each task, [draws, K_m]."""
    return [
        [
            runs[np.random.default_rng([seed, g, m]).integers(len(runs), size=(draws, len(runs)))]
            for m, runs in enumerate(group)
        ]
        for g, group in enumerate(groups)
    ]


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Return the central part of bootstrap values [draws] that holds a share `level` of them."""
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


@cache
def coverage(runs: int, level: float = LEVEL, experiments: int = 2000) -> float:
    """Return how often such an interval holds the true mean of one task, for this many normal runs; by simulation.

    Between about two runs and ten it is well below `level`, which a table with few seeds has to say.

    Raises:
        ValueError: if there are no runs.
    """
    if runs < 1:
        raise ValueError(f"runs must be >= 1, got {runs}")
    rng = np.random.default_rng([runs, experiments])
    scores = rng.normal(size=(experiments, runs))
    weights = rng.multinomial(runs, np.full(runs, 1 / runs), size=2000) / runs
    tail = (1 - level) / 2
    low, high = np.quantile(scores @ weights.T, [tail, 1 - tail], axis=1)
    return float(np.mean((low <= 0) & (high >= 0)))
