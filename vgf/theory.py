"""What the theory chapters check: MMD and its bounds, Wasserstein distance, and a JKO step with a closed form.

Beside them stands `euler_spread`: how much of the data's spread a flow reference keeps, whose samples the particles
start from.

The budget bounds how far a particle can move, and that bounds the maximum mean discrepancy (MMD) between the reference
particles and the transported ones. Three bounds are here: the paper's (xu2026vgf), a uniformly tighter one from the
same displacement, and the displacement of the authors' Adam flow. The bounds hold for a kernel whose bandwidth is
fixed; the median heuristic changes it with the particles, so for a median flow only the Adam displacement applies.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from vgf.checks import check_count, check_one_shape, check_pair, check_positive, check_sigma, check_tensors
from vgf.flow import ADAM_BETAS
from vgf.kernels import DENSE_ELEMENTS, rbf_kernel

OT_ITERATIONS = 10**8  # POT's default stops short of the optimum from about 3,000 points a side


def mmd2(x: Tensor, y: Tensor, bandwidth: float | Tensor) -> Tensor:
    """Squared MMD of two empirical measures under the RBF kernel (gretton2012mmd, biased estimator).

    The squared RKHS distance of two mean embeddings: never negative but for rounding, 0 for equal sets, at most 2.

    Args:
        x: [..., N, d].
        y: [..., M, d].
        bandwidth: sigma > 0, a number or one for each set, [..., 1, 1].

    Returns:
        MMD^2, [...].

    Raises:
        ValueError: if a set is no tensor, empty or not finite, sizes do not fit, or a bandwidth is not above 0.
    """
    check_sigma(bandwidth)
    _check_sets(x, y, "..., ")
    x, y = (v if v.dtype == torch.float64 else v.float() for v in (x, y))  # a sum of many in float16 overflows

    def mean_kernel(a: Tensor, b: Tensor) -> Tensor:
        most = max(1, DENSE_ELEMENTS * a.shape[-2] // (a.numel() * b.shape[-2]))  # rows whose differences fit
        rows = [rbf_kernel(chunk, b, bandwidth).sum((-2, -1)) for chunk in a.split(most, dim=-2)]
        return torch.stack(rows).sum(0) / (a.shape[-2] * b.shape[-2])

    return mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)


def direction_bound(temperature: float, lipschitz: float, bandwidth: float, repulsion: bool = True) -> float:
    """Largest possible norm B of the Stein direction: c / alpha + 1 / (sigma sqrt(e)) (xu2026vgf).

    Args:
        temperature: alpha > 0.
        lipschitz: c, an upper bound of |grad Q|.
        bandwidth: sigma > 0, fixed.
        repulsion: without it the second term is absent.
    """
    check_positive(temperature=temperature, bandwidth=bandwidth)
    check_positive(zero=True, lipschitz=lipschitz)
    return lipschitz / temperature + (1 / (bandwidth * math.sqrt(math.e)) if repulsion else 0.0)


def displacement_bound(
    steps: int, step_size: float, temperature: float, lipschitz: float, bandwidth: float, repulsion: bool = True
) -> float:
    """Largest distance delta = eps L B a particle of the fixed-step flow can move (xu2026vgf)."""
    check_positive(zero=True, step_size=step_size)
    return step_size * check_count(steps) * direction_bound(temperature, lipschitz, bandwidth, repulsion)


def adam_step_bounds(steps: int) -> list[float]:
    """C_t for t = 1 ... L: no coordinate moves more than lr * C_t at Adam step t.

    With m_t = sum_i w_i g_i and v_t = sum_i u_i g_i^2 (bias-corrected weights), Cauchy-Schwarz gives
    |m_t| / sqrt(v_t) <= sqrt(sum_i w_i^2 / u_i) =: C_t, whatever the gradients are.
    """
    beta1, beta2 = ADAM_BETAS
    bounds = []
    for t in range(1, check_count(steps) + 1):
        w = [(1 - beta1) * beta1 ** (t - i) / (1 - beta1**t) for i in range(1, t + 1)]
        u = [(1 - beta2) * beta2 ** (t - i) / (1 - beta2**t) for i in range(1, t + 1)]
        bounds.append(math.sqrt(sum(wi * wi / ui for wi, ui in zip(w, u, strict=True))))
    return bounds


def displacement_bound_adam(steps: int, step_size: float, dimension: int) -> float:
    """Largest distance a particle of the Adam flow can move: lr sqrt(d) sum_t C_t.

    Free of critic, temperature and kernel: for this flow the budget is (L, lr) alone. In a box it speaks of particles
    that start inside; one from outside is first put on the edge.
    """
    check_positive(zero=True, step_size=step_size)
    return step_size * math.sqrt(check_count(dimension, "dimension", 1)) * sum(adam_step_bounds(steps))


def mmd2_from_displacement(displacement: float, bandwidth: float) -> float:
    """Bound MMD^2 <= 2 - 2 exp(-delta^2 / 2 sigma^2) for particles that moved at most delta (proved in the book)."""
    check_positive(zero=True, displacement=displacement)
    check_positive(bandwidth=bandwidth)
    ratio = displacement / bandwidth  # and no power of it, which would raise where it is huge
    return -2 * math.expm1(-ratio * ratio / 2)


def mmd2_bound_paper(steps: int, step_size: float, temperature: float, lipschitz: float, bandwidth: float) -> float:
    """The paper's bound on MMD^2 between reference and transported particles: 2 delta / (sigma sqrt(e)).

    Args:
        steps: L.
        step_size: epsilon.
        temperature: alpha > 0.
        lipschitz: c, an upper bound of |grad Q|.
        bandwidth: sigma > 0 of the flow's kernel and of the MMD, fixed.
    """
    delta = displacement_bound(steps, step_size, temperature, lipschitz, bandwidth)
    return 2 * delta / (bandwidth * math.sqrt(math.e))


def mmd2_bound(steps: int, step_size: float, temperature: float, lipschitz: float, bandwidth: float) -> float:
    """Our bound on the same MMD^2, below the paper's at every budget; arguments as `mmd2_bound_paper`."""
    return mmd2_from_displacement(displacement_bound(steps, step_size, temperature, lipschitz, bandwidth), bandwidth)


