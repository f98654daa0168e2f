"""The worlds have the worth they say: a perfect pilot flies the best return, an action of the bandit its reward."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vgf import toy
from vgf.book import practice
from vgf.book.budget_worlds import BanditWorld, DroneWorld
from vgf.datasets.own import own_transitions

DRONE = DroneWorld(episodes=4, seed=0, tuning=3, reporting=5, starts_seed=7)
BANDIT = BanditWorld(coverage=0.1, gap=1.5, actions=400, seed=0, noise=0.1, tuning=3, reporting=5)


def test_a_perfect_pilot_earns_the_best_return_there_is() -> None:
    def home(places: torch.Tensor) -> torch.Tensor:
        distance = places.norm(dim=-1, keepdim=True)
        return -places / distance.clamp_min(1e-9) * (distance / practice.STEP).clamp(max=practice.STALL - 1e-6)

    starts = practice.flights(8, 7)["observations"][:: practice.HORIZON + 1]
    np.testing.assert_allclose(DRONE.play(home), practice.best_return(starts), atol=1e-3)
    assert DRONE.play(torch.zeros_like).tolist() == pytest.approx(
        (-25 * np.linalg.norm(starts, axis=-1)).tolist(), rel=1e-5
    )


def test_an_action_of_the_bandit_is_worth_its_reward() -> None:
    best = toy.bimodal_bandit(0.1, 1.5).reward.maxima[1].float()
    found = BANDIT.play(lambda o: best.expand(1, o.shape[1], 2))
    assert found.shape == (8,)
    assert found == pytest.approx([1.0] * 8, abs=0.01)


def test_the_bandit_s_data_end_with_every_action_and_err_by_the_noise() -> None:
    data = own_transitions(BANDIT.data())
    assert len(data) == 400
    assert not bool(data.masks.any())
    assert int(data.terminals.sum()) == 40
    error = data.rewards - toy.bimodal_bandit(0.1, 1.5, torch.float32).reward.value(data.actions)
    assert float(error.std()) == pytest.approx(0.1, rel=0.1)
