"""The RBF kernel, its bandwidth, and the three kernel sums a Stein direction is made of.

k(x, y) = exp(-|x - y|^2 / 2 sigma^2). Small particle sets form the N x N kernel matrix as written; larger ones never
do, and take the same sums from one fused attention call, in memory O(N d). Both are here, side by side, and tests
hold them equal.
"""

from __future__ import annotations

import math
import operator
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Bandwidth = float | Tensor | Literal["median"]

DENSE_ELEMENTS = 2**24  # the most pairwise numbers held at once (64 MB in float32); past it memory is O(N d)
MEDIAN_LEAST = 64  # particle sets up to this size always get their exact median


def rbf_kernel(x: Tensor, y: Tensor, bandwidth: float | Tensor) -> Tensor:
    """Return k(x_i, y_j) = exp(-|x_i - y_j|^2 / 2 sigma^2): [..., N, d] and [..., M, d] to [..., N, M]."""
    return torch.exp(-squared_distances(x, y) / (2 * bandwidth**2))


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return |x_i - y_j|^2 from the differences themselves (exact zeros for equal rows): [..., N, M]."""
    return (x.unsqueeze(-2) - y.unsqueeze(-3)).square().sum(-1)


def median_bandwidth(particles: Tensor) -> Tensor:
    """Median heuristic of the authors' release, one sigma for each particle set.

    sigma^2 = median / (2 log(N + 1)) + 5e-7, with numpy's median (the mean of the two middle values; torch's
    own is the lower one) over all N x N squared distances, the zero diagonal included. The constant is the
    release's 1e-6 in 1 / (1e-6 + 2 sigma^2); it keeps coincident particles finite. No gradient flows through
    it. Where all pairwise distances together would pass `DENSE_ELEMENTS` numbers (above 4,096 particles for one
    set), an evenly strided subset stands for each set; pass a number instead where that matters.

    Args:
        particles: [..., N, d].

    Returns:
        sigma, [..., 1, 1].
    """
    n = particles.shape[-2]
    sets = math.prod(particles.shape[:-2])
    most = max(MEDIAN_LEAST, math.isqrt(DENSE_ELEMENTS // max(1, sets)))
    x = particles.detach()[..., :: -(-n // most), :]
    median = _median_of_all(torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").square_())
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


def kernel_sums(centred: Tensor, score: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return sum_j K_ij, sum_j K_ij score_j and sum_j K_ij a_j by whichever way fits in memory.

    Args:
        centred: particles with their mean taken off, which keeps the sums accurate far from the origin, [..., N, d].
        score: [..., N, d].
        sigma: bandwidth, [..., 1, 1].

    Returns:
        The sums, [..., N, 1], [..., N, d] and [..., N, d].
    """
    if centred.numel() * centred.shape[-2] <= DENSE_ELEMENTS:
        return kernel_sums_dense(centred, score, sigma)
    return kernel_sums_fused(centred, score, sigma)


