"""From your own data to a trained policy in one call, by the training loop every number of this book came from.

`fit` dresses a dataset and a config as a run of an experiment with one task and one method, and hands it to
`vgf.training.loop`: so a run of yours is checkpointed, goes on after a kill, refuses what is not finite and leaves the
same record as a run of ours. The trade-off is that it offers fewer choices than an experiment file: one method,
evaluated before and after training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any

import gymnasium
from numpy.typing import ArrayLike

from vgf import records
from vgf.agents import AGENTS, CONFIGS
from vgf.datasets import Task, Transitions
from vgf.datasets.own import own_transitions
from vgf.support.files import locked
from vgf.support.provenance import fingerprint
from vgf.support.strict import known
from vgf.training.device import choose_device
from vgf.training.evaluate import close
from vgf.training.experiments import Experiment, Method, TaskPlan, check_critic
from vgf.training.inputs import TrainingInputs
from vgf.training.loop import train
from vgf.training.runs import Run, is_done
from vgf.training.sizes import DatasetSource, Scale
from vgf.training.vector_env import Workers

LOGGED = 100  # rows of the training curve
LOGS_PER_CHECKPOINT = 10


def fit(
    data: Path | str | Mapping[str, ArrayLike] | Transitions,
    out: Path | str,
    config: Any = None,
    *,
    method: str = "vgf",
    make_env: Callable[[], gymnasium.Env] | None = None,
    seeds: Sequence[int] = (0,),
    updates: int = 100_000,
    batch_size: int = 256,
    test_steps: Sequence[int] = (0, 1, 2, 3),
    episodes: int = 10,
    episode_steps: int = 1000,
    device: str = "auto",
    replace: bool = False,
) -> records.Record:
    """Train a method on your data and leave a record, from which `vgf.load_policy` takes a policy.

    A call that was interrupted goes on where it was; one that is done, with the same data, config and sizes, returns
    its record at once. The environment's code is not compared: say `replace` after changing it.

    Args:
        data: an npz file or a mapping of arrays in the layout of `vgf.datasets.own_transitions`, or `Transitions`.
        out: folder of the record; its name becomes the task's.
        config: of the method, for instance a `vgf.agents.VGFConfig`; the method's default when None. Its discount is
            yours to choose.
        method: which of `vgf.agents.AGENTS` to train.
        make_env: makes one environment to evaluate in, with gymnasium's interface; nothing is evaluated when None.
            `info["success"]`, where it is there, is reported.
        seeds: trained together, each with weights, batches and noise of its own.
        updates: gradient steps, those of a pretrained reference included.
        batch_size: transitions a seed sees in each.
        test_steps: budgets L_test to evaluate the trained policy with.
        episodes: evaluation episodes for each seed and budget; they run side by side in this process.
        episode_steps: most steps of an episode.
        device: cpu, cuda, or auto: cuda where there is one.
        replace: remove what is in `out`, made with other settings.

    Returns:
        The record: its `folder`, and `episodes` and `curve` as tables.

    Raises:
        ValueError: naming what is wrong with the data, the config or a size, or that `out` holds something else.
    """
    known([method], AGENTS, "vgf.agents")
    config = CONFIGS[method]["default"] if config is None else config
    if type(config) is not (kind := type(CONFIGS[method]["default"])):
        raise ValueError(f"{method} is configured by a {kind.__name__}, got {type(config).__name__}")
    scale = _scale(tuple(seeds), updates, batch_size, tuple(test_steps), episodes)
    check_critic(method, config, scale.updates)
    folder, where = _empty_or_record(Path(out)), choose_device(device)
    transitions = own_transitions(data, where)
    run = _run(folder, method, config, scale, transitions, episode_steps)
    if not is_done(run, replace):
        with locked(run.work, "run"), ExitStack() as stack:
            envs = None if make_env is None else Workers(make_env, len(seeds) * episodes, processes=1)
            if envs is not None:
                stack.callback(close, envs)
            train(run, TrainingInputs(transitions, envs, where))
    return records.read_record(folder)


def _empty_or_record(out: Path) -> Path:
    """Return the folder to write to, unless something else is in it.

    Raises:
        ValueError: naming it.
    """
    if not out.name or (out.exists() and not out.is_dir()):
        raise ValueError(f"{out}: not a folder a record can have; name a new one")
    if out.exists() and any(out.iterdir()) and not (out / "run.json").exists():
        raise ValueError(f"{out}: there already, and not a record; name another folder")
    return out


def _scale(seeds: tuple[int, ...], updates: int, batch_size: int, test_steps: tuple[int, ...], episodes: int) -> Scale:
    """Return the sizes of a run that is evaluated before and after training, all episodes side by side."""
    log_every = max(1, updates // LOGGED)
    return Scale(
        seeds=seeds,
        updates=updates,
        batch_size=batch_size,
        log_every=log_every,
        evaluate_every=max(1, updates),
        checkpoint_every=LOGS_PER_CHECKPOINT * log_every,
        episodes=episodes,
        episodes_at_once=episodes,
        test_steps=test_steps,
    )


def _run(out: Path, method: str, config: Any, scale: Scale, transitions: Transitions, episode_steps: int) -> Run:
    """Return the run that trains one method on one's own data, with its record and its work side by side."""
    name = out.name
    task = Task(
        name=name,
        suite="own",
        dataset=name,
        env_id=name,
        env_maker="",
        env_package=None,
        task_id=None,
        discount=getattr(config, "discount", 1.0),
        episode_steps=episode_steps,
        reward_offset=0.0,
        reward_scale="none",
        terminals_end_trajectories=True,
        success_timing=None,
        score="return",
        score_min=0.0,
        score_max=100.0,
        observation_size=transitions.observations.shape[1],
        action_size=transitions.actions.shape[1],
    )
    chosen = Method(method, method, config)
    plan = TaskPlan(name, DatasetSource(), (chosen,), {})
    experiment = Experiment(name, "own data", (plan,), "own", scale)
    facts = {"source": "own", "sha256": _digest(transitions), "transitions": len(transitions)}
    run = Run(experiment, plan, chosen, task, facts, out, out)
    label = fingerprint({**run.settings, "seeds": scale.seeds})
    return Run(experiment, plan, chosen, task, facts, out, out.with_name(f".{name}-{label}"))


def _digest(transitions: Transitions) -> str:
    """Return the SHA-256 of all columns, in order."""
    digest = hashlib.sha256()
    for field in fields(transitions):
        digest.update(getattr(transitions, field.name).cpu().contiguous().numpy().data)
    return digest.hexdigest()
