"""The flow against an independent reference: the release's step in numpy, dense against fused, memory, gradients."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.helpers.normal import draw
from vgf import flow, kernels
from vgf.flow import Budget, stein_direction, transport

Array = NDArray[np.float64]


# The release's step, one particle pair at a time, in float64 and without torch


def release_direction(a: Array, score: Array, alpha: float, bandwidth: float | None) -> Array:
    """(K score / alpha + repulsion) / N with K_ij = exp(-gamma d2_ij) and the release's gamma; [N, d]."""
    n = len(a)
    d2 = np.array([[np.sum((a[i] - a[j]) ** 2) for j in range(n)] for i in range(n)])
    if bandwidth is None:
        sigma2 = np.median(d2) / (2 * math.log(n + 1))
        gamma = 1 / (1e-6 + 2 * sigma2)
    else:
        gamma = 1 / (2 * bandwidth**2)
    phi = np.zeros_like(a)
    for i in range(n):
        for j in range(n):
            kernel = math.exp(-gamma * d2[i, j])
            phi[i] += kernel * score[j] / alpha + 2 * gamma * kernel * (a[i] - a[j])
        phi[i] /= n
    return phi


def release_flow(
    a: Array, score_fn: Callable[[Array], Array], budget: Budget, bandwidth: float | None, box: tuple[float, float]
) -> Array:
    """Adam (or a plain step) on -phi, then clip; [N, d]."""
    a, m, v = a.copy(), np.zeros_like(a), np.zeros_like(a)
    for t in range(1, budget.steps + 1):
        g = -release_direction(a, score_fn(a), budget.temperature, bandwidth)
        if budget.optimizer == "adam":
            m = 0.9 * m + 0.1 * g
            v = 0.999 * v + 0.001 * g**2
            g = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        a = np.clip(a - budget.step_size * g, *box)
    return a


def wavy(a: Any) -> Any:
    """A nonlinear score that numpy and torch compute alike."""
    return 0.7 - a - 0.5 * (a * a) * a


def relative_error(got: Tensor, want: Array) -> float:
    """Largest deviation over the largest size."""
    return float(np.abs(got.double().numpy() - want).max() / np.abs(want).max())


@pytest.mark.parametrize("bandwidth", [None, 0.6])
@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (3, 5), (10, 6), (2, 7, 3), (2, 2, 5, 4)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_direction_equals_the_release(
    shape: tuple[int, ...], bandwidth: float | None, dtype: torch.dtype, tolerance: float
) -> None:
    a = draw(*shape, seed=len(shape)).to(dtype)
    phi = stein_direction(a, wavy(a), 0.2, "median" if bandwidth is None else bandwidth)
    sets = a.double().reshape(-1, *shape[-2:]).numpy()
    want = np.stack([release_direction(one, wavy(one), 0.2, bandwidth) for one in sets]).reshape(shape)
    assert relative_error(phi, want) <= tolerance


@pytest.mark.parametrize("optimizer", ["none", "adam"])
@pytest.mark.parametrize("bandwidth", [None, 0.6])
@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (5, 5), (10, 6), (2, 7, 3)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_flow_equals_the_release(
    shape: tuple[int, ...], bandwidth: float | None, optimizer: Any, dtype: torch.dtype, tolerance: float
) -> None:
    """Five steps with clipping: some particles start at the wall and some reach it."""
    start = draw(*shape, seed=sum(shape)).clamp(-1, 1).to(dtype)
    budget, box = Budget(5, 0.05, 0.2, optimizer), (-1.0, 1.0)
    end = transport(start, wavy, budget, bandwidth="median" if bandwidth is None else bandwidth, bounds=box)
    sets = start.double().reshape(-1, *shape[-2:]).numpy()
    want = np.stack([release_flow(one, wavy, budget, bandwidth, box) for one in sets]).reshape(shape)
    assert relative_error(end, want) <= tolerance


# Dense and fused kernel sums


SETS = [
    ((1, 1), (1, 1)),
    ((50, 1), (1, 1)),
    ((37, 4), (1, 1)),
    ((3, 40, 7), (3, 1, 1)),
    ((3, 40, 8), (1, 1, 1)),
    ((2, 3, 20, 5), (2, 1, 1, 1)),
    ((2, 3, 20, 5), (3, 1, 1)),
    ((3, 20, 5), (2, 1, 1, 1)),
]
PATHS = {"attention": 0, "rows": 10**9, "sets": 10**9}  # and the least size of a set that may take attention


