"""Budgets in a little world: the proxy is what is followed, nothing that judges moves, and a study is done once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from tests.helpers.language import digest, little_cache
from tests.helpers.latent import LITTLE_PLAN, SIZES, little_space
from vgf import cli
from vgf.rlhf.latent.models import Ratings
from vgf.rlhf.latent.overoptimisation import (
    BEST,
    BUDGETS,
    CURVATURE,
    FIVE,
    MOVED,
    BudgetStudy,
    curvature,
    measure,
    particles_of,
)
from vgf.rlhf.latent.study import folder_of, read_latent
from vgf.rlhf.parts import prepare

torch.set_num_threads(1)
SPACE = little_space()
SCALES = {"quick": {k: v for k, v in LITTLE_PLAN["scales"]["quick"].items() if k != "tuning_seeds"}}
LITTLE: dict[str, Any] = {
    "about": "little",
    "language": "latent-budget",
    "topics": ["warm plot", "dull cast"],
    "predictions": {"proxy": "it rises"},
    "displacements": [0.5, 4.0],
    "samples": [1, 6],
    "worth": 0.1,
    "rule": "the least of the highest",
    "scales": SCALES,
}


class Known(Ratings):
    """Five networks: the proxy is the first coordinate, the choosers turn at one, the judges say the second."""

    def __init__(self) -> None:
        super().__init__(SIZES, 0, FIVE)

    def forward(self, z: Tensor) -> Tensor:
        """Return the five."""
        turning = -(z[..., 0] - 1).square()
        return torch.stack([z[..., 0], turning, turning, z[..., 1], z[..., 1]])


def samples(count: int) -> Tensor:
    return torch.randn(3, count, SIZES.dimensions, generator=torch.Generator().manual_seed(0))


def test_each_network_has_one_part() -> None:
    model, z = Ratings(SIZES, 0, FIVE), samples(4)
    every = model(z)
    assert every.shape == (5, 3, 4)
    torch.testing.assert_close(model.moves(z), every[0])
    torch.testing.assert_close(model.chooses(z), every[1:3].mean(0))
    torch.testing.assert_close(model.judges(z), every[3:].mean(0))


def test_best_of_n_takes_the_first_samples_and_a_flow_goes_as_far_as_it_is_told() -> None:
    drawn = samples(6)
    assert particles_of(BEST, 2.0, drawn, Known(), SPACE, 3).equal(drawn[:, :2])
    for name in MOVED:
        for budget in (0.5, 4.0):
            end = particles_of(name, budget, drawn, Known(), SPACE, 3)
            assert end.shape == drawn.shape
            if name != "vgf":  # repulsion pushes sideways too
                torch.testing.assert_close(end[..., 0], drawn[..., 0] + budget)
                torch.testing.assert_close(end[..., 1:], drawn[..., 1:])
        assert particles_of(name, 4.0, drawn, Known(), SPACE, 3)[..., 0].mean() > drawn[..., 0].mean() + 1


def test_what_is_measured_is_of_the_particle_the_proxy_likes_and_others_choose_among_all() -> None:
    pool, drawn = SPACE.report, samples(4)
    end = drawn + torch.tensor([8.0, 0, 0, 0])
    found = measure(drawn, end, Known(), pool, is_moved=True)
    best = end[..., 0].argmax(1)
    picked = end[torch.arange(3), best]
    text, far = pool.nearest(picked)
    assert found["proxy"].tolist() == pytest.approx(picked[:, 0].tolist(), abs=1e-4)
    assert found["judges"].tolist() == pytest.approx(picked[:, 1].tolist(), abs=1e-4)
    assert found["people"].tolist() == pytest.approx(pool.ratings[text].tolist(), abs=1e-4)
    assert found["distance"].tolist() == pytest.approx(far.tolist(), abs=1e-4)
    every = torch.cat([pool.nearest(drawn)[0], pool.nearest(end)[0]], 1)
    nearest_to_one = pool.ratings[every].gather(1, (pool.latents[every][..., 0] - 1).abs().argmin(1, keepdim=True))
    assert found["others"].tolist() == pytest.approx(nearest_to_one.flatten().tolist(), abs=1e-4)


class Bent(Known):
    """The proxy's slope is one along the first axis and bends with the second; the judges say the first."""

    def forward(self, z: Tensor) -> Tensor:
        """Return the five."""
        straight = z[..., 0]
        return torch.stack([straight + z[..., 1].square(), straight, straight, straight, straight])


def test_gradients_say_beforehand_whom_a_constant_serves() -> None:
    space, places = little_space(), samples(6)
    fold = torch.arange(len(space.training.ratings)) % 5 == 0
    found = curvature(Bent(), space, places, fold).set_index("direction")
    assert found.loc["constant", "alike"] == found.loc["linear", "alike"] == pytest.approx(1, abs=1e-4)
    assert found.loc["own", "alike"] < 0.8
    assert found.loc["own", "network"] == pytest.approx(1, abs=1e-4)
    own = torch.nn.functional.normalize(
        torch.stack([torch.ones(3, 6), 2 * places[..., 1], *torch.zeros(2, 3, 6)], -1), dim=-1
    )
    assert found.loc["own", "judges"] == pytest.approx(float(own[..., 0].mean()), abs=1e-4)
    assert found.loc["constant", "judges"] > found.loc["own", "judges"]
    assert found.loc["linear", "judges"] > 0.99  # people's rating is the first axis in this world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    little_cache(tmp_path, 200)
    monkeypatch.setenv("VGF_DATA", str(tmp_path))
    monkeypatch.setattr(prepare, "prepare", lambda: ["ready"])
    return tmp_path


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "budgets.yaml"
    path.write_text(yaml.safe_dump(LITTLE | changes))
    return path


def test_a_study_of_budgets_is_done_once(world: Path, monkeypatch: Any, capsys: Any) -> None:
    file = write(world)
    assert cli.main(["rlhf", "latent", str(file)]) == 0
    said = capsys.readouterr().out
    rows = read_latent(folder_of("quick", BUDGETS))
    assert set(rows["row"]) == {BEST, *MOVED}
    assert len(rows) == 2 * 6 * (2 + 2 * len(MOVED))
    assert "| best-of-N | automatic: " in said
    gradients = read_latent(folder_of("quick", CURVATURE))
    assert list(gradients["direction"]) == ["own", "constant", "linear"] * 2
    made = {path: digest(path) for path in (world / "results").rglob("*.csv")}
    monkeypatch.setattr(BudgetStudy, "rows", pytest.fail)
    assert cli.main(["rlhf", "latent", str(file)]) == 0
    assert capsys.readouterr().out == said
    assert {path: digest(path) for path in made} == made


def test_a_faulty_file_of_budgets_is_one_line(tmp_path: Path, capsys: Any) -> None:
    for changes, message in (
        ({"language": "latnt"}, "language has no 'latnt'; nearest: latent"),
        ({"displacements": [2.0, 1.0]}, "displacements must be rising numbers > 0"),
        ({"samples": []}, "samples must be rising numbers > 0"),
        ({"scales": {"cpu": SCALES["quick"]}}, "budgets.yaml has no scale 'quick'; it has cpu"),
        ({"wurth": 1.0}, "budgets.yaml has no 'wurth'; nearest: worth"),
    ):
        assert cli.main(["rlhf", "latent", str(write(tmp_path, **changes))]) == 2
        told = capsys.readouterr().err
        assert message in told
        assert told.count("\n") == 1
