"""The rules of claims that have parts: fine-tuning online, and language.

Each part is judged by itself. All of them holding needs no correction, for then each has to; one of several holding is
what chance gives more easily, so there their number is corrected for (Holm).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vgf.results.judgement import (
    LEVEL,
    SEEDS,
    Status,
    Verdict,
    between,
    counted,
    holm,
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

GATE = 1.15  # most perplexity, in that of the rival, at which a win on language counts as one


def online(units: Sequence[Unit], own: str = "VGF", rival: str = "FQL") -> Verdict:
    """Fine-tuned online, the one method starts higher than the other, adapts faster and ends higher.

    Three parts, each a difference seed by seed, are judged by Student's test over seeds, averaged over tasks.
    *Start* is the offline policy's score, *gain* the mean score of the evaluations online less the start, *end* the
    score after the last update. A part holds where its difference is clearly above zero. It does not hold where the
    difference is clearly below five points (`WORTH`) and not above zero.

    - held: all three hold.
    - held in part: at least one holds once three are corrected for (Holm), and not all.
    - did not hold: all three do not hold.
    - undecided: anything else, or fewer than three tasks.
    - condition not met: neither scores on any of the tasks run with enough seeds.

    Args:
        units: scores [2, 3, K] of the rival and of the method, of start, gain and end each.
        own: what the method is called.
        rival: what the rival is called.
    """
    judged, missing = counted(units)
    telling = judged or [unit for unit in units if scores(unit)] or list(units)
    parts = {}
    for place, name in enumerate(("start", "gain", "end")):
        status, chance, found = between([u.scores[1, place] - u.scores[0, place] for u in telling], 0.0, WORTH)
        holds: Status = "held" if status == "held in part" else status
        parts[name] = Verdict(holds, f"{name} {points(found)}", chance=chance)
    differences = listed([part.evidence for part in parts.values()])
    said = f"{own} differs from {rival} on {plural(len(telling))} in {differences}"
    if missing:
        return Verdict(missing, said, needs(units, judged))
    words = [part.status for part in parts.values()]
    corrected = [part for part in holm(parts).values() if part.status == "held"]
    result: Status = "undecided"
    chance = min(part.chance for part in parts.values())
    if words == ["held"] * 3:
        result, chance = "held", max(part.chance for part in parts.values())
    elif corrected:
        result, chance = "held in part", 3 * min(part.chance for part in corrected)
    elif words == ["did not hold"] * 3:
        result, chance = "did not hold", max(part.chance for part in parts.values())
    return Verdict(result, said, more_needed(result, judged), chance, names(judged))


@dataclass(frozen=True)
class Contrast:
    """A method on language against another one, on the same prompts and seeds.

    Attributes:
        wins: difference of the win rates in points of a hundred, [K, P] of K seeds and P prompts.
        nats: difference of the nats a token, [K]: the logarithm of the ratio of perplexities.
        in_full: whether the other one was trained to its end.
    """

    wins: np.ndarray
    nats: np.ndarray
    in_full: bool = True

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return len(self.nats)

    def more(self) -> float:
        """Return the chance of so many more wins if there are none; over seeds and over prompts, the larger one."""
        return max(student([own]).above(0.0) for own in (self.wins.mean(1), self.wins.mean(0)))

    def few(self) -> float:
        """Return the chance of so few more wins if there are `WORTH` points more; over seeds and over prompts."""
        return max(student([own]).below(WORTH) for own in (self.wins.mean(1), self.wins.mean(0)))

    @property
    def ratio(self) -> float:
        """The ratio of perplexities, its geometric mean over seeds."""
        return math.exp(self.nats.mean())

    def broken(self) -> float:
        """Return the chance of so high a perplexity, over seeds, if it is `GATE` times the other's."""
        return student([self.nats]).above(math.log(GATE))

    def words(self, other: str) -> str:
        """Return the differences in words."""
        wins = points(student([self.wins.mean(1)]))
        return f"Against {other}, VGF has {wins} of wins at {self.ratio:.2f} times its perplexity"


