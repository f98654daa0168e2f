#!/usr/bin/env bash
# safetensors 0.8.0 (numpy): a transposed array is written with its numbers in other places; 0.7.0 was right.
#
# Guess before it was run: safetensors.numpy.save writes what the array says, or refuses a layout that it cannot write.
# Seen: with 0.8.0 save({"w": w.T}) is read back with the right shape and the right numbers in wrong places: the memory
# is written as it lies. The same of np.asfortranarray(w), and so of the weights for PyTorch that `.T` makes of a JAX
# kernel; a square matrix comes back as its transpose. 0.7.0 returns all of them as they were. No error and no warning;
# the file is valid, its hash is stable, and a policy loaded from it acts, badly.
# What we do about it: vgf/sources/experts.py and vgf/sources/expert_training.py, which turn JAX kernels into files,
# hand over np.ascontiguousarray(...) only; vgf/rlhf/parts/minilm.py saves vectors.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 0.7.0 0.8.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "safetensors==$version" "numpy==2.4.6"
    "$folder/$version/bin/python" - "$version" <<'PYTHON'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load, save

assert safetensors.__version__ == sys.argv[1], safetensors.__version__
w = np.arange(6, dtype=np.float32).reshape(2, 3)
square = np.arange(4, dtype=np.float32).reshape(2, 2)
found = {}
for name, array in (("w", w), ("w.T", w.T), ("asfortranarray(w)", np.asfortranarray(w)), ("square.T", square.T)):
    back = load(save({"array": array}))["array"]
    found[name] = np.array_equal(array, back)
    print(f"safetensors {sys.argv[1]}, {name}: {array.tolist()} read back as {back.tolist()}")
    if name == "square.T" and not found[name]:
        assert np.array_equal(back, square), "neither the array nor its transpose"
right = sys.argv[1] == "0.7.0"
assert found == {"w": True, "w.T": right, "asfortranarray(w)": right, "square.T": right}, "the behaviour has changed"
PYTHON
done
