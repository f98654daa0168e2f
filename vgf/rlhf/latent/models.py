"""What the flow stands on: a prior over latents given a prompt, and networks of people's ratings on disjoint folds.

The prior is the package's flow matching (`vgf.reference`), with noise on what it is told of the prompt, without which
it would know each training snippet by its first words. Each rating network sees one fold of the training snippets
only: the first ones move the particles, the others choose among texts, so a choice is not fooled by what moved them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from torch import Tensor, nn

from vgf.networks import MLP, SeedStreams
from vgf.reference import FlowReference
from vgf.rlhf.latent.plan import Sizes
from vgf.rlhf.latent.space import Texts
from vgf.rlhf.sampling import seed_of
from vgf.rlhf.training import find_done, order, train, write_done
from vgf.support.files import locked, written_whole

BOX = 5.0  # standard deviations; the reference lives in [-1, 1]


class Roles(NamedTuple):
    """How many of the networks move the particles, choose among texts and judge; each has a fold of its own."""

    move: int
    choose: int
    judge: int = 0


ROLES = Roles(2, 2)


class Prior(nn.Module):
    """Samples of latents given the condition of a prompt."""

    def __init__(self, sizes: Sizes, conditions: int, seed: int) -> None:
        super().__init__()
        streams = SeedStreams([seed], "prior")
        self.flow = FlowReference(
            conditions, sizes.dimensions, (sizes.prior_width,) * 3, streams, steps=sizes.flow_steps
        )

    @torch.no_grad()
    def sample(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Return latents [P, N, d] of conditions [P, c] and standard normal noise [P, N, d]."""
        return BOX * self.flow.sample(conditions[None], noise[None])[0]


class Ratings(nn.Module):
    """A rating of latents by each of the networks, in the unit of a rating."""

    def __init__(self, sizes: Sizes, seed: int, roles: Roles = ROLES) -> None:
        super().__init__()
        self.roles = roles
        streams = SeedStreams([seed], "ratings")
        self.net = MLP(
            (sizes.dimensions, sizes.rating_width, sizes.rating_width, 1), streams, members=sum(roles), layer_norm=True
        )

    def forward(self, z: Tensor) -> Tensor:
        """Return ratings [E, ...] of latents [..., d]."""
        return self.net(z[None])[0, ..., 0]

    def moves(self, z: Tensor) -> Tensor:
        """Return the mean rating of those that move, [...]."""
        return self(z)[: self.roles.move].mean(0)

    def chooses(self, z: Tensor) -> Tensor:
        """Return the mean rating of those that choose, [...]."""
        first = self.roles.move
        return self(z)[first : first + self.roles.choose].mean(0)

    def judges(self, z: Tensor) -> Tensor:
        """Return the mean rating of those that do neither, [...]."""
        return self(z)[self.roles.move + self.roles.choose :].mean(0)


def fold_of(count: int, seed: int, folds: int) -> Tensor:
    """Return which network's fold each of so many training snippets is in, [count]."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed_of("folds", seed))) % folds


def prior(folder: Path, texts: Texts, sizes: Sizes, seed: int) -> Prior:
    """Return the prior of a seed, trained once and kept in a folder."""
    model = Prior(sizes, texts.conditions.shape[1], seed)

    def loss_of(step: int) -> Tensor:
        taken = order(len(texts.latents), sizes.batch, step, seed)
        generator = torch.Generator().manual_seed(seed_of("prior", seed, step))
        actions = (texts.latents[taken] / BOX).clamp(-1, 1)[None]
        blur = sizes.condition_noise * torch.randn(len(taken), texts.conditions.shape[1], generator=generator)
        noise = torch.randn(actions.shape, generator=generator)
        time = torch.rand((*actions.shape[:-1], 1), generator=generator)
        return model.flow.loss((texts.conditions[taken] + blur)[None], actions, noise, time).mean()

    _trained("prior", folder, model, loss_of, sizes.prior_steps, sizes.rate)
    return model


def ratings(folder: Path, texts: Texts, sizes: Sizes, seed: int, roles: Roles = ROLES) -> Ratings:
    """Return the rating networks of a seed, trained once and kept in a folder."""
    model, folds = Ratings(sizes, seed, roles), sum(roles)
    fold = fold_of(len(texts.ratings), seed, folds)

    def loss_of(step: int) -> Tensor:
        taken = order(len(texts.ratings), folds * sizes.batch, step, seed)
        generator = torch.Generator().manual_seed(seed_of("ratings", seed, step))
        z = texts.latents[taken]
        z = z + sizes.rating_noise * torch.randn(z.shape, generator=generator)
        own = (fold[taken] == torch.arange(folds)[:, None]).float()  # a network learns from its fold alone
        return ((model(z) - texts.ratings[taken]).square() * own).sum() / own.sum()

    _trained("ratings", folder, model, loss_of, sizes.rating_steps, sizes.rate)
    return model


def networks(home: Path, texts: Texts, sizes: Sizes, seed: int, roles: Roles = ROLES) -> tuple[Prior, Ratings]:
    """Return prior and rating networks of a seed, each trained once.

    Args:
        home: of everything that is trained with these sizes on these texts.
        texts: training snippets.
        sizes: of networks and training.
        seed: of both.
        roles: how many networks move, choose and judge.
    """
    own = home / f"seed{seed}"
    return prior(own / "prior", texts, sizes, seed), ratings(own / "ratings", texts, sizes, seed, roles)


def _trained(
    name: str, folder: Path, model: nn.Module, loss_of: Callable[[int], Tensor], steps: int, rate: float
) -> None:
    """Train a model unless its folder has it, and leave it frozen."""
    with locked(folder.parent, folder.name):
        if find_done(folder) is None:
            facts = train(name, folder, dict(model.named_parameters()), loss_of, steps, rate, steps)
            with written_whole(folder / "model.safetensors") as stream:
                stream.write(safetensors.torch.save({k: v.contiguous() for k, v in model.state_dict().items()}))
            write_done(folder, facts)
    model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"))
    model.eval().requires_grad_(False)
