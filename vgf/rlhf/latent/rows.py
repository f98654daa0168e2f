"""What is compared: no step at equal samples, one constant direction, and the flow with and without each of its parts.

Every row moves the same particles by `vgf.flow.transport` and has the same nominal displacement: the step size is

    epsilon = delta / (L rms |phi|),

phi being the row's own direction at the start. So a row is no better for a kernel that happens to make steps longer.
A constant is the mean gradient at training snippets: one for all, or one for each mark. Where a wish has modes in place
of marks, each has its own, and half of the particles follow each: nothing is asked of the reward at test time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vgf.flow import Budget, ScoreFn, stein_direction, transport, value_gradient
from vgf.rlhf.latent.models import Ratings
from vgf.rlhf.latent.space import Space
from vgf.rlhf.latent.wishes import Wish

ALONE = 1e-6  # bandwidth at which a particle hears only itself
ANCHORS = 512  # training snippets whose mean gradient a constant is


@dataclass(frozen=True)
class Row:
    """A row of the comparison.

    Attributes:
        about: in words.
        constant: "" for the gradient, else "one" for all, or one for "each" mark or mode.
        kernel: whether particles share gradients.
        repulsion: whether they repel each other.
        single: whether there is one step in place of L.
        still: whether nothing moves, and twice as many samples are drawn.
        linear: whether rating and topics are taken for linear, so that each particle follows constants with weights of
            its own: what is left of a direction of its own if the networks do not curve.
        common: whether all particles of a mark or mode follow their mean gradient, anew at each step.
    """

    about: str
    constant: str = ""
    kernel: bool = True
    repulsion: bool = True
    single: bool = False
    still: bool = False
    linear: bool = False
    common: bool = False


ROWS = {
    "still": Row("L = 0, equal samples", still=True),
    "constant": Row("one constant direction", "one", kernel=False, repulsion=False),
    "constant_each": Row("one constant for each mark or mode", "each", kernel=False, repulsion=False),
    "linear": Row("constants, own weights", kernel=False, repulsion=False, linear=True),
    "common": Row("mean gradient, anew each step", kernel=False, repulsion=False, common=True),
    "no_kernel": Row("no kernel", kernel=False, repulsion=False),
    "no_repulsion": Row("kernel, no repulsion", repulsion=False),
    "one_step": Row("VGF, one step", single=True),
    "vgf": Row("VGF"),
}


@dataclass(frozen=True)
class Setting:
    """What is tuned: how far particles go, in the latent's standard deviations, and the temperature."""

    displacement: float
    temperature: float = 1.0


def score_of(wish: Wish, space: Space, marks: Tensor, model: Ratings, linear: bool = False) -> ScoreFn:
    """Return the gradient of the reward, by the networks that move, as a function of latents [P, N, d].

    Args:
        wish: the reward.
        space: with its topics.
        marks: of the prompts, [P].
        model: the rating networks.
        linear: take rating and topics as they are, and their gradients as constant: the means at training snippets.
    """
    rating_slope, topic_slopes = slopes(space, model) if linear else (torch.empty(0), torch.empty(0))

    def value(z: Tensor) -> Tensor:
        rating, topics = model.moves(z), space.topics(z)
        if linear:
            change = z - z.detach()
            rating, topics = rating.detach() + change @ rating_slope, topics.detach() + change @ topic_slopes.T
        return wish.value(marks[:, None], rating, topics)

    return value_gradient(value)


def common_score(wish: Wish, space: Space, marks: Tensor, model: Ratings) -> ScoreFn:
    """Return as a score the mean gradient of all particles, whatever their prompt, of one mark and best mode."""
    score = score_of(wish, space, marks, model)

    def mean(z: Tensor) -> Tensor:
        gradient = score(z)
        mode = wish.of(marks[:, None], model.moves(z), space.topics(z)).argmax(-1)
        mark = (marks[:, None] == torch.tensor(wish.marks)).float().argmax(-1)
        groups = F.one_hot(mark[:, None] * wish.modes + mode, len(wish.marks) * wish.modes).to(gradient)
        sizes = groups.sum((0, 1)).clamp(min=1)
        return groups @ (torch.einsum("png,pnd->gd", groups, gradient) / sizes[:, None])

    return mean


def slopes(space: Space, model: Ratings) -> tuple[Tensor, Tensor]:
    """Return the mean gradients of the rating, [d], and of each topic, [M, d], at training snippets."""
    z = space.training.latents[:ANCHORS][None]

    def towards(topic: int) -> Tensor:
        return value_gradient(lambda x: space.topics(x)[..., topic])(z).mean((0, 1))

    return value_gradient(model.moves)(z).mean((0, 1)), torch.stack([towards(k) for k in range(len(space.towards))])


def constants(wish: Wish, space: Space, model: Ratings) -> Tensor:
    """Return the mean gradient at training snippets for each mark or, without marks, each mode, [C, d]."""
    z = space.training.latents[:ANCHORS][None]
    found = []
    for mark in wish.marks:
        for mode in range(wish.modes):

            def value(x: Tensor, mark: float = mark, mode: int = mode) -> Tensor:
                return wish.of(x.new_tensor(mark), model.moves(x), space.topics(x))[..., mode]

            found.append(value_gradient(value)(z).mean((0, 1)))
    return torch.stack(found)


def constant_field(row: Row, wish: Wish, own: Tensor, marks: Tensor, particles: Tensor) -> Tensor:
    """Return the direction of each particle [P, N, d] from the constants `own` [C, d]."""
    if row.constant == "one":
        return own.mean(0).expand_as(particles)
    if len(wish.marks) == 1:
        return own[torch.arange(particles.shape[1]) % len(own)].expand_as(particles)
    place = (marks[:, None] == torch.tensor(wish.marks)).float().argmax(-1)
    return own[place][:, None].expand_as(particles)


def move(row: Row, setting: Setting, steps: int, particles: Tensor, score: ScoreFn) -> Tensor:
    """Return the particles [P, N, d] after the row's flow along a score."""
    length = 1 if row.single else steps
    bandwidth: float | str = "median" if row.kernel else ALONE
    at = (setting.temperature, bandwidth, row.repulsion)
    phi = stein_direction(particles, score(particles), *at)  # type: ignore[arg-type]
    size = float(phi.square().sum(-1).mean().sqrt())
    if size < 1e-9:  # a constant that symmetry makes zero
        return particles
    budget = Budget(length, setting.displacement / (length * size), setting.temperature)
    return transport(particles, score, budget, bandwidth=bandwidth, repulsion=row.repulsion)  # type: ignore[arg-type]
