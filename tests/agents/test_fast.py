"""The low-precision core against the modules it stands for, and the bank against the reference it was drawn from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.small_agents import AMORTISED, DIMS, SMALL, batch
from vgf.agents import VGF, VGFConfig
from vgf.agents.bank import CHUNK, ActionBank
from vgf.agents.fast import Core, Frozen, forward, value_and_gradient
from vgf.datasets.transitions import Transitions
from vgf.flow import value_gradient
from vgf.networks import SeedStreams

SEEDS = (3, 5)
LOW = replace(SMALL, precision="bfloat16")
PLAIN = replace(SMALL, layer_norm=False)
GAUSSIAN = replace(SMALL, reference="gaussian")


def perturbed_agent(config: VGFConfig) -> VGF:
    """Return an agent whose every weight, gain and offset has been moved, the target's apart from the critic's."""
    agent, g = VGF.create(config, DIMS, SEEDS), torch.Generator().manual_seed(1)
    for network in agent.networks.values():
        for p in network.parameters():
            p.data += 0.3 * torch.randn(p.shape, generator=g)
    return agent


def core(agent: VGF, dtype: torch.dtype) -> Core:
    gradient = agent.gradient if agent.config.direction == "amortised" else None
    return Core(agent.reference, agent.critic, agent.target, gradient, agent.config.flow_q, dtype)


def inputs(particles: int = 7) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(2)
    return torch.randn(2, 33, 4, generator=g), torch.rand(2, 33, particles, 2, generator=g) * 2 - 1


def relative(x: Tensor, y: Tensor) -> float:
    return float((x - y).norm() / y.norm())


@pytest.mark.parametrize("over", ["mean", "min"])
@pytest.mark.parametrize("config", [SMALL, PLAIN, GAUSSIAN, AMORTISED], ids=["flow", "plain", "gaussian", "amortised"])
def test_in_float32_the_core_is_the_modules_to_rounding(config: VGFConfig, over: str) -> None:
    agent = perturbed_agent(replace(config, flow_q=over))
    twin, (s, a) = core(agent, torch.float32), inputs()
    with torch.no_grad():
        for ours, theirs in (
            (twin.sample(s, 2 * a), agent.reference.sample(s, 2 * a)),
            (twin.scorer(s, a.shape[-2])(a), agent.score(s, a)),
            (twin.value(s, a), agent.target(s, a)),
        ):
            assert ours.shape == theirs.shape
            assert ours.dtype == torch.float32
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_in_bfloat16_the_core_keeps_its_digits() -> None:
    agent, (s, a) = perturbed_agent(SMALL), inputs()
    twin = core(agent, torch.bfloat16)
    with torch.no_grad():
        assert 0 < relative(twin.sample(s, a), agent.reference.sample(s, a)) < 0.01
        assert 0 < relative(twin.value(s, a), agent.target(s, a)) < 0.01
        score, expected = twin.scorer(s, a.shape[-2])(a), agent.score(s, a)
    assert 0 < relative(score, expected) < 0.1  # a relu near zero may fall to the other side
    assert float((score * expected).sum(-1).sign().mean()) > 0.97


def test_a_large_value_is_not_rounded_in_bfloat16() -> None:
    """bfloat16 has steps of 1 at 200; the last layer is in float32, so a TD target keeps its cents."""
    agent, (s, a) = perturbed_agent(SMALL), inputs()
    with torch.no_grad():
        agent.target.net.biases[-1].fill_(200.0)
        low, full = core(agent, torch.bfloat16).value(s, a), core(agent, torch.float32).value(s, a)
    assert float((low - full).abs().max()) < 0.02 * float((full - 200).abs().max()) + 1e-3


def test_the_gradient_to_be_fitted_is_the_critics_and_needs_no_graph() -> None:
    agent, (s, a) = perturbed_agent(AMORTISED), inputs(particles=1)
    twin = core(agent, torch.float32)
    for over in ("mean", "min"):
        expected = value_gradient(lambda x, over=over: agent.value(s, x, over))(a)
        found = twin.critic_scorer(s, 1, over)(a)
        assert not found.requires_grad
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_snapshot_is_taken_anew_only_when_a_weight_was_written() -> None:
    agent = perturbed_agent(SMALL)
    frozen = core(agent, torch.float32).nets["critic"]
    taken, before = frozen.all, frozen.all.rest.clone()
    frozen.refresh()
    assert frozen.all is taken
    with torch.no_grad():
        next(agent.critic.parameters()).add_(1.0)
    frozen.refresh()
    assert float((frozen.all.rest - before - 1.0).detach().abs().max()) < 1e-6


def test_a_large_coordinate_of_the_state_loses_nothing() -> None:
    """A position of 1,000 m, in steps of 1 cm, is far below bfloat16's digits; the first layer sees it in float32."""
    net = perturbed_agent(replace(SMALL, layer_norm=False)).critic.net
    frozen = Frozen(net, 4, torch.bfloat16)
    s = torch.tensor([1000.0, 0.0, 0.0, 0.0]).repeat(2, 2, 1)
    s[:, 1, 0] += 0.01
    low = torch.baddbmm(frozen.all.bias, s.repeat_interleave(2, 0), frozen.all.state).diff(dim=1)
    torch.testing.assert_close(low[:, 0], 0.01 * frozen.all.state[:, 0], rtol=0.05, atol=1e-4)


