"""Does a policy earn what its critic promised? The value at the start beside the discounted rewards that follow.

    python -m vgf.results.critic_truth campaign.cpu

reads the policies that `vgf train` left beside a study's records, lets each act as in the target of its critic, and
writes `data/results/STUDY.SCALE/truth.csv`. The target is the mean over particles after so many steps, so it values
any one of them, not the best; with no step that is the clone. Rewards are scaled and shifted as loading does those of
the data, so that both are in units of the critic. On a task with a goal each step costs 1 until it is met. Where the
time limit cuts such an episode, it would have cost up to `owed` more, so what it earned lies between two numbers.
Elsewhere what a cut episode leaves out is below a thousandth of its sum.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
import tyro
from gymnasium.vector import VectorEnv, VectorWrapper
from torch import Tensor

from vgf.agents.vgf import VGF
from vgf.datasets import Task, get_task
from vgf.flow import Budget, best_of
from vgf.networks import SeedStreams
from vgf.results import stats, trained_policies
from vgf.results.judgement import listed, plural
from vgf.results.study_text import NAMES, short
from vgf.training.evaluate import close, evaluate, make_envs
from vgf.training.experiments import TaskPlan
from vgf.training.online import reward_rule
from vgf.training.runs import dataset_file

FILE = "truth.csv"
SHOWN = 0.05  # what is owed shows in a table of one digit
COLUMNS = ("task", "method", "updates", "test_steps", "seed", "episode", "promised", "earned", "owed")


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
    """Return a row an episode: seed, episode, promised, earned, and what it may have cost beyond the time limit.

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
    cut = (task.kind == "goal") & (rows["length"] == task.episode_steps) & (rows["success"] != 1)
    rows = rows.assign(promised=actor.promised.flatten().cpu().numpy(), earned=rows["return"])
    return rows.assign(owed=np.where(cut, discount ** rows["length"] / (1 - discount), 0.0))


class Truth(NamedTuple):
    """What a task's critic promised and its policy earned.

    Attributes:
        task, method: whose.
        promised, earned, owed: means over seeds, in units of the task's reward as it is loaded.
        excess: promised less earned, by seed: what it is at least.
        most: the same with all that is owed.
    """

    task: str
    method: str
    promised: float
    earned: float
    owed: float
    excess: stats.Student
    most: stats.Student

    def word(self) -> Literal["more", "less", "not clearly apart"]:
        """Return whether the promise is clearly more than any, or less than all, that may have been earned."""
        if self.excess.word() == "above":
            return "more"
        return "less" if self.most.word() == "below" else "not clearly apart"


def truths(table: pd.DataFrame) -> list[Truth]:
    """Return what the table says of each task and method."""
    found = []
    for (task, method), own in table.groupby(["task", "method"]):
        seeds = own.groupby("seed")[["promised", "earned", "owed"]].mean()
        excess = (seeds["promised"] - seeds["earned"]).to_numpy()
        by = (stats.student([excess]), stats.student([excess + seeds["owed"].to_numpy()]))
        promised, earned, owed = (float(seeds[name].mean()) for name in ("promised", "earned", "owed"))
        found.append(Truth(str(task), str(method), promised, earned, owed, *by))
    return found


def truth_table(found: Sequence[Truth]) -> str:
    """Return a markdown table: promised, earned, and the excess over the most it may have earned, with its interval."""
    lines = [
        "| task | critic of | promised | earned | excess over the most | the promise is |",
        "|---|---|--:|--:|--:|---|",
    ]
    for one in found:
        low, high = one.excess.interval()
        earned = f"{one.earned - one.owed:.1f} to {one.earned:.1f}" if one.owed > SHOWN else f"{one.earned:.1f}"
        numbers = f"{one.promised:.1f} | {earned} | {one.excess.value:+.1f} [{low:.1f}, {high:.1f}]"
        apart = "within the range" if one.owed > SHOWN else "not clearly apart"
        word = apart if one.word() == "not clearly apart" else f"clearly {one.word()}"
        lines.append(f"| {short(one.task)} | {NAMES[one.method]} | {numbers} | {word} |")
    return "\n".join(lines)


def truths_in_words(found: Sequence[Truth]) -> str:
    """Return in sentences where each method's critics promise clearly more, and clearly less, than is earned."""
    said = []
    for method in dict.fromkeys(one.method for one in found):
        own = [one for one in found if one.method == method]
        tasks = {way: [short(o.task) for o in own if o.word() == way] for way in ("more", "less")}
        parts = [f"clearly {way} than is earned on {listed(named)}" for way, named in tasks.items() if named]
        clear = " and ".join(parts) or "neither clearly more nor clearly less than is earned"
        name = NAMES[method]
        said.append(f"{name[0].upper()}{name[1:]}'s critics promise {clear}, of {plural(len(own))}.")
    return " ".join(said)


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

    def rows(agent: VGF, plan: TaskPlan) -> list[pd.DataFrame]:
        task = get_task(plan.name)
        # where the scale is the data's, the file says it
        data = dataset_file(task, plan.dataset) if task.reward_scale != "none" else Path()
        return [kept(agent, task, episodes, reward_rule(task, data))]

    trained_policies.tabulate(study, method, results, FILE, COLUMNS, trained_policies.valuing_agent, rows)


if __name__ == "__main__":
    sys.exit(trained_policies.main(command, "vgf.results.critic_truth"))
