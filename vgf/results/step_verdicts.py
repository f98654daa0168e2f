"""The rules on the number of test steps: two claims, each with its condition on the critic.

The paper says that more steps help *where the value function generalises*, and that no step is safe where it does not.
So tasks are first sorted by a test that no step has a part in: does the critic order actions that nobody moved? A task
that the test cannot sort counts for neither claim, which costs power and keeps each claim about its own tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from vgf.results import permutation
from vgf.results.judgement import LEVEL, TASKS, Verdict, decide, enough, more_needed, names, needs, plural, scores
from vgf.results.stats import WORTH, student
from vgf.results.units import Unit

Task = tuple[Unit, Unit | None]  # scores at every budget, and of the critic's choice where it was ranked
Answer = Literal["yes", "no", "unclear"]
RANKED = "a ranking of the reference's actions"


def generalises(ranking: Unit | None) -> Answer:
    """Say whether a critic orders actions of the reference that nobody moved.

    Of a few actions that nobody moved, the agent takes the one that the critic values most, any one, or the one that it
    values least. The three scores are compared seed by seed, by Student's paired test at 5 % for each.

    - yes: the best scores clearly above any one, and any one clearly above the worst.
    - no: the best clearly gains less than five points (`WORTH`) over any one.
    - unclear: neither, or too few seeds.

    Args:
        ranking: scores [3, K] of acting by the worst, any and the best action.
    """
    if ranking is None or not enough(ranking):
        return "unclear"
    worst, any_one, best = ranking.scores
    picks, knows = student([best - any_one]), student([any_one - worst])
    if picks.above(0.0) < LEVEL and knows.above(0.0) < LEVEL:
        return "yes"
    return "no" if picks.below(WORTH) < LEVEL else "unclear"


def steps_help(tasks: Sequence[Task]) -> Verdict:
    """More test steps raise the score where the value function generalises.

    The claim is judged only on tasks where it does. There the action of highest value among a few unmoved ones scores
    clearly above any one of them, and any one clearly above the action of lowest value. The gain of a number of steps
    is the score with it less the score with none, seed by seed. Each task has its own best number, and the chance
    counts the search for it: signs of a seed's gains are flipped, all numbers of steps together.

    - held: the gain, averaged over tasks, is clearly above zero.
    - held in part: it is, but it is clearly below five points (`WORTH`), or above zero on at most half of the tasks.
      There each seed has the number of steps that is best on the other seeds.
    - did not hold: it is clearly below five points and not clearly above zero.
    - undecided: neither, or fewer than three such tasks.
    - condition not met: three tasks or more tell whether the critic generalises, and on none it does.

    Args:
        tasks: scores [B, K] with no step first and then with more, and the critic's ranking [3, K].
    """
    judged, said, short = _sorted(tasks, "yes", "whose critic generalises")
    if short:
        return short
    gains = [unit.scores[1:] - unit.scores[:1] for unit in judged]
    mean, chance = permutation.best_gain(gains)
    status, total = decide(chance, _observed_best(gains))
    up = sum(bool(chosen_elsewhere(own).mean() > 0) for own in gains)
    if status == "held" and 2 * up <= len(judged):
        status = "held in part"
    said += f". There the best number of steps gains {mean:+.1f} points on average, more than zero on {up} of "
    said += f"{plural(len(judged))} where other seeds choose it. As much comes about by chance with {chance:.2g}"
    return Verdict(status, said, more_needed(status, judged), total, names(judged))


def zero_is_safe(tasks: Sequence[Task]) -> Verdict:
    """Where the value function does not generalise, no test step is the safe choice.

    The claim is judged only on tasks where it does not: there the action that the critic values most of a few unmoved
    ones scores clearly less than five points (`WORTH`) above any one. Safe means that nothing worth having is given up:
    no number of steps gains five points over none. The numbers are those of the rule for more steps, with the words
    exchanged.

    - held: the gain of each task's best number of steps, averaged over tasks, is clearly below five points.
    - held in part: it is, but it is clearly above zero.
    - did not hold: it is clearly above zero and not clearly below five points.
    - undecided: neither, or fewer than three such tasks.
    - condition not met: three tasks or more tell whether the critic generalises, and on all of them it does.

    Args:
        tasks: as for `steps_help`.
    """
    judged, said, short = _sorted(tasks, "no", "whose critic clearly does not generalise")
    if short:
        return short
    gains = [unit.scores[1:] - unit.scores[:1] for unit in judged]
    mean, chance = permutation.best_gain(gains)
    below = _observed_best(gains)
    status, total = decide(below, chance)
    said += f". There even the best number of steps gains {mean:+.1f} points on average: so little by chance with "
    said += f"{below:.2g} if it were {WORTH:g}, so much with {chance:.2g} if it were none"
    return Verdict(status, said, more_needed(status, judged), total, names(judged))


def chosen_elsewhere(gains: np.ndarray) -> np.ndarray:
    """Return each seed's gain at the budget that is best on the other seeds, [K], of gains [B, K]."""
    others = gains.sum(1, keepdims=True) - gains
    return np.take_along_axis(gains, others.argmax(0)[None], 0)[0]


def _observed_best(gains: Sequence[np.ndarray]) -> float:
    """Return the chance of a best gain this low if the true one is `WORTH`; that it was looked for makes it larger."""
    return student([own[own.mean(1).argmax()] for own in gains]).below(WORTH)


def _sorted(tasks: Sequence[Task], kind: Answer, wanted: str) -> tuple[list[Unit], str, Verdict | None]:
    """Return the tasks that count, a sentence on all, and the verdict where those are too few."""
    telling = [(unit, ranking) for unit, ranking in tasks if scores(unit)]
    kinds = [generalises(ranking) if enough(unit) else "unclear" for unit, ranking in telling]
    judged = [unit for (unit, _), own in zip(telling, kinds, strict=True) if own == kind]
    ranked = sum(ranking is not None for _, ranking in telling)
    unranked = len(telling) - ranked
    said = f"VGF scores on {plural(len(telling))}. Its critic generalises on {kinds.count('yes')}, does not on "
    said += f"{kinds.count('no')}, and is unclear on {kinds.count('unclear') - unranked}"
    said += f"; {plural(unranked)} {'was' if unranked == 1 else 'were'} not ranked" if unranked else ""
    if len(judged) >= TASKS:
        return judged, said, None
    absent = not judged and len(kinds) - kinds.count("unclear") >= TASKS
    lacks = needs([unit for unit, _ in tasks], judged, wanted, RANKED)
    return judged, said, Verdict("condition not met" if absent else "undecided", said, lacks)
