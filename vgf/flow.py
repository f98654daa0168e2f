"""Value gradient flow: move particles along a Stein direction under a transport budget.

This file is the method. `N` actions sampled from a reference policy are moved `L` steps along

    phi(x) = 1/N sum_j [ k(a_j, x) grad Q(a_j) / alpha  +  grad_{a_j} k(a_j, x) ]      (xu2026vgf; liu2016stein)

with the RBF kernel k(x, y) = exp(-|x - y|^2 / 2 sigma^2). The first sum attracts towards high value, the
second, `(x - a_j) k / sigma^2`, repels particles from each other. Steps, step size and temperature alpha are
the transport budget: the only regularisation. Zero steps leave the reference sample as it is (best-of-N).

Trade-off: small particle sets use the N x N kernel matrix as written above; larger ones never form it and
take the same three kernel sums from one fused attention call, in memory O(N d).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

ScoreFn = Callable[[Tensor], Tensor]
Bandwidth = float | Tensor | Literal["median"]

DENSE_ELEMENTS = 2**24  # the most pairwise numbers held at once (64 MB in float32); past it memory is O(N d)
MEDIAN_LEAST = 64  # particle sets up to this size always get their exact median
ADAM_BETAS = (0.9, 0.999)
ADAM_EPS = 1e-8


@dataclass(frozen=True)
class Budget:
    """How far particles may move: the regularisation of value gradient flow.

    Attributes:
        steps: number of flow steps L >= 0; 0 is best-of-N.
        step_size: step size epsilon >= 0 of the fixed-step flow, or the learning rate of the Adam flow.
        temperature: alpha > 0; divides the value gradient, so a small alpha weighs value over spread.
        optimizer: "none" moves by `step_size * phi`; "adam" feeds `-phi` to Adam (the authors' release).

    Raises:
        ValueError: naming the field that is out of range.
    """

    steps: int
    step_size: float
    temperature: float = 1.0
    optimizer: Literal["none", "adam"] = "none"

    def __post_init__(self) -> None:
        """Refuse a budget that has no meaning."""
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 0:
            raise ValueError(f"steps must be an integer >= 0, got {self.steps!r}")
        if not (math.isfinite(self.step_size) and self.step_size >= 0):
            raise ValueError(f"step_size must be a finite number >= 0, got {self.step_size!r}")
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature must be a finite number > 0, got {self.temperature!r}")
        if self.optimizer not in ("none", "adam"):
            raise ValueError(f"optimizer must be 'none' or 'adam', got {self.optimizer!r}")


class SteinTerms(NamedTuple):
    """The parts of one Stein direction, named as in the text; all but `bandwidth` are [..., N, d]."""

    attraction: Tensor  # 1/N sum_j k(a_j, x_i) score_j / alpha
    repulsion: Tensor  # 1/N sum_j grad_{a_j} k(a_j, x_i); zeros when switched off
    bandwidth: Tensor  # sigma, [..., 1, 1]

    @property
    def direction(self) -> Tensor:
        """phi, [..., N, d]."""
        return self.attraction + self.repulsion


class FlowState(NamedTuple):
    """Everything the next step depends on."""

    particles: Tensor  # [..., N, d]
    first_moment: Tensor  # Adam's running mean of -phi, [..., N, d]; unused by the fixed-step flow
    second_moment: Tensor  # Adam's running mean of phi^2, [..., N, d]; unused by the fixed-step flow
    step: int


class Trajectory(NamedTuple):
    """A recorded flow of L steps."""

    particles: Tensor  # [L + 1, ..., N, d]: where the particles were, the start included
    scores: Tensor  # [L, ..., N, d]: the value gradient each step saw
    directions: Tensor  # [L, ..., N, d]: phi of each step
    bandwidths: Tensor  # [L, ..., 1, 1]: sigma of each step


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
    d2 = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").square().flatten(-2)
    low = (d2.shape[-1] + 1) // 2  # kthvalue counts from 1; two selections are cheaper than a quantile's sort
    median = d2.kthvalue(low).values
    if d2.shape[-1] % 2 == 0:
        median = (median + d2.kthvalue(low + 1).values) / 2
    return (median / (2 * math.log(n + 1)) + 5e-7).sqrt()[..., None, None]


def stein_direction(
    particles: Tensor,
    score: Tensor,
    temperature: float,
    bandwidth: Bandwidth = "median",
    repulsion: bool = True,
) -> Tensor:
    """Return the Stein direction phi of every particle (xu2026vgf; liu2016stein).

    Differentiable in `particles` and `score`; the median bandwidth is treated as a constant.

    Args:
        particles: [..., N, d], N >= 1.
        score: value gradient grad Q at each particle, not yet divided by the temperature, [..., N, d].
        temperature: alpha > 0. With `repulsion=False` and alpha 1 this is the paper's alpha -> 0 form.
        bandwidth: sigma > 0 as a number or [..., 1, 1] tensor, or "median" (see `median_bandwidth`).
        repulsion: whether to add the kernel gradient that spreads the particles.

    Returns:
        phi, [..., N, d].

    Raises:
        ValueError: naming the argument that is empty, misshapen, not finite or out of range.
    """
    _check_particles(particles)
    _check_score(score, particles)
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature must be a finite number > 0, got {temperature!r}")
    _check_bandwidth(bandwidth)
    return stein_terms(particles, score, temperature, bandwidth, repulsion).direction


def stein_terms(
    particles: Tensor, score: Tensor, temperature: float, bandwidth: Bandwidth = "median", repulsion: bool = True
) -> SteinTerms:
    """Return attraction, repulsion and bandwidth apart; arguments as `stein_direction`, unchecked."""
    n, d = particles.shape[-2:]
    sigma = median_bandwidth(particles) if isinstance(bandwidth, str) else _as_sigma(bandwidth, particles)
    centred = particles - particles.mean(-2, keepdim=True)  # keeps the sums accurate far from the origin
    if particles.numel() * n <= DENSE_ELEMENTS:
        mass, weighted_score, weighted_particles = _kernel_sums_dense(centred, score, sigma)
    else:
        mass, weighted_score, weighted_particles = _kernel_sums_fused(centred, score, sigma)
    attraction = weighted_score / (n * temperature)
    if not repulsion:
        return SteinTerms(attraction, torch.zeros_like(attraction), sigma)
    return SteinTerms(attraction, (centred * mass - weighted_particles) / (n * sigma**2), sigma)


def flow_step(state: FlowState, direction: Tensor, budget: Budget, bounds: tuple[float, float] | None) -> FlowState:
    """Return the state one step further along `direction` [..., N, d], projected onto the box `bounds`.

    A pure function: a caller that keeps the states has recorded the flow. Adam follows kingma2015adam on
    -phi with bias correction, as the authors' release does.
    """
    step = state.step + 1
    if budget.optimizer == "none":
        moved = state.particles + budget.step_size * direction
        first, second = state.first_moment, state.second_moment
    else:
        beta1, beta2 = ADAM_BETAS
        first = beta1 * state.first_moment - (1 - beta1) * direction
        second = beta2 * state.second_moment + (1 - beta2) * direction.square()
        scale = (second / (1 - beta2**step)).sqrt() + ADAM_EPS
        moved = state.particles - budget.step_size * (first / (1 - beta1**step)) / scale
    if bounds is not None:
        moved = moved.clamp(*bounds)
    return FlowState(moved, first, second, step)


def transport(
    particles: Tensor,
    score_fn: ScoreFn,
    budget: Budget,
    *,
    bandwidth: Bandwidth = "median",
    repulsion: bool = True,
    bounds: tuple[float, float] | None = None,
    trace: bool = False,
    validate: bool = True,
) -> Tensor | Trajectory:
    """Move particles `budget.steps` steps along the Stein direction: the implicit policy of VGF (xu2026vgf).

    Args:
        particles: reference actions, [..., N, d]; returned bit-identical when `budget.steps` is 0.
        score_fn: maps particles [..., N, d] to grad Q there, [..., N, d]; see `value_gradient`.
        budget: steps, step size, temperature and optimizer.
        bandwidth: sigma of the kernel, or "median" to set it anew at every step.
        repulsion: whether particles repel each other.
        bounds: (low, high) of the action box every step is projected onto, or None for all of space.
        trace: return the whole `Trajectory` instead of the final particles.
        validate: check every score's shape, and that particles, bandwidth and scores are finite; costs one
            device synchronisation a step.

    Returns:
        Final particles [..., N, d], or a `Trajectory` when `trace` is true.

    Raises:
        ValueError: naming the argument that is empty, misshapen, not finite or out of range.
    """
    _check_particles(particles, values=validate)
    _check_bandwidth(bandwidth, values=validate)
    if bounds is not None and not bounds[0] < bounds[1]:
        raise ValueError(f"bounds must be (low, high) with low < high, got {bounds!r}")
    zeros = torch.zeros_like(particles)
    state = FlowState(particles, zeros, zeros, 0)
    path, scores, directions, sigmas = [particles], [], [], []
    for _ in range(budget.steps):
        score = score_fn(state.particles)
        if validate:
            _check_score(score, state.particles, name="score_fn")
        terms = stein_terms(state.particles, score, budget.temperature, bandwidth, repulsion)
        state = flow_step(state, terms.direction, budget, bounds)
        if trace:
            path.append(state.particles)
            scores.append(score)
            directions.append(terms.direction)
            sigmas.append(terms.bandwidth)
    if not trace:
        return state.particles
    sigma_shape = particles[..., :1, :1]
    return Trajectory(
        torch.stack(path), _stack(scores, particles), _stack(directions, particles), _stack(sigmas, sigma_shape)
    )


def value_gradient(value_fn: Callable[[Tensor], Tensor]) -> ScoreFn:
    """Turn Q(a): [..., N, d] to [..., N] into its gradient in a, [..., N, d], by autograd.

    The returned gradient is detached: the flow is not differentiated through the critic.
    """

    def score_fn(particles: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf = particles.detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad(value_fn(leaf).sum(), leaf)
        return gradient

    return score_fn


def best_of(particles: Tensor, values: Tensor) -> Tensor:
    """Return the particle of highest value in each set: [..., N, d] and [..., N] to [..., d]."""
    index = values.argmax(-1)[..., None, None].expand(*particles.shape[:-2], 1, particles.shape[-1])
    return particles.gather(-2, index).squeeze(-2)


def _kernel_sums_dense(centred: Tensor, score: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return sum_j K_ij, sum_j K_ij score_j and sum_j K_ij a_j through the N x N kernel."""
    kernel = rbf_kernel(centred, centred, sigma)
    return kernel.sum(-1, keepdim=True), kernel @ score, kernel @ centred


def _kernel_sums_fused(centred: Tensor, score: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sums of `_kernel_sums_dense` in memory O(N d) from fused attention.

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


def _as_sigma(bandwidth: float | Tensor, particles: Tensor) -> Tensor:
    """Return a numeric bandwidth as [..., 1, 1] in the particles' dtype and device."""
    sigma = torch.as_tensor(bandwidth, dtype=particles.dtype, device=particles.device)
    return sigma.reshape(1, 1).expand(*particles.shape[:-2], 1, 1) if sigma.numel() == 1 else sigma


def _stack(parts: list[Tensor], like: Tensor) -> Tensor:
    """Stack recorded tensors, or return an empty [0, ...] record shaped like `like`."""
    return torch.stack(parts) if parts else like.new_empty((0, *like.shape))


def _check_particles(particles: Tensor, values: bool = True) -> None:
    if particles.ndim < 2 or particles.shape[-2] == 0 or particles.shape[-1] == 0:
        raise ValueError(f"particles must be [..., N, d] with N >= 1 and d >= 1, got shape {tuple(particles.shape)}")
    if not particles.is_floating_point():
        raise ValueError(f"particles must be floating point, got {particles.dtype}")
    if values and not bool(torch.isfinite(particles).all()):
        raise ValueError("particles hold NaN or infinite values")


def _check_score(score: Tensor, particles: Tensor, name: str = "score") -> None:
    if score.shape != particles.shape:
        raise ValueError(f"{name} must have the particles' shape {tuple(particles.shape)}, got {tuple(score.shape)}")
    if score.dtype != particles.dtype:
        raise ValueError(f"{name} must have the particles' dtype {particles.dtype}, got {score.dtype}")
    if not bool(torch.isfinite(score).all()):
        raise ValueError(f"{name} holds NaN or infinite values: the critic's gradient is not finite at some particle")


def _check_bandwidth(bandwidth: Bandwidth, values: bool = True) -> None:
    if isinstance(bandwidth, str):
        if bandwidth != "median":
            raise ValueError(f"bandwidth must be 'median' or a number > 0, got {bandwidth!r}")
    elif isinstance(bandwidth, Tensor):
        if bandwidth.numel() != 1 and bandwidth.shape[-2:] != (1, 1):
            raise ValueError(f"bandwidth must be a number or [..., 1, 1], got shape {tuple(bandwidth.shape)}")
        if values and not bool(((bandwidth > 0) & torch.isfinite(bandwidth)).all()):
            raise ValueError("bandwidth must be finite and > 0 in every entry")
    elif not (math.isfinite(bandwidth) and bandwidth > 0):
        raise ValueError(f"bandwidth must be a finite number > 0, got {bandwidth!r}")
