"""A small policy with random weights, for tests of what carries one."""

from __future__ import annotations

from typing import Any

import numpy as np

from vgf.sources.experts import Expert


def expert_of(pairs: list[tuple[np.ndarray, np.ndarray]], **facts: Any) -> Expert:
    """Return the policy of hidden layers and, last, the two heads."""
    return Expert(tuple(pairs[:-2]), pairs[-2], pairs[-1], facts)


def random_expert(observation: int = 29, action: int = 8, hidden: int = 6, seed: int = 0) -> Expert:
    """Return a policy that moves at random but for the seed."""
    rng = np.random.default_rng(seed)
    sizes = [(observation, hidden), (hidden, hidden), (hidden, action), (hidden, action)]
    pairs = [(rng.normal(size=size, scale=0.3), rng.normal(size=size[1], scale=0.1)) for size in sizes]
    return expert_of([(w.astype(np.float32), b.astype(np.float32)) for w, b in pairs], steps=7)
