"""Rows differ in what their names say: constants, own weights, kernel, repulsion, and a length that is the same."""

from __future__ import annotations

import torch

from tests.helpers.latent import D, Straight, little_space
from vgf.flow import Budget, transport
from vgf.rlhf.latent.rows import ROWS, Setting, common_score, constant_field, constants, move, score_of, slopes
from vgf.rlhf.latent.wishes import wishes

torch.set_num_threads(1)
SPACE, MODEL, EVERY = little_space(), Straight(), wishes(2.0)
START = torch.randn(3, 4, D, generator=torch.Generator().manual_seed(5))
FIRST = torch.eye(D)[0]


def test_constants_are_mean_gradients_and_of_a_mark_that_turns_the_sign_cancel() -> None:
    own = constants(EVERY["conditional"], SPACE, MODEL)
    torch.testing.assert_close(own, torch.stack([FIRST, -FIRST]))
    marks = torch.tensor([1.0, -1.0, 1.0])
    each = constant_field(ROWS["constant_each"], EVERY["conditional"], own, marks, START)
    torch.testing.assert_close(each, (marks[:, None, None] * FIRST).expand_as(START))
    one = constant_field(ROWS["constant"], EVERY["conditional"], own, marks, START)
    assert torch.equal(move(ROWS["constant"], Setting(2.0), 3, START, lambda z: one), START)


def test_the_constant_of_a_target_is_the_mean_pull_towards_it() -> None:
    own = constants(EVERY["target"], SPACE, MODEL)
    people = SPACE.training.latents[:, 0]
    for found, mark in zip(own, EVERY["target"].marks, strict=True):
        torch.testing.assert_close(found, (-2 * (people - mark)).mean() * FIRST)


def test_without_marks_half_of_the_particles_follow_each_modes_constant() -> None:
    own = torch.stack([FIRST, 2 * FIRST])
    field = constant_field(ROWS["constant_each"], EVERY["modes"], own, torch.zeros(3), START)
    assert field[..., 0].tolist() == [[1.0, 2.0, 1.0, 2.0]] * 3


def test_every_row_goes_equally_far_at_the_start() -> None:
    score = score_of(EVERY["conditional"], SPACE, torch.ones(3), MODEL)  # one gradient everywhere
    for name in ("no_kernel", "one_step", "linear"):
        moved = move(ROWS[name], Setting(1.5, 1e-6), 3, START, score) - START
        torch.testing.assert_close(moved.square().sum(-1).mean().sqrt(), torch.tensor(1.5), rtol=1e-3, atol=0)


def test_a_row_without_a_kernel_follows_its_own_gradient_and_with_one_the_transport() -> None:
    marks = torch.tensor([-2.0, 0.0, 2.0])
    score = score_of(EVERY["target"], SPACE, marks, MODEL)
    expected = -2 * (START[..., 0] - marks[:, None])
    torch.testing.assert_close(score(START)[..., 0], expected)
    alone = move(ROWS["no_kernel"], Setting(0.5), 1, START, score) - START
    size = expected.square().mean().sqrt()
    torch.testing.assert_close(alone[..., 0], 0.5 * expected / size)
    from vgf.flow import stein_direction

    phi = stein_direction(START, score(START), 0.7)
    size = float(phi.square().sum(-1).mean().sqrt())
    by_hand = transport(START, score, Budget(3, 0.5 / (3 * size), 0.7))
    torch.testing.assert_close(move(ROWS["vgf"], Setting(0.5, 0.7), 3, START, score), by_hand)


def test_a_common_gradient_is_the_mean_over_all_with_the_same_mark_and_mode() -> None:
    marks = torch.tensor([-2.0, 0.0, -2.0])
    own = score_of(EVERY["target"], SPACE, marks, MODEL)(START)
    found = common_score(EVERY["target"], SPACE, marks, MODEL)(START)
    torch.testing.assert_close(found[0], own[[0, 2]].mean((0, 1)).expand(4, D))
    torch.testing.assert_close(found[1], own[1].mean(0).expand(4, D))
    torch.testing.assert_close(found[2], found[0])
    own = score_of(EVERY["modes"], SPACE, torch.zeros(3), MODEL)(START)
    found = common_score(EVERY["modes"], SPACE, torch.zeros(3), MODEL)(START)
    first = SPACE.topics(START).argmax(-1) == 0
    torch.testing.assert_close(found[first], own[first].mean(0).expand(int(first.sum()), D))


def test_the_linear_row_is_the_chain_rule_with_mean_slopes() -> None:
    rating, topics = slopes(SPACE, MODEL)
    torch.testing.assert_close(rating, FIRST)
    assert topics.shape == (2, D)
    score = score_of(EVERY["modes"], SPACE, torch.zeros(3), MODEL, linear=True)(START)
    mode = SPACE.topics(START).argmax(-1)
    torch.testing.assert_close(score, rating / 2.0 + topics[mode])
