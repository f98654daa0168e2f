"""The rule for budgets on language: `python -m vgf.rlhf.latent.budget_rule`, as `data/rules/budget.yaml` says.

An action is a latent in the box of the prior, a state the first words of a text and the mark of its prompt. Each rating
network has its own fold of the training snippets; the first moves particles and the others judge. Held-out data are the
snippets of the tuning half, each a trajectory of one step with people's value as its reward. A rung is worth people's
value of the nearest snippet of the reporting half. Writes `data/results/budget.language`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from vgf import records
from vgf.datasets.transitions import Transitions
from vgf.flow import Budget, transport, value_gradient
from vgf.networks import SeedStreams
from vgf.reference import ACTION_BOUNDS
from vgf.results import budget_rules, policy_tables
from vgf.results.budget_cells import STUDY, constants, decisions, paired_error, rules_file, rungs_of, score, told, worth
from vgf.rlhf.latent.models import BOX, Prior, Ratings, networks
from vgf.rlhf.latent.space import Space, Texts
from vgf.rlhf.latent.study import Study
from vgf.rlhf.latent.wishes import Wish, marks_of, wishes
from vgf.support.errors import status_of
from vgf.support.given import shown
from vgf.support.paths import data_folder
from vgf.support.provenance import code_provenance, fingerprint
from vgf.support.scales import ScaleName
from vgf.training.budgets.ladder import Rung, Unit
from vgf.training.budgets.measure import HeldRows, actions_of, evidence, held_rows
from vgf.training.budgets.rule import Rule

SCALE: ScaleName = "cpu"


class WishCritics:
    """Rating networks as `Critics` of `vgf.training.budgets.measure`: observations [S, B, c + 1], actions in the box.

    Args:
        wish: what is valued.
        space: of the latents.
        reference: samples latents.
        model: the networks.
        members: numbers of those that are critics here.
        seed: of the noise.
        purpose: of the noise.
    """

    discount, in_sigma = 0.0, False

    def __init__(
        self,
        wish: Wish,
        space: Space,
        reference: Prior,
        model: Ratings,
        members: tuple[int, ...],
        seed: int,
        purpose: str,
    ) -> None:
        self.wish, self.space, self.reference, self.model, self.members = wish, space, reference, model, members
        self.seeds = [seed * len(members) + k for k in range(len(members))]
        self.streams = SeedStreams(self.seeds, purpose)

    @property
    def count(self) -> int:
        """S."""
        return len(self.members)

    @torch.no_grad()
    def sample(self, observations: Tensor, particles: int) -> Tensor:
        """Draw latents of the prior at states, [S, B, N, d], in the box."""
        noise = self.streams.normal(observations.shape[1], particles, self.space.training.latents.shape[1])
        every = [self.reference.sample(one[:, :-1], z) / BOX for one, z in zip(observations, noise, strict=True)]
        return torch.stack(every)

    def move(self, observations: Tensor, particles: Tensor, budget: Budget) -> Tensor:
        """Move particles along each network's value of the wish."""
        score_fn = value_gradient(lambda a: self.value(observations, a))
        return transport(particles, score_fn, budget, bounds=ACTION_BOUNDS)

    def value(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Value latents by each network's rating: [S, B] or [S, B, N]."""
        z = BOX * actions
        rating = torch.stack([self.model(one)[k] for one, k in zip(z, self.members, strict=True)])
        mark = observations[..., -1] if z.ndim == observations.ndim else observations[..., -1:]
        return self.wish.value(mark, rating, self.space.topics(z))

    def slope(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Gradient of each value."""
        return value_gradient(lambda a: self.value(observations, a))(actions)


def held_of(wish: Wish, texts: Texts) -> HeldRows:
    """Return texts as trajectories of one step, marks in turn, people's value the reward."""
    marks = marks_of(wish, len(texts.names))
    observations = torch.cat([texts.conditions, marks[:, None]], -1)
    rewards = wish.value(marks, texts.ratings, texts.topics)
    ends = torch.ones_like(rewards)
    actions = (texts.latents / BOX).clamp(*ACTION_BOUNDS)
    return held_rows(Transitions(observations, actions, rewards, 1 - ends, observations, ends))


def played(
    mover: WishCritics, judge: WishCritics, pool: Texts, rungs: tuple[Rung, ...], unit: Unit, sizes: dict[str, int]
) -> pd.DataFrame:
    """Return a row a rung: its worth, its paired error to `ZERO`, and what rules look at that need no calibration.

    Args:
        mover: one network; each rung draws the same noise.
        judge: another one, to disagree with.
        pool: prompts are its first texts, and results are taken from it.
        rungs: the ladder.
        unit: of the rungs.
        sizes: prompts for tuning, the first, and for reporting.
    """
    first = sum(sizes.values())
    marks = marks_of(mover.wish, first)
    states = torch.cat([pool.conditions[:first], marks[:, None]], -1)[None]
    people, rows = {}, []
    for rung in rungs:
        mover.streams = SeedStreams(mover.seeds, "playing")
        chosen = actions_of(mover, states, (rung,), unit)[:, 0]
        text, _ = pool.nearest(BOX * chosen[0])
        got = mover.wish.value(marks, pool.ratings[text], pool.topics[text]).double().numpy()
        people[rung] = got[sizes["tuning"] :]
        promise, other = mover.value(states, chosen), judge.value(states, chosen)
        rows.append(
            {
                **rung._asdict(),
                "value": people[rung].mean(),
                "simulated": got[: sizes["tuning"]].mean(),
                "promise": float(promise.mean()),
                "disagreement": float((promise - other).abs().mean()),
            }
        )
    return pd.DataFrame(rows).assign(error=[paired_error(people[one], people[budget_rules.ZERO]) for one in rungs])


def cell(
    wish: Wish, space: Space, networks: tuple[Prior, Ratings], seed: int, plan: dict[str, Any]
) -> dict[str, pd.DataFrame]:
    """Return the tables of one cell: cells and choices."""
    reference, model = networks
    every = tuple(range(len(model(space.training.latents[:1]))))
    begun, rungs = time.process_time(), rungs_of(plan)
    mover = WishCritics(wish, space, reference, model, every[:1], seed, "mover")
    judges = WishCritics(wish, space, reference, model, every[1:], seed, "judges")
    found = evidence(mover, judges, held_of(wish, space.tuning), rungs)
    cost = {"judging": time.process_time() - begun}
    one = WishCritics(wish, space, reference, model, every[1:2], seed, "promise")
    table = played(mover, one, space.report, rungs, found.unit, plan["language"]["prompts"])
    taken = decisions({"ours": found}, Rule(**constants(plan)))
    simple = budget_rules.simple_choices(table, taken["ours"].radius)
    chosen = worth(table, simple | {name: decision.chosen for name, decision in taken.items()})
    tables = {"cells": told(table, taken["ours"]).assign(**cost), "choices": chosen}
    name = {"task": f"language-{wish.name}", "method": f"seed{seed}", "seed": seed}
    return {kind: rows.assign(**name) for kind, rows in tables.items()}


def cells(study: Study, plan: dict[str, Any]) -> Iterator[dict[str, pd.DataFrame]]:
    """Yield the tables of every cell that `plan` lists; prior and networks are those of the study, trained once."""
    every = wishes(float(study.space.training.ratings.std()))
    for seed in plan["language"]["seeds"]:
        trained = networks(study.cache / fingerprint(study.facts), study.space.training, study.sizes, seed)
        for name in study.plan.names:
            yield cell(every[name], study.space, trained, seed, plan)


def run(results: Path | None = None) -> None:
    """Judge and play every cell, write the tables, and score."""
    plan = rules_file("language")
    folder = (results or records.results_folder()) / f"{STUDY}.language"
    found = list(cells(Study(data_folder() / "experiments" / "latent.yaml", SCALE), plan))
    for kind in ("choices", "cells"):
        table = pd.concat([each[kind] for each in found], ignore_index=True)
        names = (table["task"] + "/" + table["method"]).unique()
        policy_tables.write(folder / f"{kind}.csv", table, dict.fromkeys(names, code_provenance()))
    score(folder)


def main(words: list[str]) -> int:
    """Run `python -m vgf.rlhf.latent.budget_rule`; return 2 for bad input."""

    def work() -> None:
        if words:
            raise ValueError(f"no word is taken, got {shown(' '.join(words))}; data/rules/budget.yaml says all")
        run()

    return status_of("budget_rule", work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