def kernel_sums_dense(centred: Tensor, score: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return sum_j K_ij, sum_j K_ij score_j and sum_j K_ij a_j through the N x N kernel."""
    kernel = rbf_kernel(centred, centred, sigma)
    return kernel.sum(-1, keepdim=True), kernel @ score, kernel @ centred


def kernel_sums_fused(centred: Tensor, score: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sums of `kernel_sums_dense` in memory O(N d) from fused attention.

    RBF weights are an unnormalised softmax: log K_ij = a_i.a_j/s - |a_i|^2/2s - |a_j|^2/2s with s = sigma^2 is
    an inner product of augmented features. A null key of score 0 adds 1 to each softmax's normaliser Z_i, and
    an indicator channel marks it, so its output is 1/(Z_i + 1). Queries, keys and values share one width, a
    multiple of 8: otherwise PyTorch takes its N x N path. Rounding grows as |a|^2 / sigma^2.
    """
    n, d = centred.shape[-2:]
    width = -(-(2 * d + 1) // 8) * 8
    lead = torch.broadcast_shapes(centred.shape[:-2], sigma.shape[:-2])
    a = centred.expand(*lead, n, d).reshape(-1, n, d)
    g = score.expand(*lead, n, d).reshape(-1, n, d)
    inverse = sigma.square().reciprocal().expand(*lead, 1, 1).reshape(-1, 1, 1)
    half_norm = a.square().sum(-1, keepdim=True) * (inverse / 2)
    one = torch.ones_like(half_norm)
    query = F.pad(torch.cat([a * inverse, -half_norm, one], -1), (0, width - d - 2))
    key = F.pad(torch.cat([a, one, -half_norm], -1), (0, width - d - 2, 0, 1))
    value = F.pad(torch.cat([g, a, torch.zeros_like(one)], -1), (0, width - 2 * d - 1, 0, 1))
    value = torch.cat([value[:, :-1], F.pad(one[:, :1], (2 * d, width - 2 * d - 1))], -2)
    out = F.scaled_dot_product_attention(query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1), scale=1.0)
    out = out.squeeze(1).reshape(*lead, n, width)
    total = out[..., 2 * d : 2 * d + 1].reciprocal()  # Z_i + 1
    return total - 1, out[..., :d] * total, out[..., d : 2 * d] * total


def as_sigma(bandwidth: float | Tensor, particles: Tensor) -> Tensor:
    """Return a numeric bandwidth as [..., 1, 1] in the particles' dtype and device."""
    # a number is filled in on the device: a copy of it from the host would wait
    sigma = bandwidth.to(particles) if isinstance(bandwidth, Tensor) else particles.new_full((), bandwidth)
    return sigma.reshape(1, 1).expand(*particles.shape[:-2], 1, 1) if sigma.numel() == 1 else sigma


def check_bandwidth(bandwidth: Bandwidth, values: bool = True) -> None:
    """Refuse a bandwidth that is not "median", a number > 0 or a [..., 1, 1] tensor; ValueError names it."""
    if isinstance(bandwidth, str):
        if bandwidth != "median":
            raise ValueError(f"bandwidth must be 'median' or a number > 0, got {bandwidth!r}")
    elif isinstance(bandwidth, Tensor):
        if bandwidth.numel() != 1 and bandwidth.shape[-2:] != (1, 1):
            raise ValueError(f"bandwidth must be a number or [..., 1, 1], got shape {tuple(bandwidth.shape)}")
        if values and not bool(((bandwidth > 0) & torch.isfinite(bandwidth)).all()):
            raise ValueError("bandwidth must be finite and > 0 in every entry")
    elif not (math.isfinite(as_real(bandwidth)) and bandwidth > 0):
        raise ValueError(f"bandwidth must be a finite number > 0, got {bandwidth!r}")


def as_count(value: Any) -> int:
    """Return an integer of Python, numpy or torch; -1 where it is none."""
    try:
        return -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return -1


def as_real(value: Any) -> float:
    """Return a number of Python, numpy or torch as a float; NaN where it is none."""
    try:
        return math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError):
        return math.nan


def checked_bounds(bounds: Any) -> tuple[float, float] | None:
    """Return (low, high) as numbers, or None for all of space; ValueError where low < high does not hold."""
    if bounds is None:
        return None
    ends = [as_real(end) for end in bounds] if hasattr(bounds, "__len__") else []
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise ValueError(f"bounds must be (low, high) with low < high, got {bounds!r}")
    return ends[0], ends[1]


def check_particles(particles: Any, values: bool = True) -> None:
    """Refuse particles that are no tensor [..., N, d] of float32 or float64, or, with `values`, not finite."""
    if not isinstance(particles, Tensor):
        raise ValueError(f"particles must be a tensor, got {type(particles).__name__}; torch.as_tensor makes one")
    if particles.ndim < 2 or particles.shape[-2] == 0 or particles.shape[-1] == 0:
        raise ValueError(f"particles must be [..., N, d] with N >= 1 and d >= 1, got shape {tuple(particles.shape)}")
    if particles.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"particles must be float32 or float64, got {particles.dtype}; particles.float() makes them so"
        )
    if values and not bool(torch.isfinite(particles).all()):
        raise ValueError("particles hold NaN or infinite values")


def check_score(score: Tensor, particles: Tensor, name: str = "score") -> None:
    """Refuse a score that is no tensor like the particles, or not finite; ValueError by `name`."""
    if not isinstance(score, Tensor):
        raise ValueError(f"{name} must give a tensor, got {type(score).__name__}")
    if score.shape != particles.shape:
        raise ValueError(f"{name} must have the particles' shape {tuple(particles.shape)}, got {tuple(score.shape)}")
    if score.dtype != particles.dtype:
        raise ValueError(f"{name} must have the particles' dtype {particles.dtype}, got {score.dtype}")
    if not bool(torch.isfinite(score).all()):
        raise ValueError(f"{name} holds NaN or infinite values: the critic's gradient is not finite at some particle")


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is not a finite number > 0."""
    if not (math.isfinite(as_real(temperature)) and temperature > 0):
        raise ValueError(f"temperature must be a finite number > 0, got {temperature!r}")
