"""What a budget did to a policy: nothing at no step, within the paper's bound else, and a file only from policies."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vgf import theory
from vgf.agents import VGF, Dims
from vgf.agents.vgf_config import PRESETS
from vgf.kernels import median_bandwidth
from vgf.networks import SeedStreams
from vgf.results import displacement, trained_policies
from vgf.results.displacement import measure

CONFIG = replace(PRESETS["release"], hidden=(16, 16), particles=6, flow_steps=3, optimizer="none", step_size=0.05)
SEEDS, DIMS = (0, 3), Dims(4, 2)


def states(count: int = 20) -> torch.Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(1))


def test_no_step_moves_nothing_and_more_steps_move_further() -> None:
    rows = measure(VGF.create(CONFIG, DIMS, SEEDS), states(), (0, 1, 4)).set_index(["test_steps", "seed"])
    assert rows.loc[0].abs().to_numpy().max() < 1e-6
    assert (rows.loc[1, "displacement"] > 1e-4).all()
    assert (rows.loc[4, "displacement"] > rows.loc[1, "displacement"]).all()
    assert (rows.loc[4, "mmd2"] > rows.loc[1, "mmd2"]).all()


def test_the_mmd_stays_within_the_paper_s_bound_of_the_largest_gradient_seen() -> None:
    config = replace(CONFIG, bandwidth=0.7)
    agent, x = VGF.create(config, DIMS, SEEDS), states()
    rows = measure(agent, x, (3,))
    own = x.expand(2, -1, -1)
    start = agent.reference.sample(own, SeedStreams(SEEDS, "moved").normal(len(x), 6, 2)).detach()
    steepest = 2 * float(agent.score(own, start).norm(dim=-1).max())
    furthest = 3 * config.step_size * theory.direction_bound(config.temperature, steepest, 0.7)
    narrowest = float(median_bandwidth(start).min())  # of the kernel the MMD is measured with
    assert 0 < float(rows["mmd2"].max()) < 2 * furthest / (narrowest * math.sqrt(math.e))


def test_a_seed_is_moved_alone_as_in_company() -> None:
    both = measure(VGF.create(CONFIG, DIMS, SEEDS), states(), (2,))
    alone = measure(VGF.create(CONFIG, DIMS, (3,)), states(), (2,))
    for column in ("mmd2", "displacement", "promised"):
        assert both.set_index("seed").loc[3, column] == pytest.approx(alone[column].item(), rel=1e-4, abs=1e-6)


def test_a_study_without_policies_gets_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["moved", "ablations.cpu", "--results", str(tmp_path)])
    assert trained_policies.main(displacement.command, "vgf.results.displacement") == 2
    assert "no policy of value gradient flow" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
