"""One seed's particles on one half of the held-out snippets, and what a row of the comparison is worth there.

Every row starts from the same samples of the prior. What is moved is decoded once, at the end, to the nearest snippet
of the half; the choice among N originals and N moved ones (no step: among 2N samples) is made by rating networks that
moved nothing, of the decoded texts; what is reported of the choice is what people rated it.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from vgf.flow import ScoreFn
from vgf.networks import SeedStreams
from vgf.rlhf.latent.geometry import alike, share
from vgf.rlhf.latent.models import Prior, Ratings
from vgf.rlhf.latent.plan import Sizes
from vgf.rlhf.latent.rows import ROWS, Setting, common_score, constant_field, constants, move, score_of
from vgf.rlhf.latent.space import Space, Texts
from vgf.rlhf.latent.wishes import Wish, covered, marks_of

KEYS = ("regime", "row", "prompt")


@dataclass(frozen=True)
class Scene:
    """A wish on prompts.

    Attributes:
        wish, space, model: what is wished for, where, and the rating networks.
        pool: the half that prompts are of and texts are taken from.
        names: of the prompts.
        marks: of the prompts, [P].
        samples: of the prior, [P, 2N, d].
        constants: for each mark or mode, [C, d].
        steps: L.
    """

    wish: Wish
    space: Space
    model: Ratings
    pool: Texts
    names: list[str]
    marks: Tensor
    samples: Tensor
    constants: Tensor
    steps: int

    def run(self, name: str, setting: Setting) -> tuple[Tensor, Tensor]:
        """Return a row's particles before and after, both [P, N, d], or [P, 2N, d] where nothing moves."""
        row, n = ROWS[name], self.samples.shape[1] // 2
        if row.still:
            return self.samples, self.samples
        start = self.samples[:, :n]
        if row.constant:
            field = constant_field(row, self.wish, self.constants, self.marks, start)
            return start, move(row, setting, self.steps, start, lambda z: field)
        if row.common:
            mean = common_score(self.wish, self.space, self.marks, self.model)
            return start, move(row, setting, self.steps, start, mean)
        return start, move(row, setting, self.steps, start, self.score(row.linear))

    def score(self, linear: bool = False) -> ScoreFn:
        """Return the reward's gradient by the networks that move; see `score_of`."""
        return score_of(self.wish, self.space, self.marks, self.model, linear)

    def measure(self, name: str, setting: Setting) -> pd.DataFrame:
        """Return what a row came to, a line a prompt.

        Columns: prompt, mark, row, chosen (people's value of the chosen text, the mean over modes), each (of all moved
        ones), covered (topics with a text among N of them), check (the choosing networks' value where the particles
        are), distance (to the nearest text), moved, distinct (texts among N), text (names of the chosen).
        """
        start, end = self.run(name, setting)
        n = self.samples.shape[1] // 2
        still = ROWS[name].still
        texts, far = self.pool.nearest(end if still else torch.cat([start, end], 1))
        own = slice(0, None) if still else slice(n, None)
        eight = slice(0, n) if still else own
        mark = self.marks[:, None]
        people = self.wish.of(mark, self.pool.ratings[texts], self.pool.topics[texts])
        guess = self.wish.of(mark, self.model.chooses(self.pool.latents[texts]), self.pool.topics[texts])
        pick = guess.argmax(1)  # [P, modes]
        chosen = people.gather(1, pick[:, None]).squeeze(1).mean(-1)
        check = self.wish.value(mark, self.model.chooses(end), self.space.topics(end)).mean(-1)
        kept = texts[:, eight]
        return pd.DataFrame(
            {
                "prompt": self.names,
                "mark": self.marks.numpy(),
                "row": name,
                "chosen": chosen.numpy(),
                "each": people.amax(-1)[:, own].mean(-1).numpy(),
                "covered": covered(self.pool.ratings[kept], self.pool.topics[kept]).numpy(),
                "check": check.numpy(),
                "distance": far[:, own].mean(-1).numpy(),
                "moved": (end - start).norm(dim=-1).mean(-1).numpy(),
                "distinct": [len(set(one)) for one in kept.tolist()],
                "text": [" ".join(self.pool.names[k] for k in one) for one in texts.gather(1, pick).tolist()],
            }
        ).round({"chosen": 4, "each": 4, "check": 4, "distance": 3, "moved": 3})

    def curvature(self) -> dict[str, float]:
        """Return how alike the gradients of different particles are, and the constants' share of the gain they allow.

        Returns:
            alike: mean cosine between gradients; one, each, linear: that between a gradient and a control's direction.
        """
        start = self.samples[:, : self.samples.shape[1] // 2]
        gradients = self.score()(start)
        found = {"alike": alike(gradients)}
        for name in ("constant", "constant_each"):
            field = constant_field(ROWS[name], self.wish, self.constants, self.marks, start)
            found[ROWS[name].constant] = share(gradients, field)
        return found | {"linear": share(gradients, self.score(linear=True)(start))}


def open_scene(wish: Wish, space: Space, half: str, prior: Prior, model: Ratings, sizes: Sizes, seed: int) -> Scene:
    """Return a seed's scene on one half, "tuning" or "report": prompts are its first snippets, in their order."""
    pool: Texts = getattr(space, half)
    prompts = pool.at(range(min(sizes.prompts, len(pool.names))))
    noise = SeedStreams([seed], f"samples of {half}").normal(len(prompts.names), 2 * sizes.particles, sizes.dimensions)
    samples = prior.sample(prompts.conditions, noise[0])
    marks = marks_of(wish, len(prompts.names))
    own = constants(wish, space, model)
    return Scene(wish, space, model, pool, list(prompts.names), marks, samples, own, sizes.steps)
