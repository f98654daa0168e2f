"""How far each test budget moved a trained policy from its reference, and what the critic promised for it.

    python -m vgf.results.displacement ablations.cpu

reads the policies that `vgf train` left beside a study's records and writes `data/results/STUDY.SCALE/moved.csv`: at
states of the dataset, for each seed and L_test, the squared MMD between the reference's particles and the same ones
moved (what the paper's bound speaks of), their displacement, and the gain in value that the critic predicts for the
best of them. Policies are not in git, so this file is what a chapter reads; the price is that only whoever trains can
make it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import tyro
from torch import Tensor

from vgf import records, theory
from vgf.agents.vgf import VGF, aggregate
from vgf.datasets import get_task, load
from vgf.kernels import median_bandwidth
from vgf.networks import SeedStreams
from vgf.results import policy_tables, trained_policies
from vgf.support.progress import Progress
from vgf.training.checkpoints import POLICY, load_agent
from vgf.training.experiments import TaskPlan
from vgf.training.runs import dataset_file

STATES = 512  # of the dataset, the same for every agent of a task
FILE = "moved.csv"


@torch.no_grad()
def measure(agent: VGF, observations: Tensor, test_steps: Sequence[int]) -> pd.DataFrame:
    """Return one row a seed and budget.

    Args:
        agent: S seeds of value gradient flow.
        observations: states, [B, o], the same for every seed.
        test_steps: budgets L_test.

    Returns:
        Columns seed, test_steps, mmd2 (mean over states of the squared MMD between a state's N particles and the same
        moved, the kernel as wide as the reference's median), displacement (mean distance, in action units), promised
        (mean gain of the chosen particle's value over the best unmoved one's).
    """
    states = observations.expand(len(agent.seeds), -1, -1)
    noise = SeedStreams(agent.seeds, "moved", agent.device)
    start = agent.reference.sample(states, noise.normal(len(observations), agent.config.particles, agent.dims.action))
    sigma = median_bandwidth(start)

    def best(particles: Tensor) -> Tensor:
        values: Tensor = aggregate(agent.critic(states, particles), agent.config.target_q)
        return values.amax(-1)

    parts = []
    for steps in test_steps:
        with torch.enable_grad():
            end = agent.flow(states, start, agent.budget(steps)).detach()
        columns: dict[str, Any] = {
            "seed": agent.seeds,
            "test_steps": steps,
            "mmd2": theory.mmd2(start, end, sigma).mean(-1),
            "displacement": (end - start).norm(dim=-1).mean((1, 2)),
            "promised": (best(end) - best(start)).mean(-1),
        }
        parts.append(pd.DataFrame({k: v.tolist() if isinstance(v, Tensor) else v for k, v in columns.items()}))
    return pd.concat(parts, ignore_index=True)


def command(
    study: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="STUDY.SCALE")], results: Path | None = None
) -> None:
    """Write how far each budget moved the policies of a study.

    Args:
        study: for instance ablations.cpu.
        results: where records are, data/results by default.
    """
    root = results or records.results_folder()
    experiment, every = trained_policies.policies(study, root)
    loaded = [(plan, folder, load_agent(folder)[0]) for plan, folder in every]
    there = [(plan, folder, agent) for plan, folder, agent in loaded if isinstance(agent, VGF) and agent.transports]
    if not there:
        raise ValueError(
            f"{root / study}: no policy of value gradient flow; `vgf train` leaves them beside its records"
        )
    found = []
    observations: dict[str, Tensor] = {}
    with Progress(f"moved {study}", len(there), "record") as counter:
        for plan, folder, agent in there:
            if plan.name not in observations:
                observations[plan.name] = states(plan)
            rows = measure(agent, observations[plan.name], experiment.scale.test_steps)
            found.append(rows.assign(task=plan.name, method=folder.name))
            counter.update()
    columns = ["task", "method", "seed", "test_steps", "mmd2", "displacement", "promised"]
    made = policy_tables.of_policies(folder / POLICY for _, folder, _ in there)
    policy_tables.write(root / study / FILE, pd.concat(found)[columns], made)


def states(plan: TaskPlan) -> Tensor:
    """Return states of a task's dataset, [STATES, o], the same for every agent."""
    transitions = load(plan.name, dataset_file(get_task(plan.name), plan.dataset))
    chosen = torch.randint(len(transitions), (STATES,), generator=torch.Generator().manual_seed(0))
    return transitions.observations[chosen]


if __name__ == "__main__":
    sys.exit(trained_policies.main(command, "vgf.results.displacement"))
