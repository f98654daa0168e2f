"""The only training loop: an experiment file in, records out.

Each method of the experiment trains its seeds together and is evaluated in the real environment. A run that was killed
goes on from its last checkpoint exactly as if it had not been: the checkpoint holds weights, Adam, target and random
streams, and what is drawn depends on nothing else. The loop asks the device for a number only at a logged update.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import tyro
from gymnasium.vector import VectorEnv

from vgf import records
from vgf.agents import AGENTS, Agent, Dims, Metrics
from vgf.checkpoints import choose_device, load_checkpoint, save_checkpoint
from vgf.datasets import Batch, Transitions, get_task, load, provenance
from vgf.datasets.progress import Progress
from vgf.datasets.recipes import data_folder
from vgf.evaluate import close, evaluate, make_envs
from vgf.experiments import ScaleName, read_experiment
from vgf.networks import SeedStreams
from vgf.runs import Clock, Run, append, dataset_file, is_done, publish, settings, summary


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


def train(run: Run, envs: VectorEnv[Any, Any, Any], device: torch.device, stop_at: int | None = None) -> bool:
    """Train one method to the end, going on from its last checkpoint, and leave a record.

    Args:
        run: what to train.
        envs: for evaluation, an equal number for each seed.
        device: where.
        stop_at: leave after this update as an interruption would (tests).

    Returns:
        Whether it came to the end.

    Raises:
        ValueError: if a metric becomes NaN or infinite; the last checkpoint stays.
    """
    scale, name = run.experiment.scale, run.method.name
    agent, batches, clock = _start(run, device)
    if agent.updates == 0:
        _evaluate(run, agent, envs, clock, scale.test_steps[:1])
    stretch, curve = Stretch(), []
    clock.start()
    with Progress(f"train {name}", scale.updates, "update", done=agent.updates) as progress:
        while agent.updates < scale.updates:
            stretch.add(agent.update(draw_batch(run.transitions, batches, scale.batch_size)))
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


def _start(run: Run, device: torch.device) -> tuple[Agent, SeedStreams, Clock]:
    """Return agent, batch streams and clock: new, or as the last checkpoint left them."""
    seeds = run.experiment.scale.seeds
    dims = Dims(run.transitions.observations.shape[-1], run.transitions.actions.shape[-1])
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
        signals=run.experiment.signals,
        progress=f"evaluate {run.method.name} after {agent.updates} updates",
    )
    rows.insert(1, "update", agent.updates)
    append(run, rows, records.EPISODE_KEYS)
    clock.stop("evaluation")


def train_command(
    experiment: tyro.conf.Positional[Path],
    scale: ScaleName = "quick",
    method: tuple[str, ...] = (),
    device: str = "auto",
    results: Path | None = None,
    replace: bool = False,
) -> None:
    """Train every method of an experiment file, evaluate it in the real environment, and leave records.

    A run that was killed goes on where it was; one that is done is left as it is.

    Args:
        experiment: a file of data/experiments.
        scale: its sizes: quick (minutes), cpu (hours on two cores) or paper (one GPU).
        method: train only these of its methods.
        device: cpu, cuda, or auto: cuda where there is one.
        results: where records go, data/results by default.
        replace: remove a record made with other settings; at quick scale this is always done.
    """
    plan, where = read_experiment(experiment, scale), choose_device(device)
    if plan.scale.threads is not None:
        torch.set_num_threads(plan.scale.threads)
    task = get_task(plan.task)
    names = [m.name for m in plan.methods]
    for name in method:
        if name not in names:
            raise ValueError(f"{experiment}: no method {name!r}; it has {', '.join(names)}")
    path = dataset_file(task, plan.scale.dataset)
    transitions, dataset = load(task.name, path, where), provenance(path)
    envs, folders = None, []
    try:
        for chosen in plan.methods:
            if method and chosen.name not in method:
                continue
            folder = records.record_folder(plan.study, scale, plan.task, chosen.name, results)
            label = records.fingerprint({**settings(plan, chosen, dataset), "seeds": plan.scale.seeds})
            work = data_folder() / "cache" / "runs" / f"{plan.study}.{scale}-{chosen.name}-{label}"
            run = Run(plan, chosen, task, dataset, transitions, folder, work)
            folders.append(folder)
            with records.locked(work.parent, work.name):
                if not is_done(run, replace or scale == "quick"):
                    envs = envs or make_envs(task.name, len(plan.scale.seeds) * plan.scale.episodes_at_once)
                    train(run, envs, where)
    finally:
        if envs is not None:
            close(envs)
    print(summary(folders).to_string(index=False))


def main(arguments: Sequence[str]) -> None:
    """Run `vgf train` with its arguments."""
    tyro.cli(train_command, prog="vgf train", args=list(arguments))
