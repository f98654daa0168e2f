"""Permutation tests of the rules: how often chance gives as much, by counting.

A permutation test needs no distribution of scores. It needs a statement of what may be exchanged where there is
nothing to find: ranks of methods within a task, signs of a seed's gains, names of training budgets within a seed.
Chance is then the share of exchanges whose statistic is at least the one observed. Where there are too many to count,
`DRAWS` of them are drawn from a generator with a fixed seed, the one observed among them, so the chance is never zero.
The price is a least chance: K seeds give none below 1 / 2^K.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy.special import bdtr, stdtrit

EXACT = 12  # seeds up to which every flip of signs is counted
DRAWS = 4_000
SEED = 0
LEVEL = 0.05  # at which a gain counts as below zero and leaves the search for the best


def ranks(scores: np.ndarray) -> np.ndarray:
    """Return the rank of each of M scores, [M]: 1 for the highest, equal ones share the mean of their ranks."""
    values = np.asarray(scores, dtype=np.float64)
    above, level = (values[None] > values[:, None]).sum(1), (values[None] == values[:, None]).sum(1)
    return 1 + above + (level - 1) / 2


def rank_sum(tasks: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """Return the sum over tasks of the first method's rank, and the chances of one so low and of one so high.

    Where methods are alike, each has each of a task's ranks with the same probability, independently on every task. The
    distribution of the sum is computed exactly, whatever the number of tasks: it is a convolution.

    Args:
        tasks: of each task the mean scores of its methods [M], the one that is judged first.
    """
    _check(tasks)
    every = [ranks(scores) for scores in tasks]
    observed = sum(own[0] for own in every)
    distribution = np.ones(1)  # of twice the sum, which is whole with shared ranks, too
    for own in every:
        share = np.bincount(np.rint(2 * own).astype(int)) / len(own)
        distribution = np.convolve(distribution, share)
    place = round(2 * observed)
    return float(observed), _at_most_one(distribution[: place + 1]), _at_most_one(distribution[place:])


def _check(tasks: Sequence[np.ndarray]) -> None:
    """Refuse no task, and scores that are not finite: a rank of NaN would pass for one."""
    if not tasks or not all(np.isfinite(own).all() for own in tasks):
        raise ValueError("a score is not finite" if tasks else "there is no task")


def at_most_half(first: int, tasks: int) -> float:
    """Return the probability of being first on so few tasks, or fewer, for a method that is first on each with 1/2."""
    return float(bdtr(first, tasks, 0.5))


def flips(count: int, drawn: int) -> np.ndarray:
    """Return signs to flip, [flips, count]: every way up to `EXACT`, or else so many drawn, the one observed first."""
    if count <= EXACT:
        return np.array(list(product((1.0, -1.0), repeat=count)))
    signs = np.random.default_rng(SEED).choice((1.0, -1.0), size=(drawn, count))
    signs[0] = 1.0
    return signs


def best_gain(tasks: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the mean over tasks of the gain of each task's best budget, and its chance, the search for it included.

    Where budgets do nothing, the gains of a seed are as likely as their negatives. So the signs of each seed's gains
    are flipped, those of all budgets together, and the best budget of each task is looked for again. A budget that is
    clearly worse than none leaves the search first, as in Hansen's test for superior predictive ability: flipped, it
    would gain as much as it loses, and hide what another one gains.

    Args:
        tasks: of each task the gains of its budgets, [B, K].
    """
    _check(tasks)
    kept = [_hopeful(gains) for gains in tasks]
    observed = float(np.mean([gains.mean(1).max() for gains in kept]))
    signs = flips(sum(gains.shape[1] for gains in kept), DRAWS)
    total, start = np.zeros(len(signs)), 0
    for gains in kept:
        stop = start + gains.shape[1]
        total += (signs[:, start:stop] @ gains.T / gains.shape[1]).max(1) / len(kept)
        start = stop
    return observed, float(np.mean(total >= observed - _slack(kept)))


def best_by_task(tasks: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return what choosing a level for each task scores above choosing one for all, and its chance.

    A level on a task is worth its mean score at its own best budget there. Where levels do nothing, the names of a
    seed's levels can be exchanged, all budgets of a level together, and the same is computed again. Where one level is
    best everywhere, exchanges differ by more than chance, so the test then errs towards finding nothing.

    Args:
        tasks: of each task the scores of its levels at its budgets, [L, B, K]; L is the same on all.
    """
    observed = float(_by_task([scores[None] for scores in tasks])[0])
    rng = np.random.default_rng(SEED)
    drawn = []
    for scores in tasks:
        levels, _, seeds = scores.shape
        order = rng.random((DRAWS - 1, levels, seeds)).argsort(1)
        drawn.append(np.take_along_axis(scores[None], order[:, :, None], 1))
    found = np.append(_by_task(drawn), observed)
    return observed, float(np.mean(found >= observed - _slack(tasks)))


def _at_most_one(shares: np.ndarray) -> float:
    """Return a sum of probabilities without what rounding adds to one."""
    return min(1.0, float(shares.sum()))


def _by_task(tasks: Sequence[np.ndarray]) -> np.ndarray:
    """Return the statistic of `best_by_task` of scores [draws, L, B, K], as [draws]."""
    worth = np.stack([scores.mean(-1).max(-1) for scores in tasks])
    return worth.max(-1).mean(0) - worth.mean(0).max(-1)


def _hopeful(gains: np.ndarray) -> np.ndarray:
    """Return the best budget, and all others that are not clearly worse than none."""
    means, errors = gains.mean(1), gains.std(1, ddof=1) / gains.shape[1] ** 0.5
    keep = means > stdtrit(gains.shape[1] - 1, LEVEL) * errors  # Student's one-sided test against none
    keep |= means == means.max()
    return gains[keep]


def _slack(tasks: Sequence[np.ndarray]) -> float:
    """Return how far apart sums of the same numbers in another order may be."""
    return 1e-9 * max(1.0, *(float(np.abs(scores).max()) for scores in tasks))
