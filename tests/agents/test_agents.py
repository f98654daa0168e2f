"""Agents: the TD target in closed form, acting, seeds alone and in company, phases, state."""

from __future__ import annotations

import re
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.small_agents import AMORTISED, DIMS, FIXED, SMALL, batch
from vgf.agents import AGENTS, BC, CONFIGS, VGF, Agent, BCConfig, VGFConfig, by_name
from vgf.datasets.transitions import Batch
from vgf.flow import best_of
from vgf.networks import SeedStreams


def one_seed(b: Batch, slot: int) -> Batch:
    return Batch(*(x[slot : slot + 1] for x in b[:5]))


class Known(nn.Module):
    """A critic with a formula: member e has value f(s, a) + offsets[e]."""

    def __init__(self, formula: Any, offsets: tuple[float, ...] = (0.0, 0.0)) -> None:
        super().__init__()
        self.formula, self.offsets = formula, offsets

    def forward(self, s: Tensor, a: Tensor) -> Tensor:
        value = self.formula(s, a)
        return torch.stack([value + offset for offset in self.offsets], 1)


def known(config: VGFConfig, online: Any, target: Any | None = None, offsets: tuple[float, ...] = (0.0, 0.0)) -> VGF:
    agent = VGF.create(config, DIMS, (0, 1))
    agent.critic, agent.target = Known(online), Known(target or online, offsets)
    agent.core = None  # it holds the networks' weights, and these have none
    return agent


SLOPE = torch.tensor([0.4, -0.2])


def linear(s: Tensor, a: Tensor) -> Tensor:
    return a @ SLOPE


def test_target_of_a_linear_critic_moves_one_particle_straight_up_the_slope() -> None:
    config, b = replace(FIXED, particles=1, train_steps=3, temperature=2.0), batch()
    a0 = 0.3 * torch.randn(2, 16, 1, 2, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)
    y, moved = known(config, linear).td_target(b, a0)
    expected = a0 + 3 * 0.05 * SLOPE / 2.0
    torch.testing.assert_close(moved, expected)
    torch.testing.assert_close(y, b.rewards + 0.99 * b.masks * (expected @ SLOPE).squeeze(-1))


def test_target_of_a_quadratic_critic_contracts_to_its_peak_by_the_known_factor() -> None:
    peak, curvature = torch.tensor([0.2, -0.5]), 3.0
    config = replace(FIXED, particles=1, train_steps=4)
    agent = known(config, lambda s, a: -curvature / 2 * (a - peak).square().sum(-1))
    a0 = torch.rand(2, 16, 1, 2, generator=torch.Generator().manual_seed(1)) - 0.5
    _, moved = agent.td_target(batch(), a0)
    torch.testing.assert_close(moved, peak + (1 - 0.05 * curvature) ** 4 * (a0 - peak))


def test_with_no_train_steps_the_target_is_the_mean_target_value_of_the_reference() -> None:
    agent, b = VGF.create(replace(SMALL, train_steps=0), DIMS, (0, 1)), batch()
    a0 = torch.rand(2, 16, 3, 2) - 0.5
    y, moved = agent.td_target(b, a0)
    assert torch.equal(moved, a0)
    q = torch.stack([agent.target(b.next_observations, a0[:, :, i]) for i in range(3)], -1)
    torch.testing.assert_close(y, b.rewards + 0.99 * b.masks * q.mean(1).mean(-1))


def test_particles_climb_the_online_critic_and_are_valued_by_the_target() -> None:
    agent = known(replace(FIXED, particles=1, train_steps=1), linear, lambda s, a: -10 * (a @ SLOPE))
    a0, b = torch.zeros(2, 16, 1, 2), batch()
    y, moved = agent.td_target(b, a0)
    assert ((moved @ SLOPE) > 0).all()
    torch.testing.assert_close(y, b.rewards - 10 * 0.99 * b.masks * (moved @ SLOPE).squeeze(-1))


