"""What a row is worth: people's rating of what other networks chose, and nothing moves where nothing shall."""

from __future__ import annotations

import torch

from tests.helpers.latent import SIZES, Straight, little_space
from vgf.rlhf.latent.models import Prior
from vgf.rlhf.latent.rows import Setting
from vgf.rlhf.latent.scene import open_scene
from vgf.rlhf.latent.wishes import wishes

torch.set_num_threads(1)
SPACE, MODEL, PRIOR = little_space(), Straight(), Prior(SIZES, 2, 0).requires_grad_(False)


def scene(name: str, half: str = "report"):  # noqa: ANN201
    return open_scene(wishes(2.0)[name], SPACE, half, PRIOR, MODEL, SIZES, 0)


def test_no_step_is_best_of_twice_as_many_by_the_choosing_networks() -> None:
    one = scene("conditional")
    found = one.measure("still", Setting(0.0))
    texts, _ = one.pool.nearest(one.samples)
    signed = one.marks[:, None] * one.pool.ratings[texts]  # these networks know people's ratings
    torch.testing.assert_close(torch.tensor(found["chosen"]).float(), signed.amax(1), atol=1e-4, rtol=0)
    assert (found["moved"] == 0).all()
    assert list(found["prompt"]) == one.pool.names[:6]
    assert set(found["text"]) <= set(one.pool.names)


def test_following_the_reward_raises_it_and_the_choice_may_be_an_original() -> None:
    one = scene("conditional")
    still, moved = (one.measure(name, Setting(far)) for name, far in (("still", 0.0), ("no_kernel", 2.0)))
    assert moved["check"].mean() > still["check"].mean() + 1
    eight, _ = one.pool.nearest(one.samples[:, :4])
    originals = (one.marks[:, None] * one.pool.ratings[eight]).amax(1)
    assert (torch.tensor(moved["chosen"]) >= originals - 1e-3).all()


def test_modes_are_chosen_one_by_one() -> None:
    one = scene("modes")
    found = one.measure("still", Setting(0.0))
    texts, _ = one.pool.nearest(one.samples)
    value = one.pool.topics[texts] + (one.pool.ratings[texts] / 2)[..., None]
    torch.testing.assert_close(torch.tensor(found["chosen"]).float(), value.amax(1).mean(-1), atol=1e-3, rtol=0)
    assert all(len(text.split()) == 2 for text in found["text"])


def test_curvature_is_one_where_a_constant_is_the_gradient() -> None:
    found = scene("conditional").curvature()
    assert found["each"] > 0.999
    assert found["linear"] > 0.999
    assert abs(found["one"]) < 1e-6
    assert -0.1 < found["alike"] < 0.1  # half of the prompts turn the sign


def test_halves_have_their_own_prompts_and_noise() -> None:
    tuning, report = scene("target", "tuning"), scene("target")
    assert not set(tuning.names) & set(report.names)
    assert not torch.equal(tuning.samples, report.samples)
