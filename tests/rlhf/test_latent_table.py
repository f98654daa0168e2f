"""Tables of the testbeds: differences are paired, and the verdict is that of the rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vgf.rlhf.latent.rows import ROWS
from vgf.rlhf.latent.table import benefit, contrasts, summary, wide

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


def test_a_summary_has_a_line_a_row() -> None:
    found = summary(record())
    assert list(found.index) == list(ROWS)
    assert found.loc["vgf", "chosen_low"] < found.loc["vgf", "chosen"] < found.loc["vgf", "chosen_high"]
    assert found.loc["still", "covered"] == 2
