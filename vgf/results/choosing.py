"""How much the critic decides: one policy, acting by the best of one, of a few and of many of its actions, none moved.

    python -m vgf.results.choosing campaign.cpu --method idql vgf_amortised

reads the policies that `vgf train` left beside a study's records, lets each choose among so many actions, and writes
the length and the return of every episode to `data/results/STUDY.SCALE/choosing.csv`. The best of one is any action,
whatever the critic says of it. Policies are not in git, so this file is what a chapter reads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pandas as pd
import tyro

from vgf.agents.idql import IDQL, IDQLConfig
from vgf.agents.vgf import VGF
from vgf.agents.vgf_config import VGFConfig
from vgf.datasets import Task, get_task
from vgf.results import episode_ends, stats, trained_policies
from vgf.results.study_text import NAMES, short, with_interval
from vgf.training.checkpoints import load_agent
from vgf.training.evaluate import close, evaluate, make_envs

FILE = "choosing.csv"
AMONG = (1, 4, 16, 64)  # actions to choose from
COLUMNS = ("task", "method", "updates", "particles", "seed", "episode", "length", "return")


def choosing_agent(folder: Path) -> VGF | IDQL:
    """Return the agent of a policy that acts by the best of N actions.

    Raises:
        ValueError: if it acts otherwise.
    """
    agent, _ = load_agent(folder)
    if not isinstance(agent, VGF | IDQL):
        raise ValueError(f"{folder}: {agent.name} does not choose among actions; vgf, best_of_n and idql do")
    return agent


def acted(agent: VGF | IDQL, task: Task, episodes: int) -> Iterator[pd.DataFrame]:
    """Yield, for each number of `AMONG`, a row an episode: seed, episode, return, length and particles.

    Args:
        agent: with a config that has `particles`; it gets its own back.
        task: where.
        episodes: for each seed; starts are those of no table.
    """
    own = agent.config
    envs = make_envs(task.name, len(agent.seeds) * episodes)
    how: dict[str, Any] = {"episodes": episodes, "episode_steps": task.episode_steps, "starts": "diagnosis"}
    try:
        for count in AMONG:
            agent.config = _choosing_among(own, count)
            yield evaluate(agent, envs, test_steps=(0,), **how).assign(particles=count)
    finally:
        agent.config = own
        close(envs)


def _choosing_among(config: VGFConfig | IDQLConfig, count: int) -> Any:
    """Return a config with so many actions to choose from, without a bank: it is for training, and holds at least N."""
    return (
        replace(config, particles=count, bank=0) if isinstance(config, VGFConfig) else replace(config, particles=count)
    )


def as_methods(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows as `vgf.results.episode_ends.lengths` has them, each number of actions a method.

    Args:
        table: as the command writes it.
    """
    own = table.sort_values(["task", "method", "particles", "seed", "episode"])
    names = [f"{NAMES.get(r.method, r.method)}, {_of(r.particles)}" for r in own.itertuples()]
    return own.assign(method=names)[list(episode_ends.COLUMNS)].reset_index(drop=True)


def _of(particles: int) -> str:
    """Return how an action was chosen."""
    return "a random one" if particles == 1 else f"best of {particles}"


class Choice(NamedTuple):
    """How a policy acts by the best of so many actions.

    Attributes:
        task, method, particles: where, whose, and among how many.
        score: its mean over seeds, with Student's 95 % interval.
        length: the median episode of all seeds, in steps.
        gain: what it scores above a random action, seed by seed.
    """

    task: str
    method: str
    particles: int
    score: stats.Estimate
    length: float
    gain: stats.Student


def choices(table: pd.DataFrame) -> list[Choice]:
    """Return the choices of every policy, of what the command writes: by task and method, fewer actions first.

    Raises:
        ValueError: if a policy has other numbers of actions than `AMONG`, or a seed lacks one of them.
    """
    found = []
    for (task, method), own in table.groupby(["task", "method"]):
        scores = own.groupby(["particles", "seed"])["return"].mean().unstack("seed").apply(get_task(task).normalised)
        if tuple(scores.index) != AMONG or scores.isna().any(axis=None):
            raise ValueError(f"{FILE}: {method} on {task} has not {AMONG} actions for each seed; make the table anew")
        for count, row in scores.iterrows():
            length = own.loc[own["particles"] == count, "length"].median()
            gain = stats.student([(row - scores.loc[1]).to_numpy()])
            score = stats.of_mean([row.to_numpy()])
            found.append(Choice(task, method, int(str(count)), score, float(length), gain))
    return found


def choices_table(found: Sequence[Choice]) -> str:
    """Return a markdown table: policies down, numbers of actions across, score with interval and the median length."""
    head = ["task", "policy", *(_of(count) for count in AMONG)]
    rows: dict[tuple[str, str], list[str]] = {}
    for one in found:
        rows.setdefault((one.task, one.method), []).append(f"{with_interval(one.score)}; {one.length:.0f} steps")
    lines = [[short(task), NAMES.get(method, method), *cells] for (task, method), cells in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---", "---", *["--:"] * len(AMONG)], *lines])


def counted(found: Sequence[Choice]) -> str:
    """Return how many policies score clearly less, and more, where the critic chooses among a few actions."""
    few = AMONG[1]
    words = [one.gain.word() for one in found if one.particles == few]
    policies = "1 policy scores" if len(words) == 1 else f"{len(words)} policies score"
    return (
        f"By the best of {few}, {words.count('below')} of {policies} clearly less than by a random action, "
        f"{words.count('above')} clearly more"
    )


def both_critics_in_words(found: Sequence[Choice]) -> str:
    """Return what choosing among the most actions does by two critics of the same clone: a sentence for each task.

    The reference of both is trained alike, with the same seeds, so a random action is the same policy, and what differs
    is the critic. Empty where no task has both.
    """
    own, other, most = "vgf", "best_of_n", AMONG[-1]
    at = {(one.task, one.method, one.particles): one for one in found}
    said = []
    for task in dict.fromkeys(one.task for one in found):
        if (task, own, most) in at and (task, other, most) in at:
            start, end = at[task, other, 1].score, at[task, other, most].score
            first, last = at[task, own, 1].score, at[task, own, most].score
            said.append(
                f"On {short(task)} the best of {most} by {NAMES[other]}'s critic scores {with_interval(end)} and a "
                f"random action {with_interval(start)}. By {NAMES[own]}'s critic the best of {most} scores "
                f"{with_interval(last)} and a random action {with_interval(first)}."
            )
    return " ".join(said)


def command(
    study: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="STUDY.SCALE")],
    method: tuple[str, ...] = ("idql", "vgf", "best_of_n"),
    episodes: int = 20,
    results: Path | None = None,
) -> None:
    """Write how a study's policies act by the best of fewer and of more actions.

    Args:
        study: for instance campaign.cpu.
        method: names of the methods looked at.
        episodes: for each seed and number of actions.
        results: where records are, data/results by default.
    """
    trained_policies.tabulate(
        study, method, results, FILE, COLUMNS, choosing_agent,
        lambda agent, plan: acted(agent, get_task(plan.name), episodes), (len(AMONG), "number"),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(trained_policies.main(command, "vgf.results.choosing"))
