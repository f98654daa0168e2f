"""Fluency on both sides: how far a method's perplexity is from that of people's text, and how much it repeats itself.

Low perplexity is not fluency. People's own text has a higher one than any model's likely text, and a decoder that
seeks the mode gets a low one by saying what is most common. So the ratio to people's perplexity on the same prompts is
reported: below one is more predictable than people, above one less, and the nearer to one the better. The perplexity is
the supervised policy's, which is also where the samples come from, or, with the rows of `vgf.rlhf.study.opinions`, that
of the model before it was tuned.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from vgf.results.stats import Estimate
from vgf.rlhf.study.methods import order_of
from vgf.rlhf.study.table import bootstrap, estimate

HUMAN = "human"


def repeated(text: str) -> float:
    """Return the share of a text's pairs of neighbouring words that stood in it before, in [0, 1]."""
    words = text.lower().split()
    pairs = list(pairwise(words))
    return 1 - len(set(pairs)) / len(pairs) if pairs else 0.0


def against_people(rows: pd.DataFrame, method: str) -> Estimate:
    """Return a method's perplexity over that of people's responses to the same prompts, with its interval.

    Args:
        rows: of `vgf.rlhf.study.table.read_study`, the human ones among them.
        method: in those rows.

    Raises:
        ValueError: if people's responses have no row.
    """
    keys = ["seed", "prompt"]
    own, human = (rows[rows["method"] == name].set_index(keys)[["nats", "length"]] for name in (method, HUMAN))
    both = own.join(human.add_suffix("_human"), how="inner").reset_index()
    if both.empty:
        raise ValueError(f"{method}: no prompt of it has a row of people's response; run `vgf rlhf align` with human")

    def ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
        return np.exp(total[0] / total[1] - total[2] / total[3])

    return bootstrap(both, ["nats", "length", "nats_human", "length_human"], ratio)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a line a method: ratio to people's perplexity and share of repeated pairs, with `_low` and `_high`."""
    lines = []
    for method in order_of(rows["method"].unique()):
        if method == HUMAN:
            continue
        own = rows[rows["method"] == method]
        again = estimate(own.assign(repeated=[repeated(str(text)) for text in own["response"].fillna("")]), "repeated")
        line: dict[str, object] = {"method": method}
        for name, found in (("ratio", against_people(rows, method)), ("repeated", again)):
            line |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        lines.append(line)
    return pd.DataFrame(lines).set_index("method")
