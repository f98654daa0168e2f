"""Critics and references with known answers, small enough to draw: shared by the tests and the chapters.

Everything here has a closed form: values, gradients, Lipschitz constants, densities, samplers. So a chapter can
compare what was learnt or transported with the truth, and a test can ask for equality instead of plausibility.
Trade-off: a two-dimensional toy shows mechanisms, never sizes; no benchmark is claimed from it.

The support of a policy is measured by a density threshold, as in the paper's theory (xu2026vgf):

    supp_eps(pi) = {a : pi(a) > eps}.

Actions are [..., d]; values and log-densities [...]; scores [..., d]. Device and dtype follow the tensors given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from vgf.checks import check_temperature

BOX = (-1.0, 1.0)  # the action box of every toy, as in the benchmarks
BOX_AREA = (BOX[1] - BOX[0]) ** 2
MAIN = (0.1, 1.5)  # coverage and gap of the book's bandit, unless it says otherwise


@dataclass(frozen=True, eq=False)
class Bumps:
    """Q(a) = sum_k height_k exp(-|a - centre_k|^2 / 2 width_k^2): smooth, bounded, a mode for each bump kept apart.

    Attributes:
        centres: [K, d].
        widths: positive, [K].
        heights: positive, [K].

    Raises:
        ValueError: naming the argument that does not fit.
    """

    centres: Tensor
    widths: Tensor
    heights: Tensor

    def __post_init__(self) -> None:
        """Refuse bumps that do not fit together."""
        _check_mixture("centres", self.centres, widths=self.widths, heights=self.heights)

    def value(self, actions: Tensor) -> Tensor:
        """Q, [..., d] to [...]."""
        return self._parts(actions).sum(-1)

    def score(self, actions: Tensor) -> Tensor:
        """Gradient of Q, [..., d] to [..., d]."""
        return _pull(self._parts(actions) / self.widths**2, self.centres, actions)

    @property
    def lipschitz(self) -> float:
        """c, an upper bound of |grad Q|: sum_k height_k / (width_k sqrt(e)); attained by a single bump."""
        return float((self.heights / self.widths).sum()) / math.sqrt(math.e)

    @cached_property
    def maxima(self) -> Tensor:
        """The local maximum above each centre, [K, d]: where the weighted mean of centres is the action itself."""
        actions = self.centres
        for _ in range(200):  # bumps three widths apart: the error falls about tenfold a step
            weights = self._parts(actions) / self.widths**2
            actions = weights @ self.centres / weights.sum(-1, keepdim=True)
        return actions

    def adding(self, centre: list[float], width: float, height: float) -> Bumps:
        """Return these bumps and one more: what a reward overestimated where there are no data looks like."""
        new = self.centres.new_tensor
        return Bumps(
            torch.cat([self.centres, new([centre])]),
            torch.cat([self.widths, new([width])]),
            torch.cat([self.heights, new([height])]),
        )

    def _parts(self, actions: Tensor) -> Tensor:
        """Height of every bump at every action, [..., K]."""
        d2 = (actions.unsqueeze(-2) - self.centres).square().sum(-1)
        return self.heights * torch.exp(-d2 / (2 * self.widths**2))


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """A reference policy with a density: a mixture of round Gaussians.

    Attributes:
        means: [K, d].
        stds: positive, [K].
        weights: positive, [K]; normalised on use.

    Raises:
        ValueError: naming the argument that does not fit.
    """

    means: Tensor
    stds: Tensor
    weights: Tensor

    def __post_init__(self) -> None:
        """Refuse a mixture that does not fit together."""
        _check_mixture("means", self.means, stds=self.stds, weights=self.weights)

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-density, [..., d] to [...]."""
        return self._log_parts(actions).logsumexp(-1)

    def score(self, actions: Tensor) -> Tensor:
        """Gradient of the log-density, [..., d] to [..., d]."""
        return _pull(self._log_parts(actions).softmax(-1) / self.stds**2, self.means, actions)

    def sample(self, *shape: int, generator: torch.Generator) -> Tensor:
        """Draw actions [*shape, d] from a generator on the mixture's device."""
        dtype, device = self.means.dtype, self.means.device
        edges = (self.weights / self.weights.sum()).cumsum(0)[:-1].contiguous()
        index = torch.searchsorted(edges, torch.rand(*shape, generator=generator, dtype=dtype, device=device))
        noise = torch.randn(*shape, self.means.shape[-1], generator=generator, dtype=dtype, device=device)
        return self.means[index] + self.stds[index].unsqueeze(-1) * noise

    def _log_parts(self, actions: Tensor) -> Tensor:
        """Log of weight times density of every component, [..., K]."""
        d2 = (actions.unsqueeze(-2) - self.means).square().sum(-1)
        log_norm = self.means.shape[-1] * (self.stds.log() + math.log(2 * math.pi) / 2)
        return (self.weights / self.weights.sum()).log() - log_norm - d2 / (2 * self.stds**2)


