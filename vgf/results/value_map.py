"""What a critic says over the floor of a maze, beside how much data there is, and whether critics of other seeds agree.

    python -m vgf.results.value_map critic.cpu

reads the policies that `vgf train` left beside a study's records of ant mazes and writes two tables to
`data/results/STUDY.SCALE`. `value_map.csv` has, for each square of the floor that the data visit, the value of the
reference's own actions there: a critic that leans on walls shows it here. `critic_order.csv` asks for an offline sign
of the same fault: the critics of a record's seeds were trained alike on the same data, so where they order the same
actions of a state differently, the order is not in the data. Policies are not in git, so a chapter reads these tables.

The price of a mean over the states of a square is that speeds and headings are averaged: the map says where a critic
would rather be, not what it thinks of a single state.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import tyro
from torch import Tensor

from vgf import records
from vgf.agents.vgf import VGF
from vgf.datasets import get_dataset, get_task, load
from vgf.networks import SeedStreams
from vgf.results import policy_tables, trained_policies
from vgf.support.progress import Progress
from vgf.training.checkpoints import POLICY, load_agent
from vgf.training.experiments import TaskPlan
from vgf.training.runs import dataset_file

SQUARE = 0.5  # metres, side of a square of the floor
OF_A_SQUARE = 8  # states looked at, at most
ACTIONS = 8  # of the reference at each state
STATES = 512  # whose actions are ordered
MAP, ORDER = "value_map.csv", "critic_order.csv"


def squares(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the squares of the floor that places lie in.

    Args:
        places: x and y in metres, [B, 2].

    Returns:
        Middles of the squares that hold any, [K, 2], ordered by x and then y; and which of them each place is in, [B].
    """
    found, which = np.unique(np.floor(places / SQUARE).astype(int), axis=0, return_inverse=True)
    return (found + 0.5) * SQUARE, which.reshape(-1)


def few_of_each(which: np.ndarray, most: int) -> np.ndarray:
    """Return rows, in order, such that each number in `which` keeps `most` of its rows, evenly spread, or all."""
    order = np.argsort(which, kind="stable")
    kept = []
    for rows in np.split(order, np.flatnonzero(np.diff(which[order])) + 1):
        kept.append(rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)])
    return np.sort(np.concatenate(kept))


@torch.no_grad()
def values(agent: VGF, observations: Tensor, actions: int = ACTIONS) -> Tensor:
    """Return what the critics of S seeds say of the same actions, [S critics, S references, B, actions].

    Args:
        agent: S seeds.
        observations: states, [B, o], the same for every seed.
        actions: drawn at each state from the reference of each seed.
    """
    seeds = len(agent.seeds)
    states = observations.expand(seeds, -1, -1)
    noise = SeedStreams(agent.seeds, "map", agent.device).normal(len(observations), actions, agent.dims.action)
    drawn = agent.reference.sample(states, noise)
    said = [agent.value(states, drawn.roll(-shift, 0), agent.config.target_q) for shift in range(seeds)]
    found = torch.stack(said, 1)  # [critic, shift, B, actions]; shift k is the reference of seed i + k
    return torch.stack([found[i].roll(i, 0) for i in range(seeds)])


