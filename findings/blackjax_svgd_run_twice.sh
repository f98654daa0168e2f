#!/usr/bin/env bash
# blackjax 1.7.1: SVGD run twice from the same particles takes two paths, and its recorded bandwidths are all the last.
#
# Guess before it was run: the bandwidth is the median heuristic of the step's own particles, at every step. (That two
# runs from the same particles are equal did not seem to need a guess: nothing is random.)
# Seen: the bandwidth is computed after a step, for the next one. The first has the default, 1.0, however far apart the
# particles are. And it is written into the dictionary that init took as its default, which the algorithm keeps: a
# second run of the same algorithm begins with the last bandwidth of the first. From 20 particles with a standard
# deviation of 5, runs are 0.18 apart after the first step and 0.12 after the fifth. All states of a run share this
# dictionary, so a recorded history shows one bandwidth for every step. A dictionary given to init is overwritten, too.
# jax.jit around the step copies it: then two runs are equal, and each state has its own number.
# Where it touches us: vgf/flow.py computes the bandwidth before each step, keeps none from call to call, and a recorded
# flow has one for each step.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-deps "blackjax==1.7.1" "optax==0.2.8" "absl-py==2.5.1" "jax==0.10.2" \
    "jaxlib==0.10.2" "numpy==2.4.6" "scipy==1.17.1" "ml-dtypes==0.6.0" "opt-einsum==3.4.0" "typing-extensions==4.16.0"
JAX_PLATFORMS=cpu "$folder/env/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import blackjax
import jax
import optax

assert version("blackjax") == "1.7.1", version("blackjax")
START = 5 * jax.random.normal(jax.random.key(0), (20, 2))
STEPS = 5


def run(stein, step, *parameters):
    """Return the states of one run, the start included."""
    states = [stein.init(START, *parameters)]
    for _ in range(STEPS):
        states.append(step(states[-1]))
    return states


def bandwidths(states):
    return [round(float(state.kernel_parameters["length_scale"]), 2) for state in states]


def apart(first, second):
    """Return the largest difference of two runs after each step."""
    return [float(abs(a.particles - b.particles).max()) for a, b in zip(first, second, strict=True)]


plain, jitted = (blackjax.svgd(lambda x: -x, optax.sgd(0.5)) for _ in range(2))
first, second = (run(plain, plain.step) for _ in range(2))
step = jax.jit(jitted.step)
third, fourth = (run(jitted, step) for _ in range(2))
print("bandwidths of a run:", bandwidths(first), "with jit:", bandwidths(third))
print("two runs apart:", [round(gap, 3) for gap in apart(first, second)], "with jit:", max(apart(third, fourth)))
print(f"first runs, without and with jit: {max(apart(first, third)):.1e}")
given = {"length_scale": 1.0}
run(plain, plain.step, given)
print(f"a dictionary given as 1.0 is now {float(given['length_scale']):.2f}")
assert len(set(bandwidths(first))) == 1 and len(set(bandwidths(third))) == STEPS + 1, "the behaviour has changed"
assert bandwidths(third)[0] == 1.0 and given["length_scale"] != 1.0, "the behaviour has changed"
assert apart(first, second)[0] == 0 and min(apart(first, second)[1:]) > 0.05, "the behaviour has changed"
assert max(apart(third, fourth)) == 0 and max(apart(first, third)) < 1e-4
PYTHON
