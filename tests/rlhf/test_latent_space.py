"""Whitened axes, the nearest snippet, and halves that nothing was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.language import little_cache
from tests.helpers.latent import little_space
from vgf.rlhf.latent import space as module
from vgf.rlhf.latent.space import Axes, open_space
from vgf.rlhf.parts.data import read_snippets
from vgf.rlhf.parts.prepare import snippets_file

torch.set_num_threads(1)


def test_axes_whiten_and_lead_back() -> None:
    x = torch.randn(500, 5, generator=torch.Generator().manual_seed(0)) @ torch.diag(torch.tensor([9.0, 4, 2, 1, 0.1]))
    axes = Axes.of(x + 7, 5)
    z = axes.latent(x + 7)
    torch.testing.assert_close(torch.cov(z.T), torch.eye(5), atol=1e-3, rtol=0)
    torch.testing.assert_close(axes.vector(z), x + 7, atol=1e-3, rtol=0)
    few = Axes.of(x, 2)
    assert (few.vector(few.latent(x)) - x).square().sum() < 0.1 * x.square().sum()


def test_the_nearest_text_of_a_texts_own_latent_is_itself() -> None:
    pool = little_space().report
    rows, far = pool.nearest(pool.latents[None] + 1e-4)
    assert rows[0].tolist() == list(range(40))
    assert float(far.max()) < 1e-2


def test_a_topic_of_a_latent_is_its_sentences_cosine_in_standard_deviations() -> None:
    space = little_space()
    z = torch.tensor([0.0, 3.0, 4.0, 0.0])
    torch.testing.assert_close(space.topics(z), torch.tensor([0.6, 0.8]))


def test_halves_are_disjoint_and_held_out_and_a_text_is_encoded_once(tmp_path: Path, monkeypatch: Any) -> None:
    little_cache(tmp_path, 120)
    monkeypatch.setenv("VGF_DATA", str(tmp_path))
    space = open_space(tmp_path / "vectors", ["warm plot", "dull cast"], 4)
    parts = [set(part.names) for part in (space.training, space.tuning, space.report)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 120
    held = {f"review-{row['number']}" for row in read_snippets(snippets_file()) if row["split"] in ("judge", "test")}
    assert parts[1] | parts[2] == held
    assert abs(len(parts[1]) - len(parts[2])) <= 1
    torch.testing.assert_close(space.training.latents.std(0), torch.ones(4), atol=1e-3, rtol=0)
    torch.testing.assert_close(space.training.topics.std(0), torch.ones(2), atol=1e-3, rtol=0)
    monkeypatch.setattr(module, "first_words", pytest.fail)
    again = open_space(tmp_path / "vectors", ["warm plot", "dull cast"], 4)
    assert torch.equal(again.report.latents, space.report.latents)


def test_without_snippets_the_command_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("VGF_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="`vgf rlhf prepare` fetches them"):
        open_space(tmp_path / "vectors", ["warm plot", "dull cast"], 4)