def over_the_floor(agent: VGF, observations: Tensor) -> pd.DataFrame:
    """Return a row for each square: x, y, rows of data in it, value and gain over seeds, and the value's spread.

    Args:
        agent: S seeds, trained on a maze: the first two numbers of a state are x and y in metres.
        observations: the dataset's states, [B, o].

    Returns:
        Columns x, y (of the square's middle), rows (of the data, in the square), value (of the reference's actions by
        the critic of its own seed, mean over states, actions and seeds), between_seeds (standard deviation over seeds
        of that mean), gain (of the best of `ACTIONS` over their mean, averaged).
    """
    middles, which = squares(observations[:, :2].cpu().numpy())
    chosen = few_of_each(which, OF_A_SQUARE)
    own = torch.cat(
        [values(agent, part).diagonal(dim1=0, dim2=1).movedim(-1, 0) for part in observations[chosen].split(2048)], 1
    )  # [S, B, actions]
    mean, best = own.mean(-1).cpu().numpy(), own.amax(-1).cpu().numpy()
    rows = pd.DataFrame({"square": which[chosen]})
    of_seed = np.stack([rows.assign(v=v).groupby("square")["v"].mean().to_numpy() for v in mean])
    gain = np.stack([rows.assign(v=v).groupby("square")["v"].mean().to_numpy() for v in best - mean])
    return pd.DataFrame(
        {
            "x": middles[:, 0],
            "y": middles[:, 1],
            "rows": np.bincount(which),
            "value": of_seed.mean(0),
            "between_seeds": of_seed.std(0, ddof=1) if len(of_seed) > 1 else np.nan,
            "gain": gain.mean(0),
        }
    )


def agreement(said: Tensor) -> np.ndarray:
    """Return how alike a seed's critic and those of the other seeds order its reference's actions, [S].

    Args:
        said: as `values` gives it, [S critics, S references, B, actions], two seeds or more.

    Returns:
        Spearman's rank correlation, averaged over states and other seeds: 1 where all order them alike, 0 by chance.
    """
    ranks = said.argsort(-1).argsort(-1).double()
    centred = ranks - ranks.mean(-1, keepdim=True)
    unit = centred / centred.norm(dim=-1, keepdim=True)
    seeds = len(said)
    found = []
    for i in range(seeds):
        others = [j for j in range(seeds) if j != i]
        found.append((unit[others, i] * unit[i, i]).sum(-1).mean().item())
    return np.array(found)


def command(
    study: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="STUDY.SCALE")],
    method: tuple[str, ...] = (),
    results: Path | None = None,
) -> None:
    """Write what a study's critics say over the floor of its mazes, and how alike they order actions.

    Args:
        study: for instance critic.cpu.
        method: names of the methods looked at; all that have a critic of actions when empty.
        results: where records are, data/results by default.
    """
    root = results or records.results_folder()
    _, every = trained_policies.policies(study, root, method)
    meant = [(plan, folder, load_agent(folder)[0]) for plan, folder in every]
    there = [(plan, folder, agent) for plan, folder, agent in meant if isinstance(agent, VGF) and _is_maze(plan)]
    if not there:
        raise ValueError(
            f"{root / study}: no policy of an ant maze with a critic of actions; `vgf train` leaves them beside records"
        )
    with Progress(f"maps {study}", len(there), "policy") as counter:
        for plan, folder, agent in there:
            states = load(plan.name, dataset_file(get_task(plan.name), plan.dataset)).observations
            facts = {"task": plan.name, "method": folder.name, "updates": agent.updates}
            made = policy_tables.of_policies([folder / POLICY])
            floor = over_the_floor(agent, states)
            policy_tables.write(root / study / MAP, _under(facts, floor), made)
            if len(agent.seeds) > 1:
                some = states[torch.randint(len(states), (STATES,), generator=torch.Generator().manual_seed(0))]
                alike = agreement(values(agent, some))
                order = pd.DataFrame({"seed": agent.seeds, "states": STATES, "actions": ACTIONS, "agreement": alike})
                policy_tables.write(root / study / ORDER, _under(facts, order), made)
            counter.update()


def _is_maze(plan: TaskPlan) -> bool:
    """Return whether a task's data are made in a maze: there a state begins with x and y."""
    return (get_dataset(get_task(plan.name).dataset).maker or "").startswith("vgf.sources.mazes:")


def _under(facts: dict[str, object], rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the same facts before each."""
    return pd.concat([pd.DataFrame([facts] * len(rows)), rows.reset_index(drop=True)], axis=1)


if __name__ == "__main__":
    sys.exit(trained_policies.main(command, "vgf.results.value_map"))
