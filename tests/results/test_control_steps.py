"""Steps of equal length in other directions: the policy's own flow to the bit, closed forms, and what a box forbids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from vgf.agents import VGF, Dims
from vgf.agents.vgf import _spread
from vgf.agents.vgf_config import PRESETS
from vgf.flow import value_gradient
from vgf.networks import SeedStreams
from vgf.results import control_steps as cs

CONFIG = replace(PRESETS["release"], hidden=(16, 16), particles=5, flow_steps=3, step_size=0.05)
SEEDS, DIMS, STATES = (0, 3), Dims(4, 3), 40


def states(count: int = STATES, seeds: int = 2) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(1)).expand(seeds, -1, -1)


def inner(*shape: int) -> Tensor:
    """Particles far from the box's walls."""
    return 0.2 * torch.randn(shape, generator=torch.Generator().manual_seed(2)).clamp(-2, 2)


def unit(*shape: int) -> Tensor:
    return cs.directions(SeedStreams(SEEDS, "test"), *shape)


def sizes(value: float, seeds: int = 2) -> Tensor:
    return torch.full((seeds,), value)


class Gaussian:
    """A reference without a network: normal actions of spread 0.1 in each coordinate, far from the box."""

    def sample(self, observations: Tensor, noise: Tensor) -> Tensor:
        return 0.1 * noise


def with_critic(value: Any, seeds: tuple[int, ...] = SEEDS, **fields: Any) -> VGF:
    """An agent whose critic is a function of the action alone and whose reference is `Gaussian`."""
    agent = VGF.create(replace(CONFIG, **fields), DIMS, seeds)
    agent.reference = Gaussian()  # type: ignore[assignment]
    agent.value = lambda observations, actions, over: value(actions)  # type: ignore[method-assign]
    agent.score = lambda observations, actions: value_gradient(value)(actions)  # type: ignore[method-assign]
    return agent


@pytest.mark.parametrize("optimizer", ["adam", "none"])
@pytest.mark.parametrize("direction", ["autograd", "amortised"])
@pytest.mark.parametrize("steps", [1, 3])
def test_phi_is_the_policy_s_own_flow_to_the_bit(optimizer: Any, direction: Any, steps: int) -> None:
    agent = VGF.create(replace(CONFIG, optimizer=optimizer, direction=direction), DIMS, SEEDS)
    start = inner(2, STATES, 5, 3)
    own = agent.flow(states(), start, agent.budget(steps))
    moved = cs.move(agent, states(), start, cs.KINDS["phi"], sizes(CONFIG.step_size), steps=steps)
    assert torch.equal(moved, own)
    assert not torch.equal(moved, start)


def test_each_seed_has_the_step_size_of_its_own() -> None:
    agent, start = VGF.create(CONFIG, DIMS, SEEDS), inner(2, STATES, 5, 3)
    both = cs.move(agent, states(), start, cs.KINDS["phi"], torch.tensor([0.05, 0.02]))
    for index, size in enumerate((0.05, 0.02)):
        own = agent.flow(states(), start, replace(agent.budget(cs.STEPS), step_size=size))
        assert torch.equal(both[index], own[index])


@pytest.mark.parametrize(
    ("kind", "fields"), [("attraction", {"repulsion": False}), ("cold", {"temperature": CONFIG.temperature * 0.1})]
)
def test_a_kind_is_the_flow_of_a_policy_configured_so(kind: str, fields: dict[str, Any]) -> None:
    agent, other = (VGF.create(config, DIMS, SEEDS) for config in (CONFIG, replace(CONFIG, **fields)))
    start = inner(2, STATES, 5, 3)
    moved = cs.move(agent, states(), start, cs.KINDS[kind], sizes(CONFIG.step_size))
    assert torch.equal(moved, other.flow(states(), start, other.budget(cs.STEPS)))
    assert not torch.equal(moved, agent.flow(states(), start, agent.budget(cs.STEPS)))


@pytest.mark.parametrize("optimizer", ["adam", "none"])
def test_a_step_along_minus_phi_is_the_mirror_image_of_one_along_phi(optimizer: Any) -> None:
    agent, start = VGF.create(replace(CONFIG, optimizer=optimizer), DIMS, SEEDS), inner(2, STATES, 5, 3)
    up, down = (
        cs.move(agent, states(), start, cs.KINDS[kind], sizes(0.01), steps=1) - start for kind in ("phi", "minus_phi")
    )
    assert up.abs().max() > 1e-4
    torch.testing.assert_close(down, -up, atol=1e-7, rtol=0)


def test_on_a_slope_one_particle_goes_as_far_up_as_down_in_all_steps() -> None:
    slope = torch.tensor([1.0, -2.0, 0.5])
    agent = with_critic(lambda a: a @ slope, particles=1, optimizer="none", temperature=1.0)
    start = inner(2, STATES, 1, 3)
    up, down = (cs.move(agent, states(), start, cs.KINDS[kind], sizes(0.05)) - start for kind in ("phi", "minus_phi"))
    torch.testing.assert_close(up, (cs.STEPS * 0.05 * slope).expand_as(up), atol=1e-6, rtol=0)
    torch.testing.assert_close(down, -up, atol=1e-6, rtol=0)


