#!/usr/bin/env bash
# rliable 1.2.0, arch 7.2.0: the interquartile mean of three runs is their mean; random_state fixes nothing.
#
# Guess before it was run: the IQM averages the middle half of the runs, those at its edges by their share; an interval
# asked for twice with RandomState(3) is the same interval, as the docstring says.
# Seen: from each end a quarter of the runs, rounded down, is left out: of 3 runs none, so that the IQM is the mean,
# outlier included; of 5 the middle three count, of 7 the middle five, 71 % instead of 50 %. Runs 0, 0 and 900 have an
# IQM of 300, the middle half counted by shares is 150. With one task and three seeds the number that is reported for
# its robustness has none. And the bootstrap draws from numpy's global generator, whatever random_state is: two calls
# give two intervals, only np.random.seed fixes them. arch warns that the argument is deprecated; neither says that it
# is not used.
# Where it touches us: vgf/results/stats.py computes the same IQM, so that numbers compare, and says "rounded down"; its
# intervals come from generators of their own, and vgf/results/tables.py shows an IQM over several tasks only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "rliable==1.2.0" "arch==7.2.0" "numpy==2.4.6" "pandas==2.3.3" "scipy==1.17.1" \
    "statsmodels==0.15.0"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from rliable import library, metrics

assert version("rliable") == "1.2.0" and version("arch") == "7.2.0"


def weighted(runs):
    """The mean of the middle half, runs at its edges by their share."""
    n, k = len(runs), np.arange(len(runs))
    share = np.clip(np.minimum(k + 1, 0.75 * n) - np.maximum(k, 0.25 * n), 0, 1)
    return float(np.sort(runs) @ share / share.sum())


found = {}
for runs in ([0, 0, 900], [0, 0, 0, 0, 900], [0, 1, 4, 9, 16, 25, 36], [0, 1, 4, 9, 16, 25, 36, 49]):
    iqm = float(metrics.aggregate_iqm(np.array(runs, float)[:, None]))
    found[len(runs)] = iqm, float(np.mean(runs)), weighted(np.array(runs, float))
    print(f"{runs}: rliable's IQM {iqm:.2f}, mean {found[len(runs)][1]:.2f}, middle half {found[len(runs)][2]:.2f}")
assert found[3][0] == found[3][1] == 300 and abs(found[3][2] - 150) < 1e-9, "the behaviour has changed"
assert found[7][0] != found[7][2] and found[8][0] == found[8][2], "the behaviour has changed"

scores = {"method": np.random.default_rng(0).normal(size=(5, 4))}


def iqm(values):
    """The IQM as rliable wants it, in an array."""
    return np.array([metrics.aggregate_iqm(values)])


def interval():
    """An interval of the IQM, drawn with a random state made anew."""
    state = np.random.RandomState(3)
    return library.get_interval_estimates(scores, iqm, reps=200, random_state=state)[1]["method"].ravel()


first, second = interval(), interval()
np.random.seed(3)
third = interval()
np.random.seed(3)
fourth = interval()
print(f"RandomState(3), twice: {first.round(4)}, {second.round(4)}")
print(f"np.random.seed(3), twice: {third.round(4)}, {fourth.round(4)}")
assert not np.array_equal(first, second) and np.array_equal(third, fourth), "the behaviour has changed"
PYTHON
