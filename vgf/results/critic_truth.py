"""Does a policy earn what its critic promised? The value at the start beside the discounted rewards that follow.

    python -m vgf.results.critic_truth campaign.cpu

reads the policies that `vgf train` left beside a study's records, lets each act as in the target of its critic, and
writes `data/results/STUDY.SCALE/truth.csv`. The target is the mean over particles after so many steps, so what it
values is any one of them, not the best; with no step that is the clone. Rewards are scaled and shifted as loading does those
of the data, so that both are in units of the critic. An episode cut by the time limit may have earned more or less
later on: by at most `tail` times what an endless episode can. Where no reward is above zero, as on tasks with a goal,
what was earned is then too high, and an excess of the promise over it too low.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import tyro
from gymnasium.vector import VectorEnv, VectorWrapper
from torch import Tensor

from vgf import records
from vgf.agents.vgf import VGF
from vgf.datasets import Task, get_task
from vgf.flow import Budget, best_of
from vgf.networks import SeedStreams
from vgf.results import policy_tables, stats, trained_policies
from vgf.results.study_text import NAMES, short
from vgf.support.progress import Progress
from vgf.training.checkpoints import POLICY, load_agent
from vgf.training.evaluate import close, evaluate, make_envs
from vgf.training.online import reward_rule
from vgf.training.runs import dataset_file

FILE = "truth.csv"
COLUMNS = ("task", "method", "updates", "test_steps", "seed", "episode", "promised", "earned", "tail")


class Discounted(VectorWrapper):
    """Gives rewards as the critic counts them: scaled, shifted, and discounted by their step."""

    def __init__(self, envs: VectorEnv[Any, Any, Any], discount: float, scale: float, offset: float) -> None:
        super().__init__(envs)
        self.discount, self.scale, self.offset, self.weight = discount, scale, offset, 1.0

    def reset(self, **how: Any) -> Any:
        """Begin all episodes anew."""
        self.weight = 1.0
        return self.env.reset(**how)

    def step(self, actions: Any) -> Any:
        """Step, and discount what it earns."""
        observation, reward, *rest = self.env.step(actions)
        counted = self.weight * (self.scale * np.asarray(reward, np.float64) + self.offset)
        self.weight *= self.discount
        return observation, counted, *rest


class AsInTarget:
    """Acts by any one particle after the steps of the target, the best where the target takes the best.

    Attributes:
        promised: the value that the critic gives to the first actions, [S, B]; None before.
    """

    transports = True

    def __init__(self, agent: VGF) -> None:
        self.agent, self.seeds, self.device = agent, agent.seeds, agent.device
        self.promised: Tensor | None = None

    def budget(self, steps: int) -> Budget:
        """Return the agent's budget of so many steps."""
        return self.agent.budget(steps)

    @torch.no_grad()
    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams) -> Tensor:
        """Return actions [S, B, d]."""
        agent = self.agent
        noise = streams.normal(observations.shape[1], agent.config.particles, agent.dims.action)
        moved = agent.flow(observations, agent.reference.sample(observations, noise), budget)
        values = agent.value(observations, moved, agent.config.target_q)
        best = agent.config.target_particles == "max"
        if self.promised is None:
            self.promised = values.amax(-1) if best else values.mean(-1)
        return best_of(moved, values) if best else moved[..., 0, :]


def kept(agent: VGF, task: Task, episodes: int, rule: tuple[float, float]) -> pd.DataFrame:
    """Return a row an episode: seed, episode, promised, earned, and the discount left where the time limit cut it.

    Args:
        agent: acts as in its target.
        task: where.
        episodes: for each seed.
        rule: scale and offset of the rewards.
    """
    discount, steps = agent.config.discount, agent.config.train_steps
    envs = Discounted(make_envs(task.name, len(agent.seeds) * episodes), discount, *rule)
    actor = AsInTarget(agent)
    try:
        how: dict[str, Any] = {"episodes": episodes, "episode_steps": task.episode_steps, "starts": "diagnosis"}
        rows = evaluate(actor, envs, test_steps=(steps,), **how)
    finally:
        close(envs)
    assert actor.promised is not None  # it acted
    cut = (rows["length"] == task.episode_steps) & (rows["success"] != 1)
    rows = rows.assign(promised=actor.promised.flatten().cpu().numpy(), earned=rows["return"])
    return rows.assign(tail=np.where(cut, discount ** rows["length"], 0.0))


class Truth(NamedTuple):
    """What a task's critic promised and its policy earned.

    Attributes:
        task, method: whose.
        promised, earned: means over seeds, in units of the task's reward as it is loaded.
        excess: promised less earned, by seed.
    """

    task: str
    method: str
    promised: float
    earned: float
    excess: stats.Student


def truths(table: pd.DataFrame) -> list[Truth]:
    """Return what the table says of each task and method."""
    found = []
    for (task, method), own in table.groupby(["task", "method"]):
        seeds = own.groupby("seed")[["promised", "earned"]].mean()
        excess = stats.student([(seeds["promised"] - seeds["earned"]).to_numpy()])
        found.append(Truth(str(task), str(method), seeds["promised"].mean(), seeds["earned"].mean(), excess))
    return found


def truth_table(found: list[Truth]) -> str:
    """Return a markdown table: promised, earned and the excess with its interval."""
    lines = ["| task | critic of | promised | earned | excess |", "|---|---|--:|--:|--:|"]
    for one in found:
        low, high = one.excess.interval()
        numbers = f"{one.promised:.1f} | {one.earned:.1f} | {one.excess.value:+.1f} [{low:.1f}, {high:.1f}]"
        lines.append(f"| {short(one.task)} | {NAMES[one.method]} | {numbers} |")
    return "\n".join(lines)


def command(
    study: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="STUDY.SCALE")],
    method: tuple[str, ...] = ("best_of_n", "vgf"),
    episodes: int = 10,
    results: Path | None = None,
) -> None:
    """Write what a study's policies earn beside what their critics promise.

    Args:
        study: for instance campaign.cpu.
        method: names of the methods looked at.
        episodes: for each seed.
        results: where records are, data/results by default.
    """
    root = results or records.results_folder()
    _, every = trained_policies.policies(study, root)
    there = [(plan, folder) for plan, folder in every if folder.name in method]
    if not there:
        raise ValueError(
            f"{root / study}: no policy of {', '.join(method)}; `vgf train` leaves them beside its records"
        )
    found = []
    with Progress(f"truth of {study}", len(there), "policy") as counter:
        for plan, folder in there:
            agent, _ = load_agent(folder)
            if not isinstance(agent, VGF):
                raise ValueError(f"{folder}: {agent.name} has no value of an action; vgf and best_of_n have")
            task = get_task(plan.name)
            # where the scale is the data's, the file says it
            data = dataset_file(task, plan.dataset) if task.reward_scale != "none" else Path()
            rows = kept(agent, task, episodes, reward_rule(task, data))
            found.append(rows.assign(task=plan.name, method=folder.name, updates=agent.updates))
            counter.update()
    files = {f"{plan.name}/{folder.name}": folder / POLICY for plan, folder in there}
    policy_tables.write(root / study / FILE, pd.concat(found)[list(COLUMNS)], policy_tables.of_policies(files))


if __name__ == "__main__":
    sys.exit(trained_policies.main(command, "vgf.results.critic_truth"))
