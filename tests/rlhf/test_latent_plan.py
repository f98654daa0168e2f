"""The experiment file is read strictly, and the book's own is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.latent import LITTLE_PLAN, write_plan
from tests.helpers.site import ROOT
from vgf.results.judgement import SEEDS
from vgf.rlhf.latent.plan import Sizes, read_latent_plan
from vgf.rlhf.latent.wishes import wishes


def test_the_books_file_has_every_wish_with_its_prediction_and_seeds_enough() -> None:
    plan, sizes = read_latent_plan(ROOT / "data" / "experiments" / "latent.yaml", "cpu")
    assert list(plan.names) == list(wishes(1.0))
    assert all(len(testbed.prediction.split()) > 20 for testbed in plan.names.values())
    assert len(sizes.seeds) >= SEEDS


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"topics": ["one"]}, "topics: two are needed, got 1"),
        ({"testbeds": {"wealth": LITTLE_PLAN["testbeds"]["modes"]}}, "testbeds has no .wealth"),
        ({"testbeds": {"modes": {"wish": "w"}}}, "testbeds.modes.prediction is missing"),
        ({"language": "reviews"}, "language has no .reviews"),
        ({"scales": {"cpu": {}}}, "has no scale 'quick'; it has cpu"),
        ({"scales": {"quick": {"seeds": [0], "tuning_seeds": [1], "stepz": 3}}}, "stepz"),
    ],
)
def test_a_faulty_file_is_named(changes: dict[str, Any], fault: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=fault):
        read_latent_plan(write_plan(tmp_path, **changes), "quick")


def test_a_file_that_is_not_there_or_no_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        read_latent_plan(tmp_path / "nothing.yaml", "quick")
    (tmp_path / "x.yaml").write_text("a: [")
    with pytest.raises(ValueError, match="not YAML"):
        read_latent_plan(tmp_path / "x.yaml", "quick")


def test_a_seed_that_chooses_is_not_reported() -> None:
    with pytest.raises(ValueError, match="none may be in both"):
        Sizes(seeds=(0, 1), tuning_seeds=(1,))
    with pytest.raises(ValueError, match="particles must be > 0"):
        Sizes(seeds=(0,), tuning_seeds=(1,), particles=0)
