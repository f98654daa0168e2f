"""From which start states an episode is played: the purpose of an evaluation decides, so that no choice leaks.

A setting that was chosen on some start states scores too well on those same ones. So every purpose counts the seeds of
its environments up from a number of its own: what tuning, or the choice of a task, has seen is never what is reported.
A seed fixes start state and goal. The price is that scores taken for two purposes are not paired.

`shared` is what every evaluation used before purposes were told apart; records of that time name no purpose, and their
starts were those of tuning, too.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Literal

#: What an experiment's evaluations are for.
Purpose = Literal["tuning", "choosing", "reporting", "shared"]
PURPOSES: tuple[str, ...] = typing.get_args(Purpose)
#: The same, and what a trained policy is looked at for: ranking and controls, which give no score to report; budgets.
Starts = Literal["tuning", "choosing", "reporting", "shared", "diagnosis", "budgets"]
#: The first environment seed of each; episodes count up from it.
FIRST_SEEDS: Mapping[Starts, int] = {
    "shared": 100_000,
    "tuning": 200_000,
    "choosing": 300_000,
    "reporting": 400_000,
    "diagnosis": 500_000,
    "budgets": 600_000,
}
ROOM = 100_000  # episodes a purpose has before it would reach the next one's seeds