def mmd2_bound_adam(steps: int, step_size: float, dimension: int, bandwidth: float) -> float:
    """Bound on MMD^2 for the Adam flow in `dimension` dimensions, under an RBF kernel of any fixed bandwidth."""
    return mmd2_from_displacement(displacement_bound_adam(steps, step_size, dimension), bandwidth)


def _check_sets(x: Tensor, y: Tensor, lead: str = "") -> None:
    """Refuse sets that are no tensors [N, d], with leading axes where `lead` says so, or not finite; ValueError."""
    check_tensors(x=x, y=y)
    fits = min(x.ndim, y.ndim) >= 2 and (lead or max(x.ndim, y.ndim) == 2)
    if not fits or not x.numel() or not y.numel() or x.shape[-1] != y.shape[-1]:
        raise ValueError(f"x must be [{lead}N, d] and y [{lead}M, d], got {list(x.shape)} and {list(y.shape)}")
    check_pair(x, y)
    if not bool(x.isfinite().all() and y.isfinite().all()):
        raise ValueError("x and y must be finite")


def euler_spread(spread: float, steps: int) -> float:
    r"""Return the share of a normal's deviation that Euler steps keep, the flow's velocity known exactly.

    Noise N(0, 1) and data N(m, s^2) on straight paths: the point x_t has variance V_t = (1 - t)^2 + t^2 s^2. A step
    from t to u replaces it by a conditional mean, x_t + (u - t) v(x_t, t) = E[x_u | x_t]. So the mean is right, and
    each step multiplies what is left of the deviation by the correlation of the two points:

        share = prod_k rho_k,   rho_k^2 = 1 - s^2 / (steps^2 V_k V_{k+1}),   t_k = k / steps.

    It is 0 with one step, which gives the mean whatever the noise. With many,
    1 - share -> (1 + pi (s + 1 / s) / 4) / (2 steps). Coordinates that are independent shrink each by its own share.

    Args:
        spread: s > 0, the data's standard deviation over that of the noise.
        steps: equal Euler steps from noise to data.

    Returns:
        The samples' deviation over the data's, in [0, 1).

    Raises:
        ValueError: if an argument is not above 0.
    """
    check_positive(spread=spread)
    steps = check_count(steps, least=1)
    std = [math.hypot((steps - k) / steps, k / steps * spread) for k in range(steps + 1)]  # a square may be 0 or inf
    lost = [(spread / after / steps / now) ** 2 for now, after in pairwise(std)]
    return math.sqrt(math.prod(max(0.0, 1 - share) for share in lost))


