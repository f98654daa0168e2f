"""Kernel, bandwidth and theory refuse what has no meaning in one short line, and give limits where there are some."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vgf import theory
from vgf.flow import Budget, stein_direction
from vgf.kernels import median_bandwidth, rbf_kernel, squared_distances

X = torch.arange(12.0).reshape(4, 3)


def gaussian(*shape: int) -> theory.Gaussian:
    return theory.Gaussian(torch.zeros(shape), torch.ones(shape))


REFUSED: list[tuple[Any, str]] = [
    (lambda: rbf_kernel(X, X[:, :1], 1.0), "x must be"),
    (lambda: squared_distances(X, X[0]), "x must be"),
    (lambda: rbf_kernel(X.numpy(), X, 1.0), "x must be a tensor"),
    (lambda: rbf_kernel(X, X, -1.0), "bandwidth must be a finite number > 0"),
    (lambda: rbf_kernel(X, X, "median"), "bandwidth must be a number > 0, got 'median'; median_bandwidth gives one"),
    (lambda: rbf_kernel(X, X, np.ones((5, 1, 1))), "bandwidth must be a finite number > 0, got array"),
    (lambda: stein_direction(X, X, 1.0, np.ones((50, 1, 1))), "bandwidth must be a finite number > 0, got array"),
    (lambda: Budget(1, 10**400), "step_size must be a finite number >= 0"),
    (lambda: Budget(1, np.ones((50, 1))), "step_size must be a finite number >= 0"),
    (lambda: Budget(1, torch.ones(2)), "step_size must be a finite number >= 0"),
    (lambda: median_bandwidth(X[:0]), "particles must be"),
    (lambda: median_bandwidth(X[0]), "particles must be"),
    (lambda: theory.mmd2(X.expand(2, 4, 3), X.expand(3, 4, 3), 1.0), "x must be"),
    (lambda: theory.jko_step(gaussian(2), gaussian(2), -1.0), "step must be > 0, got -1.0"),
    (lambda: theory.jko_step(gaussian(2), gaussian(2), 0), "step must be > 0, got 0"),
    (lambda: theory.gaussian_flow(gaussian(2), gaussian(2), -5.0), "time must be >= 0"),
    (lambda: theory.gaussian_flow(gaussian(2), gaussian(2), torch.tensor([1.0, -5.0])), "time must be >= 0"),
    (lambda: theory.kl_gaussian(gaussian(2), gaussian(3, 2)), "all must have one shape"),
    (lambda: theory.w2_gaussian(gaussian(3, 2), gaussian(2)), "all must have one shape"),
]


@pytest.mark.parametrize(("call", "words"), REFUSED)
def test_what_has_no_meaning_is_one_short_line(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(words)}") as told:
        call()
    text = str(told.value)
    assert "\n" not in text
    assert len(text) < 200


def test_leading_axes_may_broadcast() -> None:
    sets = torch.stack([X, X + 1])
    expected = torch.stack([theory.mmd2(one, X, 2.0) for one in sets])
    torch.testing.assert_close(theory.mmd2(sets, X, 2.0), expected)
    assert rbf_kernel(sets, X, torch.tensor([1.0, 2.0])[:, None, None]).shape == (2, 4, 4)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: theory.euler_spread(1e-200, 3), 0.0),  # the last step gives the mean, whose spread is nothing's
        (lambda: theory.euler_spread(1e200, 3), 0.0),  # the first one is all noise, and forgets it
        (lambda: theory.mmd2_from_displacement(1.0, 1e-200), 2.0),
        (lambda: theory.mmd2_from_displacement(1e200, 1.0), 2.0),
        (lambda: theory.mmd2_from_displacement(1.0, 1e200), 0.0),
    ],
)
def test_numbers_whose_squares_leave_the_floats_give_the_limit(found: Any, expected: float) -> None:
    assert found() == pytest.approx(expected, abs=1e-12)


def test_time_may_be_a_tensor_with_a_gradient() -> None:
    time: Tensor = torch.tensor(0.5, requires_grad=True)
    (slope,) = torch.autograd.grad(theory.gaussian_flow(gaussian(1), gaussian(1), time).std.sum(), time)
    assert slope == 0
