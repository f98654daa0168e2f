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

from vgf import records
from vgf.agents.idql import IDQL, IDQLConfig
from vgf.agents.vgf import VGF
from vgf.agents.vgf_config import VGFConfig
from vgf.datasets import Task, get_task
from vgf.results import episode_ends, policy_tables, stats, trained_policies
from vgf.results.judgement import plural
from vgf.results.study_text import NAMES, short
from vgf.support.progress import Progress
from vgf.training.checkpoints import POLICY, load_agent
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


def acted(agent: VGF | IDQL, task: Task, episodes: int, among: Sequence[int] = AMONG) -> Iterator[pd.DataFrame]:
    """Yield, for each number of actions, a row an episode: seed, episode, return, length and particles.

    Args:
        agent: with a config that has `particles`; it gets its own back.
        task: where.
        episodes: for each seed; starts are those of no table.
        among: numbers of actions, each >= 1.
    """
    own = agent.config
    envs = make_envs(task.name, len(agent.seeds) * episodes)
    how: dict[str, Any] = {"episodes": episodes, "episode_steps": task.episode_steps, "starts": "diagnosis"}
    try:
        for count in among:
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


def as_methods(table: pd.DataFrame, task: str) -> pd.DataFrame:
    """Return the rows of one task as `vgf.results.episode_ends.lengths` has them, each number of actions a method.

    Args:
        table: as the command writes it.
        task: of the table.
    """
    own = table[table["task"] == task].sort_values(["method", "particles", "seed", "episode"])
    names = [f"{NAMES.get(r.method, r.method)}, {_of(r.particles)}" for r in own.itertuples()]
    return own.assign(method=names)[list(episode_ends.COLUMNS)].reset_index(drop=True)


def _of(particles: int) -> str:
    """Return how an action was chosen."""
    return "any one" if particles == 1 else f"best of {particles}"


class Choice(NamedTuple):
    """How a method acts by the best of so many actions.

    Attributes:
        method, particles: whose, and among how many.
        score: its mean over seeds, with Student's 95 % interval.
        length: the median episode of all seeds, in steps.
        gain: what it scores above any one action, seed by seed.
    """

    method: str
    particles: int
    score: stats.Estimate
    length: float
    gain: stats.Student


def choices(table: pd.DataFrame, task: str) -> list[Choice]:
    """Return the choices of every method on a task, of what the command writes: methods by name, fewer actions first.

    Raises:
        ValueError: if a method has no episodes by any one action.
    """
    found = []
    for method, own in table[table["task"] == task].groupby("method"):
        scores = own.groupby(["particles", "seed"])["return"].mean().unstack("seed").apply(get_task(task).normalised)
        if 1 not in scores.index:
            raise ValueError(f"{FILE}: {method} on {task} has no episodes by any one action; make the table anew")
        for count, row in scores.iterrows():
            length = own.loc[own["particles"] == count, "length"].median()
            gain = stats.student([(row - scores.loc[1]).to_numpy()])
            found.append(Choice(str(method), int(str(count)), stats.of_mean([row.to_numpy()]), float(length), gain))
    return found


def in_words(found: Sequence[Choice], task: str) -> str:
    """Return what each method scores by any one action, by the best of fewest and of most, with its median episode."""
    said = []
    for method in dict.fromkeys(one.method for one in found):
        first, *rest = (one for one in found if one.method == method)
        name = NAMES.get(method, method)
        said.append(f"On {short(task)}, by {_of(first.particles)} action {name} scores {_score(first)}.")
        said += [
            f"By the {_of(one.particles)} it scores {_score(one)}." for one in dict.fromkeys((*rest[:1], *rest[-1:]))
        ]
    return " ".join(said)


def _score(one: Choice) -> str:
    """Return a score with its interval, and the length."""
    score = f"{one.score.value:.1f} [{one.score.low:.1f}, {one.score.high:.1f}]"
    return f"{score}, with a median episode of {one.length:.0f} steps"


def counted(found: Sequence[Choice], task: str) -> str:
    """Return for how many methods the best of the fewest actions scores clearly less, and more, than any one action."""
    methods = dict.fromkeys(one.method for one in found)
    few = min((one.particles for one in found if one.particles > 1), default=1)
    words = [one.gain.word() for one in found if one.particles == few]
    return (
        f"By the best of {few} actions {words.count('below')} of {plural(len(methods), 'method')} score clearly less "
        f"than by any one on {short(task)}, {words.count('above')} clearly more"
    )


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
    root = results or records.results_folder()
    there = trained_policies.named(study, root, method)
    found = []
    with Progress(f"choosing {study}", len(there) * len(AMONG), "number") as counter:
        for plan, folder in there:
            agent = choosing_agent(folder)
            for rows in acted(agent, get_task(plan.name), episodes):
                found.append(rows.assign(task=plan.name, method=folder.name, updates=agent.updates))
                counter.update()
    made = policy_tables.of_policies(folder / POLICY for _, folder in there)
    policy_tables.write(root / study / FILE, pd.concat(found)[list(COLUMNS)], made)


if __name__ == "__main__":
    sys.exit(trained_policies.main(command, "vgf.results.choosing"))
