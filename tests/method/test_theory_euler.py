"""How much spread Euler steps of a flow keep: the closed form against the sampler with an exact velocity."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from vgf.networks import SeedStreams
from vgf.reference import FlowReference
from vgf.theory import euler_spread

MEAN = 0.125


class ExactVelocity(nn.Module):
    """E[a - x_0 | x_t] for normal noise and data of one mean and deviation."""

    def __init__(self, spread: float) -> None:
        super().__init__()
        self.spread = spread

    def forward(self, observations: Tensor, x: Tensor, time: Tensor) -> Tensor:
        """Return the velocity at x [..., d]."""
        del observations
        variance = (1 - time) ** 2 + (time * self.spread) ** 2
        return MEAN + (time * self.spread**2 - (1 - time)) / variance * (x - time * MEAN)


def sampled(noise: Tensor, spread: float, steps: int) -> Tensor:
    """Send noise [S, B, d] through the package's sampler with the exact velocity."""
    reference = FlowReference(1, noise.shape[-1], (2,), SeedStreams([0], "test"), steps=steps)
    reference.velocity = ExactVelocity(spread)  # type: ignore[assignment]
    return reference.sample(noise.new_zeros(*noise.shape[:2], 1), noise)


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("steps", [1, 2, 5, 10, 50])
def test_the_sampler_keeps_the_share_of_the_closed_form(spread: float, steps: int) -> None:
    noise = torch.tensor([[[-2.0], [-0.5], [0.0], [1.0], [2.5]]], dtype=torch.float64)
    expected = MEAN + euler_spread(spread, steps) * spread * noise  # an affine velocity gives an affine map
    torch.testing.assert_close(sampled(noise, spread, steps), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("spread", [0.05, 0.5, 1.0, 3.0])
def test_one_step_keeps_nothing_more_keep_more_and_what_is_lost_halves_with_twice_the_steps(spread: float) -> None:
    assert euler_spread(spread, 1) == 0
    shares = [euler_spread(spread, steps) for steps in (1, 2, 3, 5, 10, 100, 1000)]
    assert shares == sorted(shares)
    assert 0 < shares[1] < shares[-1] < 1
    limit = (1 + math.pi * (spread + 1 / spread) / 4) / 2
    assert 100_000 * (1 - euler_spread(spread, 100_000)) == pytest.approx(limit, rel=1e-3)


def test_data_and_noise_can_change_places() -> None:
    assert euler_spread(0.2, 10) == pytest.approx(euler_spread(5.0, 10), rel=1e-12)


@pytest.mark.parametrize(("spread", "steps", "named"), [(0.0, 5, "spread"), (-1.0, 5, "spread"), (0.1, 0, "steps")])
def test_what_has_no_meaning_is_refused_by_name(spread: float, steps: int, named: str) -> None:
    with pytest.raises(ValueError, match=f"{named} must be (> 0|an integer >= 1)"):
        euler_spread(spread, steps)
