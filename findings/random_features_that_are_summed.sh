#!/usr/bin/env bash
# numpyro 0.22.0: the random feature kernel is N d times too large, and all but constant for particles that are far apart.
#
# Guess before it was run: RandomFeatureKernel is a mean over features, as its docstring says (1/m), and approximates the
# RBFKernel of the same bandwidth: k(x, x) near 1, and k(x, y) / k(x, x) that of RBFKernel up to the features' noise.
# Seen: the features are summed, and each has a phase for every coordinate, which is summed over too. So k(x, x) is 57 for
# 10 particles in 5 dimensions and 540 for 50 in 10, where RBFKernel has 1: about N d. In that unit it is another kernel
# still. The bandwidth, a squared length in RBFKernel, divides lengths and phases here. Of 1,000 normal particles in five
# dimensions, neighbours in the list have a kernel of 0.03 by RBFKernel, whatever their standard deviation, as the median
# heuristic promises; by random features 0.11 with a standard deviation of 1, and 0.99 with 5. No warning.
# So far particles pull each other to the same place, and a step of plain gradient descent is N d times as long; Adagrad
# and Adam hide that factor.
# Where it touches us: kernels here are exact sums; a test holds every path of them to the dense kernel.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-deps "numpyro==0.22.0" "jax==0.10.2" "jaxlib==0.10.2" "numpy==2.4.6" \
    "scipy==1.17.1" "ml-dtypes==0.6.0" "opt-einsum==3.4.0" "multipledispatch==1.0.0" "tqdm==4.70.1"
JAX_PLATFORMS=cpu "$folder/env/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import jax
import numpy as np
from numpyro.contrib.einstein import RandomFeatureKernel, RBFKernel

assert version("numpyro") == "0.22.0", version("numpyro")


def kernels(n, d, scale=1.0):
    """Return the mean of k(x, x), and of k(x, y) between neighbours in its unit, by random features and by RBF."""
    particles = scale * jax.random.normal(jax.random.key(1), (n, d))
    random, rbf = RandomFeatureKernel(), RBFKernel()
    random.init(jax.random.key(0), particles.shape)
    told = []
    for kernel in (random, rbf):
        k = jax.vmap(kernel.compute(jax.random.key(2), particles, None, None))
        own = float(k(particles, particles).mean())
        told += [own, float(k(particles[:-1], particles[1:]).mean()) / own]
    return told


found = {}
for n, d in ((10, 5), (50, 10)):
    found[n, d], _, exact, _ = kernels(n, d)
    print(f"{n} particles, {d} dimensions: k(x, x) {found[n, d]:.1f}, of RBFKernel {exact:.1f}")
apart = {}
for scale in (1.0, 5.0):
    _, *told = kernels(1000, 5, scale)
    apart[scale] = told[0], told[2]
    print(f"1,000 particles with a standard deviation of {scale:g}: k(x, y) / k(x, x) {told[0]:.3f}, RBFKernel {told[2]:.3f}")
for (n, d), value in found.items():
    assert 0.7 < value / (n * d) < 1.4, "the behaviour has changed"
assert abs(apart[1.0][1] - apart[5.0][1]) < 0.01, "the behaviour has changed"
assert apart[5.0][0] > 0.8 and apart[5.0][0] > 5 * apart[5.0][1], "the behaviour has changed"
PYTHON
