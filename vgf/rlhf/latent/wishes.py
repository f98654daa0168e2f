"""What is wished for: three rewards whose good direction depends on where a particle is, or on its prompt.

    conditional   m r              a mark m of the prompt, 1 or -1, turns the sign of the rating r
    target        -(r - m)^2       the rating shall be m: particles on both sides of it move towards each other
    modes         max_k s_k + r/s  the nearer of two topics, and a good rating; s is the ratings' standard deviation

One function values a latent by networks, a text by networks, and a text by people: only where the rating comes from
differs. What has several modes is valued once for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

COVERED = 1.28  # standard deviations: a text belongs to a topic if a tenth of the training snippets or fewer are closer


@dataclass(frozen=True)
class Wish:
    """A reward.

    Attributes:
        name: of the testbed.
        marks: what prompts carry, in turn.
        modes: in how many ways it can be fulfilled.
        of: mark, rating and topics, [...], [...] and [..., M], to the value of each mode, [..., modes].
    """

    name: str
    marks: tuple[float, ...]
    modes: int
    of: Callable[[Tensor, Tensor, Tensor], Tensor]

    def value(self, mark: Tensor, rating: Tensor, topics: Tensor) -> Tensor:
        """Return the value of its best mode, [...]."""
        return self.of(mark, rating, topics).amax(-1)


def wishes(spread: float) -> dict[str, Wish]:
    """Return the testbeds; `spread` is the standard deviation of the training snippets' ratings."""
    return {
        "conditional": Wish("conditional", (1.0, -1.0), 1, lambda m, r, s: (m * r)[..., None]),
        "target": Wish("target", (-2.0, 0.0, 2.0), 1, lambda m, r, s: -(r - m).square()[..., None]),
        "modes": Wish("modes", (0.0,), 2, lambda m, r, s: s + (r / spread)[..., None]),
    }


def covered(rating: Tensor, topics: Tensor) -> Tensor:
    """Return how many topics have a text among the last axis but one that belongs to it and is not rated below zero.

    Args:
        rating: people's, [..., N].
        topics: [..., N, M].
    """
    good = (topics >= COVERED) & (rating >= 0)[..., None]
    return good.any(-2).sum(-1)


def marks_of(wish: Wish, prompts: int) -> Tensor:
    """Return the mark of each prompt, in turn, [P]."""
    return torch.tensor(wish.marks).repeat(-(-prompts // len(wish.marks)))[:prompts]