class Gaussian(NamedTuple):
    """A normal distribution with independent coordinates: `mean` and `std` are [d]."""

    mean: Tensor
    std: Tensor


def jko_step(current: Gaussian, target: Gaussian, step: float) -> Gaussian:
    """One exact JKO step of KL(. || target) from a Gaussian (jordan1998jko).

    argmin_q KL(q || target) + W2^2(q, current) / 2h stays Gaussian when both are and their covariances
    commute; setting the derivatives in mean and standard deviation to zero gives a linear and a quadratic
    equation per coordinate.

    Args:
        current: q_k.
        target: the Boltzmann distribution.
        step: h > 0; a ValueError otherwise.

    Returns:
        q_{k+1}.
    """
    check_positive(step=step)
    mean = (current.mean + step * target.mean / target.std**2) / (1 + step / target.std**2)
    curvature = 1 / target.std**2 + 1 / step
    pull = current.std / step
    return Gaussian(mean, (pull + (pull**2 + 4 * curvature).sqrt()) / (2 * curvature))


def gaussian_flow(start: Gaussian, target: Gaussian, time: float | Tensor) -> Gaussian:
    """Return the Wasserstein gradient flow of KL(. || target) at `time` >= 0: what JKO steps tend to (jordan1998jko).

    Velocity grad log target - grad log q is affine for Gaussians, so q stays Gaussian: mean and variance relax
    to the target's like exp(-t / std^2) and its square (the law of an Ornstein-Uhlenbeck process).
    """
    check_positive(zero=True, time=time.detach().min() if isinstance(time, Tensor) else time)
    decay = torch.exp(-time / target.std**2)
    variance = target.std**2 + decay**2 * (start.std**2 - target.std**2)
    return Gaussian(target.mean + decay * (start.mean - target.mean), variance.sqrt())


def kl_gaussian(p: Gaussian, q: Gaussian) -> Tensor:
    """KL(p || q) of two Gaussians with independent coordinates, in nats; a scalar. Shapes must agree."""
    check_one_shape("[d]", p_mean=p.mean, p_std=p.std, q_mean=q.mean, q_std=q.std)
    ratio = (p.std / q.std).square()
    return (ratio + ((p.mean - q.mean) / q.std).square() - 1 - ratio.log()).sum() / 2


def w2_gaussian(p: Gaussian, q: Gaussian) -> Tensor:
    """Wasserstein-2 distance of two Gaussians with independent coordinates; a scalar (peyre2019ot)."""
    check_one_shape("[d]", p_mean=p.mean, p_std=p.std, q_mean=q.mean, q_std=q.std)
    return ((p.mean - q.mean).square() + (p.std - q.std).square()).sum().sqrt()


def w2(x: Tensor, y: Tensor) -> float:
    """Exact Wasserstein-2 distance of two empirical measures, [N, d] and [M, d], by POT's network simplex.

    Raises:
        ValueError: if a set is no tensor, empty or not finite, or dimensions differ.
    """
    import ot  # slow to import, and only the chapters need it

    _check_sets(x, y)
    exact = "donot_use_mm_for_euclid_dist"  # the other form loses digits far from the origin
    cost = torch.cdist(x.double(), y.double(), compute_mode=exact).square().cpu().numpy()
    return math.sqrt(ot.emd2([], [], cost, numItermax=OT_ITERATIONS))
