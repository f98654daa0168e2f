"""What an experiment will cost on this machine: hours of training and evaluation, disk for data and policies.

A few updates of each method are timed on made-up data of the task's widths, and a few steps of each evaluation in
the real simulators; both are scaled up. It is an estimate for a machine that does nothing else: the first updates of a
process are not its fastest, and the evaluation is taken as if every episode lasted to its time limit, so evaluation is
an upper end. A run whose record is there costs nothing more; what it took is the record's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from vgf import records
from vgf.agents import AGENTS, VGF, Agent, Dims
from vgf.datasets import Task, Transitions, get_dataset, get_task
from vgf.networks import SeedStreams
from vgf.sources.check import recorded_files
from vgf.support.json_text import read_json
from vgf.support.provenance import fingerprint
from vgf.support.strict import recorded_fields
from vgf.training.batches import draw_rows, next_count
from vgf.training.evaluate import close, evaluate, make_envs
from vgf.training.experiments import Experiment, Method, TaskPlan
from vgf.training.runs import own_scale
from vgf.training.sizes import DatasetSource, Scale

ROWS = 4096  # of made-up data
SECONDS = 1.0  # of updates that are timed, after as long a start
STEPS = 10  # of an evaluation that are timed
CHOICES = 5  # that a ranking plays; see `Scale.ranking_episodes`
HOUR = 3600.0


@dataclass(frozen=True)
class Cost:
    """What one run costs.

    Attributes:
        task, method: which.
        updates: of all seeds together, and `recorded` where its record is there already.
        training, evaluation: hours of one process; of a record, those it took.
        megabytes: of the policies and checkpoints it leaves.
        recorded: whether the record is there.
    """

    task: str
    method: str
    updates: int
    training: float
    evaluation: float
    megabytes: float
    recorded: bool

    @property
    def hours(self) -> float:
        """Hours of one process."""
        return self.training + self.evaluation


@dataclass(frozen=True)
class DataCost:
    """What a dataset costs that is made anew: hours of one process, from records of the same recipe, and megabytes.

    NaN stands for what no record tells.
    """

    dataset: str
    hours: float
    megabytes: float


class Estimates:
    """Times what differs and remembers it: tasks of equal widths share an update's time, tasks an evaluation's."""

    def __init__(self, experiment: Experiment, device: torch.device, results: Path | None = None) -> None:
        self.experiment, self.device, self.results = experiment, device, results or records.results_folder()
        self._updates: dict[str, float] = {}
        self._steps: dict[tuple[str, str], float] = {}

    def run(self, plan: TaskPlan, method: Method) -> Cost:
        """Return the cost of one method on one task."""
        task, scale = get_task(plan.name), own_scale(self.experiment, method)
        updates = scale.all_updates * len(scale.seeds)
        folder = records.record_folder(
            self.experiment.study, self.experiment.scale_name, plan.name, method.name, self.results
        )
        if (took := _recorded(folder)) is not None:
            return Cost(plan.name, method.name, updates, *took, 0.0, True)
        dims = Dims(task.observation_size, task.action_size)
        agent = AGENTS[method.agent].create(method.config, dims, scale.seeds, self.device)
        key = fingerprint(
            {"config": recorded_fields(method.config), "agent": method.agent, "task": list(_shape(task, scale))}
        )
        if key not in self._updates:
            self._updates[key] = self._time_update(agent, method, task, scale)
        weights = sum(value.nbytes for value in agent.policy().values())
        return Cost(
            plan.name,
            method.name,
            updates,
            scale.all_updates * self._updates[key] / HOUR,
            self._evaluation(agent, method, task, scale, key) / HOUR,
            4 * weights / 1e6,  # the policy, and a checkpoint with Adam's two moments
            False,
        )

    def _time_update(self, agent: Agent, method: Method, task: Task, scale: Scale) -> float:
        """Return seconds of one update of all seeds, the reference's own updates among the rest by their share."""
        data = _made_up(task, self.device)
        streams = SeedStreams(scale.seeds, "estimate", self.device)
        alone = min(getattr(method.config, "pretrain", 0), scale.all_updates)
        spent = 0.0
        for first, share in ((0, alone), (alone, scale.all_updates - alone)):
            if share:
                agent.updates = first
                _updates(agent, data, streams, scale.batch_size)  # builds, fills a bank, warms up
                agent.updates = first
                spent += share * _updates(agent, data, streams, scale.batch_size)
        return spent / scale.all_updates

    def _evaluation(self, agent: Agent, method: Method, task: Task, scale: Scale, key: str) -> float:
        """Return seconds of all evaluations, every episode as long as may be."""
        place = (task.name, key)
        if place not in self._steps:
            envs = make_envs(task.name, len(scale.seeds) * scale.episodes_at_once)
            try:
                play = partial(
                    evaluate,
                    agent,
                    envs,
                    test_steps=scale.test_steps,
                    episodes=scale.episodes_at_once,
                    episode_steps=STEPS,
                )
                play()  # the simulators start
                started = time.monotonic()
                play()
                self._steps[place] = (time.monotonic() - started) / STEPS
            finally:
                close(envs)
        alone = getattr(method.config, "pretrain", 0)
        budgets = len(scale.test_steps) if agent.transports else 1
        times = 1 / budgets + 1 + (scale.all_updates - 1) // scale.evaluate_every - alone // scale.evaluate_every
        rounds, ranked = (n / scale.episodes_at_once for n in (scale.episodes, scale.ranking_episodes))
        ranks = CHOICES * ranked / budgets if isinstance(agent, VGF) else 0.0
        return self._steps[place] * task.episode_steps * (rounds * times + ranks * int(times))


