"""From your own data to a trained policy in one call, by the training loop every number of this book came from.

`fit` dresses a dataset and a config as a run of an experiment with one task and one method, and hands it to
`vgf.training.loop`: so a run of yours is checkpointed, goes on after a kill, refuses what is not finite and leaves the
same record as a run of ours. The trade-off is that it offers fewer choices than an experiment file: one method,
evaluated before and after training.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import torch
from numpy.typing import ArrayLike

from vgf import records
from vgf.agents import AGENTS, CONFIGS
from vgf.datasets import Task, Transitions
from vgf.datasets.own import own_transitions
from vgf.support.environment import stretched
from vgf.support.files import locked
from vgf.support.given import place, shown, truth, whole, wholes
from vgf.support.progress import log
from vgf.support.provenance import fingerprint
from vgf.support.strict import known
from vgf.training.device import choose_device
from vgf.training.evaluate import close
from vgf.training.experiments import Experiment, Method, TaskPlan, check_critic
from vgf.training.inputs import TrainingInputs
from vgf.training.loop import train
from vgf.training.record_place import begin_anew, empty_or_record, leave_nothing, seal
from vgf.training.runs import Run, is_done, is_recorded
from vgf.training.sizes import DatasetSource, Scale
from vgf.training.starts import FIRST_SEEDS, Purpose
from vgf.training.vector_env import Workers

STARTS: Purpose = "shared"  # of episodes: who tunes and who reports with `fit` is not told apart
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
    device: torch.device | str = "auto",
    replace: bool = False,
    rescale_actions: bool = False,
    success_key: str | None = None,
    ignore: Sequence[str] = (),
) -> records.Record:
    """Train a method on your data and leave a record, from which `vgf.load_policy` takes a policy.

    A call that was interrupted goes on where it was, a replacement when called without `replace`; one that is done
    returns its record. The environment's code is not compared: say `replace` after changing it.

    Args:
        data: a file, a folder or a mapping of arrays that `vgf.datasets.own_transitions` reads, or `Transitions`.
        out: folder of the record; its name becomes the task's.
        config: of the method, such as a `vgf.agents.VGFConfig`; its default when None. The discount is yours to choose.
        method: which of `vgf.agents.AGENTS` to train.
        make_env: makes a new environment to evaluate in, with gymnasium's interface, flat observations and actions in
            [-1, 1]; nothing is evaluated when None.
        seeds: trained together, each with weights, batches and noise of its own.
        updates: gradient steps, those of a pretrained reference included.
        batch_size: transitions a seed sees in each.
        test_steps: budgets L_test to evaluate the trained policy with.
        episodes: evaluation episodes for each seed and budget; they run side by side in this process.
        episode_steps: most steps of an episode.
        device: cpu, cuda, cuda:N, or auto: cuda where there is one.
        replace: train anew, and put the record in the place of the one in `out` and all its seeds once it is finished.
        rescale_actions: stretch actions from [-1, 1] to the environment's own bounds, as the data's were divided.
        success_key: of `info`, where it says with True or False whether the goal is met; "success" or "is_success" by
            default. Success is empty in the record where an episode says nothing of it.
        ignore: names of arrays in the data that are not to be read.

    Returns:
        The record: its `folder`, and `episodes` and `curve` as tables.

    Raises:
        ValueError: naming what is wrong with the data, the config or a size, or that `out` holds something else.
    """
    config = _checked(method, config)
    scale = _scale(seeds, updates, batch_size, test_steps, episodes)
    check_critic(method, config, scale.updates)
    played = _Played(make_env, whole("episode_steps", episode_steps, 1), rescale_actions, success_key)
    folder, where = empty_or_record(place("out", out)), choose_device(device)
    transitions = own_transitions(data, where, ignore)
    run = _run(folder, method, config, scale, transitions, played)
    if not is_done(run, anew := truth("replace", replace), anew):
        _train(run, transitions, where, played, anew)
    return records.read_record(folder)


@dataclass(frozen=True)
class _Played:
    """How episodes are played; see `fit`."""

    make_env: Callable[[], gymnasium.Env] | None
    steps: int
    rescale_actions: bool
    success_key: str | None

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        object.__setattr__(self, "rescale_actions", truth("rescale_actions", self.rescale_actions))
        if self.success_key is not None and not isinstance(self.success_key, str):
            raise ValueError(f"success_key must be a name, got {shown(self.success_key)}")

    @property
    def facts(self) -> dict[str, Any]:
        """What a record's numbers depend on."""
        how = {"success_key": self.success_key, "rescale_actions": self.rescale_actions}
        return {"episode_steps": self.steps, "environment": None if self.make_env is None else how}

    def envs(self, scale: Scale) -> Workers | None:
        """Return the environments of all seeds and episodes, none of them stepped yet."""
        if self.make_env is None:
            return None
        make = partial(stretched, self.make_env) if self.rescale_actions else self.make_env
        return Workers(make, len(scale.seeds) * scale.episodes, processes=1, success_key=self.success_key)


