"""How far each test budget moved a trained policy from its reference, and what the critic promised for it.

    python -m vgf.moved ablations.cpu

reads the policies that `vgf train` left beside a study's records and writes `data/results/STUDY.SCALE/moved.csv`: at
states of the dataset, for each seed and L_test, the squared MMD between the reference's particles and the same ones
moved (what the paper's bound speaks of), their displacement, and the gain in value that the critic predicts for the
best of them. Policies are not in git, so this file is what a chapter reads; the price is that only whoever trains can
make it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import tyro
from torch import Tensor

from vgf import derived, records, theory
from vgf.agents.vgf import VGF, aggregate
from vgf.checkpoints import POLICY, load_agent
from vgf.datasets import get_task, load
from vgf.datasets.progress import Progress
from vgf.experiments import read_experiment
from vgf.kernels import median_bandwidth
from vgf.networks import SeedStreams
from vgf.runs import dataset_file

STATES = 512  # of the dataset, the same for every agent of a task
FILE = "moved.csv"


@torch.no_grad()
def moved(agent: VGF, observations: Tensor, test_steps: Sequence[int]) -> pd.DataFrame:
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


def of_study(name: str, scale: str, experiments: Path, root: Path) -> Iterator[tuple[Path, pd.DataFrame]]:
    """Yield the folder and the rows of each of a study's records of value gradient flow, with its task and method.

    Raises:
        ValueError: if a policy or a dataset is not there.
    """
    experiment = read_experiment(experiments / f"{name}.yaml", scale)
    for plan in experiment.tasks:
        places = [records.record_folder(name, scale, plan.name, method.name, root) for method in plan.methods]
        folders = {f.name: f for f in places if (f / "run.json").exists()}
        loaded = {method: load_agent(folder)[0] for method, folder in folders.items()}
        agents = {method: a for method, a in loaded.items() if isinstance(a, VGF) and a.transports}
        if not agents:
            continue
        transitions = load(plan.name, dataset_file(get_task(plan.name), plan.dataset))
        chosen = torch.randint(len(transitions), (STATES,), generator=torch.Generator().manual_seed(0))
        for method, agent in agents.items():
            rows = moved(agent, transitions.observations[chosen], experiment.scale.test_steps)
            rows.insert(0, "method", method)
            rows.insert(0, "task", plan.name)
            yield folders[method], rows


def command(
    study: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="STUDY.SCALE")], results: Path | None = None
) -> None:
    """Write how far each budget moved the policies of a study.

    Args:
        study: for instance ablations.cpu.
        results: where records are, data/results by default.
    """
    root = results or records.results_folder()
    name, _, scale = study.rpartition(".")
    found, policies = [], dict[str, Path]()
    with Progress(f"moved {study}", len(list((root / study).glob("*/*/run.json"))), "record") as counter:
        for folder, rows in of_study(name, scale, records.results_folder().parent / "experiments", root):
            found.append(rows)
            policies[f"{folder.parent.name}/{folder.name}"] = folder / POLICY
            counter.update()
    if not found:
        raise ValueError(
            f"{root / study}: no policy of value gradient flow; `vgf train` leaves them beside its records"
        )
    derived.write(root / study / FILE, pd.concat(found), policies)


if __name__ == "__main__":
    sys.exit(derived.main(command, "vgf.moved"))
