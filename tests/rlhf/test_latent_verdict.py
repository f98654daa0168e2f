"""Does a particle need its own direction: each word is reached where the numbers say it."""

from __future__ import annotations

import numpy as np
import pytest

from vgf.rlhf.latent.verdict import clustered, particle_specific

RNG = np.random.default_rng(0)
BASE = RNG.normal(size=(6, 40))


@pytest.mark.parametrize(
    ("ahead_of_constant", "ahead_of_kernel", "noise", "seeds", "word", "why"),
    [
        (1.0, 1.0, 0.1, 6, "yes", ""),
        (1.0, 0.0, 0.1, 6, "no", "no kernel"),
        (-1.0, 1.0, 0.1, 6, "no", "constant"),
        (1.0, 0.3, 4.0, 6, "undecided", ""),
        (1.0, 1.0, 0.1, 4, "undecided", ""),
        (0.05, 0.05, 0.001, 6, "yes", ""),  # clearly above, though by less than what would matter
    ],
)
def test_each_word_is_reached(
    ahead_of_constant: float, ahead_of_kernel: float, noise: float, seeds: int, word: str, why: str
) -> None:
    rng = np.random.default_rng(1)
    flow = BASE[:seeds]
    controls = {
        "constant": flow - ahead_of_constant + noise * rng.normal(size=flow.shape),
        "no kernel": flow - ahead_of_kernel + noise * rng.normal(size=flow.shape),
    }
    found = particle_specific(flow, controls, worth=0.2)
    assert (found.word, found.why) == (word, why)
    assert found.against["constant"].value == pytest.approx((flow - controls["constant"]).mean())


def test_an_interval_knows_both_clusters() -> None:
    same = np.full((6, 40), 2.0)
    assert (clustered(same).low, clustered(same).high) == pytest.approx((2.0, 2.0))
    by_seed = np.repeat(np.arange(6.0)[:, None], 40, 1)
    by_prompt = np.repeat(np.arange(40.0)[None], 6, 0)
    for values, clusters in ((by_seed, 6), (by_prompt, 40)):
        found = clustered(values)
        error = values.std() / clusters**0.5
        assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert clustered(BASE) == clustered(BASE)
