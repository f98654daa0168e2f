"""Value gradient flow: move particles along a Stein direction under a transport budget.

This file is the method. `N` actions sampled from a reference policy are moved `L` steps along

    phi(x) = 1/N sum_j [ k(a_j, x) grad Q(a_j) / alpha  +  grad_{a_j} k(a_j, x) ]      (xu2026vgf; liu2016stein)

with the RBF kernel k(x, y) = exp(-|x - y|^2 / 2 sigma^2). The first sum attracts towards high value, the second,
`(x - a_j) k / sigma^2`, repels particles from each other. Steps, step size and temperature alpha are the transport
budget: the only regularisation. Zero steps leave the reference sample as it is (best-of-N).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypedDict, Unpack, overload

import torch
from torch import Tensor

from vgf import checks
from vgf.checks import Bandwidth, shown
from vgf.kernels import as_sigma, kernel_sums, median_bandwidth

ScoreFn = Callable[[Tensor], Tensor]
ADAM_BETAS = (0.9, 0.999)
ADAM_EPS = 1e-8


@dataclass(frozen=True)
class Budget:
    """How far particles may move: the regularisation of value gradient flow; a ValueError names a field out of range.

    Attributes:
        steps: number of flow steps L >= 0; 0 is best-of-N.
        step_size: step size epsilon >= 0 of the fixed-step flow, or the learning rate of the Adam flow.
        temperature: alpha > 0; divides the value gradient, so a small alpha weighs value over spread.
        optimizer: "none" moves by `step_size * phi`; "adam" feeds `-phi` to Adam (the authors' release).
    """

    steps: int
    step_size: float
    temperature: float = 1.0
    optimizer: Literal["none", "adam"] = "none"

    def __post_init__(self) -> None:
        """Refuse a budget that has no meaning."""
        steps, size = checks.as_count(self.steps), checks.as_real(self.step_size)
        if steps < 0:
            raise ValueError(f"steps must be an integer >= 0, got {shown(self.steps)}")
        if not (math.isfinite(size) and size >= 0):
            raise ValueError(f"step_size must be a finite number >= 0, got {shown(self.step_size)}")
        checks.check_temperature(self.temperature)
        vars(self).update(steps=steps, step_size=size, temperature=float(self.temperature))  # Python's own types
        if self.optimizer not in ("none", "adam"):
            raise ValueError(f"optimizer must be 'none' or 'adam', got {shown(self.optimizer)}")


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
    """Everything the next step depends on: a caller that keeps the states has recorded the flow."""

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


def stein_direction(
    particles: Tensor, score: Tensor, temperature: float, bandwidth: Bandwidth = "median", repulsion: bool = True
) -> Tensor:
    """Return the Stein direction phi of every particle (xu2026vgf; liu2016stein).

    Args:
        particles: [..., N, d], N >= 1.
        score: value gradient grad Q at each particle, not yet divided by the temperature, [..., N, d].
        temperature: alpha > 0. With `repulsion=False` and alpha 1 this is the paper's alpha -> 0 form.
        bandwidth: sigma > 0 as a number or [..., 1, 1] tensor, or "median" (see `median_bandwidth`).
        repulsion: whether to add the kernel gradient that spreads the particles.

    Returns:
        phi, [..., N, d]; differentiable in `particles` and `score`, the median bandwidth treated as a constant.

    Raises:
        ValueError: naming the argument that is empty, misshapen, not finite or out of range.
    """
    checks.check_particles(particles)
    checks.check_score(score, particles)
    checks.check_temperature(temperature)
    checks.check_bandwidth(bandwidth, like=particles)
    return stein_terms(particles, score, temperature, bandwidth, repulsion).direction


def stein_terms(
    particles: Tensor, score: Tensor, temperature: float, bandwidth: Bandwidth = "median", repulsion: bool = True
) -> SteinTerms:
    """Return attraction, repulsion and bandwidth apart; arguments as `stein_direction`, unchecked."""
    n = particles.shape[-2]
    sigma = median_bandwidth(particles) if isinstance(bandwidth, str) else as_sigma(bandwidth, particles)
    weighted_score, spread = kernel_sums(particles, score, sigma)
    attraction = weighted_score / (n * temperature)
    return SteinTerms(attraction, spread / (n * sigma**2) if repulsion else torch.zeros_like(attraction), sigma)


def flow_step(state: FlowState, direction: Tensor, budget: Budget, bounds: tuple[float, float] | None) -> FlowState:
    """Return the state one step further along `direction` [..., N, d], projected onto the box `bounds`."""
    moved = sized_step(state, direction, budget.step_size, budget.optimizer == "adam", None)
    return moved if bounds is None else FlowState(moved.particles.clamp(*bounds), *moved[1:])


def sized_step(state: FlowState, phi: Tensor, size: float | Tensor, adam: bool, square: Tensor | None) -> FlowState:
    """Return the state one step further along phi, not yet in a box; a tensor of sizes stands beside the particles.

    Adam follows kingma2015adam on -phi, as the authors' release does; `square` is put for phi^2 where it is given.
    """
    step = state.step + 1
    if not adam:
        return FlowState(state.particles + size * phi, state.first_moment, state.second_moment, step)
    beta1, beta2 = ADAM_BETAS
    first = beta1 * state.first_moment - (1 - beta1) * phi
    second = beta2 * state.second_moment + (1 - beta2) * (phi.square() if square is None else square)
    scale = (second / (1 - beta2**step)).sqrt() + ADAM_EPS
    return FlowState(state.particles - size * (first / (1 - beta1**step)) / scale, first, second, step)


class _Options(TypedDict, total=False):
    """Keyword arguments of `transport`, which says what they mean."""

    bandwidth: Bandwidth
    repulsion: bool
    bounds: tuple[float, float] | None
    validate: bool


@overload
def transport(
    particles: Tensor, score_fn: ScoreFn, budget: Budget, *, trace: Literal[False] = ..., **options: Unpack[_Options]
) -> Tensor: ...
@overload
def transport(
    particles: Tensor, score_fn: ScoreFn, budget: Budget, *, trace: Literal[True], **options: Unpack[_Options]
) -> Trajectory: ...
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
        validate: check each score's shape, and that it and the particles are finite; each step waits for the device.

    Returns:
        Final particles [..., N, d], or a `Trajectory` when `trace` is true.

    Raises:
        ValueError: naming the argument that is empty, misshapen, not finite or out of range.
    """
    if not (callable(score_fn) and isinstance(budget, Budget)):
        given = f"{shown(score_fn)}, {shown(budget)}"
        raise ValueError(f"score_fn must be a function and budget a Budget(3, 0.1) or so, got {given}")
    checks.check_particles(particles, values=validate)
    checks.check_bandwidth(bandwidth, values=validate, like=particles)
    bounds = checks.checked_bounds(bounds)
    state = FlowState(particles, torch.zeros_like(particles), torch.zeros_like(particles), 0)
    path, steps = [particles], list[tuple[Tensor, Tensor, Tensor]]()
    for _ in range(budget.steps):
        score = score_fn(state.particles)
        if validate:
            checks.check_score(score, state.particles, name="score_fn")
        terms = stein_terms(state.particles, score, budget.temperature, bandwidth, repulsion)
        state = flow_step(state, terms.direction, budget, bounds)
        if validate:  # else the next score would be blamed
            checks.check_moved(state.particles, state.step)
        if trace:
            path.append(state.particles)
            steps.append((score, terms.direction, terms.bandwidth))
    if not trace:
        return state.particles
    none = torch.stack(path)[:0]
    recorded = [torch.stack(parts) for parts in zip(*steps, strict=True)] or [none, none, none[..., :1, :1]]
    return Trajectory(torch.stack(path), *recorded)


def value_gradient(value_fn: Callable[[Tensor], Tensor]) -> ScoreFn:
    """Turn Q(a): [..., N, d] to [..., N] into its gradient in a, [..., N, d], by autograd.

    The gradient is detached: the flow is not differentiated through the critic. It is a ValueError in inference mode,
    or if the critic does not give one value for each particle or does not depend on them.
    """

    def score_fn(particles: Tensor) -> Tensor:
        if torch.is_inference_mode_enabled():
            raise ValueError("a value gradient needs autograd: leave torch.inference_mode(); torch.no_grad() will do")
        with torch.enable_grad():
            leaf = particles.detach().requires_grad_(True)
            checks.check_values("what value_fn gives", values := value_fn(leaf), leaf)
            found = values.requires_grad and torch.autograd.grad(values.sum(), leaf, allow_unused=True)[0]
        if not isinstance(found, Tensor):
            raise ValueError("value_fn does not depend on the particles; leave out detach() and no_grad() in it")
        return found

    return score_fn


def best_of(particles: Tensor, values: Tensor) -> Tensor:
    """Return the particle of highest value in each set: [..., N, d] and [..., N] to [..., d]; NaN counts as lowest.

    Raises:
        ValueError: if one is no tensor, there is no particle, or values are not [..., N].
    """
    checks.check_sets(particles)
    checks.check_values("values", values, particles)
    index = values.nan_to_num(nan=-math.inf).argmax(-1)[..., None, None]
    return particles.gather(-2, index.expand(*particles.shape[:-2], 1, particles.shape[-1])).squeeze(-2)