def sums_by(path: str, monkeypatch: pytest.MonkeyPatch, a: Tensor, score: Tensor, sigma: Tensor) -> list[Tensor]:
    """Return the kernel sums by one of the ways that are for many pairs."""
    n, d = a.shape[-2:]
    monkeypatch.setattr(kernels, "FUSED_LEAST", PATHS[path])
    monkeypatch.setattr(kernels, "FUSED_ROUNDING", 1.0)
    pairs = a.numel() * n
    monkeypatch.setattr(kernels, "DENSE_ELEMENTS", min(pairs - 1, {"rows": 3 * n * d, "sets": n * n * d}.get(path, 0)))
    return list(kernels.kernel_sums(a, score, sigma))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("shape", "sigma_shape"), SETS)
@pytest.mark.parametrize("path", PATHS)
def test_every_way_gives_the_dense_sums(
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    shape: tuple[int, ...],
    sigma_shape: tuple[int, ...],
    dtype: torch.dtype,
) -> None:
    """All paths give the sums alike up to rounding of |a|^2 / sigma^2, for any batch of sets and bandwidths."""
    a, score = draw(*shape, dtype=dtype), draw(*shape, seed=1, dtype=dtype)
    sigma = 0.7 + draw(*sigma_shape, seed=2, dtype=dtype).square()
    tolerance = 4 * torch.finfo(dtype).eps * (1 + (a.square().sum(-1, keepdim=True) / sigma**2).max())
    want = kernels.kernel_sums_dense(a, score, sigma)
    for dense, other in zip(want, sums_by(path, monkeypatch, a, score, sigma), strict=True):
        assert dense.shape == other.shape
        assert (dense - other).abs().max() <= tolerance * max(1.0, float(dense.abs().max()))


@pytest.mark.parametrize("repulsion", [True, False])
@pytest.mark.parametrize("bandwidth", ["median", 0.9])
def test_dispatch_changes_nothing_but_memory(monkeypatch: pytest.MonkeyPatch, bandwidth: Any, repulsion: bool) -> None:
    """One number fewer than the pairs need sends the same call down the fused path, with the same result."""
    a, score = 5 + draw(3, 30, 4), draw(3, 30, 4, seed=1)
    taken = []
    fused = kernels.kernel_sums_fused
    monkeypatch.setattr(kernels, "kernel_sums_fused", lambda *sums: taken.append(1) or fused(*sums))
    monkeypatch.setattr(kernels, "FUSED_LEAST", 30)
    elements = a.numel() * a.shape[-2]
    monkeypatch.setattr(kernels, "DENSE_ELEMENTS", elements)
    dense = stein_direction(a, score, 0.5, bandwidth, repulsion)
    assert not taken
    monkeypatch.setattr(kernels, "DENSE_ELEMENTS", elements - 1)
    assert torch.allclose(stein_direction(a, score, 0.5, bandwidth, repulsion), dense, rtol=0, atol=1e-12)
    assert taken


@pytest.mark.parametrize("n", [5, 300])
@pytest.mark.parametrize("sigma", [1e-6, 1e-3, 0.05])
def test_a_narrow_kernel_is_as_exact_for_many_pairs_as_for_few(
    monkeypatch: pytest.MonkeyPatch, n: int, sigma: float
) -> None:
    """Attention would subtract numbers of the size of 1 / sigma^2; such a kernel is worked through in chunks."""
    a, score = draw(40, n, 3, dtype=torch.float32), draw(40, n, 3, seed=1, dtype=torch.float32)
    want = stein_direction(a.double(), score.double(), 0.5, sigma)
    monkeypatch.setattr(kernels, "DENSE_ELEMENTS", 3 * n * n * 3)
    got = stein_direction(a, score, 0.5, sigma)
    assert (got - want).abs().max() <= 1e-4 * want.abs().max()


