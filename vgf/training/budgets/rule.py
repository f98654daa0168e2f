r"""The rule: from what critics say of each rung, and of the data's own actions, to one rung.

1. **Gain.** Critics that did not move the particles value the chosen action: G(b) = mean over judges and states of
   Q_j(s, a_b) less the mean of Q_j over the reference's actions, so the plain clone has gain 0.
2. **Bound.** c(b) G(b) - kappa U(b): U is the standard error over judges and states, kappa is from
   `vgf.training.budgets.slopes`, and c <= 1 what comes of a promise at that distance: the slope of the tail that 1 + x
   lies in, its lower bound, or 1.
3. **Radius.** A particle of the reference is one sigma from its mean (root mean square); moved by at most x sigma it
   is at most 1 + x away (Minkowski). So x is trusted up to the reach less 1.
4. **Gate.** What a step adds to the same N unmoved, times c, must be promised above a share of the critics' TD noise.
5. **Choice.** The largest positive bound of what is left. Where none is left: L = 0, the best of the most particles,
   for taking the best of the reference's own actions is what one does without evidence; but where the slope of all held
   out actions is negative beyond doubt, the critics rank actions the wrong way round, and it is the plain clone.

Each of 2, 3 and 4 can be left out, for ablations. Nothing depends on the rewards' scale or origin. Assumed: judges err
independently of the mover and of each other; an error they share, and the data do not show within the reach, is seen by
none of the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vgf.training.budgets import slopes
from vgf.training.budgets.ladder import CLONE, Rung, mmd2_of
from vgf.training.budgets.slopes import HeldOut, Slope


@dataclass(frozen=True)
class Rule:
    """Constants of the rule, and which steps it has; the defaults are those that `data/rules/budget.yaml` froze.

    Attributes:
        level: of the one-sided tests of slopes, and of Student's quantile over judges.
        miss: share of held-out groups that may fall below their bound.
        gate: how many times the TD noise a step's promise must reach.
        shrink: what a promise is multiplied by, at most 1: the "lower" bound of its tail's slope, its "estimate", or 1.
        has_bound: whether the lower bound is maximised; else the gain.
        has_radius: whether displacement is limited by the reach.
        has_gate: whether there is a gate.
    """

    level: float = 0.1
    miss: float = 0.1
    gate: float = 0.25
    shrink: Literal["lower", "estimate", "none"] = "none"
    has_bound: bool = True
    has_radius: bool = True
    has_gate: bool = True

    def __post_init__(self) -> None:
        """Refuse constants without meaning."""
        for name, value in (("level", self.level), ("miss", self.miss)):
            if not 0 < value < 0.5:
                raise ValueError(f"{name} must lie in (0, 0.5), got {value}")
        if not self.gate >= 0:
            raise ValueError(f"gate must be >= 0, got {self.gate}")
        if self.shrink not in (words := ("lower", "estimate", "none")):
            raise ValueError(f"shrink must be one of {', '.join(words)}, got {self.shrink!r}")


@dataclass(frozen=True)
class Judged:
    """Gains of every rung, as judges see them.

    Attributes:
        rungs: the ladder, R of them.
        gains: over the reference's mean action, at each state, [K judges, R, M states].
        cluster: number of the trajectory that a state is of, [M].
    """

    rungs: tuple[Rung, ...]
    gains: np.ndarray
    cluster: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """Mean gain over states by each judge, [K, R]; of the plain clone 0 by definition."""
        found: np.ndarray = self.gains.mean(-1)
        found[:, self.rungs.index(CLONE)] = 0.0
        return found

    @property
    def errors(self) -> np.ndarray:
        """Standard error of each rung's gain over judges and trajectories, [R]; of the plain clone 0."""
        of_rows = np.array([slopes.clustered_error(row, self.cluster) for row in self.gains.mean(0)])
        found = np.asarray(slopes.standard_error(self.means, of_rows))  # type: ignore[arg-type]
        found[self.rungs.index(CLONE)] = 0.0
        return found


@dataclass(frozen=True)
class Line:
    """One rung of the ladder as it was judged.

    Attributes:
        rung: displacement and particles.
        gain: mean promise of the judges over the plain clone, in units of value.
        bound: its lower bound.
        kept: share of the gain that the bound starts from.
        step_gain: what moving adds to the same number of particles unmoved.
        mmd2: proved bound on the squared MMD.
        fault: why it is not chosen from: "", "radius", "gate" or "bound".
    """

    rung: Rung
    gain: float
    bound: float
    kept: float
    step_gain: float
    mmd2: float
    fault: str


