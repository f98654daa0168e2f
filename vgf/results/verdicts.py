"""The rule of each claim of the paper that records decide: arrays of scores in, a verdict out.

All rules share what `judgement` says of *clearly*, of `WORTH`, and of tasks that count: at least three on which some
method scores (`WORTH` points), an environment's tasks counting as one, with five runs of every method on each. A rule
says *condition not met* where its condition was tested and fails. What remains is *undecided*, and the verdict says
what is lacking. The rules on the number of test steps are in `step_verdicts`, those on claims that have parts (going on
online, language) in `part_verdicts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vgf.results import permutation
from vgf.results.judgement import (
    LEVEL,
    TASKS,
    Status,
    Verdict,
    between,
    counted,
    decide,
    enough,
    listed,
    more_needed,
    names,
    needs,
    plural,
    points,
    scores,
)
from vgf.results.stats import WORTH, student
from vgf.results.units import Unit

ORDER = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
FEW = 3  # tasks that a sentence can name
CLOSE = 0.1  # points between the first and the second that a table of one digit does not show
MOVES = 0.25  # displacement in sigma below which a flow does too little for its direction to matter


def ahead(named: Sequence[Unit], others: Sequence[Unit] = (), own: str = "VGF") -> Verdict:
    """The first method is ahead of its rivals on most tasks.

    The claim is judged on tasks of the paper's table on which some method scores. On each task methods are ranked by
    their mean score, and the first method's ranks are added up. The chance of a sum is its probability where the first
    method is like its rivals, so that each rank of a task is as likely as the next. It is computed exactly.

    - held: the sum is clearly low, and the method is first on more than half of the tasks.
    - held in part: the sum is clearly low, but the method is first on half of the tasks or fewer.
    - did not hold: the sum is clearly high; or the method is first on so few tasks that one which is first on half
      of all tasks would clearly be so more often.
    - undecided: anything else, or fewer than three tasks. Three tasks suffice only where it is first on each.
    - condition not met: nobody scores on any of the tasks run with enough seeds.

    Args:
        named: tasks of the paper's table, scores [M, K] of M methods, the one that is judged first.
        others: tasks that were run and are not in it; they are told and not judged.
        own: what the first method is called.
    """
    telling = [unit for unit in named if scores(unit)]
    judged = [unit for unit in telling if enough(unit)]
    if telling:
        silent = [unit.name for unit in named if not scores(unit)]
        evidence = f"Of {len(telling[0].scores)} methods {own} is {_places(telling)} by its mean score"
        evidence += f". None of them reaches {WORTH:g} points on {listed(silent)}" if silent else ""
    else:
        nobody = f"nobody scores on the {plural(len(named))} of the paper's table that were run"
        evidence = nobody if named else "no task of the paper's table was run"
    rest = [unit for unit in others if scores(unit)]
    evidence += f". {own} is first on {sum(map(_first, rest))} of {plural(len(rest), 'other task')}" if rest else ""
    if len(judged) < TASKS:
        met = judged or not any(map(enough, named))
        return Verdict("undecided" if met else "condition not met", evidence, needs(named, judged))
    total, low, high = permutation.rank_sum([unit.scores.mean(-1) for unit in judged])
    tops = sum(map(_first, judged))
    rare = permutation.at_most_half(tops, len(judged))
    against = min(high, rare)
    evidence += (
        f". A sum of ranks of {total:g} or less comes about by chance with {low:.2g}, one as high with {high:.2g}"
    )
    status: Status = "undecided"
    chance = min(1.0, 2 * min(low, against))
    if low < LEVEL / 2:
        status, chance = ("held" if 2 * tops > len(judged) else "held in part"), 2 * low
    elif against < LEVEL / 2:
        status = "did not hold"
    lacks = f"more tasks than {len(judged)}" if status == "undecided" else ""
    return Verdict(status, evidence, lacks, chance, names(judged))


def td_alone(units: Sequence[Unit]) -> Verdict:
    """TD learning of the critic alone lifts the policy over the reference: with no test step it scores more.

    The claim is judged on tasks on which either scores. The gain is the score of choosing among unmoved actions by the
    trained critic less that of behaviour cloning, seed by seed. Its mean over these tasks is judged by Student's paired
    test over seeds, which says nothing of other tasks: single ones may differ from the mean, and their range is named.

    - held: the gain is clearly above zero.
    - held in part: it is, but it is clearly below five points (`WORTH`), or above zero on at most half of the tasks.
    - did not hold: it is clearly below five points and not clearly above zero.
    - undecided: neither, or fewer than three tasks.
    - condition not met: neither scores on any of the tasks run with enough seeds.

    Args:
        units: scores [2, K] of behaviour cloning and of the policy with no step.
    """
    judged, missing = counted(units)
    telling = [unit for unit in units if scores(unit)]
    gains = [unit.scores[1] - unit.scores[0] for unit in judged or telling]
    up = sum(bool(own.mean() > 0) for own in gains)
    if not gains:
        return Verdict(missing or "undecided", f"neither scores on the {plural(len(units))} run", needs(units, judged))
    status, chance, found = between(gains, 0.0, WORTH)
    words = [student([own]).word() for own in gains]
    said = f"acting with no step gains {points(found)} over behaviour cloning on {plural(len(gains))}"
    if len(gains) > 1:
        least, *_, most = sorted(float(own.mean()) for own in gains)
        said += f". It clearly gains on {words.count('above')} of them and clearly loses on {words.count('below')}"
        said += f"; single tasks range from {least:+.1f} to {most:+.1f}"
    if missing:
        return Verdict(missing, said, needs(units, judged))
    if status == "held" and 2 * up <= len(judged):
        status = "held in part"
    return Verdict(status, said, more_needed(status, judged), chance, names(judged))


def best_train_steps_vary(units: Sequence[Unit], levels: Sequence[int]) -> Verdict:
    """The best number of training steps of the flow varies by task.

    How far particles move grows with their number by construction, so that is not tested. A number of training steps is
    worth, on a task, its mean score at its own best number of test steps there. If the best one varies, choosing it for
    each task scores more than choosing one for all. The chance of as much counts both choices: a seed's scores at the
    numbers of training steps are exchanged, all test budgets together.

    - held: choosing for each task scores clearly more.
    - held in part: it does, but clearly less than five points (`WORTH`) more.
    - did not hold: it scores clearly less than five points more, and not clearly more.
    - undecided: neither, or fewer than three tasks.
    - condition not met: nobody scores on any of the tasks run with enough seeds.

    Args:
        units: scores [L, B, K] of L numbers of training steps at B numbers of test steps.
        levels: the numbers of training steps.
    """
    judged, missing = counted(units)
    telling = judged or [unit for unit in units if scores(unit)]
    if not telling:
        return Verdict(missing or "undecided", f"nobody scores on the {plural(len(units))} run", needs(units, judged))
    worth = [unit.scores.mean(-1) for unit in telling]
    best = listed([f"{levels[int(own.max(1).argmax())]} on {u.name}" for u, own in zip(telling, worth, strict=True)])
    gain, chance = permutation.best_by_task([unit.scores for unit in telling])
    said = (
        f"the highest mean has L_train = {best}; choosing it for each task scores {gain:.1f} points more than one for "
    )
    said += f"all, which comes about by chance with {chance:.2g}"
    if missing:
        return Verdict(missing, said, needs(units, judged))
    everywhere = int(np.mean([own.max(1) for own in worth], axis=0).argmax())
    differences = []
    for unit, own in zip(judged, worth, strict=True):
        level = int(own.max(1).argmax())
        differences.append(unit.scores[level, own[level].argmax()] - unit.scores[everywhere, own[everywhere].argmax()])
    status, total = decide(chance, student(differences).below(WORTH))
    return Verdict(status, said, more_needed(status, judged), total, names(judged))


def amortised_no_worse(units: Sequence[Unit], moved: Mapping[str, float]) -> Verdict:
    """A network fitted to the value's gradient can replace autograd in the flow: it is no worse.

    The claim is judged only on tasks where the flow does something: with autograd its particles move, while training,
    by at least a quarter of the reference's spread. Otherwise any direction could replace the gradient. The difference
    is the score with the network less that with autograd, seed by seed, averaged over all numbers of test steps above
    zero. *No worse* is a test of its own (non-inferiority), with a margin of five points (`WORTH`), by Student over
    tasks.

    - held: the difference is clearly above minus five points.
    - held in part: it is, but it is clearly below zero: worse, by less than the margin.
    - did not hold: it is clearly below zero and not clearly above minus five points.
    - undecided: neither, or fewer than three tasks.
    - condition not met: the flow does too little on all tasks run, or nobody scores on those run with enough seeds.

    Args:
        units: scores [2, B, K] with autograd and with the network, at B numbers of steps above zero.
        moved: the displacement with autograd, in the reference's spread, by name of a unit.
    """
    moving = [unit for unit in units if moved[unit.name] >= MOVES]
    judged, missing = counted(moving)
    telling = judged or [unit for unit in moving if scores(unit)] or list(units)
    status, chance, found = between([unit.scores[1].mean(0) - unit.scores[0].mean(0) for unit in telling], -WORTH, 0.0)
    far = listed([f"{moved[unit.name]:.2f} of the spread on {unit.name}" for unit in units])
    said = f"the network's score differs by {points(found)} from autograd's on {plural(len(telling))}; autograd moves "
    said += f"particles by {far}"
    if not moving:
        lacks = f"{TASKS} tasks on which the flow moves particles by {MOVES:g} of the spread or more"
        return Verdict("condition not met", said, lacks)
    if missing:
        return Verdict(missing, said, needs(units, judged, also=f"a displacement of {MOVES:g} of the spread"))
    return Verdict(status, said, more_needed(status, judged), chance, names(judged))


def _first(unit: Unit) -> bool:
    """Say whether the first method's mean is above all others'."""
    means = unit.scores.mean(-1)
    return bool(means[0] > means[1:].max())


def _places(units: Sequence[Unit]) -> str:
    """Return where the first method stands: its rank in words on a few tasks, else on how many it is first."""
    if len(units) > FEW:
        mean = float(np.mean([permutation.ranks(unit.scores.mean(-1))[0] for unit in units]))
        return f"first on {sum(map(_first, units))} of {plural(len(units))} and number {mean:.1f} on average"
    places: dict[float, list[str]] = {}
    for unit in units:
        means = unit.scores.mean(-1)
        close = _first(unit) and means[0] - means[1:].max() < CLOSE
        name = f"{unit.name} (by under {CLOSE:g})" if close else unit.name
        places.setdefault(float(permutation.ranks(means)[0]), []).append(name)
    words = {rank: ORDER[int(rank) - 1] if rank in range(1, len(ORDER) + 1) else f"number {rank:g}" for rank in places}
    return listed([f"{words[rank]} on {listed(tasks)}" for rank, tasks in sorted(places.items())])
