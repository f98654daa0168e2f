"""The RBF kernel, its bandwidth, and the two kernel sums a Stein direction is made of.

k(x, y) = exp(-|x - y|^2 / 2 sigma^2). Small particle sets form the N x N kernel matrix as written. Many of them are
worked through in chunks, and large ones take one fused attention call, in memory O(N d). Tests hold all equal.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from vgf.checks import check_pair, check_sets, check_sigma

DENSE_ELEMENTS = 2**24  # the most coordinates of pairwise differences held at once: 64 MB in float32, and their squares
FUSED_LEAST = 256  # smaller sets gain nothing from attention
FUSED_ROUNDING = 1e-4  # the most that attention may be off, in units of the kernel
MEDIAN_LEAST = 64  # particle sets up to this size always get their exact median


def rbf_kernel(x: Tensor, y: Tensor, bandwidth: float | Tensor) -> Tensor:
    """Return k(x_i, y_j) = exp(-|x_i - y_j|^2 / 2 sigma^2): [..., N, d] and [..., M, d] to [..., N, M].

    Raises:
        ValueError: if a set is no tensor, the last axes differ or the bandwidth is no number > 0 and no tensor.
    """
    check_sigma(bandwidth, values=False)
    return torch.exp(-squared_distances(x, y) / (2 * bandwidth**2))


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return |x_i - y_j|^2 from the differences themselves (exact zeros for equal rows): [..., N, M]."""
    check_pair(x, y)
    return (x.unsqueeze(-2) - y.unsqueeze(-3)).square().sum(-1)