def data_cost(name: str, source: DatasetSource, results: Path) -> DataCost:
    """Return the cost of making a dataset anew, scaled from files of the same dataset that are on record."""
    dataset = get_dataset(name)
    episodes = source.episodes or dataset.episodes
    known = [entry for entry in recorded_files().values() if entry["dataset"] == dataset.name and entry.get("episodes")]
    sizes = [entry["bytes"] / entry["episodes"] for entry in known]
    size = sizes[-1] * episodes / 1e6 if sizes and episodes else (dataset.bytes or float("nan")) / 1e6
    speeds = [
        facts["seconds"] / facts["episodes"]
        for path in sorted(results.glob(f"*/{dataset.name.removesuffix('-v0')}*/*/run.json"))
        for facts in (run["dataset"] for run in read_json(path)["runs"])
        if facts.get("seconds") and facts.get("episodes") and facts.get("dataset") == dataset.name
    ]
    return DataCost(dataset.name, speeds[-1] * episodes / HOUR if speeds and episodes else float("nan"), size)


def _recorded(folder: Path) -> tuple[float, float] | None:
    """Return the hours of training and evaluation that a record took, or None where there is none."""
    with suppress(FileNotFoundError):
        runs = read_json(folder / "run.json")["runs"]
        seconds = [run.get("seconds", {}) for run in runs]
        training = sum(own.get("training", 0.0) for own in seconds)
        return training / HOUR, sum(sum(own.values()) for own in seconds) / HOUR - training / HOUR
    return None


def _shape(task: Task, scale: Scale) -> tuple[Any, ...]:
    return task.observation_size, task.action_size, scale.batch_size, *scale.seeds, scale.all_updates


def _made_up(task: Task, device: torch.device) -> Transitions:
    """Return data of a task's widths from which nothing can be learnt."""
    g = torch.Generator().manual_seed(0)
    states = torch.randn(2, ROWS, task.observation_size, generator=g)
    actions = torch.rand(ROWS, task.action_size, generator=g) * 2 - 1
    ones = torch.ones(ROWS)
    return Transitions(states[0], actions, -ones, ones, states[1], ones).to(device)


def _updates(agent: Agent, data: Transitions, streams: SeedStreams, size: int) -> float:
    """Update for about `SECONDS` and return the seconds of one."""
    count, done, started = 1, 0, time.monotonic()
    while done == 0 or time.monotonic() - started < SECONDS:
        before = time.monotonic()
        agent.update_many(data, draw_rows(data, streams, size, count))
        _wait(agent.device)
        done, count = done + count, next_count(count, time.monotonic() - before)
    return (time.monotonic() - started) / done


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def in_words(costs: Sequence[Cost], data: Sequence[DataCost], processes: int) -> list[str]:
    """Return a total in a few lines, with what is on record apart."""
    new = [cost for cost in costs if not cost.recorded]
    hours, megabytes = sum(cost.hours for cost in new), sum(cost.megabytes for cost in new)
    lines = [
        f"{len(new)} of {len(costs)} runs to train: {hours:.1f} hours of one process, "
        f"some {hours / min(processes, max(len(new), 1)):.1f} on this machine ({processes} at once); "
        f"of them {sum(cost.evaluation for cost in new):.1f} for evaluation, if no episode ends early",
        f"disk: {megabytes:.0f} MB of policies and checkpoints",
    ]
    if data:
        each = [
            f"{one.dataset} ({'no record says how long' if math.isnan(one.hours) else f'{one.hours:.1f} hours'}, "
            f"{one.megabytes:.0f} MB)"
            for one in data
        ]
        lines.append(f"data to make first, by one process: {', '.join(each)}")
    if len(new) < len(costs):
        lines.append(f"on record: {sum(cost.hours for cost in costs if cost.recorded):.1f} hours of one process")
    return lines
