"""How far to go, where the reward is a model: one network moves, two choose, two judge, and people rated the texts.

A longer flow, or the best of more samples, raises the network that is followed, at first; what it stands for may stop
rising or fall (gao2023overoptimisation). Here the proxy is one small network of people's ratings. Two others, on folds
of their own, say how far to go; two more and people's ratings of the retrieved texts say what it was worth. Nothing is
tuned: every budget of the ladder is recorded, and a method is a curve of what is gained against what is believed.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from vgf.flow import value_gradient
from vgf.networks import SeedStreams
from vgf.rlhf.latent.geometry import alike, share
from vgf.rlhf.latent.models import Prior, Ratings, Roles, fold_of, networks
from vgf.rlhf.latent.plan import read_budget_plan
from vgf.rlhf.latent.rows import ANCHORS, ROWS, Setting, move
from vgf.rlhf.latent.space import Space, Texts, open_space
from vgf.rlhf.latent.study import cache_of, folder_of, is_sealed, read_latent, write_seed
from vgf.rlhf.training import duration
from vgf.support.progress import log
from vgf.support.provenance import fingerprint
from vgf.support.scales import ScaleName

BUDGETS, CURVATURE = "budgets", "curvature"  # names of the records
PENALTY = 1.0  # of the linear reward, a snippet's worth of shrinkage in each whitened direction
BEST = "best_of_n"
MOVED = ("constant", "no_kernel", "vgf")  # of `vgf.rlhf.latent.rows`
FIVE = Roles(move=1, choose=2, judge=2)
KEYS = ("row", "budget", "prompt")


def particles_of(name: str, budget: float, samples: Tensor, model: Ratings, space: Space, steps: int) -> Tensor:
    """Return where a method's particles are at a budget, [P, N, d].

    Args:
        name: `BEST`, whose budget is a number of samples, or one of `MOVED`, whose budget is a displacement.
        budget: of the ladder.
        samples: of the prior, [P, M, d]; what moves starts from the first N, which the caller has cut out.
        model: whose moving network is followed.
        space: with the training snippets a constant is the mean gradient at.
        steps: L.
    """
    if name == BEST:
        return samples[:, : int(budget)]
    score = value_gradient(model.moves)
    if ROWS[name].constant:
        field = score(space.training.latents[:ANCHORS][None]).mean((0, 1)).expand_as(samples)
        return move(ROWS[name], Setting(budget), steps, samples, lambda z: field)
    return move(ROWS[name], Setting(budget), steps, samples, score)


def measure(start: Tensor, end: Tensor, model: Ratings, pool: Texts, is_moved: bool) -> pd.DataFrame:
    """Return a line a prompt of what a method came to, without the names of row, budget and prompt.

    Columns: proxy, chooses, judges (the networks' values of the particle with the highest proxy), people (their rating
    of the text nearest to it), distance (to that text), others (people's rating of the text that the choosing networks
    prefer among all candidates: N originals and N moved, or all samples).

    Args:
        start: particles before, [P, N, d].
        end: after.
        model: the rating networks.
        pool: texts to retrieve.
        is_moved: whether the originals are candidates too.
    """
    value = model.moves(end)
    best = value.argmax(-1, keepdim=True)
    texts, far = pool.nearest(end)
    every = torch.cat([pool.nearest(start)[0], texts], 1) if is_moved else texts
    liked = every.gather(1, model.chooses(pool.latents[every]).argmax(-1, keepdim=True))
    found = {
        "proxy": value.gather(1, best),
        "chooses": model.chooses(end).gather(1, best),
        "judges": model.judges(end).gather(1, best),
        "people": pool.ratings[texts.gather(1, best)],
        "others": pool.ratings[liked],
        "distance": far.gather(1, best),
    }
    return pd.DataFrame({name: column.squeeze(1).numpy() for name, column in found.items()}).round(4)


class BudgetStudy:
    """An experiment file of budgets at a scale.

    Args:
        path: of the file.
        scale: quick, cpu or paper.
        root: of the records; data/results by default.
    """

    def __init__(self, path: Path, scale: ScaleName, root: Path | None = None) -> None:
        self.plan, self.sizes = read_budget_plan(path, scale)
        self.scale, self.root = scale, root
        self.cache, made_of = cache_of()
        sizes = {name: value for name, value in asdict(self.sizes).items() if "seeds" not in name}
        own = {"topics": list(self.plan.topics), "roles": FIVE._asdict()}
        self.trained = {"made_of": made_of, "sizes": sizes, **own}
        ladders = {"displacements": list(self.plan.displacements), "samples": list(self.plan.samples)}
        self.settings = self.trained | ladders | {"rows": [BEST, *MOVED]}

    def run(self) -> pd.DataFrame:
        """Do whatever is missing; return all rows with their seed."""
        folder = folder_of(self.scale, BUDGETS, self.root)
        missing = [seed for seed in self.sizes.seeds if not is_sealed(folder, seed, self.settings)]
        if missing:
            space = open_space(self.cache / "vectors", self.plan.topics, self.sizes.dimensions)
        begun = time.monotonic()
        for at, seed in enumerate(missing, 1):
            started = time.monotonic()
            own, model = networks(self.cache / fingerprint(self.trained), space.training, self.sizes, seed, FIVE)
            rows = self.rows(space, own, model, seed)
            facts = {"fit": fit(model, space.report)}
            write_seed(folder, seed, rows, KEYS, self.settings, {"scale": self.scale, **facts}, started)
            left = (time.monotonic() - begun) / at * (len(missing) - at)
            log(f"budgets: seed {at} of {len(missing)}, about {duration(left)} to go")
        self.measure_gradients()
        return read_latent(folder)

    def measure_gradients(self) -> None:
        """Record, of each seed, how gradients agree where nothing has moved; see `curvature`."""
        folder = folder_of(self.scale, CURVATURE, self.root)
        for seed in [seed for seed in self.sizes.seeds if not is_sealed(folder, seed, self.trained)]:
            started = time.monotonic()
            space = open_space(self.cache / "vectors", self.plan.topics, self.sizes.dimensions)
            own, model = networks(self.cache / fingerprint(self.trained), space.training, self.sizes, seed, FIVE)
            samples = self.samples(space, own, seed)[:, : self.sizes.particles]
            fold = fold_of(len(space.training.ratings), seed, sum(FIVE)) == 0
            found = curvature(model, space, samples, fold)
            write_seed(folder, seed, found, ("direction",), self.trained, {"scale": self.scale}, started)

    def samples(self, space: Space, own: Prior, seed: int) -> Tensor:
        """Return the prior's samples for the reported prompts, [P, M, d]."""
        prompts = space.report.at(range(min(self.sizes.prompts, len(space.report.names))))
        shape = (len(prompts.names), max(self.sizes.particles, *self.plan.samples), self.sizes.dimensions)
        return own.sample(prompts.conditions, SeedStreams([seed], "samples of budgets").normal(*shape)[0])

    def rows(self, space: Space, own: Prior, model: Ratings, seed: int) -> pd.DataFrame:
        """Return every method at every budget on the reported half, a line a prompt."""
        pool, drawn = space.report, self.samples(space, own, seed)
        first, frames = drawn[:, : self.sizes.particles], []
        for name in (BEST, *MOVED):
            ladder = self.plan.samples if name == BEST else self.plan.displacements
            for budget in ladder:
                start = drawn if name == BEST else first
                end = particles_of(name, budget, start, model, space, self.sizes.steps)
                found = measure(start, end, model, pool, name != BEST)
                frames.append(found.assign(row=name, budget=float(budget), prompt=pool.names[: len(drawn)]))
        return pd.concat(frames, ignore_index=True)


