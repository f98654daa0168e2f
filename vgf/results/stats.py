r"""What a handful of runs says: mean, interquartile mean and probability of improvement, each with an interval.

With few seeds a mean over tasks says little without its uncertainty, and one task can carry it. So scores are summed
up as agarwal2021rliable advise. With x_mk the score of run k on task m, M tasks and K_m runs,

    mean        (1/M) sum_m (1/K_m) sum_k x_mk
    IQM         mean of all x_mk without the lowest and the highest quarter: robust to outliers, yet not to one task
    P(X > Y)    (1/M) sum_m (1/(K_m L_m)) sum_kl [ 1(x_mk > y_ml) + 1(x_mk = y_ml) / 2 ]

The tasks themselves stay, so every interval speaks of these tasks alone. There are two kinds of interval.

*Student's*, of a mean. With e_m = s_m^2 / (M^2 K_m) and s_m^2 the variance of task m's runs, the squared error of the
mean is E = sum_m e_m, and (mean - true mean) / sqrt(E) is compared with Student's distribution of E^2 / sum_m [e_m^2 /
(K_m - 1)] degrees of freedom (Satterthwaite's; on one task that is K - 1, and the interval is exact for normal scores).
It is what means in tables have and what verdicts are made with.

*Percentiles of a stratified bootstrap*, of the other two: runs are drawn anew, with replacement, within each task, and
X and Y apart. What is drawn depends on the seed and on a task's place, never on numpy's global stream; a task added at
the end changes no other's draws. Few runs give percentiles that are too close: of three they are the least and the
highest run. So nothing is decided by them, and `coverage` says, by simulation, what either kind is worth. Nothing here
knows an agent; arrays are numpy's, in double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy.special import betaincinv, stdtr, stdtrit

Scores = Sequence[np.ndarray]  # one array a task, [..., K_m]; the leading axes are bootstrap draws
DRAWS = 10_000
LEVEL = 0.95
SAME = 1e-9  # of a mean: a spread of its runs that is rounding
WORTH = 5.0  # points of score: a smaller difference counts as none, and a task on which nobody reaches it is not judged


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


@dataclass(frozen=True)
class Student:
    """The mean over tasks of the mean over runs, and how uncertain runs make it.

    Attributes:
        value: the mean.
        error: its standard error; NaN where a task has one run alone.
        freedom: degrees of freedom.
        runs: of all tasks together.
    """

    value: float
    error: float
    freedom: float
    runs: int

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the ends of the interval; NaN where there is no error to speak of."""
        half = float(stdtrit(self.freedom, (1 + level) / 2)) * self.error if self.error else self.error
        return self.value - half, self.value + half

    def above(self, bar: float) -> float:
        """Return how likely a mean this high, or higher, is if the true mean is `bar`; 1 where nothing can be said."""
        if not self.error > SAME * abs(self.value):  # runs that agree up to rounding: the chance of equal signs
            return 0.5**self.runs if self.error >= 0 and self.value > bar else 1.0
        return float(stdtr(self.freedom, (bar - self.value) / self.error))

    def word(self) -> Literal["above", "below", "not clearly apart"]:
        """Return how the mean stands to 0: above or below where chance gives that on one side of `LEVEL` at most."""
        above, below = (chance < (1 - LEVEL) / 2 for chance in (self.above(0.0), self.below(0.0)))
        return "above" if above else "below" if below else "not clearly apart"

    def below(self, bar: float) -> float:
        """Return how likely a mean this low, or lower, is if the true mean is `bar`; 1 where nothing can be said."""
        return Student(-self.value, self.error, self.freedom, self.runs).above(-bar)


def mean(scores: Scores) -> np.ndarray:
    """Return the mean over tasks of the mean over runs, [...]; tasks weigh the same however many runs they have."""
    return np.mean(np.stack([runs.mean(-1) for runs in scores]), axis=0)


