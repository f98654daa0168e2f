"""A policy acts by the rung of a report, or at each state by a rung that the report left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.budget_records import DATA, SETTINGS, a_record
from vgf.networks import SeedStreams
from vgf.training.budgets.acting import act_by, act_by_state, policy_digest
from vgf.training.budgets.ladder import CLONE, Rung
from vgf.training.budgets.report import judges_path, report_path
from vgf.training.checkpoints import POLICY, load_agent, one_seed
from vgf.training.choose import choose_budget

STATES = np.random.default_rng(0).normal(size=(7, 3))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_record(tmp_path_factory.mktemp("own"))


def test_the_rung_decides_how_many_particles_and_how_far(record: Path) -> None:
    report = choose_budget(record, DATA, seed=0, save=False, **SETTINGS)
    agent, rows = one_seed(load_agent(record)[0], 0), torch.as_tensor(STATES, dtype=torch.float32)[None]
    acts = {}
    for rung in (CLONE, Rung(0.0, 10), Rung(1.0, 10)):
        chosen = replace(report, decision=replace(report.decision, chosen=rung))
        acts[rung] = act_by(agent, chosen, rows, SeedStreams((0,), "test"))  # type: ignore[arg-type]
        assert acts[rung].shape == (1, 7, 2)
    values = [float(agent.value(rows, a, "mean").mean().detach()) for a in acts.values()]  # type: ignore[attr-defined]
    assert values[0] < values[1] < values[2]  # by the critic that moves


def test_by_state_each_state_has_a_rung_that_the_report_left(record: Path) -> None:
    report = choose_budget(record, DATA, seed=0, **SETTINGS)
    policy, judges = one_seed(load_agent(record)[0], 0), load_agent(judges_path(report_path(record / POLICY, 0)))[0]
    rows = torch.as_tensor(STATES, dtype=torch.float32)[None]
    actions, number = act_by_state(policy, judges, report, rows, SeedStreams((0,), "test"))  # type: ignore[arg-type]
    assert (actions.shape, number.shape) == ((1, 7, 2), (7,))
    lines = [report.decision.lines[int(n)] for n in number]
    assert all(line.fault in ("", "bound") or line.rung == report.decision.fallback for line in lines)


def test_a_policy_s_digest_is_of_its_weights_alone(record: Path) -> None:
    agent, other = (one_seed(load_agent(record)[0], seed) for seed in (0, 1))
    assert policy_digest(agent) == policy_digest(one_seed(load_agent(record)[0], 0))  # type: ignore[arg-type]
    assert policy_digest(agent) != policy_digest(other)  # type: ignore[arg-type]
