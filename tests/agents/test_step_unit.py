"""Steps in sigma: closed forms of their length, and that no scale of rewards or of actions is felt."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.fused_agents import data
from tests.helpers.toy_runs import CPU, Push, a_run, do, toy_data
from vgf import records
from vgf.agents import VGF, Dims, fused
from vgf.agents.best_of_n import BestOfN
from vgf.agents.step_unit import SPREAD_ACTIONS, StepUnit, spread, transport_in
from vgf.agents.vgf_config import VGFConfig
from vgf.flow import Budget, value_gradient
from vgf.networks import SeedStreams
from vgf.reference import GaussianReference
from vgf.results import control_steps as cs
from vgf.training import loop, seed_groups
from vgf.training.batches import draw_rows
from vgf.training.checkpoints import join_seeds, load_agent, one_seed, save_policy
from vgf.training.inputs import TrainingInputs
from vgf.training.vector_env import Workers

SEEDS, DIMS = (0, 3), Dims(7, 3)
CONFIG = VGFConfig(hidden=(16,), particles=5, flow_steps=3, train_steps=2, step_size=0.4, step_unit="sigma", pretrain=2)
SIGMA = torch.tensor([0.2, 0.05])[:, None, None, None]


def unit(scale: float = 1.0) -> StepUnit:
    """Sigma of two seeds, as if measured."""
    found = StepUnit(SEEDS, 3)
    found.sigma.copy_(scale * SIGMA.flatten())
    return found


OPTIMIZERS = ("adam", "none")


def particles(scale: float = 1.0) -> Tensor:
    return scale * SIGMA * torch.randn(2, 6, 5, 3, generator=torch.Generator().manual_seed(2))


def hill(a: Tensor) -> Tensor:
    """A value whose gradient differs from place to place, in size and direction."""
    return (torch.sin(7 * a) + a * torch.tensor([1.0, -3.0, 20.0])).sum(-1)


def trained(config: VGFConfig = CONFIG, seeds: tuple[int, ...] = SEEDS, updates: int = 4) -> VGF:
    agent = VGF.create(config, DIMS, seeds)
    agent.update_many(data(), draw_rows(data(), SeedStreams(seeds, "batches"), 16, updates))
    return agent


def rms(moved: Tensor) -> Tensor:
    return moved.square().sum(-1).mean(-1).sqrt()


@pytest.mark.parametrize("repulsion", [True, False])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_first_step_is_as_long_as_it_says_in_each_seed_s_own_sigma(optimizer: Any, repulsion: bool) -> None:
    budget, start = Budget(1, 0.4, 0.7, optimizer), particles()
    moved = transport_in(unit(), start, value_gradient(hill), budget, repulsion=repulsion) - start
    expected = 0.4 * SIGMA[:, :, 0, 0].expand(2, 6)
    torch.testing.assert_close(rms(moved), expected, rtol=1e-5, atol=0)
    if optimizer == "adam":  # and every particle moves so far, every coordinate by its share of it
        torch.testing.assert_close(moved.abs(), (0.4 * SIGMA / 3**0.5).expand_as(moved), rtol=1e-4, atol=0)


@pytest.mark.parametrize("factor", [10.0, 1e-6, 1e6])
@pytest.mark.parametrize("repulsion", [True, False])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_rewards_of_another_scale_change_nothing(optimizer: Any, repulsion: bool, factor: float) -> None:
    budget, start = Budget(3, 0.4, 0.7, optimizer), particles()
    how: dict[str, Any] = {"repulsion": repulsion, "bounds": (-1.0, 1.0)}
    one = transport_in(unit(), start, value_gradient(hill), budget, **how)
    other = transport_in(unit(), start, value_gradient(lambda a: factor * hill(a)), budget, **how)
    torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-6)
    assert float((one - start).abs().min()) > 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_actions_of_another_unit_change_nothing(optimizer: Any) -> None:
    """All lengths times 8: the same picture, 8 times as large (but for the floor of the median's bandwidth)."""
    budget = Budget(3, 0.4, 0.7, optimizer)
    one = transport_in(unit(), particles(), value_gradient(hill), budget)
    other = transport_in(unit(8.0), particles(8.0), value_gradient(lambda a: hill(a / 8)), budget)
    torch.testing.assert_close(other / 8, one, rtol=1e-3, atol=1e-5)


def test_fixed_steps_of_the_raw_gradient_would_feel_the_rewards() -> None:
    """What `sigma` mends: ten times the rewards move the absolute flow's particles ten times as far."""
    agent = trained(replace(CONFIG, step_unit="absolute", optimizer="none", repulsion=False, step_size=1e-3))
    start, s = particles(), torch.randn(2, 6, 7)
    budget = agent.budget(1)
    one = agent.flow(s, start, budget, value_gradient(hill)) - start
    ten = agent.flow(s, start, budget, value_gradient(lambda a: 10 * hill(a))) - start
    torch.testing.assert_close(ten, 10 * one, rtol=1e-3, atol=1e-6)


def test_later_fixed_steps_shrink_towards_a_maximum_and_a_flat_value_moves_nothing() -> None:
    """On a bowl around zero a step of half a sigma leads on by a part of what is left, never past it."""
    start = particles()
    ends = [
        transport_in(unit(), start, lambda a: -a, Budget(n, 0.5, 1.0), bandwidth=1e-6, repulsion=False)
        for n in (0, 1, 2, 3)
    ]
    assert torch.equal(ends[0], start)
    lengths = [rms(b - a) for a, b in pairwise(ends)]
    assert (lengths[1] < lengths[0]).all()
    assert (lengths[2] < lengths[1]).all()
    for optimizer in OPTIMIZERS:
        budget = Budget(3, 0.5, 1.0, optimizer)  # type: ignore[arg-type]
        still = transport_in(unit(), start, torch.zeros_like, budget, repulsion=False)
        assert torch.equal(still, start)
        unmeasured = transport_in(unit(0.0), start, value_gradient(hill), budget)
        assert torch.equal(unmeasured, start)


def test_a_state_s_steps_do_not_depend_on_the_other_states() -> None:
    start, budget = particles(), Budget(3, 0.4, 0.7, "adam")
    whole = transport_in(unit(), start, value_gradient(hill), budget)
    alone = transport_in(unit(), start[:, 2:4], value_gradient(hill), budget)
    torch.testing.assert_close(whole[:, 2:4], alone, rtol=1e-6, atol=1e-7)


def test_sigma_is_the_root_of_the_reference_s_variance() -> None:
    reference = GaussianReference(7, 3, (8,), SeedStreams(SEEDS, "weights"))
    with torch.no_grad():
        reference.log_std.copy_(torch.tensor([0.05, 0.01]).log()[:, None, None].expand(2, 1, 3))
        reference.mean.weights[-1].zero_()
    found = spread(reference, torch.randn(2, 1000, 7), SeedStreams(SEEDS, "spread"), 3)
    torch.testing.assert_close(found, torch.tensor([0.05, 0.01]) * 3**0.5, rtol=0.01, atol=0)
    assert SPREAD_ACTIONS == 32
    with torch.no_grad():
        reference.log_std.fill_(-5.0)
        reference.mean.biases[-1].fill_(9.0)  # the box cuts every action to 1
    with pytest.raises(ValueError, match="do not spread"):
        spread(reference, torch.randn(2, 10, 7), SeedStreams(SEEDS, "spread"), 3)


def test_an_agent_measures_once_when_its_reference_is_done() -> None:
    agent = trained(updates=2)
    assert agent.unit is not None
    assert not agent.unit.is_measured
    s, start = torch.randn(2, 6, 7), particles()
    assert torch.equal(agent.flow(s, start, agent.budget(3)), start)  # there is no length to step in yet
    more = draw_rows(data(), SeedStreams((1, 2), "batches"), 16, 3)
    agent.update_many(data(), more[:1])
    measured = agent.measured["sigma"].clone()
    assert (measured > 0).all()
    agent.update_many(data(), more)
    assert torch.equal(agent.measured["sigma"], measured)
    assert not torch.equal(agent.flow(s, start, agent.budget(3)), start)
    alone = trained(seeds=(3,))
    torch.testing.assert_close(alone.measured["sigma"][0], measured[1], rtol=1e-4, atol=0)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_critic_of_ten_times_the_values_moves_and_chooses_the_same(optimizer: Any) -> None:
    agent = trained(replace(CONFIG, optimizer=optimizer))
    s = torch.randn(2, 9, 7, generator=torch.Generator().manual_seed(1))
    batch = data().rows(draw_rows(data(), SeedStreams(SEEDS, "other"), 9, 1)[0])
    batch = batch._replace(rewards=torch.zeros_like(batch.rewards))
    before = agent.act(s, agent.budget(2), SeedStreams(SEEDS, "acting"))
    target, moved = agent.td_target(batch, particles()[:, :1].expand(2, 9, 5, 3))
    with torch.no_grad():
        for critic in (agent.critic, agent.target):
            critic.net.weights[-1].mul_(10.0)
            critic.net.biases[-1].mul_(10.0)
    agent.forget()
    agent._refresh()
    after = agent.act(s, agent.budget(2), SeedStreams(SEEDS, "acting"))
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
    tenfold, again = agent.td_target(batch, particles()[:, :1].expand(2, 9, 5, 3))
    torch.testing.assert_close(again, moved, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(tenfold, 10 * target, rtol=1e-3, atol=1e-4)


def test_a_policy_file_carries_its_unit(tmp_path: Path) -> None:
    agent = trained()
    save_policy(tmp_path / "policy.safetensors", agent, "hopper-medium-v2")
    again, _ = load_agent(tmp_path / "policy.safetensors")
    s = torch.randn(2, 4, 7)
    expected = agent.act(s, agent.budget(2), SeedStreams(SEEDS, "acting"))
    assert torch.equal(again.act(s, again.budget(2), SeedStreams(SEEDS, "acting")), expected)
    joined = join_seeds([one_seed(again, seed) for seed in SEEDS])
    assert torch.equal(joined.act(s, joined.budget(2), SeedStreams(SEEDS, "acting")), expected)
    plain = trained(replace(CONFIG, step_unit="absolute"))
    assert "unit/sigma" not in plain.policy()
    assert BestOfN.create(replace(CONFIG, train_steps=0), DIMS, SEEDS).measured == {}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_controls_phi_is_the_flow_in_sigma_too(optimizer: Any) -> None:
    agent = trained(replace(CONFIG, optimizer=optimizer))
    s, start = torch.randn(2, 6, 7), particles()
    size = CONFIG.step_size * agent.measured["sigma"] / (3**0.5 if optimizer == "adam" else 1.0)
    moved = cs.move(agent, s, start, cs.KINDS["phi"], size, steps=3)
    torch.testing.assert_close(moved, agent.flow(s, start, agent.budget(3)), rtol=0, atol=1e-7)


@pytest.mark.skipif(fused.reason() is not None, reason=f"no fused core here: {fused.reason()}")
def test_the_fused_core_takes_a_run_with_steps_in_sigma(capsys: pytest.CaptureFixture[str]) -> None:
    fused.forget()
    assert trained(replace(CONFIG, bank=6)).is_fused
    assert capsys.readouterr().err.count("fused core") == 0


def test_a_record_says_its_sigma_and_goes_on_bit_for_bit(tmp_path: Path) -> None:
    folders = []
    for name, stops in (("whole", []), ("parts", [2, 5])):
        run = a_run(tmp_path / name, step_unit="sigma")
        for stop in stops:
            do(run, stop)
        do(run)
        folders.append(run.folder)
    assert [(f / "seed0.csv").read_bytes() for f in folders[:1]] == [
        (f / "seed0.csv").read_bytes() for f in folders[1:]
    ]
    (entry,) = records.read_runs(folders[1])
    assert entry["settings"]["config"]["step_unit"] == "sigma"
    sigma = entry["measured"]["sigma"]
    assert set(sigma) == {"0", "3"}
    assert min(sigma.values()) > 0
    plain = a_run(tmp_path / "plain")
    do(plain)
    assert "measured" not in records.read_runs(plain.folder)[0]
    assert "step_unit" not in records.read_runs(plain.folder)[0]["settings"]["config"]


def test_groups_of_seeds_join_what_each_measured(tmp_path: Path) -> None:
    run = a_run(tmp_path, step_unit="sigma")
    parts = [seed_groups.of_group(run, [seed]) for seed in (0, 3)]
    for part in parts:
        envs = Workers(Push, 1, processes=1)
        loop.train(part, TrainingInputs(toy_data(), envs, CPU))
        envs.close()
    seed_groups.join(run, parts)
    (entry,) = records.read_runs(run.folder)
    assert set(entry["measured"]["sigma"]) == {"0", "3"}


def test_a_step_in_sigma_needs_a_reference_that_is_done() -> None:
    with pytest.raises(ValueError, match=r"step_unit sigma .* give pretrain, or absolute"):
        VGFConfig(step_unit="sigma")
    with pytest.raises(ValueError, match="step_unit must be one of absolute, sigma, got 'metre'"):
        VGFConfig(step_unit="metre")  # type: ignore[arg-type]
    assert not StepUnit(SEEDS, 3).is_measured
