"""Acting by one of N unmoved actions: the critic's best, its worst, or any; a test of the order a critic has of them.

Where the best of N does not score above the worst, the critic's order of nearby actions is noise, and its gradient,
which is that order close up, has nothing to say either. The training loop asks at every evaluation, and
`vgf.results.critic_ranking` asks policies that are there. All choices see the same N actions from the same start
states, which are those of `diagnosis` (`vgf.training.starts`): what is learnt here about a policy is not what is
reported of it. The price is `CHOICES` times as many episodes as are asked for, so few are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pandas as pd
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from vgf.agents.vgf import VGF
from vgf.flow import Budget, best_of
from vgf.networks import SeedStreams
from vgf.training.evaluate import evaluate

Choice = Literal["best", "any", "worst"]
CHOICES: tuple[tuple[Choice, int], ...] = (("any", 5), ("best", 5), ("worst", 5), ("best", 32), ("worst", 32))  # of N
COLUMNS = ("seed", "choice", "particles", "episode", "env_seed", "return", "success", "length")


class Chooser:
    """Acts by one of N reference actions, chosen by an agent's critic.

    Attributes:
        transports: nothing is moved, so there is no budget to vary.
        draws_by_state: see `vgf.training.evaluate.Actor`.
        seeds, device: the agent's.
    """

    transports = False
    draws_by_state = True

    def __init__(self, agent: VGF, choice: Choice, particles: int) -> None:
        self.agent, self.choice, self.particles = agent, choice, particles
        self.seeds, self.device = agent.seeds, agent.device

    def budget(self, steps: int) -> Budget:
        """Return the agent's budget; it has nothing to move here."""
        return self.agent.budget(steps)

    @torch.no_grad()
    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams) -> Tensor:
        """Return actions [S, B, d]; every choice sees the same N actions."""
        agent = self.agent
        noise = streams.normal(observations.shape[1], self.particles, agent.dims.action)
        actions: Tensor = agent.reference.sample(observations, noise)
        if self.choice == "any":
            return actions[..., 0, :]
        values = agent.value(observations, actions, agent.config.target_q)
        return best_of(actions, values if self.choice == "best" else -values)


def rank(
    agent: VGF, envs: VectorEnv[Any, Any, Any], episodes: int, episode_steps: int, progress: str | None = None
) -> Iterator[pd.DataFrame]:
    """Yield, for each of `CHOICES`, a row an episode, with `COLUMNS`.

    Args:
        agent: whose critic is tested, of S seeds.
        envs: S * m environments.
        episodes: for each seed and choice, a multiple of m.
        episode_steps: most steps of an episode.
        progress: words for a progress report on stderr; none without.
    """
    how: dict[str, Any] = {"test_steps": (0,), "episodes": episodes, "episode_steps": episode_steps}
    for choice, particles in CHOICES:
        told = progress and f"{progress}, {choice} of {particles}"
        rows = evaluate(Chooser(agent, choice, particles), envs, starts="diagnosis", progress=told, **how)
        yield rows.assign(choice=choice, particles=particles)[list(COLUMNS)]