@pytest.mark.parametrize(("over", "offset"), [("mean", 1.0), ("min", -1.0)])
@pytest.mark.parametrize("particles", ["mean", "max"])
def test_target_reduces_ensemble_and_particles_as_configured(over: Any, offset: float, particles: Any) -> None:
    config = replace(SMALL, train_steps=0, target_q=over, target_particles=particles)
    agent, b = known(config, linear, offsets=(3.0, -1.0)), batch()
    a0 = torch.rand(2, 16, 3, 2)
    y, _ = agent.td_target(b, a0)
    value = (a0 @ SLOPE).mean(-1) if particles == "mean" else (a0 @ SLOPE).max(-1).values
    torch.testing.assert_close(y, b.rewards + 0.99 * b.masks * (value + offset))


@pytest.mark.parametrize(
    "config", [SMALL, FIXED, AMORTISED, replace(SMALL, reference="gaussian"), BCConfig(hidden=(8,))]
)
def test_three_seeds_together_are_three_seeds_alone(config: Any) -> None:
    kind: type[Agent] = BC if isinstance(config, BCConfig) else VGF
    together, b = kind.create(config, DIMS, (7, 1, 4)), [batch(3, seed=i) for i in range(4)]
    reported = [together.update(x) for x in b]
    for slot, seed in enumerate((7, 1, 4)):
        alone = kind.create(config, DIMS, (seed,))
        for x, metrics in zip(b, reported, strict=True):
            for name, value in alone.update(one_seed(x, slot)).items():
                torch.testing.assert_close(value[0], metrics[name][slot], rtol=1e-4, atol=1e-5)
        for name, value in alone.policy().items():
            torch.testing.assert_close(value[0], together.policy()[name][slot], rtol=1e-4, atol=2e-5, msg=name)


def test_vgf_trains_the_reference_that_bc_trains() -> None:
    vgf = VGF.create(SMALL, DIMS, (0, 1))
    bc = BC.create(BCConfig(hidden=SMALL.hidden, flow_steps=SMALL.flow_steps), DIMS, (0, 1))
    for i in range(3):
        vgf.update(batch(seed=i))
        bc.update(batch(seed=i))
    for name, value in bc.policy().items():
        assert torch.equal(value, vgf.policy()[name])


def test_acting_with_no_steps_is_best_of_n_and_with_one_particle_the_reference() -> None:
    agent, s = VGF.create(SMALL, DIMS, (0, 1)), batch().observations
    particles = agent.reference.sample(s, SeedStreams((0, 1), "test").normal(16, 3, 2)).detach()
    values = torch.stack([agent.critic(s, particles[:, :, i]) for i in range(3)], -1).mean(1)
    expected = best_of(particles, values)
    assert torch.equal(agent.act(s, agent.budget(0), SeedStreams((0, 1), "test")), expected)
    single = VGF.create(replace(SMALL, particles=1), DIMS, (0, 1))
    noise = SeedStreams((0, 1), "test").normal(16, 1, 2)
    mu = single.reference.sample(s, noise).detach().squeeze(2)
    assert torch.equal(single.act(s, single.budget(0), SeedStreams((0, 1), "test")), mu)


def test_more_steps_reach_higher_value_of_a_concave_critic() -> None:
    peak = torch.tensor([0.9, 0.9])
    agent = known(replace(SMALL, temperature=0.05), lambda s, a: -(a - peak).square().sum(-1))
    values = []
    for steps in (0, 2, 8):
        a = agent.act(batch().observations, agent.budget(steps), SeedStreams((0, 1), "test"))
        assert a.abs().max() <= 1
        values.append(agent.critic.formula(None, a).mean().item())
    assert values[0] < values[1] < values[2]


def test_acting_leaves_training_untouched() -> None:
    quiet, acting = (VGF.create(SMALL, DIMS, (0, 1)) for _ in range(2))
    acting.act(batch().observations, acting.budget(2))
    quiet.update(batch())
    acting.update(batch())
    assert all(torch.equal(a, b) for a, b in zip(quiet.policy().values(), acting.policy().values(), strict=True))


