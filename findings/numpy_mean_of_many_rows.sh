#!/usr/bin/env bash
# numpy 2.4.6: mean and standard deviation over the rows of a large float32 array are wrong, and the memory layout decides.
#
# Guess before it was run: numpy sums pairwise, so the mean of 20 million float32 rows is right to six digits.
# Seen: pairwise summation runs along contiguous memory only. x.mean(axis=0) of rows as a replay buffer or a dataset holds
# them ([rows, features], C order) adds one row after the other into a float32, which stops growing as it gets large.
# Features like the position and the height of an ant, uniform in [0, 36] and normal about 0.75 +- 0.1: at 1 million rows
# the standard deviations are off by 2e-4 and 3e-4; at 10 million the mean of 18 is off by 0.14; at 20 million
# the second standard deviation is 31 % too large and its mean 12 %. The same numbers in Fortran order (np.asfortranarray)
# give both right to 1e-7. No warning. Whoever normalises observations with statistics of a large offline set in float32
# does so with wrong ones, and with others after a harmless transpose or copy.
# Where it touches us: our statistics of data are sums in torch (right to 1e-7 on the same arrays) or of Booleans
# (vgf/datasets/card.py), which numpy counts in integers; a float32 column goes in with dtype=np.float64.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "numpy==2.4.6"
"$folder/env/bin/python" - <<'PYTHON'
import numpy as np

assert np.__version__ == "2.4.6", np.__version__
rng = np.random.default_rng(0)
errors = {}
for rows in (1_000_000, 10_000_000, 20_000_000):
    x = np.empty((rows, 2), np.float32)
    x[:, 0], x[:, 1] = rng.uniform(0, 36, rows), rng.normal(0.75, 0.1, rows)
    mean, std = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    for order, values in (("C", x), ("Fortran", np.asfortranarray(x))):
        errors[rows, order] = values.mean(0) / mean - 1, values.std(0) / std - 1
        means, stds = ([f"{e:+.1e}" for e in error] for error in errors[rows, order])
        print(f"{rows:>10,} rows, {order:>7} order: relative errors of the means {means}, of the standard deviations {stds}")
assert np.abs(errors[20_000_000, "C"][1]).max() > 0.1 and np.abs(errors[20_000_000, "C"][0]).max() > 0.05, "it has changed"
assert all(np.abs(e).max() < 1e-5 for (_, order), both in errors.items() if order == "Fortran" for e in both)
PYTHON
