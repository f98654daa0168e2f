#!/usr/bin/env bash
# numpy 2.4.6: mean and deviation over the rows of a large float32 array are wrong, by memory layout.
#
# Guess before it was run: numpy sums pairwise, so the mean of 20 million float32 rows is right to six digits.
# Seen: pairwise summation runs along contiguous memory only. x.mean(axis=0) of rows as a dataset or a replay buffer
# holds them ([rows, features], C order) adds one row after the other to a float32, which loses more of each row the
# larger it gets. Features like the position and the height of an ant, uniform in [0, 36] and normal about 0.75 +- 0.1:
# at 1 million rows the standard deviations are 0.02 % off, at 10 million 0.4 and 0.8 %, at 20 million the second mean
# is 12 % and its deviation 31 % too large. The same numbers in Fortran order (np.asfortranarray) give all of them to
# 2e-7. No warning. Whoever normalises observations by statistics of a large offline set in float32 uses wrong ones, and
# others after a harmless transpose or copy.
# Where it touches us: vgf/sources/card.py averages Booleans and vgf/datasets/d4rl.py sums returns, both in float64;
# where a float32 column is averaged in numpy, dtype=np.float64 belongs to it.
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
        print(f"{rows:>10,} rows, {order:>7} order: relative errors of means {means}, of deviations {stds}")
means, stds = errors[20_000_000, "C"]
assert np.abs(means).max() > 0.05 and np.abs(stds).max() > 0.1, "the behaviour has changed"
assert all(np.abs(e).max() < 1e-5 for (_, order), both in errors.items() if order == "Fortran" for e in both)
PYTHON
