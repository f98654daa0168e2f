"""A little world of sentences as latents: random texts around two topics, with ratings that are a known function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from vgf.rlhf.latent.models import Ratings
from vgf.rlhf.latent.plan import Sizes
from vgf.rlhf.latent.space import Axes, Space, Texts

D = 4
SIZES = Sizes(
    seeds=(0,),
    tuning_seeds=(100,),
    prompts=6,
    dimensions=D,
    particles=4,
    steps=3,
    prior_steps=20,
    prior_width=16,
    rating_steps=20,
    rating_width=16,
    batch=16,
)
LITTLE_PLAN: dict[str, Any] = {
    "about": "little",
    "language": "latent",
    "topics": ["warm plot", "dull cast"],
    "testbeds": {
        name: {"wish": "a wish", "prediction": "a prediction", "worth": 0.2}
        for name in ("conditional", "target", "modes")
    },
    "displacements": [1.0, 2.0],
    "temperatures": [1.0],
    "gate": 1.15,
    "rule": "the best",
    "scales": {
        "quick": {
            "seeds": [0, 1],
            "tuning_seeds": [100],
            "prompts": 6,
            "dimensions": D,
            "particles": 4,
            "steps": 3,
            "prior_steps": 6,
            "prior_width": 8,
            "rating_steps": 6,
            "rating_width": 8,
            "batch": 16,
        }
    },
}


class Straight(Ratings):
    """Rating networks that all say the first coordinate."""

    def __init__(self) -> None:
        super().__init__(SIZES, 0)

    def forward(self, z: Tensor) -> Tensor:
        """Return it once for each network."""
        return z[..., 0].expand(4, *z.shape[:-1])


def little_texts(count: int, seed: int) -> Texts:
    """Return texts at random places, rated by their first coordinate, the topics being the second and third."""
    z = torch.randn(count, D, generator=torch.Generator().manual_seed(seed))
    return Texts([f"review-{seed}{k}" for k in range(count)], z[:, 0], z, z[:, :2], z[:, 1:3])


def little_space() -> Space:
    """Return a space whose vectors are three times as long as its latents, as those of three layers are."""
    into = torch.cat([torch.zeros(2 * D, D), torch.eye(D)])
    axes = Axes(torch.zeros(3 * D), into, into.T)
    parts = (little_texts(60, 1), little_texts(40, 2), little_texts(40, 3))
    return Space(axes, torch.eye(D)[1:3], torch.tensor([[0.0, 0.0], [1.0, 1.0]]), *parts)


def write_plan(folder: Path, **changes: Any) -> Path:
    """Write an experiment file, with other values of its keys where they are given."""
    path = folder / "latent.yaml"
    path.write_text(yaml.safe_dump(LITTLE_PLAN | changes))
    return path
