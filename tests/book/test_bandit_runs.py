"""The training problem with a known answer: its data, its truth, and a run of two seeds."""

from __future__ import annotations

import torch

from vgf.agents import VGFConfig
from vgf.book import bandit_runs

CONFIG = VGFConfig(particles=3, train_steps=1, step_size=0.05, temperature=0.1, pretrain=4, bank=5, **bandit_runs.SMALL)


def test_the_problem_is_the_same_at_every_call_and_inside_the_box() -> None:
    one, other = bandit_runs.problem(), bandit_runs.problem()
    assert torch.equal(one.data.actions, other.data.actions)
    assert len(one.data) == bandit_runs.ROWS
    assert one.data.actions.abs().max() <= 1
    true = one.bandit.reward.value(one.data.actions)
    assert abs(float((one.data.rewards - true).std()) - 0.1) < 0.01
    assert one.best > one.of_data > 0
    assert abs(one.of_data * (1 - bandit_runs.GAMMA) - float(true.mean())) < 1e-6


def test_batches_belong_to_their_seed() -> None:
    of = bandit_runs.problem()
    both, alone = next(bandit_runs.batches(of, (0, 1))), next(bandit_runs.batches(of, (1,)))
    assert both.actions.shape == (2, bandit_runs.BATCH, 2)
    assert torch.equal(both.actions[1], alone.actions[0])


def test_a_reference_is_taken_over_and_the_curve_has_truth_beside_metrics() -> None:
    of = bandit_runs.problem()
    reference, late, first = bandit_runs.clone(of, CONFIG, (0, 1))
    assert late > 0 < first
    agent, curve = bandit_runs.train(of, CONFIG, (0, 1), 4, reference=reference, every=2)
    assert agent.updates == CONFIG.pretrain + 4
    assert curve[["seed", "update"]].to_numpy().tolist() == [[0, 2], [1, 2], [0, 4], [1, 4]]
    assert {"critic/target", "truth", "played"} <= set(curve.columns)
    for ours, theirs in zip(agent.reference.parameters(), reference.parameters(), strict=True):
        assert torch.equal(ours, theirs)  # frozen


def test_truth_is_the_target_of_a_critic_without_error() -> None:
    of = bandit_runs.problem()
    agent, _ = bandit_runs.train(of, CONFIG, (0,), 1)
    values, moved = bandit_runs.look(of, agent)
    assert moved.shape == (1, bandit_runs.LOOK, CONFIG.particles, 2)
    after = of.bandit.reward.value(moved).mean() / (1 - bandit_runs.GAMMA)
    assert torch.allclose(values["truth"], of.data.rewards.mean() + bandit_runs.GAMMA * after)
    assert 0 <= float(values["played"]) <= of.best + 1e-4
