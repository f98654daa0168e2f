r"""Are promises kept? Realised against predicted advantage of the data's own actions, on held-out trajectories.

At a held-out transition t the critics predict an advantage p = mean_j Q_j(s, a) - V_j(s), with V_j the mean of Q_j over
the reference's actions, and the trajectory realises y = G - V, G the return from t on. Two statements are drawn from
the pairs.

**How far.** slope(e) is the coefficient of p over the actions at least e sigma away from the reference's mean, in a
least squares fit of G that has a constant, V and the p of nearer actions, too. The errors of a trajectory hang
together, so its standard error is clustered by trajectory. H(e): slope(e) <= 0 is tested from e = 0 up and testing ends
with the first H that is not rejected: in a fixed order each test may use the whole level, so the chance of trusting a
critic whose predictions have nothing to do with what follows is at most about that level. The reach is the last e that
passed, or None.

**How much.** Trajectories are put into folds; each fold and distance bin is a group with its mean prediction P, mean
realisation Y, and the standard error U of their difference. kappa is the conformal quantile of (P - Y) / U: a new group
exchangeable with these has P - kappa U <= Y with probability >= 1 - miss (split conformal prediction). Moved actions
are not exchangeable with the data's, which is why the reach comes first.

V is the same for every action at a state, so its error multiplies p, whose mean over the reference is zero there: it
adds noise to a slope and no bias where the data's actions are the reference's. Its level and scale are fitted to G
first, so a critic that is young, or rewards that are shifted, change nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

EDGES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)  # of distance from the reference's mean, in sigma
FEWEST_TRAJECTORIES, FEWEST_ROWS = 10, 30  # behind a slope
MOST_FOLDS, FEWEST_A_FOLD = 20, 5  # of trajectories


@dataclass(frozen=True)
class HeldOut:
    """What critics predicted and what came, at H held-out transitions.

    Attributes:
        predicted: Q_j(s, a) - V_j(s) by each of K critics, [K, H].
        values: mean over critics of V_j(s), [H].
        returns: G, the return from here on, [H].
        distance: |a - mean of the reference| in sigma, [H].
        trajectory: number of the trajectory, [H].
        td: TD errors of each critic, [K, H].
    """

    predicted: np.ndarray
    values: np.ndarray
    returns: np.ndarray
    distance: np.ndarray
    trajectory: np.ndarray
    td: np.ndarray

    @property
    def promised(self) -> np.ndarray:
        """Mean prediction of the critics, [H]."""
        found: np.ndarray = self.predicted.mean(0)
        return found

    @property
    def realised(self) -> np.ndarray:
        """Returns less their linear fit on the values, an array of H; the fit takes level and scale from the data.

        The fit has the promise beside V, so that what the actions are worth is not taken for a state's value.
        """
        columns = np.stack([np.ones_like(self.values), self.values - self.values.mean(), self.promised], 1)
        fit = np.linalg.lstsq(columns, self.returns, rcond=None)[0]
        found: np.ndarray = self.returns - columns[:, :2] @ fit[:2]
        return found

    @property
    def noise(self) -> float:
        """Root mean square TD error over critics and transitions."""
        return float(np.sqrt(np.mean(self.td**2)))


@dataclass(frozen=True)
class Slope:
    """Realised per predicted advantage, of the actions at least `distance` sigma away.

    Attributes:
        distance: in sigma.
        slope: NaN where there are too few actions.
        lower: one-sided lower confidence bound; NaN likewise.
        rows, trajectories: behind it.
    """

    distance: float
    slope: float
    lower: float
    rows: int
    trajectories: int


def slopes(held: HeldOut, level: float) -> tuple[Slope, ...]:
    """Return the slope of every tail of distance, nearest first, each with its own one-sided lower bound."""
    return tuple(_slope(edge, held, level) for edge in EDGES)


def reach(tails: tuple[Slope, ...]) -> float | None:
    """Return the largest distance up to which every tail's slope has a positive lower bound; None where none has."""
    last = None
    for tail in tails:
        if not tail.lower > 0:  # NaN included
            break
        last = tail.distance
    return last


