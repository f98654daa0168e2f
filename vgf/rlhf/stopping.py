"""When a trained rival has had its fair share: a rule on the reward of its responses to development prompts.

A fixed number of steps says little of a method, for one may still be rising when another has long been done. Here
each is measured every few steps, on prompts from which nothing is reported and always with the same noise. It has
stopped rising when the best of its last few measurements is not above the best before them by more than the standard
error of that difference over prompts. The policy that is kept is the one with the highest reward measured. The price
is a measurement every few steps, and a longest training that cuts a slow method short, which its record then says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from vgf.support.config import check_config

TO_STOP = {f"{name}_trained": name for name in ("dpo", "ppo", "rloo")}  # stages that are trained by the rule


@dataclass(frozen=True)
class Stopping:
    """The rule's numbers.

    Attributes:
        every: steps between measurements.
        patience: how many measurements the last few are.
        most: steps after which training is cut short.
        prompts: development prompts, one response each.
    """

    every: int = 10
    patience: int = 3
    most: int = 120
    prompts: int = 64

    def __post_init__(self) -> None:
        """Refuse numbers that have no meaning."""
        check_config(self, positive=[one.name for one in fields(self)])
        if self.prompts < 2:
            raise ValueError(f"prompts must be at least 2, for a standard error; got {self.prompts}")
        if self.most % self.every:
            raise ValueError(f"most ({self.most}) must be a multiple of every ({self.every})")


STOPPING = Stopping()


def has_stopped(rewards: Sequence[Sequence[float]], patience: int) -> bool:
    """Return whether a reward has stopped rising.

    Args:
        rewards: of each measurement in order, the first before training, the reward of every prompt, [E, P].
        patience: how many measurements the last few are, m.

    Returns:
        Whether the best of the last m means is not above the best mean before them by more than the standard error
        of their difference prompt by prompt; False while there are m measurements or fewer.
    """
    if len(rewards) <= patience:
        return False
    value = np.asarray(rewards, np.float64)
    before, last = value[:-patience], value[-patience:]
    gain = last[last.mean(1).argmax()] - before[before.mean(1).argmax()]
    return bool(gain.mean() <= gain.std(ddof=1) / np.sqrt(len(gain)))


def kept(rewards: Sequence[Sequence[float]]) -> int:
    """Return which measurement has the highest mean, the first of equal ones."""
    return int(np.asarray(rewards, np.float64).mean(1).argmax())


def curve(rewards: Sequence[Sequence[float]], every: int) -> list[dict[str, float]]:
    """Return the reward over steps as rows of step, reward and error, the standard error over prompts."""
    value = np.asarray(rewards, np.float64)
    error = value.std(1, ddof=1) / np.sqrt(value.shape[1])
    return [{"step": k * every, "reward": float(value[k].mean()), "error": float(error[k])} for k in range(len(value))]
