"""What the theory refuses: numbers without a meaning give an error and no bound."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vgf import theory


@pytest.mark.parametrize(
    ("x", "y", "bandwidth", "words"),
    [
        (torch.zeros(5, 1), torch.zeros(5, 3), 1.0, "x must be"),
        (torch.zeros(0, 2), torch.zeros(5, 2), 1.0, "x must be"),
        (torch.zeros(5), torch.zeros(5), 1.0, "x must be"),
        (torch.zeros(5, 2), torch.zeros(5, 2), 0.0, "bandwidth must be"),
        (torch.zeros(5, 2), torch.zeros(5, 2), -1.0, "bandwidth must be"),
    ],
)
def test_an_mmd_without_a_meaning_is_refused(x: Tensor, y: Tensor, bandwidth: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        theory.mmd2(x, y, bandwidth)


def test_an_mmd_of_many_sets_is_that_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = (torch.randn(3, n, 4, generator=torch.Generator().manual_seed(n), dtype=torch.float64) for n in (7, 5))
    sigma = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)[:, None, None]
    by_hand = []
    for a, b, s in zip(x, y, sigma.flatten(), strict=True):

        def mean(p: Tensor, q: Tensor, s: Tensor = s) -> Tensor:
            return torch.exp(-(p[:, None] - q[None]).square().sum(-1) / (2 * s**2)).mean()

        by_hand.append(mean(a, a) + mean(b, b) - 2 * mean(a, b))
    for most in (2**24, 3 * 7 * 4 * 2, 1):
        monkeypatch.setattr(theory, "DENSE_ELEMENTS", most)
        assert torch.allclose(theory.mmd2(x, y, sigma), torch.stack(by_hand), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("temperature", lambda: theory.mmd2_bound(3, 0.1, -1.0, 1.0, 1.0)),
        ("bandwidth", lambda: theory.mmd2_bound_paper(3, 0.1, 1.0, 1.0, 0.0)),
        ("lipschitz", lambda: theory.direction_bound(1.0, -1.0, 1.0)),
        ("steps", lambda: theory.displacement_bound(-1, 0.1, 1.0, 1.0, 1.0)),
        ("step_size", lambda: theory.mmd2_bound_adam(3, -0.1, 2, 1.0)),
        ("dimension", lambda: theory.displacement_bound_adam(3, 0.1, 0)),
        ("displacement", lambda: theory.mmd2_from_displacement(float("nan"), 1.0)),
    ],
)
def test_a_bound_of_numbers_without_a_meaning_is_refused(name: str, bound: Callable[[], float]) -> None:
    with pytest.raises(ValueError, match=f"{name} must be >"):
        bound()


def test_a_distance_of_what_is_not_finite_is_refused() -> None:
    x = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="must be finite"):
        theory.w2(torch.full((3, 2), float("nan")), x)
    with pytest.raises(ValueError, match=r"x must be \[N, d\]"):
        theory.w2(x, torch.zeros(3, 1))
