"""`vgf evaluate`: a record's last policy in the real environment once more, at any budgets and from other starts."""

from __future__ import annotations

from pathlib import Path

import tyro

from vgf.datasets import get_task
from vgf.support.errors import DataError
from vgf.support.given import whole, wholes
from vgf.training.checkpoints import load_agent
from vgf.training.device import choose_device
from vgf.training.evaluate import close, evaluate, make_envs
from vgf.training.starts import Starts


def evaluate_command(
    record: tyro.conf.Positional[Path],
    steps: tuple[int, ...] = (0, 1, 2, 3),
    episodes: int = 10,
    device: str = "auto",
    starts: Starts = "reporting",
    json: bool = False,
) -> None:
    """Evaluate the last policy of a record anew, in the real environment.

    Args:
        record: folder that `vgf train` made, data/results/<study>.<scale>/<task>/<method>.
        steps: test budgets L_test.
        episodes: for each seed and budget.
        device: cpu, cuda, or auto: cuda where there is one.
        starts: what it is for, which decides where episodes start: what is reported is not what settings are chosen by.
        json: print a JSON list of rows instead of a table.
    """
    episodes, steps = whole("--episodes", episodes, 1), wholes("--steps", steps, 0)
    if not steps:
        raise ValueError("--steps names no budget; give one or more, for instance --steps 0 3, or leave it out")
    agent, task_name = load_agent(record, choose_device(device))
    try:
        task = get_task(task_name)
    except DataError:
        remedy = "vgf.evaluate plays it in an environment that you give"
        raise ValueError(f"{record}: trained on data of your own, whose environment no file names; {remedy}") from None
    envs = make_envs(task.name, len(agent.seeds))
    try:
        rows = evaluate(
            agent,
            envs,
            test_steps=steps,
            episodes=episodes,
            episode_steps=task.episode_steps,
            progress=record.name,
            starts=starts,
        )
    finally:
        close(envs)
    table = rows.groupby("test_steps")[["return", "success", "length"]].mean().reset_index()
    print(table.to_json(orient="records") if json else table.to_string(index=False))