def against(contrast: Contrast) -> Verdict:
    """Return whether a method wins against another one, by what `language` calls winning.

    Args:
        contrast: of the two.
    """
    if not contrast.in_full:
        return Verdict("condition not met", "not trained to the end")
    more, lost = (
        contrast.more(),
        2 * min(contrast.few(), contrast.broken()),
    )  # either loses, so the two are corrected for
    if lost < LEVEL / 2:
        return Verdict("did not hold", "does not win", chance=2 * lost)
    if more < LEVEL / 2 and contrast.ratio <= GATE:
        return Verdict("held", "wins", chance=2 * more)
    return Verdict("undecided", "may win", chance=min(1.0, 2 * min(more, lost)) if contrast.ratio <= GATE else 1.0)


def language(rivals: Mapping[str, Contrast], controls: Mapping[str, Contrast]) -> Verdict:
    """On language, the method wins more often than its rivals, and it does so because of the flow.

    Wins are those against responses of the tuned policy, as the judge sees them, on the same prompts and seeds. Against
    a rival the method wins where its win rate is clearly higher, over seeds and over prompts, and its measured
    perplexity is at most 1.15 times the rival's (`GATE`). Its tilt was chosen at that limit on other prompts. It
    does not win where the win rate is clearly less than five points (`WORTH`) higher, or the perplexity is clearly
    above the limit. A control is the same without what is said to be at work: one constant direction for every
    response, or no kernel between the particles. The method is ahead of a control where it clearly wins more often,
    within the same limit. Best-of-N needs no training, so it counts as trained to its end.

    - held: it wins against all rivals, and it is ahead of all controls.
    - held in part: it wins against at least one rival once their number is corrected for (Holm).
    - did not hold: it does not win against any rival that was trained to its end.
    - undecided: anything else, or fewer than five seeds.
    - condition not met: no rival was trained to its end.

    Args:
        rivals: the method against each of the claim's rivals.
        controls: the method against each control.
    """
    parts = {name: against(contrast) for name, contrast in rivals.items()}
    judged = {name: part for name, part in parts.items() if part.status != "condition not met"}
    left = [name for name in parts if name not in judged]
    said = ". ".join(c.words(name) for name, c in {**_of(rivals, judged), **controls}.items())
    if left:
        so_far = listed([f"{rivals[name].wins.mean():+.1f}" for name in left])
        was, them = ("was", "it") if len(left) == 1 else ("were", "them")
        said += f". {listed(left)} {was} not trained to the end, so neither wins nor losses against {them} count"
        said += f"; so far VGF has {so_far} points of wins"
    also = f"{listed(left)} trained to the end" if left else ""
    if not judged:
        return Verdict("condition not met", said, also)
    seeds = min(contrast.seeds for contrast in [*_of(rivals, judged).values(), *controls.values()])
    if seeds < SEEDS:
        few = f"{SEEDS} seeds of the whole pipeline in place of {seeds}"
        return Verdict("undecided", said, listed([few, also]) if also else few)
    won = {name: part for name, part in holm(judged).items() if part.status == "held"}
    chances = [part.chance for part in judged.values()]
    flow = {name: 2 * c.more() for name, c in controls.items() if c.ratio <= GATE and c.more() < LEVEL / 2}
    if len(flow) == len(controls) and not left and all(part.status == "held" for part in parts.values()):
        return Verdict("held", said, chance=max(*chances, *flow.values()))
    if won:
        behind = [name for name in controls if name not in flow]
        said += f". It is not clearly ahead of {listed(behind)}" if behind else ""
        return Verdict("held in part", said, chance=len(judged) * min(part.chance for part in won.values()))
    if all(part.status == "did not hold" for part in judged.values()):
        return Verdict("did not hold", said, chance=max(chances))
    return Verdict("undecided", said, f"more seeds than {seeds}", min(chances))


def _of(contrasts: Mapping[str, Contrast], these: Mapping[str, Verdict]) -> dict[str, Contrast]:
    return {name: contrast for name, contrast in contrasts.items() if name in these}
