"""The flow refuses bad input in one line that names the argument."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from vgf.flow import Budget, best_of, stein_direction, transport, value_gradient

NAN, INF = math.nan, math.inf
GOOD = torch.zeros(4, 2)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"steps": -1}, "steps"),
        ({"steps": 1.0}, "steps"),
        ({"steps": True}, "steps"),
        ({"steps": "3"}, "steps"),
        *[({"step_size": bad}, "step_size") for bad in (-0.1, NAN, INF)],
        *[({"temperature": bad}, "temperature") for bad in (0.0, -1.0, NAN, INF)],
        ({"optimizer": "sgd"}, "optimizer"),
    ],
)
def test_budget_refuses(fields: dict[str, Any], named: str) -> None:
    """A budget without meaning is one line naming its field."""
    with pytest.raises(ValueError, match=f"^{named} "):
        Budget(**{"steps": 1, "step_size": 0.1, **fields})


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"particles": torch.zeros(0, 2), "score": torch.zeros(0, 2)}, "particles"),
        ({"particles": torch.zeros(4, 0), "score": torch.zeros(4, 0)}, "particles"),
        ({"particles": torch.zeros(4)}, "particles"),
        ({"particles": torch.zeros(4, 2, dtype=torch.int64)}, "particles"),
        ({"particles": torch.full((4, 2), NAN)}, "particles"),
        ({"score": torch.zeros(4, 3)}, "score"),
        ({"score": torch.zeros(1, 4, 2)}, "score"),
        ({"score": torch.full((4, 2), NAN)}, "score"),
        ({"score": torch.full((4, 2), INF)}, "score"),
        ({"score": torch.zeros(4, 2, dtype=torch.float64)}, "score"),
        *[({"temperature": bad}, "temperature") for bad in (0.0, -1.0, NAN)],
        *[({"bandwidth": bad}, "bandwidth") for bad in (0.0, -1.0, NAN, INF, "mean", torch.ones(3))],
        *[({"bandwidth": torch.tensor(bad)}, "bandwidth") for bad in (0.0, -1.0, NAN)],
    ],
)
def test_stein_direction_refuses(arguments: dict[str, Any], named: str) -> None:
    """Bad input is one line naming the argument."""
    with pytest.raises(ValueError, match=f"^{named} "):
        stein_direction(**{"particles": GOOD, "score": GOOD, "temperature": 1.0, **arguments})


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"particles": torch.zeros(3, 0, 2)}, "particles"),
        ({"particles": torch.zeros(4, 2, dtype=torch.int32)}, "particles"),
        ({"particles": torch.tensor([[0.0, NAN]])}, "particles"),
        ({"score_fn": lambda a: a[..., :1]}, "score_fn"),
        ({"score_fn": lambda a: a / 0}, "score_fn"),
        ({"score_fn": None}, "score_fn"),
        ({"score_fn": lambda a: a.numpy()}, "what score_fn gives must be a tensor"),
        ({"budget": 3}, "score_fn must be a function and budget a Budget"),
        ({"budget": None}, "score_fn"),
        ({"score_fn": lambda a: a.double()}, "score_fn"),
        ({"bandwidth": -1.0}, "bandwidth"),
        ({"bandwidth": torch.tensor(-1.0)}, "bandwidth"),
        *[({"bounds": bad}, "bounds") for bad in ((1.0, -1.0), (0.0, 0.0), (NAN, 1.0))],
    ],
)
def test_transport_refuses(arguments: dict[str, Any], named: str) -> None:
    """Bad input is one line naming the argument."""
    with pytest.raises(ValueError, match=f"^{named}"):
        transport(**{"particles": GOOD, "score_fn": torch.ones_like, "budget": Budget(1, 0.1), **arguments})


@pytest.mark.parametrize(
    "critic",
    [
        lambda a: a.detach().sum(-1),
        lambda a: torch.zeros(4),
        lambda a: torch.ones(4, requires_grad=True) * 2,
        lambda a: a.detach().numpy().sum(-1),
        lambda a: 1.0,
    ],
)
def test_a_critic_without_a_gradient_is_named(critic: Any) -> None:
    """What gives no tensor, or one that does not depend on the particles, is one line."""
    with pytest.raises(
        ValueError, match=r"^(what value_fn gives must be a tensor, got|value_fn does not depend on the particles)"
    ):
        transport(GOOD, value_gradient(critic), Budget(1, 0.1))


@pytest.mark.parametrize(
    ("critic", "got"),
    [
        (lambda a: torch.stack([a.sum(-1)] * 2), r"\(2, 4\)"),
        (lambda a: a.sum(-1).expand(7, 4), r"\(7, 4\)"),
        (lambda a: a.sum(-1, keepdim=True), r"\(4, 1\)"),
        (lambda a: a.sum(), r"\(\)"),
    ],
)
def test_a_critic_of_another_shape_is_refused_as_its_sum_would_scale_the_gradient(critic: Any, got: str) -> None:
    """Two critics stacked would give twice the score; the line names both shapes and what to do."""
    message = rf"^what value_fn gives must be \(4,\), one for each particle, got {got}; of an ensemble take \.mean\(0\)"
    with pytest.raises(ValueError, match=message):
        value_gradient(critic)(GOOD)


@pytest.mark.parametrize(("particles", "values"), [(GOOD.numpy(), GOOD[:, 0]), (GOOD, GOOD[:, 0].numpy()), (GOOD, 1.0)])
def test_best_of_refuses_what_is_no_tensor(particles: Any, values: Any) -> None:
    """Arrays are named, with what makes a tensor of them."""
    with pytest.raises(ValueError, match=r"^(particles|values) must be a tensor, got .*; torch\.as_tensor makes one"):
        best_of(particles, values)


@pytest.mark.parametrize("shape", [(0, 2), (2, 0, 3), (3,)])
def test_best_of_needs_particles(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^particles must be \[\.\.\., N, d\] with N >= 1"):
        best_of(torch.zeros(shape), torch.zeros(shape[:-1]))


def test_score_that_breaks_on_the_way_is_caught() -> None:
    """A critic that fails only where the flow has led is named too."""
    with pytest.raises(ValueError, match=r"^score_fn "):
        transport(GOOD, lambda a: torch.where(a > 0.15, NAN, torch.ones_like(a)), Budget(3, 0.1), bandwidth=1e3)
