"""What the controls say: a mean with an interval for each kind and rung, and one verdict by a rule written before.

Both read the rows that `vgf.results.controls` leaves. The interval of a mean is that of every table, Student's
(`vgf.results.stats`), over seeds, each a mean over its episodes. The verdict is a test: kinds of a policy play the same
episodes from the same starts, so scores are subtracted episode by episode, and what is random is the seed of training.
A seed's differences share its critic, so they are flipped in sign together or not at all (a sign-flip permutation test
with seeds as clusters), in every possible way up to `permutation.EXACT` clusters. The price is power: C of them give no
chance below 1 / 2^C, so four seeds of one task decide nothing at 5 % and five can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from vgf.datasets import get_task
from vgf.results import stats
from vgf.results.control_steps import UNREACHED
from vgf.results.permutation import flips

Contrast = tuple[str, float, float]  # name, mean in points of score, chance
Word = Literal["the gradient helps", "any step that long", "wrong gradient", "undecided"]
LEVEL = 0.05  # of each test
MARGIN = 0.5  # directions are alike, and one is no worse, within this share of what is lost
FLIPS = 10_000  # drawn where clusters are too many to count every flip
CLUSTER = ["task", "method", "seed"]
PAIR = [*CLUSTER, "env_seed"]
WORDS = {"phi": "phi", "minus_phi": "minus phi", "random": "a random direction"}
DIRECTIONS = tuple(WORDS)
CONTRAST = ("contrast", "mean", "chance")


class Verdict(NamedTuple):
    """What the controls say of a step.

    Attributes:
        word: which of the four it is.
        reason: the numbers behind it, a sentence or two.
        rungs: displacements that were compared: those that every direction reached.
        clusters: how many policies, seeds and tasks together.
        chances: each contrast's mean in points of score and its chance, columns contrast, mean, chance.
    """

    word: Word
    reason: str
    rungs: tuple[float, ...]
    clusters: int
    chances: pd.DataFrame


def scored(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with a column score: success in percent, or the normalised return, of each episode."""
    tasks = {name: get_task(name) for name in rows["task"].unique()}
    raw = np.where([tasks[t].score == "success" for t in rows["task"]], rows["success"], rows["return"])
    return rows.assign(score=[tasks[t].normalised(float(v)) for t, v in zip(rows["task"], raw, strict=True)])


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each task, method, kind and rung.

    Args:
        rows: as `vgf.results.controls` leaves them.

    Returns:
        Columns task, method, kind, rung, displacement, acted, step_size, steps, promised (means over seeds), reached
        (whether the displacement is the rung on every seed, within 2 %), mean, low, high (score and interval over
        seeds), seeds, episodes (of each).
    """
    found = []
    for (task, method, kind, rung), own in scored(rows).groupby(["task", "method", "kind", "rung"], sort=False):
        seeds = own.groupby("seed")
        ends = (0.0, 100.0) if get_task(str(task)).kind == "goal" else (-np.inf, np.inf)
        score = stats.of_mean([seeds["score"].mean().to_numpy()], ends)
        facts = seeds[["displacement", "acted", "step_size", "steps", "promised"]].first()
        place = {"task": task, "method": method, "kind": kind, "rung": rung, **facts.mean()}
        reached = bool(((facts["displacement"] - rung).abs() <= UNREACHED * rung).all())
        interval = {"mean": score.value, "low": score.low, "high": score.high}
        found.append({**place, "reached": reached, **interval, "seeds": len(seeds), "episodes": len(own) // len(seeds)})
    return pd.DataFrame(found)


def verdict(rows: pd.DataFrame) -> Verdict:
    """Judge what a step does, of one task or of several together.

    This rule was written before any policy was looked at. It compares directions at displacements of equal length,
    called rungs. Only those rungs count that phi, minus phi and a random direction all reached on every seed. The
    *loss* of a direction is the score of the best of N unmoved actions less its own score, averaged over these rungs.
    *Clearly* means with a chance below `LEVEL`, by flipping the signs of all of a seed's differences together. The
    verdict is the first of these that applies:

    1. *the gradient helps*: on one and the same rung, phi scores clearly above no step and clearly above the random
       direction. Each comparison is corrected for the number of rungs.
    2. *any step that long*: phi, minus phi and the random direction all lose clearly, and their losses are alike. Minus
       phi and the random direction are alike with phi if the distance of each loss from phi's is clearly below
       `MARGIN` of the mean of the two.
    3. *wrong gradient*: minus phi or the random direction is no worse than phi. Either the better of the two scores
       clearly above phi, or phi loses clearly and the loss of the better of the two is clearly below phi's loss plus
       `MARGIN` times it. Both comparisons are corrected for looking at two directions.
    4. *undecided*: none of these. That is so if nothing is lost or gained on any rung, if phi loses but less than the
       others, or if there are too few seeds.

    Where a long step loses everything, the directions cannot differ. If many rungs are like that, the rule tends to say
    *any step that long*. So look at the figure first, rung by rung.

    Args:
        rows: as `vgf.results.controls` leaves them, with all of `DIRECTIONS` and best_of_n; of one method a task.

    Raises:
        ValueError: if a kind is missing, kinds have not played the same episodes, or no rung was reached by all.
    """
    zero, ladder = _clusters(rows)
    loss = {kind: (zero - at.mean(axis=1)).to_numpy() for kind, at in ladder.items()}
    lost = [_alone(f"loss along {WORDS[kind]}", loss[kind]) for kind in DIRECTIONS]
    rungs, helped, gains = _gains(zero, ladder)
    better, no_worse, alike = _others(loss)
    word: Word = "undecided"
    if helped:
        word = "the gradient helps"
    elif _clear(lost, all) and _clear(alike, all):
        word = "any step that long"
    elif _clear(better, any) or (_clear(lost[:1], all) and _clear(no_worse, any)):
        word = "wrong gradient"
    every = [*lost, *gains, *better, *no_worse, *alike]
    reason = _reason(loss, rungs, helped, better)
    return Verdict(word, reason, rungs, len(zero), pd.DataFrame(every, columns=list(CONTRAST)))


def _clear(contrasts: Sequence[Contrast], of: Callable[[Iterable[bool]], bool]) -> bool:
    return of(chance_of < LEVEL for _, _, chance_of in contrasts)


def _gains(zero: pd.Series, ladder: dict[str, pd.DataFrame]) -> tuple[tuple[float, ...], list[float], list[Contrast]]:
    """Return the rungs, those at which phi is clearly above no step and above random ones, and the contrasts."""
    phi = ladder["phi"]
    rungs = tuple(float(r) for r in phi.columns)
    above = {"no step": phi.sub(zero, axis=0), WORDS["random"]: phi - ladder["random"]}
    each = {name: chance(gain.to_numpy().T) for name, gain in above.items()}
    helped = [r for r, *p in zip(rungs, *each.values(), strict=True) if max(p) < LEVEL]
    contrasts = [
        (f"phi above {name} at {r:g}", float(gain[r].mean()), float(p))
        for name, gain in above.items()
        for r, p in zip(rungs, each[name], strict=True)
    ]
    return rungs, helped, contrasts


def _others(loss: dict[str, np.ndarray]) -> tuple[list[Contrast], list[Contrast], list[Contrast]]:
    """Return whether minus phi and random ones score above phi, are not worse, and lose as much, from losses [C]."""
    others = DIRECTIONS[1:]
    gap = np.stack([loss["phi"] - loss[kind] for kind in others])
    found = []
    for name, values in (("above phi", gap), ("no worse than phi", gap + MARGIN * loss["phi"])):
        chances = chance(values)  # corrected for looking at both
        found.append(
            [(f"{WORDS[k]} {name}", float(v.mean()), float(p)) for k, v, p in zip(others, values, chances, strict=True)]
        )
    alike = []
    for kind, difference in zip(others, gap, strict=True):
        band = MARGIN * (loss["phi"] + loss[kind]) / 2
        alike.append(_alone(f"{WORDS[kind]} not much above phi", band - difference))
        alike.append(_alone(f"{WORDS[kind]} not much below phi", band + difference))
    return found[0], found[1], alike


def chance(contrasts: np.ndarray) -> np.ndarray:
    """Return how likely means as high as these come about by chance, corrected for looking at all of them.

    Signs of clusters are flipped, the same flips for all contrasts; the chance of one is the share of flips in which
    the highest mean of all is at least its own (single-step maximum). One contrast alone is a plain sign-flip test. A
    contrast that is clearly below zero by itself has chance 1 and leaves the maximum, or else its flips, as high as it
    is low, would hide every other's gain (the idea of Hansen's test for superior predictive ability).

    Args:
        contrasts: K contrasts of C clusters, [K, C], each symmetric about zero where there is nothing to find.

    Returns:
        [K], at least 1 / 2^C.
    """
    count, means = contrasts.shape[1], contrasts.mean(1)
    flipped = flips(count, FLIPS) @ contrasts.T / count
    slack = 1e-9 * np.abs(contrasts).max(initial=1.0)  # a sum in another order is no lower
    below = (flipped <= means + slack).mean(0) < LEVEL
    highest = flipped[:, ~below].max(1, initial=-np.inf)
    return np.where(below, 1.0, (highest[:, None] >= means - slack).mean(0))


def _alone(name: str, values: np.ndarray) -> Contrast:
    """Return one contrast [C] by itself."""
    return name, float(values.mean()), float(chance(values[None])[0])


def _clusters(rows: pd.DataFrame) -> tuple[pd.Series, dict[str, pd.DataFrame]]:
    """Return each cluster's score without a step, [C], and by direction with one, [C, rungs]; rungs all reached."""
    table = scored(rows)
    for kind in ("best_of_n", *DIRECTIONS):
        if kind not in set(table["kind"]):
            raise ValueError(f"the controls have no rows of {kind}; python -m vgf.results.controls makes them")
    zero = table[table["kind"] == "best_of_n"].set_index(PAIR)["score"]
    own = table[table["kind"].isin(DIRECTIONS)]
    rungs = [r for r, at in own.groupby("rung") if _everywhere(at, float(str(r)))]
    if not rungs:
        raise ValueError("no rung was reached along phi, minus phi and a random direction on every seed")
    ladder = {}
    for kind, at in own[own["rung"].isin(rungs)].groupby("kind"):
        scores = at.pivot(index=PAIR, columns="rung", values="score")
        if not scores.index.sort_values().equals(zero.index.sort_values()) or scores.isna().any(axis=None):
            raise ValueError(
                f"{kind} was not played on the episodes of best_of_n; make the controls anew, all kinds at once"
            )
        ladder[str(kind)] = scores.groupby(level=CLUSTER).mean()
    return zero.groupby(level=CLUSTER).mean(), ladder