class Bandit(NamedTuple):
    """One state, two-dimensional actions: who collected the data, and what actions are worth."""

    reference: GaussianMixture
    reward: Bumps


def bimodal_bandit(
    coverage: float, gap: float, dtype: torch.dtype = torch.float64, device: str | torch.device = "cpu"
) -> Bandit:
    """The book's bandit: data around the lower of two modes, a small share of them short of the higher one.

    The reward has a mode of height 1/2 and one of height 1, both of width 0.3, in opposite quarters of the box. The
    reference is centred on the lower mode (std 0.2); a share `coverage` of it (std 0.1) lies `gap` widths short of
    the higher mode, on the line between the two.

    Raises:
        ValueError: if `coverage` is not in (0, 1) or `gap` is negative.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must lie in (0, 1), got {coverage!r}")
    if not (math.isfinite(gap) and gap >= 0):
        raise ValueError(f"gap must be a finite number of widths >= 0, got {gap!r}")
    like = torch.empty(0, dtype=dtype, device=device)
    width, foot = 0.3, 0.5 - gap * 0.3 / math.sqrt(2)
    reward = Bumps(
        like.new_tensor([[-0.5, -0.5], [0.5, 0.5]]), like.new_tensor([width, width]), like.new_tensor([0.5, 1.0])
    )
    reference = GaussianMixture(
        like.new_tensor([[-0.5, -0.5], [foot, foot]]),
        like.new_tensor([0.2, 0.1]),
        like.new_tensor([1 - coverage, coverage]),
    )
    return Bandit(reference, reward)


def grid(size: int, dtype: torch.dtype = torch.float64, device: str | torch.device = "cpu") -> Tensor:
    """Cell centres of a square grid over the action box, [size (rows, y), size (columns, x), 2]."""
    axis = (torch.arange(size, dtype=dtype, device=device) + 0.5) * ((BOX[1] - BOX[0]) / size) + BOX[0]
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], -1)


def boltzmann(values: Tensor, temperature: float) -> Tensor:
    """Density exp(Q / alpha) / Z over the action box from Q on a `grid`, [size, size] to [size, size].

    Raises:
        ValueError: if the temperature is not a finite number > 0.
    """
    check_temperature(temperature)
    weights = (values / temperature).flatten().softmax(0).reshape(values.shape)
    return weights * (values.numel() / BOX_AREA)


def log_threshold(reference: GaussianMixture, left_out: float, generator: torch.Generator, draws: int = 2**18) -> float:
    """Log of the eps whose supp_eps(mu) leaves out a share `left_out`, in (0, 1), of mu; a Monte Carlo quantile."""
    if not 0 < left_out < 1:
        raise ValueError(f"left_out must lie in (0, 1), got {left_out!r}")
    log_density = reference.log_prob(reference.sample(draws, generator=generator))
    return float(log_density.kthvalue(max(1, round(left_out * draws))).values)


def outside_support(actions: Tensor, reference: GaussianMixture, log_eps: float) -> Tensor:
    """Share of a policy's actions outside supp_eps(mu), [..., N, d] to [...]."""
    return (reference.log_prob(actions) <= log_eps).to(actions.dtype).mean(-1)


def most_outside(log_eps: float, volume: float = BOX_AREA) -> float:
    """Largest mass a policy can have outside supp_eps(mu) while supp_eps(pi) stays inside it: eps times the volume.

    If pi(a) <= eps at every point outside, its mass there is at most eps times the volume; any more mass proves a point
    that is in supp_eps(pi) and not in supp_eps(mu).
    """
    return math.exp(log_eps) * volume


def _pull(weights: Tensor, centres: Tensor, actions: Tensor) -> Tensor:
    """sum_k weight_k (centre_k - a): [..., K], [K, d] and [..., d] to [..., d]."""
    return weights @ centres - weights.sum(-1, keepdim=True) * actions


def _check_mixture(points_name: str, points: Tensor, **positive: Tensor) -> None:
    if points.ndim != 2 or 0 in points.shape:
        raise ValueError(f"{points_name} must be [K, d] with K, d >= 1, got shape {tuple(points.shape)}")
    for name, values in positive.items():
        if values.shape != points.shape[:1] or not bool((values > 0).all()):
            raise ValueError(f"{name} must be {points.shape[0]} positive numbers, got {values.tolist()}")