def test_the_reference_trains_alone_first_and_is_then_frozen() -> None:
    agent = VGF.create(replace(SMALL, pretrain=2), DIMS, (0, 1))

    def weights(name: str) -> list[Tensor]:
        return [p.detach().clone() for p in agent.networks[name].parameters()]

    def same(before: list[Tensor], name: str) -> bool:
        return all(torch.equal(a, b) for a, b in zip(before, weights(name), strict=True))

    critic, reference = weights("critic"), weights("reference")
    for i in range(2):
        assert set(agent.update(batch(seed=i))) == {"reference/loss"}
    assert same(critic, "critic")
    assert not same(reference, "reference")
    reference = weights("reference")
    assert "critic/loss" in agent.update(batch())
    assert same(reference, "reference")
    assert not same(critic, "critic")


def test_the_target_follows_the_critic_of_before_the_step() -> None:
    agent = VGF.create(replace(SMALL, tau=0.1), DIMS, (0, 1))
    agent.update(batch())
    critic = [p.detach().clone() for p in agent.critic.parameters()]
    target = [p.clone() for p in agent.target.parameters()]
    agent.update(batch(seed=1))
    for c, t, now in zip(critic, target, agent.target.parameters(), strict=True):
        torch.testing.assert_close(now, 0.1 * c + 0.9 * t)


def test_the_amortised_direction_learns_the_gradient_and_replaces_it() -> None:
    agent, b = known(replace(AMORTISED, hidden=(32,), learning_rate=1e-2), linear), batch(size=64)
    losses = [agent._update_gradient(b)["gradient/loss"] for _ in range(200)]
    assert (losses[-1] < 0.05 * losses[0]).all()
    torch.testing.assert_close(agent.score(b.observations, b.actions).mean((0, 1)), SLOPE, atol=0.05, rtol=0)
    agent.critic = Known(lambda s, a: -100 * linear(s, a))  # the flow must not ask the critic
    _, moved = agent.td_target(b, torch.zeros(2, 64, 3, 2))
    assert ((moved @ SLOPE) > 0).float().mean() > 0.95


@pytest.mark.parametrize("config", [SMALL, AMORTISED, BCConfig(hidden=(8,), reference="gaussian")])
def test_metrics_are_one_number_a_seed_and_are_those_that_are_named(config: Any) -> None:
    agent = (BC if isinstance(config, BCConfig) else VGF).create(config, DIMS, (0, 1, 2))
    metrics = agent.update(batch(3))
    assert set(metrics) == set(agent.metric_names)
    for value in metrics.values():
        assert value.shape == (3,)
        assert not value.requires_grad


@pytest.mark.parametrize("config", [SMALL, AMORTISED, replace(SMALL, pretrain=4), BCConfig(hidden=(8,))])
def test_a_restored_agent_goes_on_bit_for_bit(config: Any) -> None:
    kind: type[Agent] = BC if isinstance(config, BCConfig) else VGF
    whole = kind.create(config, DIMS, (0, 1))
    for i in range(3):
        whole.update(batch(seed=i))
    state = {name: value.clone() for name, value in whole.state_dict().items()}
    resumed = kind.create(config, DIMS, (0, 1))
    resumed.load_state_dict(state)
    for i in range(3, 6):
        whole.update(batch(seed=i))
        resumed.update(batch(seed=i))
    assert resumed.updates == 6
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_state_of_other_sizes_or_another_method_is_refused_by_name() -> None:
    agent = VGF.create(SMALL, DIMS, (0, 1))
    with pytest.raises(ValueError, match=r"reference/velocity.net.weights.0 of shape .* it is of shape"):
        agent.load_state_dict(VGF.create(replace(SMALL, hidden=(9, 8)), DIMS, (0, 1)).state_dict())
    with pytest.raises(ValueError, match=r"needs critic/.* it is missing"):
        agent.load_state_dict(BC.create(BCConfig(hidden=(8, 8)), DIMS, (0, 1)).state_dict())