def test_slices_looped_over_and_mapped_over_are_equal() -> None:
    agent, (s, a) = perturbed_agent(SMALL), inputs()
    frozen = Frozen(agent.critic.net, 4, torch.float32)
    base, rows = frozen.base(s, 7), a.flatten(1, 2).repeat_interleave(2, 0)
    with torch.no_grad():
        for function in (forward, value_and_gradient):
            looped, mapped = frozen.each(function, base, rows), torch.vmap(function)(frozen.all, base, rows)
            for x, y in zip(looped, mapped, strict=True):
                torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("config", [SMALL, AMORTISED], ids=["adam", "amortised"])
def test_the_core_sees_what_every_network_has_learnt(config: VGFConfig) -> None:
    """Fused Adam writes past torch's version counters; a snapshot that trusts them would stay at the first weights."""
    agent = VGF.create(replace(config, precision="bfloat16"), DIMS, SEEDS)
    assert agent.core is not None
    before = {name: net.all for name, net in agent.core.nets.items()}
    for i in range(3):
        agent.update(batch(seed=i))
    agent.core.refresh()
    for name, frozen in agent.core.nets.items():
        for own, live in zip([frozen.all.rest, *frozen.all.weights], frozen.net.weights, strict=True):
            weight = live.flatten(0, 1)
            assert torch.equal(own, weight[:, -own.shape[1] :].to(own.dtype)), name
        assert not torch.equal(frozen.all.rest, before[name].rest), f"{name} learns, and its snapshot has to"


@pytest.mark.parametrize("config", [LOW, replace(AMORTISED, precision="bfloat16")], ids=["adam", "amortised"])
def test_a_target_is_computed_with_the_weights_of_the_moment(config: VGFConfig, monkeypatch: Any) -> None:
    """Whoever forgets to refresh trains on, quickly and without an error, against the first weights."""
    agent, looked = VGF.create(config, DIMS, SEEDS), []
    td_target = agent.td_target

    def watched(*arguments: Any) -> Any:
        assert agent.core is not None
        for name, frozen in agent.core.nets.items():
            for own, live in zip([frozen.all.rest, *frozen.all.weights], frozen.net.weights, strict=True):
                assert torch.equal(own, live.flatten(0, 1)[:, -own.shape[1] :].to(own.dtype)), name
        looked.append(agent.updates)
        return td_target(*arguments)

    monkeypatch.setattr(agent, "td_target", watched)
    for i in range(3):
        agent.update(batch(seed=i))
    assert looked == [0, 1, 2]


@pytest.mark.parametrize(
    "config",
    [SMALL, AMORTISED, replace(SMALL, pretrain=5), replace(AMORTISED, pretrain=5), replace(SMALL, flow_q="min")],
    ids=["adam", "amortised", "trained first", "trained first, amortised", "min"],
)
def test_training_with_the_core_in_float32_is_eager_training(config: VGFConfig) -> None:
    config = replace(config, learning_rate=0.01)  # so quick that a snapshot left behind is far off
    core, eager = VGF.create(config, DIMS, SEEDS), VGF.create(config, DIMS, SEEDS)
    eager.core = None
    for i in range(20):
        ours, theirs = core.update(batch(seed=i)), eager.update(batch(seed=i))
        for name, value in theirs.items():
            torch.testing.assert_close(
                ours[name], value, rtol=2e-3, atol=2e-4, msg=lambda m, n=name, i=i: f"{n}, {i}: {m}"
            )
    pairs = zip(core.critic.parameters(), eager.critic.parameters(), strict=True)
    moved = [float((p - q).detach().abs().max()) for p, q in pairs]
    assert max(moved) < 1e-3


def test_in_bfloat16_training_stays_near_eager_training() -> None:
    agent, eager = VGF.create(LOW, DIMS, SEEDS), VGF.create(SMALL, DIMS, SEEDS)
    eager.core = None
    for i in range(20):
        low, full = agent.update(batch(seed=i)), eager.update(batch(seed=i))
    for name, value in full.items():
        torch.testing.assert_close(low[name], value, rtol=0.1, atol=0.05)
    assert all(p.dtype == torch.float32 for network in agent.networks.values() for p in network.parameters())


def test_acting_is_in_float32_whatever_the_precision_of_updates() -> None:
    low, full = perturbed_agent(LOW), perturbed_agent(SMALL)
    s = inputs()[0]
    assert torch.equal(low.act(s, low.budget(2)), full.act(s, full.budget(2)))


def transitions(length: int) -> Transitions:
    g = torch.Generator().manual_seed(3)
    s, a = torch.randn(length, 4, generator=g), torch.rand(length, 2, generator=g) * 2 - 1
    end = torch.zeros(length)
    end[-1] = 1
    return Transitions(s, a, torch.zeros(length), 1 - end, s.roll(-1, 0), end)