def _everywhere(own: pd.DataFrame, rung: float) -> bool:
    """Say whether every direction was played at a rung, and had its displacement on every seed."""
    near = (own["displacement"] - rung).abs() <= UNREACHED * rung
    return set(own["kind"]) == set(DIRECTIONS) and bool(near.all())


def _reason(
    loss: dict[str, np.ndarray], rungs: tuple[float, ...], helped: list[float], better: Sequence[Contrast]
) -> str:
    means = ", ".join(f"{loss[kind].mean():.1f} along {WORDS[kind]}" for kind in DIRECTIONS)
    clusters = len(loss["phi"])
    policies = f"{clusters} trained polic{'y' if clusters == 1 else 'ies'}"
    text = f"Averaged over {_listed(rungs)} sigma and {policies}, points of score lost are {means}."
    if helped:
        return f"{text} At {_listed(helped)} sigma phi scores above no step and above a random direction."
    if 0.5**clusters >= LEVEL:
        return f"{text} So few leave chances of at least {0.5**clusters:.2g}: nothing can be decided."
    beaten = " and ".join(f"{mean:+.1f} for {name} (chance {p:.2g})" for name, mean, p in better)
    return f"{text} The differences are {beaten}; {clusters} give no chance below {0.5**clusters:.2g}."


def _listed(rungs: Sequence[float]) -> str:
    return ", ".join(f"{r:g}" for r in rungs)
