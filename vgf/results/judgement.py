"""A verdict: one of five words, the numbers behind it, and what would decide it where nothing is decided.

Rules that measure a difference ask two questions of it, each with an error of its own. Is it clearly above a low bar?
Is it clearly below a high bar? For a gain the bars are zero and `WORTH` points of score, so that a gain of nothing can
be told from a gain that was not measured well:

                       not below the high bar    below it
    above the low bar  held                      held in part: a difference, clearly a small one
    not above it       undecided                 did not hold

*Clearly* means with a chance below half of `LEVEL`, since either bar can be crossed by chance. So where there is no
gain a rule says *held* or *held in part* at most 2.5 % of the time, and where the gain is `WORTH` it says *did not
hold* as rarely. `tests/results/test_verdicts.py` simulates both rates, for scores that are normal, shares of
successes, or zero on a third of the seeds. The price of a high bar is that it is a choice: five points are about what
the means of five seeds of fifty episodes can tell apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import getdoc
from typing import Any, Literal, get_type_hints

import numpy as np

from vgf.results.stats import WORTH, Student, student
from vgf.results.units import Unit

Status = Literal["held", "held in part", "did not hold", "undecided", "condition not met"]
LEVEL = 0.05  # of a verdict: of saying anything where there is nothing
TASKS = 3  # fewest tasks of a verdict, an environment's tasks counting as one
SEEDS = 5  # fewest runs of each method on a task; an environment's tasks together have so many with `LEAST` seeds
LEAST = 3  # fewest seeds in any case
DECIDED = ("held", "held in part", "did not hold")
CONSTANT = "`([A-Z_]+)`"  # its name in a docstring


@dataclass(frozen=True)
class Verdict:
    """What records say of a claim.

    Attributes:
        status: the word.
        evidence: one sentence with the numbers, without a full stop.
        lacks: what would decide it, without a full stop; empty where it is decided.
        chance: of the word where the claim is no better than chance, both directions counted; NaN where nothing was
            tested.
        judged: names of the tasks it rests on.
    """

    status: Status
    evidence: str
    lacks: str = ""
    chance: float = math.nan
    judged: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The evidence with a capital, as a caption begins."""
        return f"{self.evidence[0].upper()}{self.evidence[1:]}"

    @property
    def sentence(self) -> str:
        """The evidence, and what is lacking, as sentences."""
        return f"{self.text}. What would decide it: {self.lacks}." if self.lacks else f"{self.text}."


def decide(above: float, below: float) -> tuple[Status, float]:
    """Return the word and its chance.

    Args:
        above: the chance of a difference this high at the low bar.
        below: the chance of one this low at the high bar.
    """
    if above < LEVEL / 2:
        return ("held in part" if below < LEVEL / 2 else "held"), 2 * above
    return ("did not hold" if below < LEVEL / 2 else "undecided"), min(1.0, 2 * min(above, below))


def between(differences: Sequence[np.ndarray], low: float, high: float) -> tuple[Status, float, Student]:
    """Judge the mean over tasks of paired differences [K_m] by Student's test over seeds; return word, chance, mean.

    Args:
        differences: of each task, a value a seed.
        low: the low bar.
        high: the high bar.
    """
    found = student(differences)
    return *decide(found.above(low), found.below(high)), found


def enough(unit: Unit) -> bool:
    """Say whether a task, or an environment's tasks together, have enough runs of each method."""
    return unit.seeds >= LEAST and unit.seeds * unit.tasks >= SEEDS


def scores(unit: Unit) -> bool:
    """Say whether anybody scores: the mean over seeds of one row at least reaches `WORTH`."""
    return bool(unit.scores.mean(-1).max() >= WORTH)


def counted(units: Sequence[Unit]) -> tuple[list[Unit], Status | None]:
    """Return the tasks that count, and the word where they are too few."""
    judged = [unit for unit in units if enough(unit) and scores(unit)]
    if len(judged) >= TASKS:
        return judged, None
    return judged, "undecided" if judged or not any(map(enough, units)) else "condition not met"