def banked(size: int = 5) -> VGF:
    return perturbed_agent(replace(SMALL, pretrain=1, bank=size))


def test_a_bank_holds_what_the_reference_would_draw() -> None:
    agent, data = banked(), transitions(CHUNK + 3)
    agent.prepare(data)
    assert agent.bank is None  # the reference is not trained yet
    agent.updates = 1
    agent.prepare(data)
    assert agent.bank is not None
    assert agent.bank.actions.shape == (2, CHUNK + 3, 5, 2)
    noise = SeedStreams(SEEDS, "bank").normal(CHUNK, 5, 2)
    with torch.no_grad():
        expected = agent.reference.sample(data.next_observations[:CHUNK].expand(2, -1, -1), noise)
    torch.testing.assert_close(agent.bank.actions[:, :CHUNK].float(), expected, rtol=0, atol=1e-3)
    held = agent.bank
    agent.prepare(data)
    assert agent.bank is held  # drawn once


def test_a_draw_from_the_bank_is_some_of_the_own_states_actions() -> None:
    agent, data = banked(), transitions(40)
    agent.updates = 1
    agent.prepare(data)
    assert agent.bank is not None
    actions = agent.bank.actions
    actions.copy_(torch.arange(actions.numel()).view_as(actions) / 1024)  # all distinct
    number = torch.arange(40).expand(2, -1)
    drawn = agent.bank.draw(number, SeedStreams(SEEDS, "x"), 3)
    assert drawn.shape == (2, 40, 3, 2)
    own = (drawn.unsqueeze(3) == agent.bank.actions.float().unsqueeze(2)).all(-1)  # [S, T, N, K]
    assert bool(own.any(-1).all())
    assert bool((own.float().argmax(-1).diff(dim=-1) % 5 == 1).all())  # neighbours, so never one action twice
    assert len(own.float().argmax(-1)[..., 0].unique()) == 5  # and every start comes up


def test_updates_take_their_particles_from_the_bank() -> None:
    agent, data = banked(3), transitions(64)
    agent.updates = 1
    agent.prepare(data)
    assert agent.bank is not None
    metrics = agent.update(data.rows(torch.arange(64).expand(2, -1)))
    expected = agent.bank.actions.float().var(-2, correction=0).sum(-1).mean(-1)
    torch.testing.assert_close(metrics["flow/spread_before"], expected)
    online = agent.update(batch())  # of states without numbers: drawn anew
    assert not torch.equal(online["flow/spread_before"], metrics["flow/spread_before"])


def test_a_seed_fills_its_bank_alone_as_in_company() -> None:
    data = transitions(50)
    sample = lambda s, z: z.clamp(-1, 1) + 0 * s[..., :1].unsqueeze(-2)  # noqa: E731
    both = ActionBank(data.next_observations, sample, SeedStreams(SEEDS, "bank"), 4, DIMS)
    alone = ActionBank(data.next_observations, sample, SeedStreams(SEEDS[1:], "bank"), 4, DIMS)
    assert torch.equal(both.actions[1:], alone.actions)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [("bank", 2, "bank must be 0"), ("precision", "float16", "precision must be one of float32, bfloat16")],
)
def test_a_config_that_means_nothing_is_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, pretrain=1, **{field: value})


def test_a_bank_needs_a_reference_that_is_frozen() -> None:
    with pytest.raises(ValueError, match="trained first"):
        replace(SMALL, bank=5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda_the_core_is_the_modules() -> None:
    agent = VGF.create(SMALL, DIMS, SEEDS, "cuda")
    twin, (s, a) = core(agent, torch.float32), (x.cuda() for x in inputs())
    with torch.no_grad():
        torch.testing.assert_close(twin.scorer(s, a.shape[-2])(a), agent.score(s, a), rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(twin.value(s, a), agent.target(s, a), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("config", [SMALL, PLAIN, AMORTISED], ids=["flow", "plain", "amortised"])
def test_mapped_over_in_bfloat16_the_core_keeps_its_digits(config: VGFConfig) -> None:
    """What CUDA does, on a CPU: one product for all slices, and no operation that mixes precisions."""
    agent, (s, a) = perturbed_agent(config), inputs()
    looped, mapped = core(agent, torch.bfloat16), core(agent, torch.bfloat16)
    for net in mapped.nets.values():
        net.mapped, net.version = True, ()
    mapped.refresh()
    assert {gain.dtype for gain in mapped.nets["critic"].all.gains} <= {torch.bfloat16}
    with torch.no_grad():
        assert relative(mapped.sample(s, a), looped.sample(s, a)) < 0.01
        assert relative(mapped.value(s, a), looped.value(s, a)) < 0.02
        assert relative(mapped.scorer(s, a.shape[-2])(a), looped.scorer(s, a.shape[-2])(a)) < 0.1
        assert mapped.scorer(s, a.shape[-2])(a).dtype == torch.float32
