"""Does a critic know a good action from a bad one? The best, any and the worst of N of the reference's, each acted on.

    python -m vgf.results.critic_ranking d4rl.cpu

reads the policies that `vgf train` left beside a study's records, acts in the real environment by the action that the
critic values most among N of the reference's, by any one and by the one it values least (`vgf.training.choices`), and
writes `data/results/STUDY.SCALE/ranking.csv`. Policies are not in git, so this file is what a chapter reads, as with
`vgf.results.displacement`. A scale with `ranking_episodes` leaves the same at every evaluated age in each record, see
`summed_up`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro

from vgf.agents.vgf import VGF
from vgf.datasets import Task, get_task
from vgf.results import trained_policies
from vgf.training.choices import CHOICES, rank
from vgf.training.evaluate import close, make_envs

FILE = "ranking.csv"


def scores(agent: VGF, task: Task, episodes: int) -> Iterator[pd.DataFrame]:
    """Yield, for each of `CHOICES`, a row a seed: choice, particles, seed, episodes and score."""
    envs = make_envs(task.name, len(agent.seeds) * episodes)
    try:
        for rows in rank(agent, envs, episodes, task.episode_steps):
            yield summed_up(rows, task)
    finally:
        close(envs)


def summed_up(rows: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Return mean scores of ranking's episodes: choice, particles, seed, `update` where they have it, episodes, score.

    Args:
        rows: one an episode, as `vgf.training.choices.rank` gives them, or `Record.ranking`, with every evaluated age.
        task: whose score it is.
    """
    keys = [name for name in ("seed", "update", "choice", "particles") if name in rows]
    means = rows.groupby(keys)["success" if task.score == "success" else "return"].agg(["mean", "size"]).reset_index()
    return means.assign(score=task.normalised(means["mean"]), episodes=means["size"]).drop(columns=["mean", "size"])


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
    columns = ["task", "method", "updates", "choice", "particles", "seed", "episodes", "score"]
    trained_policies.tabulate(
        study, method, results, FILE, columns, trained_policies.valuing_agent,
        lambda agent, plan: scores(agent, get_task(plan.name), episodes), (len(CHOICES), "choice"),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(trained_policies.main(command, "vgf.results.critic_ranking"))
