"""What a method of one's own gives is checked: metrics by name and shape, actions by shape and range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from vgf.agents.reported import check_actions, one_update

NAMES = ("actor/loss",)


def test_what_fits_is_reported_as_it_is() -> None:
    found = one_update("mine", 7, {"actor/loss": torch.tensor([1.0, 2.0])}, NAMES, 2)
    assert tuple(found.updates) == (7,)
    assert torch.equal(found.metrics["actor/loss"], torch.tensor([[1.0, 2.0]]))
    check_actions("mine", torch.full((2, 3, 1), -1.0001), (2, 3, 1))


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"loss": torch.zeros(2)}, r"update\(\) of mine reports 'loss'; add it to metric_names"),
        ({"actor/loss": torch.zeros(2, 4)}, r"actor/loss of mine must be a tensor \[2\].*, got \[2, 4\]"),
        ({"actor/loss": torch.tensor(1.0)}, r"actor/loss of mine must be a tensor \[2\].*, got \[\]"),
        ({"actor/loss": 0.5}, "actor/loss of mine .*, got float"),
        ({"actor/loss": None}, "actor/loss of mine .*, got NoneType"),
        (None, r"update\(\) of mine must return a dict of metrics, got NoneType"),
    ],
)
def test_a_metric_that_does_not_fit_is_named(metrics: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        one_update("mine", 1, metrics, NAMES, 2)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (torch.zeros(3, 1), r"must return a tensor \[2, 3, 1\].*, got \[3, 1\]"),
        (np.zeros((2, 3, 1)), ".*, got ndarray"),
        (None, ".*, got NoneType"),
        (torch.full((2, 3, 1), 20.0), r"must return actions in \[-1, 1\], got 20"),
    ],
)
def test_an_action_that_does_not_fit_is_named(actions: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^act\(\) of mine {message}"):
        check_actions("mine", actions, (2, 3, 1))