@pytest.mark.parametrize("n", [10, 64])
def test_particles_that_coincide_do_not_repel_each_other(n: int) -> None:
    """In a corner of the box most particles may coincide; the median bandwidth is then at its floor."""
    a = draw(200, n, 3, dtype=torch.float32).clamp(-1, 1)
    a[:, : (8 * n) // 10] = 1.0
    terms = flow.stein_terms(a, torch.zeros_like(a), 0.2)
    want = flow.stein_terms(a.double(), torch.zeros(a.shape, dtype=torch.float64), 0.2).repulsion
    assert (terms.repulsion[:, : (8 * n) // 10].abs().amax()) <= 1e-6 + want[:, : (8 * n) // 10].abs().amax()
    still = transport(a, torch.zeros_like, Budget(3, 0.05, 0.2, "adam"))
    exact = transport(a.double(), torch.zeros_like, Budget(3, 0.05, 0.2, "adam"))
    assert (still - exact)[:, : (8 * n) // 10].abs().max() <= 1e-3


def test_fused_flow_stays_accurate_far_from_the_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Centring keeps float32 sums accurate when the particles sit a hundred spreads away from zero."""
    a, score = 0.1 * draw(40, 3), draw(40, 3, seed=1)
    want = stein_direction(a + 10, score, 0.5)
    monkeypatch.setattr(kernels, "DENSE_ELEMENTS", 0)
    monkeypatch.setattr(kernels, "FUSED_LEAST", 40)
    got = stein_direction((a + 10).float(), score.float(), 0.5)
    assert (got - want).abs().max() <= 1e-4 * want.abs().max()


PEAK = """
import os, resource, sys, torch
from vgf.flow import stein_direction
torch.set_num_threads(1)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
def direction(n, grad, bandwidth):
    a = torch.randn(n, 4, generator=torch.Generator().manual_seed(0)).requires_grad_(grad)
    phi = stein_direction(a, -a.detach(), 1.0, bandwidth)
    if grad:
        phi.sum().backward()
    return phi
for grad, bandwidth in ((False, 0.5), (False, "median"), (True, 0.5)):
    direction(200, grad, bandwidth)
    if not os.fork():  # a process of its own: importing torch has taken more at times than what is measured here
        before = peak()
        assert torch.isfinite(direction(20_000, grad, bandwidth)).all()
        print(peak() - before, flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def peaks() -> list[int]:
    """Return the bytes that a direction takes: plain, with the median bandwidth, and with a gradient."""
    run = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    return [int(line) for line in run.stdout.splitlines()]


@pytest.mark.parametrize("case", range(3), ids=["plain", "median", "gradient"])
def test_memory_of_many_particles_is_far_below_n_squared(case: int, peaks: list[int]) -> None:
    """Peak memory of one direction at N = 20,000 stays under a quarter of one float32 N x N matrix (1.6 GB)."""
    assert peaks[case] < 20_000**2  # bytes


# Gradients


WAYS = pytest.mark.parametrize(("limit", "least"), [(2**24, 1), (0, 1), (0, 999)], ids=["dense", "attention", "rows"])


@WAYS
@pytest.mark.parametrize("repulsion", [True, False])
def test_direction_is_differentiable(monkeypatch: pytest.MonkeyPatch, limit: int, least: int, repulsion: bool) -> None:
    """Gradients in particles and in score agree with finite differences on every path."""
    monkeypatch.setattr(kernels, "DENSE_ELEMENTS", limit)
    monkeypatch.setattr(kernels, "FUSED_LEAST", least)
    a, score = draw(2, 4, 3).requires_grad_(True), draw(2, 4, 3, seed=1).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x, g: stein_direction(x, g, 0.5, 0.8, repulsion), (a, score))


def test_flow_is_differentiable_end_to_end() -> None:
    """Three steps through a differentiable score agree with finite differences in the starting particles."""
    a = draw(4, 2).requires_grad_(True)
    for optimizer in ("none", "adam"):
        budget = Budget(3, 0.1, 0.5, optimizer)  # type: ignore[arg-type]
        assert torch.autograd.gradcheck(lambda x, b=budget: transport(x, wavy, b, bandwidth=0.8), (a,))


def test_value_gradient_and_best_of() -> None:
    """Autograd gives grad Q, detached and under no_grad too; the best particle is the one of highest value."""

    def value(a: Tensor) -> Tensor:
        return -(a - 1).square().sum(-1) / 2

    a = draw(2, 3, 4)
    with torch.no_grad():
        gradient = flow.value_gradient(value)(a)
    assert torch.allclose(gradient, 1 - a)
    assert not gradient.requires_grad
    best = flow.best_of(a, value(a))
    assert best.shape == (2, 4)
    assert torch.equal(best, torch.stack([s[i] for s, i in zip(a, value(a).argmax(-1), strict=True)]))


@pytest.mark.parametrize("shape", [(2,), (2, 2), (2, 3, 1), (3, 3), ()])
def test_values_that_do_not_fit_the_particles_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"values must be \(2, 3\), one for each particle"):
        flow.best_of(draw(2, 3, 4), torch.zeros(shape))


def test_a_value_that_is_nan_never_wins() -> None:
    a, nan = draw(3, 3, 2), math.nan
    values = torch.tensor([[0.0, 1.0, nan], [nan, -math.inf, -5.0], [1.0, math.inf, nan]])
    assert torch.equal(flow.best_of(a, values), torch.stack([a[0, 1], a[1, 2], a[2, 1]]))


def test_a_value_gradient_says_why_it_has_none_in_inference_mode() -> None:
    gradient = flow.value_gradient(lambda a: a.sum(-1))
    with torch.inference_mode(), pytest.raises(ValueError, match=r"leave torch\.inference_mode"):
        gradient(draw(3, 2))


def test_a_bandwidth_is_one_a_set_and_no_more() -> None:
    for shape, particles in (((4, 1, 1), (5, 2)), ((3, 1, 1), (4, 5, 2)), ((2, 4, 1, 1), (4, 5, 2))):
        with pytest.raises(ValueError, match=r"bandwidth must be a number or one a set, \["):
            stein_direction(draw(*particles), draw(*particles), 1.0, torch.ones(shape))
        with pytest.raises(ValueError, match="bandwidth"):
            transport(draw(*particles), torch.zeros_like, Budget(1, 0.1), bandwidth=torch.ones(shape), trace=True)
    assert stein_direction(draw(2, 4, 5, 2), draw(2, 4, 5, 2), 1.0, torch.ones(4, 1, 1)).shape == (2, 4, 5, 2)


@pytest.mark.parametrize(
    ("particles", "budget", "options", "step"),
    [
        (draw(3, 2), Budget(1, 1e300, 1e-20), {"repulsion": False}, 1),  # the last step
        (draw(3, 2).float(), Budget(200, 1e3), {"repulsion": False}, "[0-9]+"),  # one on the way
        (draw(3, 2), Budget(2, 0.1), {"bandwidth": 1e-200}, 1),
        (1e20 * draw(3, 2).float(), Budget(3, 0.1), {}, 1),
    ],
)
def test_a_step_that_leaves_the_numbers_is_told_and_not_blamed_on_the_critic(
    particles: Tensor, budget: Budget, options: dict[str, Any], step: int | str
) -> None:
    hill = flow.value_gradient(lambda a: -(a - 0.5).square().sum(-1))
    message = f"^particles hold NaN or infinite values after step {step}, of a finite score; take a smaller step_size"
    with pytest.raises(ValueError, match=message):
        transport(particles, hill, budget, **options)


def test_median_bandwidth_is_a_constant_to_autograd() -> None:
    """No gradient flows through the median: differentiating equals differentiating at that fixed sigma."""
    a, score = draw(6, 3).requires_grad_(True), draw(6, 3, seed=1)
    assert not kernels.median_bandwidth(a).requires_grad
    sigma = kernels.median_bandwidth(a)
    (median,) = torch.autograd.grad(stein_direction(a, score, 0.5).square().sum(), a)
    (fixed,) = torch.autograd.grad(stein_direction(a, score, 0.5, sigma).square().sum(), a)
    assert torch.allclose(median, fixed, rtol=0, atol=1e-13)


# On a GPU, where there is one


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@WAYS
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_cuda_equals_cpu(
    monkeypatch: pytest.MonkeyPatch, limit: int, least: int, dtype: torch.dtype, tolerance: float
) -> None:
    """The same flow on CUDA, for every path and both precisions."""
    monkeypatch.setattr(kernels, "DENSE_ELEMENTS", limit)
    monkeypatch.setattr(kernels, "FUSED_LEAST", least)
    start = draw(3, 20, 5).to(dtype)
    for optimizer in ("none", "adam"):
        budget = Budget(4, 0.05, 0.5, optimizer)  # type: ignore[arg-type]
        want = transport(start, wavy, budget, bounds=(-2.0, 2.0))
        got = transport(start.cuda(), wavy, budget, bounds=(-2.0, 2.0))
        assert got.is_cuda
        assert torch.allclose(got.cpu(), want, rtol=0, atol=tolerance)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 10, 33, 64])
def test_the_median_among_pairs_is_numpys_over_the_whole_matrix(n: int) -> None:
    x = draw(6, n, 3, seed=n)
    x[0] = x[0, :1]  # coincident particles: every distance is zero
    x[1, n // 2 :] = x[1, :1]  # and half of them
    d2 = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").square()
    expected = np.median(d2.flatten(-2).numpy(), axis=-1)
    np.testing.assert_array_equal(kernels._median_of_all(d2).numpy(), expected)