def kappa(held: HeldOut, miss: float, level: float) -> float:
    """Return how many standard errors below a promise its lower bound lies.

    The conformal quantile of the held-out groups, and never below Student's for as many critics: few critics may agree
    by chance.

    Args:
        held: predictions and what came.
        miss: share of groups that may fall below their bound.
        level: one-sided, of Student's quantile.
    """
    critics = len(held.predicted)
    student = float(stdtrit(critics - 1, 1 - level)) if critics > 1 else math.inf
    scores = np.sort(group_scores(held))
    rank = math.ceil((len(scores) + 1) * (1 - miss))
    if rank > len(scores):
        return math.inf  # too few groups to promise anything
    return max(float(scores[rank - 1]), student)


def standard_error(of_critics: np.ndarray, of_rows: float) -> np.ndarray | float:
    """Return the standard error of a mean over K critics whose rows have one of their own.

    Args:
        of_critics: means by each critic, [K, ...].
        of_rows: standard error that the rows leave, of the mean over critics.
    """
    spread = of_critics.var(0, ddof=1) / len(of_critics) if len(of_critics) > 1 else np.inf
    found: np.ndarray | float = np.sqrt(spread + np.square(of_rows))
    return found


def clustered_error(values: np.ndarray, cluster: np.ndarray) -> float:
    """Return the standard error of a mean whose rows hang together in clusters; infinite for a single one."""
    _, index = np.unique(cluster, return_inverse=True)
    sums = np.bincount(index, values - values.mean())
    if len(sums) < 2:
        return math.inf
    return float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1))) / len(values)


def _slope(edge: float, held: HeldOut, level: float) -> Slope:
    """Return the coefficient of the promises beyond `edge` beside those within, V and a constant, with its bound."""
    rows, promised = held.distance >= edge, held.promised
    names, index = np.unique(held.trajectory, return_inverse=True)
    count = len(np.unique(held.trajectory[rows]))
    values = held.values - held.values.mean()
    columns = [promised * rows, np.ones_like(promised), values, promised * ~rows]
    x = np.stack([column for column in columns if np.any(column)], 1)
    if count < FEWEST_TRAJECTORIES or rows.sum() < FEWEST_ROWS or not np.any(promised * rows):
        return Slope(edge, math.nan, math.nan, int(rows.sum()), count)
    fit = np.linalg.lstsq(x, held.returns, rcond=None)[0]
    inner = np.linalg.pinv(x.T @ x)[0]
    moved = (x @ inner) * (held.returns - x @ fit)  # what each row moves the first coefficient by
    sums = np.bincount(index, moved)
    error = math.sqrt(float((sums**2).sum()) * len(names) / max(len(names) - x.shape[1], 1))
    lower = float(fit[0]) - float(stdtrit(max(count - x.shape[1], 1), 1 - level)) * error
    return Slope(edge, float(fit[0]), lower, int(rows.sum()), count)


def group_scores(held: HeldOut) -> np.ndarray:
    """Return (P - Y) / U of every fold of trajectories and distance bin with enough rows."""
    names, index = np.unique(held.trajectory, return_inverse=True)
    folds = min(MOST_FOLDS, max(len(names) // FEWEST_A_FOLD, 1))
    fold, bins = index % folds, np.digitize(held.distance, EDGES[1:])
    gap = held.promised - held.realised
    found = []
    for one in range(folds):
        for each in np.unique(bins):
            rows = (fold == one) & (bins == each)
            if len(np.unique(index[rows])) < 2:
                continue
            error = standard_error(held.predicted[:, rows].mean(1), clustered_error(gap[rows], index[rows]))
            found.append(float(gap[rows].mean()) / max(float(error), np.finfo(float).tiny))
    return np.array(found)