def median_bandwidth(particles: Tensor) -> Tensor:
    """Median heuristic of the authors' release, one sigma for each particle set.

    sigma^2 = median / (2 log(N + 1)) + 5e-7, with numpy's median (the mean of the two middle values; torch's
    own is the lower one) over all N x N squared distances, the zero diagonal included. The constant is the
    release's 1e-6 in 1 / (1e-6 + 2 sigma^2); it keeps coincident particles finite. No gradient flows through
    it. Above 4,096 particles, whose pairs pass `DENSE_ELEMENTS` numbers, an evenly strided subset stands for
    a set; pass a number instead where that matters. A set's bandwidth depends on no other set.

    Args:
        particles: [..., N, d].

    Returns:
        sigma, [..., 1, 1].

    Raises:
        ValueError: if there are no particles.
    """
    check_sets(particles)
    n = particles.shape[-2]
    most = max(MEDIAN_LEAST, math.isqrt(DENSE_ELEMENTS))
    x = particles.detach()[..., :: -(-n // most), :]
    sets = x.reshape(-1, *x.shape[-2:]).split(max(1, DENSE_ELEMENTS // x.shape[-2] ** 2))
    found = [_median_of_all(torch.cdist(s, s, compute_mode="donot_use_mm_for_euclid_dist").square_()) for s in sets]
    median = torch.cat(found).reshape(particles.shape[:-2])
    return (median / (2 * math.log(n + 1)) + 5e-7).sqrt()[..., None, None]


def _median_of_all(d2: Tensor) -> Tensor:
    """Return numpy's median of all entries of symmetric [..., n, n] with a zero diagonal and none below zero: [...].

    Sorted, these are n zeros and then each pair twice, so entry k >= n of them is pair (k - n) // 2. To look among
    the pairs alone takes a third of the time at 10 particles and a fifth at 64.
    """
    n = d2.shape[-1]
    first, second = torch.triu_indices(n, n, 1, device=d2.device)
    places = torch.cat([first.new_zeros(1), first.mul_(n).add_(second)])  # one zero of the diagonal, then every pair
    del first, second  # for many particles these are most of the memory
    low, high = (max(0, (k - n) // 2 + 1) for k in ((n * n - 1) // 2, n * n // 2))
    least = d2.flatten(-2)[..., places].topk(high + 1, largest=False, sorted=False).values
    return least.topk(high - low + 1).values.mean(-1)


def kernel_sums(particles: Tensor, score: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Return sum_j K_ij score_j and sum_j K_ij (a_i - a_j) by whichever way fits in memory.

    Past `DENSE_ELEMENTS` pairwise numbers, large sets take fused attention where its rounding is small, which asks the
    device for one number; all others are worked through in chunks of sets or of rows.

    Args:
        particles: [..., N, d].
        score: [..., N, d].
        sigma: bandwidth, [..., 1, 1].

    Returns:
        The sums, [..., N, d] each.
    """
    n, d = particles.shape[-2:]
    if particles.numel() * n <= DENSE_ELEMENTS:
        return kernel_sums_dense(particles, score, sigma)
    lead = torch.broadcast_shapes(particles.shape[:-2], sigma.shape[:-2])
    x, g = (v.expand(*lead, n, d).reshape(-1, n, d) for v in (particles, score))
    flat = sigma.expand(*lead, 1, 1).reshape(-1, 1, 1)
    centred = x - x.mean(-2, keepdim=True)  # keeps the products accurate far from the origin
    if n >= FUSED_LEAST and _rounding(centred, flat) <= FUSED_ROUNDING:
        sums = kernel_sums_fused(centred, g, flat)
    else:
        sums = _kernel_sums_in_chunks(x, g, flat)
    return sums[0].reshape(*lead, n, d), sums[1].reshape(*lead, n, d)


def kernel_sums_dense(
    particles: Tensor, score: Tensor, sigma: Tensor, rows: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the sums through the kernel matrix, for some `rows` [..., R, d] of the particles or for all.

    Differences come first and are weighed afterwards, so particles that coincide do not repel each other, at any
    bandwidth.
    """
    x, y = ((particles if rows is None else rows).mT.contiguous(), particles.mT.contiguous())
    difference = x.unsqueeze(-1) - y.unsqueeze(-2)  # [..., d, R, N]: what is summed over lies side by side
    kernel = torch.exp(-difference.square().sum(-3) / (2 * sigma**2))
    return kernel @ score, (kernel.unsqueeze(-3) * difference).sum(-1).mT


def _kernel_sums_in_chunks(particles: Tensor, score: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sums of sets [S, N, d], as many sets at once as may be, or as many rows of one set."""
    sets, n, d = particles.shape
    together, parts = DENSE_ELEMENTS // (n * n * d), []
    if together:
        for at in range(0, sets, together):
            part = slice(at, at + together)
            parts.append(kernel_sums_dense(particles[part], score[part], sigma[part]))
    else:
        for one in range(sets):
            chunks = particles[one].split(max(1, DENSE_ELEMENTS // (n * d)))
            rows = [kernel_sums_dense(particles[one], score[one], sigma[one], chunk) for chunk in chunks]
            parts.append((torch.cat([row[0] for row in rows])[None], torch.cat([row[1] for row in rows])[None]))
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def _rounding(centred: Tensor, sigma: Tensor) -> float:
    """Return how far fused attention may be off: it subtracts numbers as large as |a|^2 / sigma^2."""
    most = (centred.detach().square().sum(-1, keepdim=True) / sigma.square()).max()
    return float(most) * torch.finfo(centred.dtype).eps


def kernel_sums_fused(centred: Tensor, score: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sums of `kernel_sums_dense` of sets [S, N, d] with mean 0, in memory O(N d), from fused attention.

    RBF weights are an unnormalised softmax: log K_ij = a_i.a_j/s - |a_i|^2/2s - |a_j|^2/2s with s = sigma^2 is
    an inner product of augmented features. A null key of score 0 adds 1 to each softmax's normaliser Z_i, and
    an indicator channel marks it, so its output is 1/(Z_i + 1). Queries, keys and values share one width, a
    multiple of 8: otherwise PyTorch takes its N x N path. Rounding grows as |a|^2 / sigma^2.
    """
    d = centred.shape[-1]
    width = -(-(2 * d + 1) // 8) * 8
    inverse = sigma.square().reciprocal()
    half_norm = centred.square().sum(-1, keepdim=True) * (inverse / 2)
    one = torch.ones_like(half_norm)
    query = F.pad(torch.cat([centred * inverse, -half_norm, one], -1), (0, width - d - 2))
    key = F.pad(torch.cat([centred, one, -half_norm], -1), (0, width - d - 2, 0, 1))
    value = F.pad(torch.cat([score, centred, torch.zeros_like(one)], -1), (0, width - 2 * d - 1, 0, 1))
    value = torch.cat([value[:, :-1], F.pad(one[:, :1], (2 * d, width - 2 * d - 1))], -2)
    out = F.scaled_dot_product_attention(query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1), scale=1.0)
    out = out.squeeze(1)
    total = out[..., 2 * d : 2 * d + 1].reciprocal()  # Z_i + 1
    return out[..., :d] * total, centred * (total - 1) - out[..., d : 2 * d] * total


def as_sigma(bandwidth: float | Tensor, particles: Tensor) -> Tensor:
    """Return a numeric bandwidth as [..., 1, 1] in the particles' dtype and device."""
    # a number is filled in on the device: a copy of it from the host would wait
    sigma = bandwidth.to(particles) if isinstance(bandwidth, Tensor) else particles.new_full((), bandwidth)
    return sigma.reshape(1, 1).expand(*particles.shape[:-2], 1, 1) if sigma.numel() == 1 else sigma
