"""What the explorer's presets promise in words, held against the package's own walks."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.explorer import PRESETS, expected, preset
from vgf.agents.vgf_config import PRESETS as AGENTS
from vgf.book import explorer
from vgf.book.explorer import RANGES, Preset
from vgf.training.experiments import read_experiment


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.ident)
def test_presets_can_be_set_by_the_controls_and_say_no_number(preset: Preset) -> None:
    for control, span in RANGES.items():
        value = getattr(preset.settings, control)
        assert span.low <= value <= span.high
        assert (value - span.low) / span.step == pytest.approx(round((value - span.low) / span.step))
    assert not re.search(r"\b\d", preset.see)


def end_of(ident: str, sample: int) -> tuple[Tensor, list[dict[str, Any]]]:
    """Return a preset's last particles and its measures."""
    settings = preset(ident).settings
    record, measures = expected(settings, explorer.start(settings, sample))
    return record.particles[-1], measures


def near(particles: Tensor, top: Tensor) -> int:
    """Count the particles within half a width of a top."""
    return int(((particles - top).norm(dim=-1) < 0.15).sum())


@pytest.mark.parametrize("sample", range(explorer.SAMPLES))
def test_too_far_promises_more_and_gives_less_than_best_of_n(sample: int) -> None:
    particles, measures = end_of("too-far", sample)
    false_top = explorer.followed(explorer.bandit().reward, preset("too-far").settings.error).maxima[-1]
    assert measures[-1]["promised"] > measures[0]["promised"]
    assert measures[-1]["real"] < measures[0]["real"]
    assert 0 < near(particles, false_top) < len(particles) / 4
    assert near(particles, explorer.bandit().reward.maxima[1]) == 0


@pytest.mark.parametrize("sample", range(explorer.SAMPLES))
def test_where_the_bounds_apply_they_say_something_and_little_is_gained(sample: int) -> None:
    last = end_of("bounds", sample)[1]
    assert last[-1]["mmd2"] < last[-1]["ours"] / 10 < last[-1]["ours"] < last[-1]["paper"] < 2
    assert 0 < last[-1]["real"] - last[0]["real"] < 0.2


@pytest.mark.parametrize("sample", range(explorer.SAMPLES))
def test_without_repulsion_the_particles_collapse_and_with_it_they_do_not(sample: int) -> None:
    apart, together = end_of("repulsion", sample)[0], end_of("no-repulsion", sample)[0]
    lower, higher = explorer.bandit().reward.maxima
    assert near(together, lower) + near(together, higher) > 0.85 * len(together)
    assert near(apart, lower) < 0.6 * near(together, lower)
    assert near(apart, higher) > 0
    assert near(together, higher) > 0


def test_the_authors_budget_gains_in_the_first_sample_and_in_some_other_finds_nothing() -> None:
    ends = [end_of("authors", sample) for sample in range(explorer.SAMPLES)]
    higher = explorer.bandit().reward.maxima[1]
    assert ends[0][1][-1]["real"] > 0.85 > ends[0][1][0]["real"] + 0.2
    assert any(bool(((particles - higher).norm(dim=-1) > 0.6).all()) for particles, _ in ends)


def test_best_of_n_moves_nothing() -> None:
    particles, measures = end_of("best-of-n", 0)
    assert torch.equal(particles, explorer.start(preset("best-of-n").settings))
    assert measures[-1]["ours"] == measures[-1]["paper"] == 0


def test_the_flow_of_the_paper_and_of_the_authors_code_are_not_taken_for_each_other() -> None:
    own, code = preset("paper"), preset("authors")
    assert "paper" in own.name
    assert "code" in code.name
    assert "paper" not in code.name
    agent = AGENTS["paper"]
    assert own.settings.budget == agent.budget(agent.train_steps)
    assert (own.settings.particles, own.settings.repulsion) == (agent.particles, agent.repulsion) == (5, False)
    assert (own.settings.optimizer, own.settings.bandwidth) == ("none", "fixed")
    methods = read_experiment(explorer.SCRIPTS, "paper").task("hopper-medium-v2").methods
    release = next(method.config for method in methods if method.name == "vgf")
    assert code.settings.budget == release.budget(release.train_steps)
    assert (code.settings.optimizer, code.settings.repulsion, code.settings.bandwidth) == ("adam", True, "median")


@pytest.mark.parametrize("sample", range(explorer.SAMPLES))
def test_rise_and_fall_rises_and_falls(sample: int) -> None:
    measures = end_of("rise", sample)[1]
    worth, promise = [one["real"] for one in measures], [one["promised"] for one in measures]
    peak = worth.index(max(worth))
    assert 5 < peak < 20
    assert worth[peak] > 0.93 > 0.65 > worth[0]
    assert worth[-1] < worth[0] - 0.2
    assert promise[-1] > promise[peak] + 0.2 > promise[0] + 0.4
    assert promise[: peak + 1] == sorted(promise[: peak + 1])
