"""Does a critic stay good as it is trained on? The rule of `data/experiments/critic.yaml`, as functions of scores.

A row of that study is one way to train a critic, looked at with no step at test time after each evaluation, so that
what it scores is what its critic chooses. The rule compares the last evaluation with the first, seed by seed. It was
written before the runs. Its price: a critic that collapses and recovers between two evaluations is called good.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from vgf.results import critic_ranking, stats
from vgf.results.tables import MethodScores

Word = Literal["no clear loss", "falls", "collapses"]
HALF = 0.5  # of the first score: a row that falls below it collapses
PLACE = ("update", "seed")


class Outcome(NamedTuple):
    """What became of a row.

    Attributes:
        word: "no clear loss"; "falls", clearly, yet not below half; or "collapses".
        first, last: score after the first and the last evaluation, with intervals over seeds.
        change: last less first, seed by seed.
        seeds: how many.
    """

    word: Word
    first: stats.Estimate
    last: stats.Estimate
    change: stats.Estimate
    seeds: int


def ages(source: MethodScores, test_steps: int = 0) -> pd.DataFrame:
    """Return the scores of a record once there is a critic: columns update (of the critic), seed, score.

    Args:
        source: of a method; where its reference was trained first, those updates are not the critic's.
        test_steps: the budget.
    """
    alone = _alone(source)
    own = source.scores[(source.scores["test_steps"] == test_steps) & (source.scores["update"] > alone)]
    return own.assign(update=own["update"] - alone)[[*PLACE, "score"]].sort_values(list(PLACE), ignore_index=True)


def orders(source: MethodScores) -> pd.DataFrame:
    """Return scores by which unmoved action is taken: columns update (of the critic), seed, choice, particles, score.

    Args:
        source: of a record with a ranking at every evaluation.
    """
    alone = _alone(source)
    rows = critic_ranking.summed_up(source.record.ranking, source.task)
    return rows.assign(update=rows["update"] - alone)[[*PLACE, "choice", "particles", "score"]]


def _alone(source: MethodScores) -> int:
    """Return the updates of a reference that was trained first, before there was a critic."""
    return int(source.record.runs[-1]["settings"].get("config", {}).get("pretrain", 0))


def fate(scores: pd.DataFrame) -> Outcome:
    """Return what became of a row between its first and its last evaluation.

    Args:
        scores: as `ages` gives them.

    Raises:
        ValueError: if there is one evaluation alone, or the two have other seeds.
    """
    updates = sorted(scores["update"].unique())
    if len(updates) < 2:
        raise ValueError(f"a fate needs two evaluations, there are {len(updates)}")
    first, last = (scores[scores["update"] == at].set_index("seed")["score"] for at in (updates[0], updates[-1]))
    if set(first.index) != set(last.index):
        raise ValueError("the first and the last evaluation are of different seeds")
    changes = [(last - first).to_numpy()]
    change, clearly = stats.of_mean(changes), stats.student(changes).word()
    before, after = stats.of_mean([first.to_numpy()], (0, 100)), stats.of_mean([last.to_numpy()], (0, 100))
    word: Word = "no clear loss"
    if clearly == "below":
        word = "collapses" if after.value < HALF * before.value else "falls"
    return Outcome(word, before, after, change, len(first))


def decides(row: Outcome, base: Outcome) -> bool:
    """Return whether the one choice in which a row differs from the base decides: one of the two collapses."""
    return {row.word, base.word} == {"no clear loss", "collapses"}


def table(fates: dict[str, Outcome], base: str, agreement: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return one row for each way to train, in words and numbers as a page shows them.

    Args:
        fates: by the row's words.
        base: the row that others differ from in one choice.
        agreement: of the critics of different seeds, by the row's words, where it was measured.
    """
    rows = []
    for words, found in fates.items():
        alike = agreement.get(words)
        rows.append(
            {
                "how the critic is trained": words,
                "first": f"{found.first.value:.0f} [{found.first.low:.0f}, {found.first.high:.0f}]",
                "last": f"{found.last.value:.0f} [{found.last.low:.0f}, {found.last.high:.0f}]",
                "change": f"{found.change.value:+.0f} [{found.change.low:.0f}, {found.change.high:.0f}]",
                "it": found.word,
                "decides": "" if words == base else ("yes" if decides(found, fates[base]) else "no"),
                "seeds agree": "" if alike is None else f"{alike.mean():.2f}",
            }
        )
    return pd.DataFrame(rows).set_index("how the critic is trained")