@pytest.mark.parametrize("optimizer", ["adam", "none"])
def test_a_random_step_has_the_length_phi_s_has_and_a_direction_it_keeps(optimizer: Any) -> None:
    agent, start = VGF.create(replace(CONFIG, optimizer=optimizer), DIMS, SEEDS), inner(2, STATES, 5, 3)
    turn, kind = unit(STATES, 5, 3), cs.KINDS["random"]
    own = cs.move(agent, states(), start, cs.KINDS["phi"], sizes(0.02), steps=1) - start
    turned = cs.move(agent, states(), start, kind, sizes(0.02), turn, steps=1) - start
    torch.testing.assert_close(turned.norm(dim=-1), own.norm(dim=-1), atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(turned, turned.norm(dim=-1, keepdim=True) * turn, atol=1e-6, rtol=0)
    far = cs.move(agent, states(), start, kind, sizes(0.02), turn) - start
    torch.testing.assert_close(far, far.norm(dim=-1, keepdim=True) * turn, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="needs directions"):
        cs.move(agent, states(), start, kind, sizes(0.02))


def test_directions_are_isotropic() -> None:
    drawn = cs.directions(SeedStreams((0,), "test"), 20_000, 3)[0]
    torch.testing.assert_close(drawn.norm(dim=-1), torch.ones(20_000))
    assert drawn.mean(0).abs().max() < 0.02
    torch.testing.assert_close(drawn.T @ drawn / 20_000, torch.eye(3) / 3, atol=0.01, rtol=0)


def test_one_norm_scales_a_state_s_particles_together() -> None:
    agent, start = VGF.create(CONFIG, DIMS, SEEDS), inner(2, STATES, 5, 3)
    fixed = VGF.create(replace(CONFIG, optimizer="none"), DIMS, SEEDS)
    moved = cs.move(agent, states(), start, cs.KINDS["global_norm"], sizes(0.02), steps=1) - start
    phi = cs.move(fixed, states(), start, cs.KINDS["phi"], sizes(1e-3), steps=1) - start
    torch.testing.assert_close(moved.square().mean((-2, -1)).sqrt(), torch.full((2, STATES), 0.02), rtol=1e-3, atol=0)
    cosine = (moved * phi).sum((-2, -1)) / moved.norm(dim=(-2, -1)) / phi.norm(dim=(-2, -1))
    assert cosine.min() > 0.999
    adam = cs.move(agent, states(), start, cs.KINDS["phi"], sizes(0.02), steps=1) - start
    torch.testing.assert_close(adam.abs(), torch.full_like(adam, 0.02), rtol=1e-2, atol=0)


def test_sigma_is_the_reference_s_spread_and_needs_no_particles() -> None:
    for particles in (1, 5):
        agent = with_critic(lambda a: a.sum(-1), particles=particles)
        sigma = cs.spread(agent, states(2000))
        torch.testing.assert_close(sigma, sizes(0.1 * 3**0.5), rtol=0.01, atol=0)
    start = 0.1 * SeedStreams(SEEDS, "spread").normal(2000, 5, 3)  # the curve's metric divides by N
    torch.testing.assert_close(_spread(start).sqrt(), sigma * (4 / 5) ** 0.5, rtol=0.02, atol=0)
    agent.reference.sample = lambda observations, noise: 0 * noise  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="do not spread"):
        cs.spread(agent, states())


def test_calibration_finds_the_step_that_closed_form_gives() -> None:
    aim = torch.tensor([0.3, -0.3, 0.2])  # one particle, so phi is the gradient: each step goes a share e of the way
    agent = with_critic(lambda a: -(a - aim).square().sum(-1) / 2, particles=1, optimizer="none", temperature=1.0)
    start, sigma = 0.1 * SeedStreams(SEEDS, "noise").normal(STATES, 1, 3), sizes(0.1 * 3**0.5)
    way = (start - aim).square().sum(-1).mean((1, 2)).sqrt()
    for rung in (0.1, 0.25, 0.5, 1.0, 2.0):
        size, reached = cs.calibrate(agent, states(), start, cs.KINDS["phi"], rung * sigma)
        torch.testing.assert_close(reached, rung * sigma, rtol=cs.TOLERANCE, atol=0)
        torch.testing.assert_close(size, 1 - (1 - rung * sigma / way) ** (1 / cs.STEPS), rtol=0.03, atol=0)


@pytest.mark.parametrize("kind", [kind.name for kind in cs.MOVING])
@pytest.mark.parametrize("fields", [{}, {"optimizer": "none"}, {"particles": 1}, {"direction": "amortised"}])
def test_every_kind_reaches_every_rung_a_box_leaves_room_for(kind: str, fields: dict[str, Any]) -> None:
    agent = VGF.create(replace(CONFIG, **fields), DIMS, SEEDS)
    agent.reference = Gaussian()  # type: ignore[assignment]
    particles = agent.config.particles
    start, turn = 0.1 * SeedStreams(SEEDS, "noise").normal(STATES, particles, 3), unit(STATES, particles, 3)
    sigma = cs.spread(agent, states())
    for rung in cs.RUNGS:
        size, reached = cs.calibrate(agent, states(), start, cs.KINDS[kind], rung * sigma, turn)
        torch.testing.assert_close(reached, rung * sigma, rtol=cs.UNREACHED, atol=0)
        again = cs.displacement(start, cs.move(agent, states(), start, cs.KINDS[kind], size, turn))
        assert torch.equal(again, reached)


def test_a_rung_beyond_the_box_is_not_reached_and_says_so() -> None:
    slope = torch.tensor([1.0, 1.0, 1.0])
    agent = with_critic(lambda a: a @ slope, particles=1)
    start = torch.zeros(2, STATES, 1, 3)
    size, reached = cs.calibrate(agent, states(), start, cs.KINDS["phi"], torch.tensor([10.0, 0.5]))
    torch.testing.assert_close(reached, torch.tensor([3**0.5, 0.5]), rtol=cs.TOLERANCE, atol=0)
    assert size.isfinite().all()
    level = with_critic(lambda a: 0 * a.sum(-1), particles=1)
    assert cs.calibrate(level, states(), start, cs.KINDS["phi"], sizes(0.5))[1].tolist() == [0.0, 0.0]
