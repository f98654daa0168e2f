"""The only training loop: an experiment file in, records out.

Each method of the experiment trains its seeds together and is evaluated in the real environment. A run that was killed
goes on from its last checkpoint exactly as if it had not been: the checkpoint holds weights, Adam, target and random
streams, and what is drawn depends on nothing else. The loop asks the device for a number only at a logged update.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from gymnasium.vector import VectorEnv

from vgf import records
from vgf.agents import AGENTS, Agent, Dims, Metrics
from vgf.checkpoints import load_checkpoint, save_checkpoint
from vgf.datasets import Batch, Transitions
from vgf.datasets.progress import Progress
from vgf.evaluate import evaluate
from vgf.networks import SeedStreams
from vgf.runs import Clock, Run, append, publish


class Stretch:
    """Means of metrics over a stretch of training, kept on the device until they are asked for."""

    def __init__(self) -> None:
        self.sums: Metrics = {}
        self.counts: dict[str, int] = {}

    def add(self, metrics: Metrics) -> None:
        """Add one update's metrics."""
        for name, value in metrics.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1

    def rows(self, agent: Agent) -> pd.DataFrame:
        """Return one row a seed and start a new stretch; a metric that was not reported is NaN.

        Raises:
            ValueError: if a metric is not finite, naming it and the update.
        """
        means = {name: (total / self.counts[name]).tolist() for name, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        for name, values in means.items():
            if not all(abs(value) < float("inf") for value in values):
                raise ValueError(f"{agent.name}: {name} is not finite within the updates before {agent.updates}")
        missing = [float("nan")] * len(agent.seeds)
        columns = {name: means.get(name, missing) for name in agent.metric_names}
        return pd.DataFrame({"seed": agent.seeds, "update": agent.updates, **columns})


def draw_batch(transitions: Transitions, streams: SeedStreams, size: int) -> Batch:
    """Draw a batch for each seed from its own stream, in one gather: what a seed sees does not depend on the others."""
    index = torch.stack(
        [torch.randint(len(transitions), (size,), generator=g, device=g.device) for g in streams.generators]
    )
    return transitions.rows(index)


def train(
    run: Run,
    transitions: Transitions,
    envs: VectorEnv[Any, Any, Any],
    device: torch.device,
    stop_at: int | None = None,
) -> bool:
    """Train one method to the end, going on from its last checkpoint, and leave a record.

    Args:
        run: what to train.
        transitions: what it learns from, on the device.
        envs: for evaluation, an equal number for each seed.
        device: where.
        stop_at: leave after this update as an interruption would (tests).

    Returns:
        Whether it came to the end.

    Raises:
        ValueError: if data and environment do not fit each other, or a metric becomes NaN or infinite; the last
            checkpoint stays.
    """
    scale, name = run.experiment.scale, run.method.name
    dims = check_fit(run.task.name, transitions, envs)
    agent, batches, clock = _start(run, dims, device)
    if agent.updates == 0:
        _evaluate(run, agent, envs, clock, scale.test_steps[:1])
    stretch, curve = Stretch(), []
    clock.start()
    with Progress(f"train {name}", scale.updates, "update", done=agent.updates) as progress:
        while agent.updates < scale.updates:
            agent.prepare(transitions)
            stretch.add(agent.update(draw_batch(transitions, batches, scale.batch_size)))
            progress.update()
            done, last = agent.updates, agent.updates == scale.updates
            if last or done % scale.log_every == 0:
                curve.append(stretch.rows(agent))
            if last or done % scale.evaluate_every == 0:
                clock.stop("training")
                _evaluate(run, agent, envs, clock, scale.test_steps)
                clock.start()
            if last or done % scale.checkpoint_every == 0:
                clock.stop("training")
                append(run, pd.concat(curve), records.CURVE_KEYS)
                state = agent.state_dict() | {"stream.batches": batches.state()}
                save_checkpoint(run.work, done, state, {"clock": clock.facts()})
                curve.clear()
                clock.start()
            if done == stop_at:
                return False
    publish(run, agent, clock)
    return True


def check_fit(task: str, transitions: Transitions, envs: VectorEnv[Any, Any, Any]) -> Dims:
    """Return the widths of observations and actions.

    Raises:
        ValueError: if those of the data are not those of the environment.
    """
    dims = Dims(transitions.observations.shape[-1], transitions.actions.shape[-1])
    spaces = Dims(*(int(np.prod(s.shape or ())) for s in (envs.single_observation_space, envs.single_action_space)))
    if dims != spaces:
        raise ValueError(
            f"{task}: the dataset has observations of {dims.observation} and actions of {dims.action}, the environment "
            f"of {spaces.observation} and {spaces.action}; name a file of this task"
        )
    return dims


def _start(run: Run, dims: Dims, device: torch.device) -> tuple[Agent, SeedStreams, Clock]:
    """Return agent, batch streams and clock: new, or as the last checkpoint left them."""
    seeds = run.experiment.scale.seeds
    agent = AGENTS[run.method.agent].create(run.method.config, dims, seeds, device)
    batches = SeedStreams(seeds, "batches", device)
    checkpoint = load_checkpoint(run.work)
    if checkpoint is None:
        return agent, batches, Clock()
    agent.load_state_dict(checkpoint.tensors)
    batches.set_state(checkpoint.tensors["stream.batches"])
    records.note(f"train {run.method.name}: goes on from update {agent.updates}")
    return agent, batches, Clock(checkpoint.facts["clock"])


def _evaluate(run: Run, agent: Agent, envs: VectorEnv[Any, Any, Any], clock: Clock, test_steps: Sequence[int]) -> None:
    """Evaluate and keep the rows."""
    clock.start()
    rows = evaluate(
        agent,
        envs,
        test_steps=test_steps,
        episodes=run.experiment.scale.episodes,
        episode_steps=run.task.episode_steps,
        signals=run.plan.signals,
        progress=f"evaluate {run.method.name} after {agent.updates} updates",
    )
    rows.insert(1, "update", agent.updates)
    append(run, rows, records.EPISODE_KEYS)
    clock.stop("evaluation")