@dataclass(frozen=True)
class Decision:
    """What the rule found.

    Attributes:
        lines: the ladder, in its order.
        chosen: one of its rungs.
        reach: distance from the reference's mean up to which promises are kept, in sigma; None where none are.
        radius: largest trusted displacement, in sigma; None where not even unmoved actions are told apart.
        noise: TD noise of the judges, in units of value.
        kappa: standard errors between a gain and its bound.
        tails: slope of each tail of distance.
        fallback: what is taken where no rung has a positive bound.
    """

    lines: tuple[Line, ...]
    chosen: Rung
    reach: float | None
    radius: float | None
    noise: float
    kappa: float
    tails: tuple[Slope, ...]
    fallback: Rung


def decide(judged: Judged, held: HeldOut, rule: Rule | None = None) -> Decision:
    """Return the rung with the largest lower bound within the radius and past the gate, else L = 0.

    Args:
        judged: gains by critics that did not move the particles.
        held: what the same critics predicted on held-out trajectories, and what came.
        rule: its constants.
    """
    rule = rule or Rule()
    tails = slopes.slopes(held, rule.level)
    reached, kappa = slopes.reach(tails), slopes.kappa(held, rule.miss, rule.level)
    radius = None if reached is None else max(reached - 1.0, 0.0)
    gains, errors = judged.means.mean(0), judged.errors
    kept = np.array([_kept(rung, tails, rule) for rung in judged.rungs])
    with np.errstate(invalid="ignore"):
        bounds = kept * gains - np.where(errors > 0, kappa * errors, 0.0)
    of = dict(zip(judged.rungs, gains.tolist(), strict=True))
    lines = []
    for rung, gain, bound, share in zip(judged.rungs, gains.tolist(), bounds.tolist(), kept.tolist(), strict=True):
        added = gain - of.get(Rung(0.0, rung.particles), 0.0)
        fault = _fault(rung, bound if rule.has_bound else gain, share * added, radius, held.noise, rule)
        lines.append(Line(rung, gain, bound, share, added, mmd2_of(rung.displacement), fault))
    left = [line for line in lines if not line.fault and line.rung != CLONE]
    fallback = fallback_of(judged.rungs, tails)
    best = max(left, key=lambda line: line.bound if rule.has_bound else line.gain).rung if left else fallback
    return Decision(tuple(lines), best, reached, radius, held.noise, kappa, tails, fallback)


def fallback_of(rungs: tuple[Rung, ...], tails: tuple[Slope, ...]) -> Rung:
    """Return the best of the most particles, unmoved; the plain clone where the slope of all actions is below zero."""
    still = Rung(0.0, max(rung.particles for rung in rungs))
    is_wrong = 2 * tails[0].slope - tails[0].lower < 0  # the upper bound; NaN is no evidence
    return CLONE if is_wrong or still not in rungs else still


def choose_by_state(judged: Judged, decision: Decision, numbers: Sequence[int]) -> np.ndarray:
    """Return for each state the place in `judged` of the rung whose own lower bound is largest, [M].

    A state has no trajectories to average over, so its standard error is that of the judges alone.

    Args:
        judged: gains at these states, of rungs that the decision leaves; its fallback is one.
        decision: taken on held-out data.
        numbers: of those rungs on the decision's ladder.
    """
    error = np.asarray(slopes.standard_error(judged.gains, 0.0))  # [R, M]
    kept = np.array([decision.lines[number].kept for number in numbers])[:, None]
    with np.errstate(invalid="ignore"):
        bounds = kept * judged.gains.mean(0) - np.where(error > 0, decision.kappa * error, 0.0)
    found: np.ndarray = np.where(bounds.max(0) > 0, bounds.argmax(0), judged.rungs.index(decision.fallback))
    return found


def _kept(rung: Rung, tails: tuple[Slope, ...], rule: Rule) -> float:
    """Return the share of a rung's promise that is counted, at most 1.

    Beyond the last tail that has a slope, or where it is not positive, a promise counts in full: the radius refuses it.
    """
    if rule.shrink == "none" or rung == CLONE:
        return 1.0
    distance = 1.0 + rung.displacement if rung.displacement else 0.0
    known = [tail for tail in tails if tail.distance <= distance and np.isfinite(tail.slope)]
    found = 1.0 if not known else (known[-1].lower if rule.shrink == "lower" else known[-1].slope)
    return min(found, 1.0) if found > 0 else 1.0


def _fault(rung: Rung, bound: float, added: float, radius: float | None, noise: float, rule: Rule) -> str:
    """Return which step of the rule refuses a rung, the first of them; nothing refuses the plain clone."""
    if rung == CLONE:
        return ""
    if rule.has_radius and (radius is None or rung.displacement > radius + 1e-9):
        return "radius"
    if rule.has_gate and rung.displacement > 0 and added < rule.gate * noise:
        return "gate"
    return "" if bound > 0 else "bound"