def iqm(scores: Scores) -> np.ndarray:
    """Return the interquartile mean over all runs of all tasks, [...]: a quarter of them, rounded down, off each end.

    A task weighs as its runs do, so tasks should have equally many (agarwal2021rliable). Up to three runs in all
    lose none, so theirs is the mean.
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


def student(scores: Scores) -> Student:
    """Return the mean over tasks with Student's error.

    Args:
        scores: of every task its runs [K_m]; K_m may differ.

    Raises:
        ValueError: if there is no task, or one without a run or with a score that is not finite.
    """
    (arrays,) = _checked([scores])
    count = np.array([len(runs) for runs in arrays])
    value = float(mean(arrays))
    if count.min() < 2:
        return Student(value, float("nan"), float("nan"), int(count.sum()))
    parts = np.array([runs.var(ddof=1) for runs in arrays]) / count / len(arrays) ** 2
    squared = float(parts.sum())
    freedom = squared**2 / float((parts**2 / (count - 1)).sum()) if squared else float(count.sum() - len(count))
    return Student(value, squared**0.5, freedom, int(count.sum()))


def of_mean(scores: Scores, within: tuple[float, float] = (-np.inf, np.inf)) -> Estimate:
    """Return the mean over tasks with Student's interval, as a table shows it; NaN ends where a task has one run alone.

    Args:
        scores: as of `student`.
        within: the least and the highest score there can be; an interval does not leave it.
    """
    found = student(scores)
    low, high = found.interval()
    return Estimate(found.value, max(low, within[0]), min(high, within[1]))


def of_share(hits: int, count: int, level: float = LEVEL) -> Estimate:
    """Return a share of independent cases with its exact interval (Clopper and Pearson's); ValueError for no case."""
    if not 0 <= hits <= count or count < 1:
        raise ValueError(f"a share needs 0 <= hits <= count and a case, got {hits} of {count}")
    tail = (1 - level) / 2
    low = float(betaincinv(hits, count - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, count - hits, 1 - tail)) if hits < count else 1.0
    return Estimate(hits / count, low, high)


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
    arrays = _checked(groups)
    low, high = interval(statistic(*resample(arrays, seed, draws)), level)
    return Estimate(float(statistic(*arrays)), low, high)


def _checked(groups: Sequence[Scores]) -> list[list[np.ndarray]]:
    """Return the groups in double precision."""
    arrays = [[np.asarray(runs, dtype=np.float64) for runs in group] for group in groups]
    for group in arrays:
        if not group or any(runs.ndim != 1 or not len(runs) for runs in group):
            raise ValueError("every group needs a task, and every task a list of at least one run")
        if not all(np.isfinite(runs).all() for runs in group):
            raise ValueError("a score is not finite")
    return arrays


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
def coverage(
    runs: int,
    level: float = LEVEL,
    experiments: int = 2000,
    kind: Literal["bootstrap", "student"] = "bootstrap",
    skewed: bool = False,
) -> float:
    """Return how often an interval of so many runs of one task holds their true mean; by simulation.

    Percentiles hold it less often than `level` says up to ten runs or so, Student's interval where scores are skewed. A
    table with few seeds has to say both.

    Args:
        runs: of the task.
        level: of the interval.
        experiments: how many are simulated.
        kind: of interval.
        skewed: scores are exponential (most low, a few high) in place of normal.

    Raises:
        ValueError: if there are no runs, or one alone for Student's interval.
    """
    if runs < (least := 1 + (kind == "student")):
        raise ValueError(f"runs must be >= {least}, got {runs}")
    rng = np.random.default_rng([runs, experiments])
    size = (experiments, runs)
    scores = rng.exponential(size=size) - 1 if skewed else rng.normal(size=size)
    if kind == "student":
        half = stdtrit(runs - 1, (1 + level) / 2) * scores.std(1, ddof=1) / runs**0.5
        return float(np.mean(np.abs(scores.mean(1)) <= half))
    weights = rng.multinomial(runs, np.full(runs, 1 / runs), size=2000) / runs
    tail = (1 - level) / 2
    low, high = np.quantile(scores @ weights.T, [tail, 1 - tail], axis=1)
    return float(np.mean((low <= 0) & (high >= 0)))
