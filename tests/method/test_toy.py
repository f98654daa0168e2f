"""The toys' closed forms against autograd, quadrature, Monte Carlo and the flow itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vgf.flow import Budget, transport, value_gradient
from vgf.theory import direction_bound
from vgf.toy import (
    BOX_AREA,
    Bumps,
    GaussianMixture,
    bimodal_bandit,
    boltzmann,
    grid,
    log_threshold,
    most_outside,
    outside_support,
)

BANDIT = bimodal_bandit(coverage=0.1, gap=1.5)


@dataclass(frozen=True, eq=False)
class Quadratic:
    """Q(a) = -1/2 sum_i ((a_i - centre_i) / width_i)^2: its Boltzmann density is a Gaussian, its ascent a power.

    Attributes:
        centre: the maximum, [d].
        width: positive, [d]; exp(Q / alpha) has standard deviation width sqrt(alpha).
    """

    centre: Tensor
    width: Tensor

    def value(self, actions: Tensor) -> Tensor:
        """Return Q, [..., d] to [...]."""
        return -((actions - self.centre) / self.width).square().sum(-1) / 2

    def score(self, actions: Tensor) -> Tensor:
        """Gradient of Q, [..., d] to [..., d]."""
        return (self.centre - actions) / self.width**2

    def ascend(self, actions: Tensor, budget: Budget) -> Tensor:
        """Where the fixed-step flow takes each action on its own (N = 1): a geometric approach to the centre.

        a_L = centre + (1 - eps / (alpha width^2))^L (a_0 - centre), [..., d] to [..., d].
        """
        factor = 1 - budget.step_size / (budget.temperature * self.width**2)
        return self.centre + factor**budget.steps * (actions - self.centre)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tensor(*values: float | list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def critics() -> list[Quadratic | Bumps]:
    bumps = Bumps(tensor([0.3, -0.2, 0.1], [-0.5, 0.4, 0.0]), tensor(0.3, 0.5), tensor(1.0, 0.7))
    return [Quadratic(tensor(0.1, -0.4), tensor(0.5, 2.0)), bumps, BANDIT.reward.adding([0.8, -0.8], 0.1, 2.0)]


@pytest.mark.parametrize("critic", critics())
def test_score_is_the_gradient_of_value(critic: Quadratic | Bumps) -> None:
    d = 3 if isinstance(critic, Bumps) and critic.centres.shape[-1] == 3 else 2
    actions = torch.randn(4, 7, d, generator=generator(), dtype=torch.float64)
    assert critic.value(actions).shape == (4, 7)
    torch.testing.assert_close(critic.score(actions), value_gradient(critic.value)(actions), rtol=0, atol=1e-12)


def test_mixture_score_is_the_gradient_of_log_prob() -> None:
    actions = torch.randn(4, 7, 2, generator=generator(), dtype=torch.float64)
    expected = value_gradient(BANDIT.reference.log_prob)(actions)
    torch.testing.assert_close(BANDIT.reference.score(actions), expected, rtol=1e-12, atol=1e-10)


@settings(deadline=None)  # the first case pays for warming up
@given(
    steps=st.integers(0, 40),
    step_size=st.floats(0, 0.3),
    temperature=st.floats(0.1, 3),
    seed=st.integers(0, 2**16),
)
def test_a_lone_particle_follows_the_closed_form(steps: int, step_size: float, temperature: float, seed: int) -> None:
    critic = Quadratic(tensor(0.1, -0.4, 0.7), tensor(1.0, 2.0, 1.5))
    start = torch.randn(5, 1, 3, generator=generator(seed), dtype=torch.float64)
    budget = Budget(steps, step_size, temperature)
    arrived = transport(start, critic.score, budget, bandwidth=1.0)
    scale = 1 + float(critic.ascend(start, budget).abs().max())
    torch.testing.assert_close(arrived, critic.ascend(start, budget), rtol=0, atol=1e-11 * scale)


def test_quadratic_boltzmann_density_is_the_stated_gaussian() -> None:
    critic = Quadratic(tensor(0.1, -0.2), tensor(0.4, 0.6))
    points = grid(200)
    density = boltzmann(critic.value(points), temperature=0.09)  # std width * 0.3: the box holds nearly all of it
    std = critic.width * 0.3
    gaussian = torch.exp(-((points - critic.centre) / std).square().sum(-1) / 2) / (2 * math.pi * std.prod())
    torch.testing.assert_close(density, gaussian, rtol=1e-5, atol=1e-12)
    assert float(density.mean()) * BOX_AREA == pytest.approx(1, abs=1e-12)


def test_boltzmann_survives_a_tiny_temperature() -> None:
    density = boltzmann(BANDIT.reward.value(grid(50)), temperature=1e-6)
    assert bool(torch.isfinite(density).all())
    assert float(density.mean()) * BOX_AREA == pytest.approx(1, abs=1e-12)


def test_grid_covers_the_box_with_x_along_columns() -> None:
    points = grid(4)
    axis = tensor(-0.75, -0.25, 0.25, 0.75)
    assert torch.equal(points[0, :, 0], axis)
    assert torch.equal(points[:, 0, 1], axis)


def test_maxima_are_stationary_and_the_highest_points_around() -> None:
    reward = BANDIT.reward
    assert float(reward.score(reward.maxima).abs().max()) < 1e-13
    values = reward.value(reward.maxima)
    around = reward.maxima + 0.2 * torch.randn(2000, 2, 2, generator=generator(), dtype=torch.float64)
    assert bool((reward.value(around) <= values).all())
    assert float(values[1]) == pytest.approx(1, abs=1e-4)
    assert float(values[0]) == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("reward", [c for c in critics() if isinstance(c, Bumps)])
def test_lipschitz_bounds_the_gradient(reward: Bumps) -> None:
    actions = 3 * torch.rand(20000, reward.centres.shape[-1], generator=generator(), dtype=torch.float64) - 1.5
    assert float(reward.score(actions).norm(dim=-1).max()) <= reward.lipschitz


def test_lipschitz_of_one_bump_is_attained_one_width_from_its_top() -> None:
    bump = Bumps(tensor([0.2, -0.1]), tensor(0.3), tensor(0.8))
    assert float(bump.score(tensor(0.5, -0.1)).norm()) == pytest.approx(bump.lipschitz, rel=1e-12)


def test_the_flow_never_exceeds_the_bound_the_lipschitz_constant_gives() -> None:
    start = BANDIT.reference.sample(16, 10, generator=generator())
    path = transport(start, BANDIT.reward.score, Budget(20, 0.02, 0.2), bandwidth=0.3, trace=True)
    assert not isinstance(path, Tensor)
    assert float(path.directions.norm(dim=-1).max()) <= direction_bound(0.2, BANDIT.reward.lipschitz, 0.3)


def test_adding_a_bump_adds_its_value_and_leaves_the_rest() -> None:
    wrong = BANDIT.reward.adding([0.8, -0.8], width=0.1, height=2.0)
    alone = Bumps(tensor([0.8, -0.8]), tensor(0.1), tensor(2.0))
    points = grid(30)
    torch.testing.assert_close(wrong.value(points), BANDIT.reward.value(points) + alone.value(points))
    assert float((wrong.value(points) - BANDIT.reward.value(points))[points[..., 0] < 0].max()) < 1e-12


def test_mixture_density_integrates_to_one_whatever_the_scale_of_its_weights() -> None:
    narrow = GaussianMixture(tensor([-0.3, 0.1], [0.2, 0.0]), tensor(0.1, 0.15), tensor(2.0, 6.0))
    assert float(narrow.log_prob(grid(400)).exp().mean()) * BOX_AREA == pytest.approx(1, abs=1e-6)


def test_samples_have_the_mixture_s_moments_and_repeat_with_the_generator() -> None:
    mixture = GaussianMixture(tensor([-1.0, 0.0], [2.0, 1.0]), tensor(0.5, 0.1), tensor(0.25, 0.75))
    actions = mixture.sample(400, 500, generator=generator())
    assert actions.shape == (400, 500, 2)
    share = (actions[..., 0] > 0.75).double().mean()
    assert float(share) == pytest.approx(0.75, abs=0.005)
    assert actions.mean((0, 1)).tolist() == pytest.approx([1.25, 0.75], abs=0.02)
    assert float(actions[actions[..., 0] < 0.75].std(0).mean()) == pytest.approx(0.5, abs=0.01)
    assert torch.equal(actions, mixture.sample(400, 500, generator=generator()))


def test_threshold_leaves_out_the_share_asked_for() -> None:
    log_eps = log_threshold(BANDIT.reference, 0.02, generator(1))
    fresh = BANDIT.reference.sample(200_000, generator=generator(2))
    assert float(outside_support(fresh, BANDIT.reference, log_eps)) == pytest.approx(0.02, abs=0.002)


def test_outside_share_counts_along_the_particle_axis() -> None:
    inside, outside = BANDIT.reference.means[0], tensor(0.9, -0.9)
    sets = torch.stack([torch.stack([inside, inside]), torch.stack([inside, outside]), torch.stack([outside] * 2)])
    assert outside_support(sets, BANDIT.reference, -3.0).tolist() == [0.0, 0.5, 1.0]


def test_more_mass_outside_than_the_bound_proves_a_broken_support() -> None:
    """A uniform policy of density exactly eps breaks nothing; the bound is its whole mass outside, no less."""
    log_eps = math.log(1 / BOX_AREA)
    assert most_outside(log_eps) == pytest.approx(1)
    assert most_outside(log_eps - math.log(10)) == pytest.approx(0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_everything_follows_the_dtype_asked_for(dtype: torch.dtype) -> None:
    bandit = bimodal_bandit(0.1, 1.5, dtype=dtype)
    actions = bandit.reference.sample(3, 4, generator=generator())
    results = [actions, bandit.reward.value(actions), bandit.reward.score(actions), bandit.reward.maxima]
    results += [
        bandit.reference.log_prob(actions),
        grid(3, dtype=dtype),
        bandit.reward.adding([0.0, 0.0], 1, 1).heights,
    ]
    assert {r.dtype for r in results} == {dtype}


def test_the_bandit_is_as_described() -> None:
    reference, reward = bimodal_bandit(coverage=0.05, gap=2.0)
    foot, top = reference.means[1], reward.centres[1]
    assert float((top - foot).norm()) == pytest.approx(2 * 0.3)
    assert float(reference.weights[1]) == 0.05
    assert float(reward.value(foot)) < float(reward.value(reference.means[0])), "selecting must prefer the lower mode"


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: bimodal_bandit(0.0, 1.0), "coverage"),
        (lambda: bimodal_bandit(0.1, -1.0), "gap"),
        (lambda: bimodal_bandit(0.1, math.nan), "gap"),
        (lambda: Bumps(tensor(1.0), tensor(1.0), tensor(1.0)), "centres"),
        (lambda: Bumps(tensor([1.0, 0.0]), tensor(0.0), tensor(1.0)), "widths"),
        (lambda: Bumps(tensor([1.0, 0.0]), tensor(1.0), tensor(1.0, 1.0)), "heights"),
        (lambda: GaussianMixture(tensor([1.0, 0.0]), tensor(1.0), tensor(math.nan)), "weights"),
        (lambda: log_threshold(BANDIT.reference, 1.0, generator()), "left_out"),
    ],
)
def test_bad_input_is_refused_by_name(call: object, named: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=named):
        call()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_toys_live_on_the_device_they_are_made_on() -> None:
    bandit = bimodal_bandit(0.1, 1.5, device="cuda")
    actions = bandit.reference.sample(3, 4, generator=torch.Generator("cuda").manual_seed(0))
    assert bandit.reward.score(actions).device.type == "cuda"
    assert bandit.reference.log_prob(actions).device.type == "cuda"
