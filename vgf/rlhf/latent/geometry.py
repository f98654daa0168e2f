"""Two numbers that say beforehand what a flow can do: how alike gradients are, and how alike distances are.

Where gradients at different latents point one way, one constant direction serves all: the mean cosine between a
particle's gradient and a constant is the share of the first-order gain that the constant can have. Where all particles
are equally far apart, a kernel with a median bandwidth weighs all alike and tells no neighbour from another.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vgf.kernels import median_bandwidth, rbf_kernel
from vgf.rlhf.reward import embedded, padded
from vgf.rlhf.settings import Setup
from vgf.rlhf.stages import open_policy

SETS = 200  # sets of N texts


def alike(gradients: Tensor) -> float:
    """Return the mean cosine between gradients [..., d] at different places."""
    unit = F.normalize(gradients.flatten(0, -2), dim=-1)
    n = len(unit)
    return float((unit.sum(0).square().sum() - n) / (n * (n - 1)))


def share(gradients: Tensor, directions: Tensor) -> float:
    """Return the mean cosine between gradients and the directions that a control takes there, both [..., d]."""
    return float(F.cosine_similarity(gradients, directions.expand_as(gradients), dim=-1).mean())


def distances(sets: Tensor) -> dict[str, float]:
    """Return how unlike the distances within sets of particles [S, N, D] are.

    Returns:
        dimensions: D; spread: standard deviation of a set's distances over their mean; least, most: the kernel's
        weights of a set's farthest and nearest pair, at the median bandwidth; each the mean over sets.
    """
    n = sets.shape[1]
    first, second = torch.triu_indices(n, n, 1)
    apart = torch.cdist(sets, sets, compute_mode="donot_use_mm_for_euclid_dist")[:, first, second]
    weights = rbf_kernel(sets, sets, median_bandwidth(sets))[:, first, second]
    found = {"spread": apart.std(-1) / apart.mean(-1), "least": weights.amin(-1), "most": weights.amax(-1)}
    return {"dimensions": float(sets.shape[-1])} | {name: float(value.mean()) for name, value in found.items()}


def token_sets(setup: Setup, particles: int) -> tuple[Tensor, list[list[str]]]:
    """Return sets of people's responses in the space of token embeddings, [S, N, T d], and the names in each."""
    policy, splits = open_policy(setup)
    rows = [row for row in splits.sft if len(row.chosen) == setup.sizes.tokens]
    count = min(SETS, len(rows) // particles)
    rows = rows[: count * particles]
    tokens, _ = padded([row.chosen for row in rows], policy.end, policy.device)
    names = [row.name for row in rows]
    sets = [names[k : k + particles] for k in range(0, len(names), particles)]
    return embedded(policy, tokens).reshape(count, particles, -1), sets
