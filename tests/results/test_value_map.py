"""A map of values: squares and their rows, whose critic and whose actions, and an order that is or is not shared."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from vgf.agents import VGF, Dims
from vgf.agents.vgf_config import PRESETS
from vgf.results import trained_policies, value_map
from vgf.training.checkpoints import save_policy

CONFIG = replace(PRESETS["release"], hidden=(16, 16), particles=6, flow_steps=3)
SEEDS, DIMS = (0, 3, 5), Dims(29, 8)
UMAZE = "antmaze-umaze-v2"


def test_squares_hold_the_places_that_lie_in_them() -> None:
    places = np.array([[0.1, 0.1], [0.4, 0.49], [-0.1, 0.1], [0.6, 0.1], [0.3, 0.3]])
    middles, which = value_map.squares(places)
    assert middles.tolist() == [[-0.25, 0.25], [0.25, 0.25], [0.75, 0.25]]
    assert which.tolist() == [1, 1, 0, 2, 1]
    assert (np.abs(places - middles[which]) <= value_map.SQUARE / 2).all()


def test_few_rows_of_each_square_are_kept_and_all_where_there_are_few() -> None:
    which = np.array([0, 1] * 50 + [2])
    kept = value_map.few_of_each(which, 4)
    assert np.bincount(which[kept]).tolist() == [4, 4, 1]
    assert kept.tolist() == sorted(set(kept.tolist()))
    assert which[kept[which[kept] == 0]].tolist() == [0] * 4
    assert kept[which[kept] == 0].max() > 90, "spread over all rows, not the first ones"


def test_said_is_by_critic_and_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = VGF.create(CONFIG, DIMS, SEEDS)
    states = torch.randn(7, DIMS.observation, generator=torch.Generator().manual_seed(1))
    said = value_map.values(agent, states, actions=4)
    assert said.shape == (3, 3, 7, 4)
    # one seed's critic on another's actions, asked by a critic and a reference that stand alone
    monkeypatch.setattr(agent, "value", lambda s, a, how: a.sum(-1) + 100 * torch.arange(3.0)[:, None, None])
    told = value_map.values(agent, states, actions=4)
    sums = told - 100 * torch.arange(3.0)[:, None, None, None]
    assert torch.allclose(sums[0], sums[1], atol=1e-4)
    assert torch.allclose(sums[0], sums[2], atol=1e-4), "the second axis is whose actions they are, whoever judges"
    assert not torch.allclose(sums[0, 0], sums[0, 1])


def test_a_value_that_is_known_comes_back_square_by_square(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = VGF.create(CONFIG, DIMS, SEEDS)
    states = torch.zeros(60, DIMS.observation)
    states[:, 0] = torch.arange(60) // 20  # three squares, of twenty rows
    offset = torch.tensor([-1.0, 0.0, 1.0])[:, None, None]

    def value(s: Tensor, a: Tensor, how: str) -> Tensor:
        order = torch.arange(float(a.shape[-2]))
        return 10 * s[..., :1] + offset + order - order.mean()

    monkeypatch.setattr(agent, "value", value)
    rows = value_map.over_the_floor(agent, states)
    assert rows["rows"].tolist() == [20, 20, 20]
    assert rows["value"].tolist() == pytest.approx([0, 10, 20], abs=1e-5)
    assert rows["between_seeds"].tolist() == pytest.approx([1.0] * 3, abs=1e-5)
    assert rows["gain"].tolist() == pytest.approx([(value_map.ACTIONS - 1) / 2] * 3, abs=1e-5)


@pytest.mark.parametrize(("sign", "expected"), [(1.0, 1.0), (-1.0, -1.0)])
def test_critics_agree_or_disagree_about_an_order(sign: float, expected: float) -> None:
    first = torch.randn(1, 2, 50, 8, generator=torch.Generator().manual_seed(0))
    said = torch.cat([first, sign * (3 * first + 7)])
    assert value_map.agreement(said).tolist() == pytest.approx([expected] * 2)


def test_orders_of_noise_agree_by_chance_alone() -> None:
    said = torch.randn(4, 4, 4000, 8, generator=torch.Generator().manual_seed(0))
    # the variance of a rank correlation of 8 by chance is 1 / 7; of the mean over 3 others and 4,000 states far less
    assert np.abs(value_map.agreement(said)).max() < 5 * (1 / 7 / 3 / 4000) ** 0.5


def _run(monkeypatch: pytest.MonkeyPatch, results: Path) -> int:
    monkeypatch.setattr(sys, "argv", ["value_map", "d4rl.cpu", "--results", str(results)])
    return trained_policies.main(value_map.command, "vgf.results.value_map")


def test_a_study_s_mazes_leave_two_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "d4rl.cpu" / UMAZE / "vgf"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    save_policy(folder / "policy.safetensors", VGF.create(CONFIG, DIMS, SEEDS), UMAZE)
    states = torch.randn(600, DIMS.observation, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(value_map, "dataset_file", lambda task, source: Path("none"))
    monkeypatch.setattr(value_map, "load", lambda name, path: SimpleNamespace(observations=states))
    assert _run(monkeypatch, tmp_path) == 0
    floor = pd.read_csv(tmp_path / "d4rl.cpu" / value_map.MAP)
    assert floor["rows"].sum() == 600
    assert floor["method"].unique().tolist() == ["vgf"]
    order = pd.read_csv(tmp_path / "d4rl.cpu" / value_map.ORDER)
    assert order["seed"].tolist() == list(SEEDS)
    assert order["agreement"].between(-1, 1).all()


def test_a_study_without_mazes_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[Any]
) -> None:
    assert _run(monkeypatch, tmp_path) == 2
    told = capsys.readouterr().err
    assert "maze" in told
    assert "vgf train" in told