def needs(units: Sequence[Unit], judged: Sequence[Unit], kind: str = "that count", also: str = "") -> str:
    """Return what is missing for a verdict: how many tasks count, and why others do not.

    Args:
        units: all that were run.
        judged: those that count.
        kind: of tasks that count.
        also: another thing that a task needs to count, as "a ranking".
    """
    text = f"{TASKS} tasks {kind}, each with {SEEDS} seeds{f', {also}' if also else ''} and a method that scores "
    text += f"{WORTH:g} points. Now {len(judged)} of {len(units)} are such tasks"
    few = {n: [u.name for u in units if not enough(u) and u.seeds == n] for n in sorted({u.seeds for u in units})}
    silent = [unit.name for unit in units if enough(unit) and not scores(unit)]
    why = [f"{plural(n, 'seed')} on {_these(own, units)}" for n, own in few.items() if own]
    why += [f"nobody scores on {_these(silent, units)}"] if silent else []
    return f"{text} ({'; '.join(why)})" if why else text


def _these(named: Sequence[str], units: Sequence[Unit]) -> str:
    return "each" if len(named) == len(units) > 1 else listed(named)


def holm(verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """Correct the verdicts of one page for their number (holm1979multiple).

    Those that tested something are ordered by their chance. The first must be below `LEVEL` over their number, the next
    below `LEVEL` over one less, and so on; at the first that is not, it and all after it are undecided. The probability
    that any word of the page is said where there is nothing is then at most `LEVEL`.
    """
    tested = sorted((v.chance, name) for name, v in verdicts.items() if not math.isnan(v.chance))
    out, stopped = dict(verdicts), False
    for i, (chance, name) in enumerate(tested):
        stopped = stopped or chance >= LEVEL / (len(tested) - i)
        if stopped and verdicts[name].status in DECIDED:
            lacks = (
                f"more seeds; by itself it would be '{verdicts[name].status}', with a chance of {chance:.2g}, which "
            )
            lacks += f"is not small enough among the {len(tested)} claims of this page"
            out[name] = replace(verdicts[name], status="undecided", lacks=lacks)
    return out


def rule(of: Callable[..., Any]) -> str:
    """Return the text of a rule, from its docstring, as markdown: what it judges, and what decides each word.

    A claim's rule begins with the claim. Other rules begin with a line for programmers, as "Return the word", which is
    left out. A reader has no source at hand, so a constant's name gives way to its value. Where a name stands in
    brackets, as "five points (`WORTH`)", the words before have said the value, and it goes.

    Args:
        of: the rule.

    Raises:
        KeyError: if its docstring names a constant that its module does not have.
    """
    text = (getdoc(of) or "").partition("\n\nArgs:")[0]
    text = f"**Claim.** {text}" if get_type_hints(of)["return"] is Verdict else text.partition("\n\n")[2]
    text = re.sub(rf"\s\({CONSTANT}\)", "", text)
    text = re.sub(CONSTANT, lambda found: f"{of.__globals__[found[1]]:g}", text)
    return re.sub(r"^- ([a-z ]+): ", r"- **\1**: ", text, flags=re.MULTILINE)


def points(found: Student) -> str:
    """Return a mean difference in words, with its interval where there is one."""
    value, low, high = (round(number, 1) + 0.0 for number in (found.value, *found.interval()))  # no -0.0
    text = f"{value:+.1f} points"
    return text if math.isnan(low) else f"{text} (95 % interval {low:+.1f} to {high:+.1f})"


def more_needed(status: Status, judged: Sequence[Unit]) -> str:
    """Return what an undecided verdict on enough tasks lacks."""
    return f"more seeds, or more tasks than the {len(judged)} that count here" if status == "undecided" else ""


def names(judged: Sequence[Unit]) -> tuple[str, ...]:
    """Return the names of tasks."""
    return tuple(unit.name for unit in judged)


def plural(count: int, noun: str = "task") -> str:
    """Return a number with its noun."""
    return f"{count} {noun}{'s' * (count != 1)}"


def listed(names: Sequence[str]) -> str:
    """Return names with commas and an *and*."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
