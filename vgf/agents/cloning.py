"""What an agent trains while it trains its reference alone, said in one place, so that one training can serve many.

Methods that clone the data first, or do nothing else, train the same reference where these settings, seeds and batches
are equal, update for update (`Agent._clone`). `vgf.training.clones` then trains it once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

from vgf.agents import fused
from vgf.networks import Draw
from vgf.reference import FlowReference

ALWAYS = sys.maxsize  # the `until` of an agent that is nothing but its reference


class Cloning(NamedTuple):
    """A reference that is trained alone at first.

    Attributes:
        until: number of the last update that trains nothing else.
        reference: its kind, "flow" or "gaussian".
        hidden: widths of its hidden layers.
        learning_rate: of Adam.
        precision: of the products, see `vgf.agents.base.Precision`.
    """

    until: int
    reference: str
    hidden: tuple[int, ...]
    learning_rate: float
    precision: str


def clone_recipe(reference: FlowReference, draws: Sequence[Draw], until: int | None = None) -> fused.Recipe:
    """Return how the fused core trains a flow alone.

    Args:
        reference: the network "reference" of the agent, with the optimizer of that name.
        draws: the random numbers of one step, `Agent.clone_draws`.
        until: number of the last update that is done like this; None where all are.
    """
    return fused.Recipe(
        fused.Method.VGF,
        {fused.Role.REFERENCE: fused.Network.of(reference.velocity.net, "reference")},
        dict(enumerate(draws, 1)),
        (0.0, 0.0),
        fused.Flag.CLONE,
        {"reference/loss": 7},
        counts={"flow_steps": reference.steps},
        until=until,
    )
