"""The prior and the rating networks learn what there is to learn, and a network sees its own fold alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from tests.helpers.latent import SIZES, little_texts
from vgf.rlhf.latent import models
from vgf.rlhf.sampling import seed_of

torch.set_num_threads(1)


def test_a_network_learns_from_its_fold_alone(tmp_path: Path) -> None:
    texts = little_texts(80, 1)
    fold = torch.randperm(80, generator=torch.Generator().manual_seed(seed_of("folds", 0))) % sum(models.ROLES)
    other = replace(texts, ratings=torch.where(fold == 2, -texts.ratings, texts.ratings))
    z = texts.latents[:5]
    one = models.ratings(tmp_path / "a", texts, SIZES, 0)(z)
    two = models.ratings(tmp_path / "b", other, SIZES, 0)(z)
    same = [bool(torch.allclose(a, b, atol=1e-2)) for a, b in zip(one, two, strict=True)]
    assert same[2] is False
    assert (one[2] - two[2]).abs().mean() > 5 * max((one[k] - two[k]).abs().mean() for k in (0, 1, 3))


def test_ratings_are_learnt_and_found_again(tmp_path: Path) -> None:
    texts, new = little_texts(400, 1), little_texts(200, 2)
    sizes = replace(SIZES, rating_steps=150, batch=64)
    model = models.ratings(tmp_path / "r", texts, sizes, 3)
    for said in (model.moves(new.latents), model.chooses(new.latents)):
        assert torch.corrcoef(torch.stack([said, new.ratings]))[0, 1] > 0.8
    before = (tmp_path / "r" / "model.safetensors").stat().st_mtime_ns
    (tmp_path / "r" / "checkpoint-000000150.json").write_text("{}")  # of a process that was killed at its very end
    again = models.ratings(tmp_path / "r", texts, sizes, 3)
    assert not list((tmp_path / "r").glob("checkpoint-*"))
    assert (tmp_path / "r" / "model.safetensors").stat().st_mtime_ns == before
    assert torch.equal(again(new.latents), model(new.latents))


def test_the_prior_samples_where_texts_are(tmp_path: Path) -> None:
    texts = little_texts(400, 1)
    texts = replace(texts, latents=0.2 * texts.latents + torch.tensor([2.0, 0.0, 0.0, 0.0]))
    model = models.prior(tmp_path / "p", texts, replace(SIZES, prior_steps=300, batch=64, rate=3e-3), 0)
    z = model.sample(texts.conditions[:50], torch.randn(50, 4, 4, generator=torch.Generator().manual_seed(0)))
    assert z.shape == (50, 4, 4)
    torch.testing.assert_close(z.mean((0, 1)), texts.latents.mean(0), atol=0.3, rtol=0)
    assert z.std() < 2.5
