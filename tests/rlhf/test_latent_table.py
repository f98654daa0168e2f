"""Tables of the testbeds: differences are paired, and the verdict is that of the rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vgf.results.stats import Estimate
from vgf.rlhf.latent.rows import ROWS
from vgf.rlhf.latent.table import as_predicted, benefit, contrasts, summary, wide

LEVEL = dict(zip(ROWS, range(len(ROWS)), strict=True))  # vgf, the last, is the best


def record(seeds: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(seeds, 20))
    return pd.DataFrame(
        [
            {"row": name, "seed": s, "prompt": f"p{p}", "chosen": shared[s, p] + level}
            | {"each": 0.0, "check": 1.0, "covered": 2, "distance": 3.0, "moved": 4.0, "distinct": 5}
            for name, level in LEVEL.items()
            for s in range(seeds)
            for p in range(20)
        ]
    )


def test_differences_are_paired_by_seed_and_prompt() -> None:
    rows = record().sample(frac=1, random_state=0)
    assert wide(rows)["vgf"].shape == (5, 20)
    for found in contrasts(rows).values():
        assert found.high - found.low < 1e-9  # what the rows share cancels
    assert contrasts(rows)["moving at all"].value == pytest.approx(LEVEL["vgf"] - LEVEL["still"])


def test_the_verdict_needs_all_controls_and_seeds() -> None:
    assert benefit(record(), 0.1).word == "yes"
    assert benefit(record(4), 0.1).word == "undecided"
    rows = record()
    rows.loc[rows["row"] == "constant_each", "chosen"] += 9
    found = benefit(rows, 0.1)
    assert (found.word, found.why) == ("no", ROWS["constant_each"].about)


@pytest.mark.parametrize(
    ("sign", "low", "high", "outcome"),
    [
        ("+", 0.1, 0.9, "as predicted"),
        ("+", -0.1, 0.9, "undecided"),
        ("+", -0.3, 0.1, "otherwise"),
        ("-", -0.9, -0.1, "as predicted"),
        ("-", -0.1, 0.3, "otherwise"),
        ("-", -0.9, 0.3, "undecided"),
        ("0", -0.1, 0.15, "as predicted"),
        ("0", 0.1, 0.5, "otherwise"),
        ("0", -0.5, -0.3, "otherwise"),
        ("0", -0.5, 0.3, "undecided"),
    ],
)
def test_a_prediction_is_held_to_its_sign(sign: str, low: float, high: float, outcome: str) -> None:
    assert as_predicted(sign, Estimate((low + high) / 2, low, high), 0.2) == outcome


def test_a_summary_has_a_line_a_row() -> None:
    found = summary(record())
    assert list(found.index) == list(ROWS)
    assert found.loc["vgf", "chosen_low"] < found.loc["vgf", "chosen"] < found.loc["vgf", "chosen_high"]
    assert found.loc["still", "covered"] == 2
