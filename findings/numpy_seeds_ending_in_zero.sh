#!/usr/bin/env bash
# numpy 2.4.6: default_rng([seed, 0]) is default_rng(seed).
#
# Guess before it was run: every list of integers is a stream of its own, so default_rng([seed, k]) gives environment,
# epoch or particle k one apart from the others and from the program's own default_rng(seed).
# Seen: seeds are filled up with zeros to four 32-bit words before they are mixed, so 7, [7], [7, 0], [7, 0, 0] and [7,
# 0, 0, 0] are one stream, number for number; [7, 0, 0, 0, 0], five words, is another. A number above 32 bits is cut
# into words, so [0, 7] is 7 * 2**32, too. The first worker (k = 0) hence repeats the draws of whoever uses the bare
# seed: the noise of evaluation episode 0 is the noise that training began with. Each stream by itself is good, so no
# plot shows it. SeedSequence(7, spawn_key=(0,)) is not 7: there the zeros are filled in before the key.
# What we do about it: vgf/sources/parts.py takes spawn_key; vgf/networks.py and vgf/training/online.py put the checksum
# of a purpose into the list; vgf/results/stats.py and vgf/rlhf/training.py use lists of one length only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "numpy==2.4.6"
"$folder/env/bin/python" - <<'PYTHON'
import numpy as np
from numpy.random import SeedSequence, default_rng

assert np.__version__ == "2.4.6", np.__version__
bare = default_rng(7).standard_normal(1000)
same = {}
seeds = {str(seed): seed for seed in ([7], [7, 0], [7, 0, 0], [7, 0, 0, 0], [7, 0, 0, 0, 0], [7, 1], [0, 7])}
for name, seed in (seeds | {"SeedSequence(7, spawn_key=(0,))": SeedSequence(7, spawn_key=(0,))}).items():
    same[name] = np.array_equal(default_rng(seed).standard_normal(1000), bare)
    print(f"default_rng({name}) is default_rng(7): {same[name]}")
words = np.array_equal(default_rng([0, 7]).random(9), default_rng(7 * 2**32).random(9))
print(f"default_rng([0, 7]) is default_rng(7 * 2**32): {words}")
assert list(same.values()) == [True] * 4 + [False] * 4 and words, "the behaviour has changed"
PYTHON
