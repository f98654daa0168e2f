"""Does a particle need its own direction? The rule, as a function of paired differences, and its intervals.

Seeds are whole pipelines and prompts are shared by all of them, so both are clusters: a draw of the bootstrap takes
seeds and takes prompts, with replacement, and means over the chosen rows and columns. The pool of texts is not drawn:
an interval speaks of this pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from vgf.results import stats
from vgf.results.judgement import SEEDS
from vgf.results.stats import Estimate

DRAWS = 4_000
Word = Literal["yes", "no", "undecided"]


@dataclass(frozen=True)
class Benefit:
    """Whether the flow's own directions pay in a testbed.

    Attributes:
        word: yes, no or undecided.
        against: the flow's difference to each control.
        why: the control that decides, or "".
    """

    word: Word
    against: dict[str, Estimate]
    why: str = ""


def clustered(values: np.ndarray, draws: int = DRAWS) -> Estimate:
    """Return the mean of values [K, P] with its interval over K seeds and P prompts, both drawn."""
    seeds, prompts = _drawn(*values.shape, draws)
    means = np.einsum("dp,dp->d", seeds @ values, prompts)
    return Estimate(float(values.mean()), *stats.interval(means))


@lru_cache(maxsize=4)  # tables ask for hundreds of intervals of one shape, and drawing takes longer than the means
def _drawn(seeds: int, prompts: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how much each seed [draws, K] and each prompt [draws, P] weighs in each draw."""
    rng = np.random.default_rng(0)
    of_seeds, of_prompts = (rng.multinomial(n, np.full(n, 1 / n), size=draws) / n for n in (seeds, prompts))
    return of_seeds, of_prompts


def particle_specific(flow: np.ndarray, controls: Mapping[str, np.ndarray], worth: float) -> Benefit:
    """Say whether directions of the particles' own are worth something: the flow against what has none, or no kernel.

    - yes: the flow is above every control, each interval of the paired difference above zero.
    - no: at least one control is clearly not `worth` behind the flow: the interval's upper end is below `worth`.
    - undecided: anything else, or fewer than five seeds.

    Args:
        flow: people's values of what the flow chose, [K, P] of K seeds and P prompts.
        controls: the same of each control, by name.
        worth: the smallest difference that would matter.
    """
    against = {name: clustered(flow - other) for name, other in controls.items()}
    if len(flow) < SEEDS:
        return Benefit("undecided", against)
    if all(found.low > 0 for found in against.values()):
        return Benefit("yes", against)
    level = {name: found for name, found in against.items() if found.high < worth}
    if level:
        return Benefit("no", against, min(level, key=lambda name: level[name].high))
    return Benefit("undecided", against)
