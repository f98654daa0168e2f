"""What the theory refuses: numbers without a meaning give an error and no bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
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
        ("step_size", lambda: theory.displacement_bound(3, "0.1", 1.0, 1.0, 1.0)),  # type: ignore[arg-type]
        ("displacement", lambda: theory.mmd2_from_displacement(float("nan"), 1.0)),
    ],
)
def test_a_bound_of_numbers_without_a_meaning_is_refused(name: str, bound: Callable[[], float]) -> None:
    with pytest.raises(ValueError, match=f"{name} must be (an integer )?>"):
        bound()


@pytest.mark.parametrize(
    ("name", "least", "call"),
    [
        ("steps", 0, lambda n: theory.displacement_bound(n, 0.1, 1.0, 1.0, 1.0)),
        ("steps", 0, lambda n: theory.mmd2_bound_adam(n, 0.1, 2, 1.0)),
        ("steps", 0, theory.adam_step_bounds),
        ("dimension", 1, lambda n: theory.displacement_bound_adam(3, 0.1, n)),
        ("steps", 1, lambda n: theory.euler_spread(1.0, n)),
    ],
)
def test_a_count_is_an_integer_that_is_large_enough(name: str, least: int, call: Callable[[Any], Any]) -> None:
    for bad in (2.5, least - 1, True, "3", None):
        with pytest.raises(ValueError, match=f"{name} must be an integer >= {least}, got {bad!r}"):
            call(bad)
    call(np.int64(3))


def test_arrays_in_place_of_tensors_and_a_median_without_particles_are_refused() -> None:
    x = torch.zeros(3, 2)
    for distance in (theory.w2, lambda x, y: theory.mmd2(x, y, 1.0)):
        for sets in ((x.numpy(), x), (x, x.tolist())):
            with pytest.raises(ValueError, match=r"[xy] must be a tensor, got (ndarray|list); torch.as_tensor"):
                distance(*sets)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bandwidth must be a number > 0, got 'median'"):
        theory.mmd2(x, x, "median")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be finite"):
        theory.mmd2(torch.full((3, 2), float("nan")), x, 1.0)


def test_a_distance_of_what_is_not_finite_is_refused() -> None:
    x = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="must be finite"):
        theory.w2(torch.full((3, 2), float("nan")), x)
    with pytest.raises(ValueError, match=r"x must be \[N, d\]"):
        theory.w2(x, torch.zeros(3, 1))
