"""Does a critic know a good action from a bad one? The best, any and the worst of N of the reference's, each acted on.

    python -m vgf.results.critic_ranking d4rl.cpu

reads the policies that `vgf train` left beside a study's records, acts in the real environment by the action that the
critic values most among N of the reference's, by any one and by the one it values least, and writes
`data/results/STUDY.SCALE/ranking.csv`. Nothing is moved, so the flow has no part in it: where the best of N does not
score above the worst, the critic's order of nearby actions is noise, and its gradient, which is that order close up,
has nothing to say either. Policies are not in git, so this file is what a chapter reads, as with
`vgf.results.displacement`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import torch
import tyro
from torch import Tensor

from vgf import records
from vgf.agents.vgf import VGF
from vgf.datasets import Task, get_task
from vgf.flow import Budget, best_of
from vgf.networks import SeedStreams
from vgf.results import policy_tables, trained_policies
from vgf.support.progress import Progress
from vgf.training.checkpoints import POLICY, load_agent
from vgf.training.evaluate import close, evaluate, make_envs

Choice = Literal["best", "any", "worst"]
CHOICES: tuple[tuple[Choice, int], ...] = (("any", 5), ("best", 5), ("worst", 5), ("best", 32), ("worst", 32))  # of N
FILE = "ranking.csv"


class Chooser:
    """Acts by one of N reference actions, chosen by an agent's critic.

    Attributes:
        transports: nothing is moved, so there is no budget to vary.
        seeds, device: the agent's.
    """

    transports = False

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


def scores(agent: VGF, task: Task, episodes: int) -> Iterator[pd.DataFrame]:
    """Yield, for each of `CHOICES`, a row a seed: choice, particles, seed, episodes and score."""
    envs = make_envs(task.name, len(agent.seeds) * episodes)
    column = "success" if task.score == "success" else "return"
    how: dict[str, Any] = {"test_steps": (0,), "episodes": episodes, "episode_steps": task.episode_steps}
    try:
        for choice, particles in CHOICES:
            rows = evaluate(Chooser(agent, choice, particles), envs, starts="diagnosis", **how)
            found = rows.groupby("seed")[column].mean().map(task.normalised).rename("score").reset_index()
            yield found.assign(choice=choice, particles=particles, episodes=episodes)
    finally:
        close(envs)


def command(
    study: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="STUDY.SCALE")],
    method: tuple[str, ...] = ("vgf",),
    episodes: int = 10,
    results: Path | None = None,
) -> None:
    """Write how a study's policies score by the best, any and the worst of their reference's actions.

    Args:
        study: for instance d4rl.cpu.
        method: names of the methods looked at.
        episodes: for each seed and choice.
        results: where records are, data/results by default.
    """
    root = results or records.results_folder()
    _, every = trained_policies.policies(study, root)
    there = [(plan.name, folder) for plan, folder in every if folder.name in method]
    if not there:
        raise ValueError(
            f"{root / study}: no policy of {', '.join(method)}; `vgf train` leaves them beside its records"
        )
    found = []
    with Progress(f"ranking {study}", len(there) * len(CHOICES), "choice") as counter:
        for task, folder in there:
            agent, _ = load_agent(folder)
            if not isinstance(agent, VGF):
                raise ValueError(f"{folder}: {agent.name} has no value of an action; vgf and best_of_n have")
            for rows in scores(agent, get_task(task), episodes):
                found.append(rows.assign(task=task, method=folder.name, updates=agent.updates))
                counter.update()
    columns = ["task", "method", "updates", "choice", "particles", "seed", "episodes", "score"]
    files = {f"{task}/{folder.name}": folder / POLICY for task, folder in there}
    policy_tables.write(root / study / FILE, pd.concat(found)[columns], policy_tables.of_policies(files))


if __name__ == "__main__":
    sys.exit(trained_policies.main(command, "vgf.results.critic_ranking"))