def curvature(model: Ratings, space: Space, samples: Tensor, fold: Tensor) -> pd.DataFrame:
    """Return how three directions at the same places agree with each other and with the judges' gradient.

    Lines: own (the moving network's gradient there), constant (its mean at training snippets), linear (the slope of
    ridge regression on the moving network's fold: a reward that cannot curve). Columns, mean cosines: alike (among
    places), network (with the moving network's gradient), judges (with the judging networks' gradient, which is the
    share of the first-order gain of what judges that a step along the direction has).

    Args:
        model: the rating networks.
        space: with the training snippets.
        samples: places, [P, N, d].
        fold: which training snippets are the moving network's, [n].
    """
    own, judges = (value_gradient(of)(samples) for of in (model.moves, model.judges))
    mean = value_gradient(model.moves)(space.training.latents[:ANCHORS][None]).mean((0, 1))
    z, y = space.training.latents[fold], space.training.ratings[fold]
    centred = z - z.mean(0)
    slope = torch.linalg.solve(centred.T @ centred + PENALTY * torch.eye(z.shape[1]), centred.T @ (y - y.mean()))
    fields = {"own": own, "constant": mean.expand_as(own), "linear": slope.expand_as(own)}
    lines = [
        {"direction": name, "alike": alike(field), "network": share(own, field), "judges": share(judges, field)}
        for name, field in fields.items()
    ]
    return pd.DataFrame(lines).round(5)


def fit(model: Ratings, pool: Texts) -> dict[str, float]:
    """Return each kind of network's correlation with people on texts that it has not seen."""
    said = {"moves": model.moves(pool.latents), "chooses": model.chooses(pool.latents)}
    said["judges"] = model.judges(pool.latents)
    return {name: float(torch.corrcoef(torch.stack([value, pool.ratings]))[0, 1]) for name, value in said.items()}