@pytest.mark.parametrize("moment", ["exp_avg", "exp_avg_sq"])
def test_a_moment_that_is_not_its_weight_s_is_refused_by_name(moment: str) -> None:
    agent = VGF.create(SMALL, DIMS, (0, 1))
    agent.update(batch())
    state = agent.state_dict()
    key = next(key for key in state if key.endswith(f"/{moment}"))
    with pytest.raises(ValueError, match=rf"{key} is of shape .*, which is not its weight's"):
        agent.load_state_dict(state | {key: state[key][..., :1].contiguous()})
    missing = key.replace("/0/", "/99/")
    with pytest.raises(ValueError, match=f"{missing} is of shape"):
        agent.load_state_dict(state | {missing: state[key]})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("flow_q", "max", "flow_q must be one of mean, min"),
        ("reference", "vae", "reference must be one of flow, gaussian"),
        ("particles", 0, "particles must be > 0"),
        ("hidden", (), "hidden must be widths >= 1"),
        ("train_steps", -1, "steps must be an integer >= 0"),
        ("temperature", 0.0, "temperature must be a finite number > 0"),
        ("pretrain", -1, "pretrain must be >= 0"),
        ("optimizer", "sgd", "optimizer must be one of none, adam"),
    ],
)
def test_a_config_without_meaning_is_refused_by_field(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(VGFConfig(), **{field: value})


def test_the_presets_say_what_paper_and_release_say() -> None:
    paper, release = CONFIGS["vgf"]["paper"], CONFIGS["vgf"]["release"]
    assert (paper.particles, paper.optimizer, paper.repulsion, paper.direction) == (5, "none", False, "amortised")
    assert paper.pretrain > 0
    assert (release.particles, release.optimizer, release.repulsion) == (10, "adam", True)
    assert release.direction == "autograd"
    assert (release.pretrain, release.tau, release.hidden, release.flow_steps) == (0, 0.005, (512,) * 4, 10)


def test_every_method_is_registered_under_its_name_with_a_default() -> None:
    assert set(AGENTS) == set(CONFIGS)
    for name, kind in AGENTS.items():
        assert kind.name == name
        assert "default" in CONFIGS[name]


def test_two_modules_with_one_name_of_a_method_are_refused() -> None:
    def module(name: str, method: str) -> ModuleType:
        made = ModuleType(name)
        vars(made)["Own"] = type("Own", (BC,), {"name": method, "__module__": name})
        return made

    assert list(by_name([module("one", "a"), module("two", "b")])) == ["a", "b"]
    with pytest.raises(ValueError, match="one and two both call a method 'a'"):
        by_name([module("one", "a"), module("two", "a")])


class Whole(Agent):
    """An agent with all its verbs and nothing that registers it."""

    metric_names = ()  # type: ignore[assignment]

    def update(self, batch: Any) -> Any:
        return {}

    def act(self, observations: Any, budget: Any, streams: Any = None) -> Any:
        return observations


@pytest.mark.parametrize(
    ("base", "has", "message"),
    [
        (BC, {}, 'has no name of its own; add name = "..."'),
        (BC, {"name": "a/b"}, "has a name 'a/b' that is no word"),
        (BC, {"name": "own", "presets": {}}, 'has no "default" among its presets; add presets'),
        (BC, {"name": "own", "presets": {"paper": BCConfig()}}, 'has no "default" among its presets'),
        (BC, {"name": "own", "presets": {"default": BCConfig}}, "has a preset 'default' that is no instance"),
        (Agent, {"name": "own"}, "has no act and no metric_names and no update"),
        (Whole, {"name": "own"}, 'has no "default" among its presets; add presets'),
        (Whole, {"name": "own", "presets": {"default": BCConfig()}}, "does not say transports; add transports = False"),
    ],
)
def test_a_method_that_lacks_something_is_named_with_what_to_add(
    base: type[Agent], has: dict[str, Any], message: str
) -> None:
    made = ModuleType("one")
    vars(made)["Own"] = type("Own", (base,), {**has, "__module__": "one"})
    with pytest.raises(ValueError, match=re.escape(f"one.Own {message}")):
        by_name([made])
