"""How alike gradients and distances are, in closed form; and people's responses as sets of token embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.language import LITTLE, little_cache
from vgf.rlhf.latent import geometry
from vgf.rlhf.latent.geometry import alike, distances, share, token_sets
from vgf.rlhf.settings import Setup

torch.set_num_threads(1)


def test_gradients_that_agree_are_alike_and_opposite_ones_are_not() -> None:
    one = torch.tensor([3.0, 0.0])
    assert alike(one.expand(4, 2)) == pytest.approx(1.0)
    assert alike(torch.stack([one, -one])) == pytest.approx(-1.0)
    assert alike(torch.eye(5)) == pytest.approx(0.0)
    assert share(torch.tensor([[2.0, 0.0], [0.0, 2.0]]), one) == pytest.approx(0.5)


def test_corners_of_a_simplex_are_equally_far_and_a_crowd_with_one_apart_is_not() -> None:
    even = distances(torch.eye(6)[None])
    assert even["spread"] == pytest.approx(0.0, abs=1e-6)
    assert even["least"] == pytest.approx(even["most"])
    apart = distances(torch.tensor([[[0.0], [0.1], [0.2], [9.0]]]))
    assert apart["spread"] > 0.5
    assert apart["least"] < apart["most"]
    assert apart["dimensions"] == 1


def test_token_sets_are_peoples_responses_of_full_length(tmp_path: Path, monkeypatch: Any) -> None:
    little_cache(tmp_path, 100)
    monkeypatch.setenv("VGF_DATA", str(tmp_path))
    monkeypatch.setattr(geometry, "SETS", 2)
    sets, names = token_sets(Setup(sizes=LITTLE), 3)
    assert sets.shape == (2, 3, LITTLE.tokens * 16)
    assert [len(set(one)) for one in names] == [3, 3]