def _checked(method: str, config: Any) -> Any:
    """Return the method's config, its default when None; ValueError where one does not belong to the other."""
    if not isinstance(method, str):
        raise ValueError(f"method must be a name, got {shown(method)}")
    known([method], AGENTS, "vgf.agents")
    config = CONFIGS[method]["default"] if config is None else config
    if type(config) is not (kind := type(CONFIGS[method]["default"])):
        how = f"from {kind.__module__} import {kind.__name__}, and give config={kind.__name__}(...)"
        raise ValueError(f"the config of {method} must be of {kind.__name__}, got {type(config).__name__}; {how}")
    return config


def _train(run: Run, transitions: Transitions, device: torch.device, played: _Played, anew: bool) -> None:
    """Train a run, unless the process that held it until now has done so, after a few steps in each environment."""
    before = seal(run.folder)
    with locked(run.work, "run"), ExitStack() as stack:
        if is_recorded(run, replace=True, anew=anew and seal(run.folder) == before):
            shutil.rmtree(run.work, ignore_errors=True)
            return
        if anew:
            begin_anew(run.work)
        stack.push(_leave(run.work))
        envs = played.envs(run.scale)
        if envs is not None:
            stack.callback(close, envs)
            for line in envs.rehearse([FIRST_SEEDS[STARTS] + i for i in range(envs.num_envs)]):
                log(line)
        train(run, TrainingInputs(transitions, envs, device))


def _leave(work: Path) -> Callable[[type[BaseException] | None, BaseException | None, Any], None]:
    """Return what clears up after a failure; after an interruption the next call has to know what it goes on with."""

    def leave(kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception):
            leave_nothing(work)

    return leave


def _scale(seeds: Any, updates: Any, batch_size: Any, test_steps: Any, episodes: Any) -> Scale:
    """Return the sizes of a run that is evaluated before and after training, all episodes side by side."""
    counts = {"updates": updates, "batch_size": batch_size, "episodes": episodes}
    updates, batch_size, episodes = (whole(name, value) for name, value in counts.items())
    log_every = max(1, updates // LOGGED)
    return Scale(
        seeds=wholes("seeds", seeds, alone=False),
        updates=updates,
        batch_size=batch_size,
        log_every=log_every,
        evaluate_every=max(1, updates),
        checkpoint_every=LOGS_PER_CHECKPOINT * log_every,
        episodes=episodes,
        episodes_at_once=episodes,
        test_steps=wholes("test_steps", test_steps, alone=False),
        starts=STARTS,
    )


def _run(out: Path, method: str, config: Any, scale: Scale, transitions: Transitions, played: _Played) -> Run:
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
        episode_steps=played.steps,
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
    facts = {"source": "own", "sha256": _digest(transitions), "transitions": len(transitions), "settings": played.facts}
    run = Run(experiment, plan, chosen, task, facts, out, out)
    label = fingerprint({**run.settings, "seeds": scale.seeds})
    return Run(experiment, plan, chosen, task, facts, out, out.with_name(f".{name}-{label}"))


def _digest(transitions: Transitions) -> str:
    """Return the SHA-256 of all columns with their names and shapes, in order."""
    digest = hashlib.sha256()
    for field in fields(transitions):
        digest.update(f"{field.name} {tuple(getattr(transitions, field.name).shape)} ".encode())
        digest.update(getattr(transitions, field.name).cpu().contiguous().numpy().data)
    return digest.hexdigest()
