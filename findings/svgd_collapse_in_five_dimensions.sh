#!/usr/bin/env bash
# pyro-ppl 1.9.2 (torch 2.13.0): multivariate SVGD collapses to the mode, since its RBF kernel vanishes with dimension.
#
# Guess before it was run: mode="multivariate" is the algorithm of Liu and Wang, as the docstring says: one bandwidth
# from the median distance, the same kernel as that of blackjax and numpyro, up to a factor of two, and the same spread.
# Seen: each coordinate has a bandwidth of its own, and the kernel is the product over the coordinates: (N + 1)^-d for a
# pair that is at the median in all of them, where blackjax has 1/N. The bandwidths shrink with the particles, so these
# never come near enough to repel. Of a standard normal, 20 particles keep a variance of 0.44 in two dimensions, 0.03 in
# three and less than 0.001 in five; blackjax 1.7.1 keeps 0.79, 0.64 and 0.36. In one dimension they agree (0.88). In
# ten the particles are soon so near to the mode that the median of squared distances underflows to 0 and an error tells
# of NaN. Bandwidths d times as large (bandwidth_factor=5.0) keep 0.18 in five dimensions. The default mode,
# "univariate", has one kernel for each coordinate and keeps 0.88.
# Two particles, whatever their distance, show what else differs: their kernel is 1/2 in blackjax (log N), 1/16 in
# numpyro 0.22.0 (the zeros of the diagonal lie among the distances), and 3^-d here (log(N + 1)).
# Where it touches us: vgf/kernels.py has the heuristic of the authors' release, one bandwidth for all coordinates,
# zeros included and log(N + 1), which gives two particles 1/9.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6"
"$folder/env/bin/pip" install --quiet --no-deps "pyro-ppl==1.9.2" "pyro-api==0.1.2" "opt-einsum==3.4.0" \
    "tqdm==4.70.1" "numpyro==0.22.0" "multipledispatch==1.0.0" "blackjax==1.7.1" "optax==0.2.8" "absl-py==2.5.1" \
    "jax==0.10.2" "jaxlib==0.10.2" "scipy==1.17.1" "ml-dtypes==0.6.0"
JAX_PLATFORMS=cpu "$folder/env/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pyro
import torch
from blackjax.vi.svgd import rbf_kernel, update_median_heuristic
from numpyro.contrib.einstein import RBFKernel
from pyro.infer import SVGD, RBFSteinKernel

pins = {"pyro-ppl": "1.9.2", "blackjax": "1.7.1", "numpyro": "0.22.0"}
assert all(version(name) == pin for name, pin in pins.items())
N, STEPS, RATE = 20, 500, 0.3


def pyro_variance(d, mode, factor=None):
    """Return the particles' variance, a mean over coordinates."""
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    normal = pyro.distributions.Normal(torch.zeros(d), 1.0).to_event(1)
    optimiser = pyro.optim.Adagrad({"lr": RATE})
    stein = SVGD(lambda: pyro.sample("x", normal), RBFSteinKernel(factor), optimiser, N, 0, mode=mode)
    for _ in range(STEPS):
        stein.step()
    return stein.get_named_particles()["x"].reshape(N, d).var(0, unbiased=False).mean().item()


def blackjax_variance(d):
    """The same with blackjax."""
    stein = blackjax.svgd(lambda x: -x, optax.adagrad(RATE))
    state, step = stein.init(jax.random.normal(jax.random.key(0), (N, d))), jax.jit(stein.step)
    for _ in range(STEPS):
        state = step(state)
    return float(state.particles.var(0).mean())


found = {d: (pyro_variance(d, "multivariate"), blackjax_variance(d)) for d in (1, 2, 3, 5)}
for d, (ours, theirs) in found.items():
    print(f"{d} dimensions, target variance 1: pyro, multivariate {ours:.4f}, blackjax {theirs:.4f}")
wide, default = pyro_variance(5, "multivariate", 5.0), pyro_variance(5, "univariate")
print(f"5 dimensions: bandwidth_factor=5.0 {wide:.4f}, univariate {default:.4f}")
try:
    pyro_variance(10, "multivariate")
    raise SystemExit("the behaviour has changed: no error in ten dimensions")
except ValueError as error:
    assert "nan" in str(error)
    print("10 dimensions: NaN")
kernels = {}
for d in (1, 3):
    x = np.random.default_rng(0).normal(size=(2, d)).astype(np.float32)
    first, second = jnp.array(x)
    state = blackjax.svgd(lambda x: -x, optax.sgd(1.0)).init(jnp.array(x), {"length_scale": 1.0})
    in_blackjax = float(rbf_kernel(first, second, **update_median_heuristic(state).kernel_parameters))
    in_numpyro = float(RBFKernel().compute(None, jnp.array(x), {}, None)(first, second))
    in_pyro = float(RBFSteinKernel().log_kernel_and_grad(torch.tensor(x))[0].sum(-1).exp()[0, 1])
    kernels[d] = in_blackjax, in_numpyro, in_pyro
    print(f"two particles, {d} dimensions: blackjax {in_blackjax:.4f}, numpyro {in_numpyro:.4f}, pyro {in_pyro:.4f}")
assert abs(found[1][0] - found[1][1]) < 0.05 and wide > 0.1 and default > 0.7
assert found[3][0] < 0.1 < 0.5 < found[3][1] and found[5][0] < 0.01 < 0.3 < found[5][1], "the behaviour has changed"
assert all(np.allclose(kernels[d], (1 / 2, 1 / 16, 3.0**-d), atol=1e-4) for d in kernels), "the behaviour has changed"
PYTHON
