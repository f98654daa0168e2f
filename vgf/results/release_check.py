"""Is it our code? The authors' own code, trained on the very same transitions with the very same sizes.

    python -m vgf.results.release_check online.cpu --method vgf_in_step --release CLONE --release-python PYTHON

takes dataset, sizes, updates and seeds of one method of a study, has the release train as many updates on them in its
own interpreter, lets its policies act in the environment of our evaluation at the study's test budgets, and writes
`data/results/STUDY.SCALE/release.csv`. Only what both have can be asked for: a reference trained in step with the
critic, steps of Adam, repulsion, a median bandwidth, the gradient itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import tyro
from torch import Tensor

from vgf import records
from vgf.agents import VGFConfig
from vgf.datasets import get_task, load
from vgf.datasets.transitions import Transitions
from vgf.flow import Budget
from vgf.networks import SeedStreams
from vgf.release.process import AGENT, release_command
from vgf.results import policy_tables, trained_policies
from vgf.support.files import sha256
from vgf.support.provenance import code_provenance
from vgf.training.evaluate import close, evaluate, make_envs
from vgf.training.experiments import Experiment, TaskPlan
from vgf.training.runs import dataset_file

FILE = "release.csv"
BOTH = {  # what the release's agent has one of, and our config calls so
    "optimizer": "adam",
    "repulsion": True,
    "bandwidth": "median",
    "step_unit": "absolute",
    "direction": "autograd",
    "reference": "flow",
    "pretrain": 0,
    "bank": 0,
}
COLUMNS = ("observations", "actions", "rewards", "masks", "next_observations")  # of a batch of the release


def release_config(config: VGFConfig, batch_size: int) -> dict[str, Any]:
    """Return the release's config of one of ours.

    Raises:
        ValueError: if its agent has not what ours asks for.
    """
    for name, value in BOTH.items():
        if getattr(config, name) != value:
            raise ValueError(f"{name} is {getattr(config, name)!r}; the release's agent has {value!r} alone")
    return {
        "batch_size": batch_size,
        "value_hidden_dims": config.hidden,
        "actor_hidden_dims": config.hidden,
        "layer_norm": config.layer_norm,
        "value_lr": config.learning_rate,
        "actor_lr": config.learning_rate,
        "discount": config.discount,
        "tau": config.tau,
        "vgf_particles": config.particles,
        "train_vgf_steps": config.train_steps,
        "train_particle_select": config.target_particles,
        "eval_particle_select": "max",
        "train_q_agg": config.target_q,
        "vgf_q_agg": config.flow_q,
        "vgf_lr": config.step_size,
        "vgf_alpha": config.temperature,
        "bc_flow_steps": config.flow_steps,
        "bc_policy_type": "flow",
        "critic_loss": "td",
        "activations": "relu",
        "actor_layer_norm": False,
    }


class ReleaseAgent:
    """The release's agents, one a seed, in a process of their own; acts as ours do.

    Args:
        clone: of the release.
        python: its interpreter, with jax, flax, distrax, optax and ml_collections.
        transitions: to learn from.
        asked: config, seeds and updates; see `vgf.release.agent`.

    Raises:
        ValueError: if clone or interpreter are not there, or if the process ends before it has trained.
    """

    transports = True
    device = torch.device("cpu")

    def __init__(self, clone: Path, python: Path, transitions: Transitions, asked: dict[str, Any]) -> None:
        self.seeds: Sequence[int] = tuple(asked["seeds"])
        self.action_size = transitions.actions.shape[-1]
        self.config = asked["config"]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "transitions.npz"
            command = release_command(clone, python, AGENT, asked | {"file": str(file)}, threads=1)
            np.savez(file, **{name: getattr(transitions, name).numpy() for name in COLUMNS})
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=clone)
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
        if not line:
            self.stop()
            raise ValueError("the release ended before it had trained; what it said stands above")
        self.facts: dict[str, Any] = json.loads(line)

    def budget(self, steps: int) -> Budget:
        """Return the budget of so many flow steps."""
        return Budget(steps, self.config["vgf_lr"], self.config["vgf_alpha"], "adam")

    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams) -> Tensor:
        """Return actions [S, B, d] for observations [S, B, o]; noise is the release's own."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        header = {"steps": budget.steps, "shape": list(observations.shape)}
        self.process.stdin.write((json.dumps(header) + "\n").encode() + observations.numpy().tobytes())
        self.process.stdin.flush()
        shape = (*observations.shape[:2], self.action_size)
        wanted = 4 * int(np.prod(shape))
        answer = self.process.stdout.read(wanted)
        if len(answer) < wanted:
            raise ValueError("the release ended while it acted; what it said stands above")
        return torch.from_numpy(np.frombuffer(answer, np.float32).reshape(shape).copy())

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


def command(
    study: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="STUDY.SCALE")],
    method: str,
    release: Path,
    release_python: Path,
    results: Path | None = None,
) -> None:
    """Train the authors' release as one method of a study was, and write how it scores.

    Args:
        study: for instance online.cpu; of training that goes on online, the part before.
        method: of the study; an agent of value gradient flow.
        release: a clone of the authors' release.
        release_python: its interpreter, with jax, flax, distrax, optax and ml_collections.
        results: where records are, data/results by default.
    """
    root = results or records.results_folder()
    experiment = trained_policies.experiment_of(study)
    for plan in experiment.tasks:  # written one by one: each is minutes of training
        rows, facts = of_task(experiment, plan, method, release, release_python)
        policy_tables.write(root / study / FILE, rows, {f"{plan.name}/{method}": facts | code_provenance()})


def of_task(
    experiment: Experiment, plan: TaskPlan, method: str, release: Path, release_python: Path
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a row for each seed and budget, and what they were made from.

    Raises:
        ValueError: if the study has no such method, or it is one that the release cannot be asked for.
    """
    config = next((m.config for m in plan.methods if m.name == method), None)
    if not isinstance(config, VGFConfig):
        raise ValueError(f"--method {method}: {experiment.study} has no such method of value gradient flow")
    sizes, task, file = experiment.scale, get_task(plan.name), dataset_file(get_task(plan.name), plan.dataset)
    asked = {"config": release_config(config, sizes.batch_size), "seeds": sizes.seeds, "updates": sizes.updates}
    agent = ReleaseAgent(release, release_python, load(plan.name, file), asked)
    with ExitStack() as after:
        after.callback(agent.stop)
        envs = make_envs(plan.name, len(sizes.seeds) * sizes.episodes_at_once)
        after.callback(close, envs)
        episodes = evaluate(
            agent,
            envs,
            test_steps=sizes.test_steps,
            episodes=sizes.episodes,
            episode_steps=task.episode_steps,
            progress="evaluate the release",
        )
    own = episodes.groupby(["seed", "test_steps"])[["success" if task.score == "success" else "return"]].mean()
    rows = own.iloc[:, 0].map(task.normalised).rename("score").reset_index()
    rows = rows.assign(task=plan.name, method=method, updates=sizes.updates, episodes=sizes.episodes)
    told = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(told, cwd=release, capture_output=True, text=True)
    facts = asked | agent.facts | {"release": done.stdout.strip() or "no git", "dataset": sha256(file)}
    return rows[["task", "method", "updates", "seed", "test_steps", "episodes", "score"]], facts


if __name__ == "__main__":
    sys.exit(trained_policies.main(command, "vgf.results.release_check"))
