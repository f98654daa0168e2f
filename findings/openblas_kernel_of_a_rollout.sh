#!/usr/bin/env bash
# numpy 2.4.6, MuJoCo 4.0.0, gymnasium 1.4.0: what a seeded rollout visits depends on the processor, by numpy's matmul.
#
# Guess before it was run: with one seed, one thread and pinned packages a policy in numpy walks the same way on every
# x86-64 processor, since MuJoCo is deterministic; kernels of OpenBLAS differ in speed, and in last digits that contacts
# hide.
# Seen: OPENBLAS_CORETYPE chooses the kernel that the processor would. Half-cheetah under one random network parts at the
# first step by 1e-6, by more than one after 14 steps, and no episode has the same return. The same variable mends it:
# with Haswell the digest is one number, also where numpy would take SkylakeX by itself, as on an AMD processor with
# AVX-512. Zen is no kernel of its own in numpy's wheel; it is Haswell.
# Where it touches us: a sidecar names the kernel a file was made with, and data/README.md how to choose it. A file of a
# million rows of hopper, made by a machine with AVX2, was made again byte for byte on one with AVX-512.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/roll.py" <<'PYTHON'
import ctypes
import hashlib
import sys
from pathlib import Path

import gymnasium
import numpy as np

library = next(Path(np.__file__).parent.parent.glob("numpy.libs/*openblas*"))
name = ctypes.CDLL(str(library)).scipy_openblas_get_corename64_
name.restype = ctypes.c_char_p

draw = np.random.default_rng(0)
first = draw.normal(size=(17, 256)).astype(np.float32) / 2
last = draw.normal(size=(256, 6)).astype(np.float32) / 10
env = gymnasium.make("HalfCheetah-v5")
observation, _ = env.reset(seed=0)
seen, returns = [], [0.0]
for _ in range(3000):
    action = np.tanh(np.tanh(observation.astype(np.float32) @ first) @ last)
    observation, reward, terminated, truncated, _ = env.step(action)
    seen.append(observation)
    returns[-1] += reward
    if terminated or truncated:
        returns.append(0.0)
        observation, _ = env.reset()
np.save(sys.argv[1], np.array(seen))
told = [f"{value:.1f}" for value in returns[:-1]]
print(name().decode(), hashlib.sha256(np.array(seen).tobytes()).hexdigest()[:16], "returns", *told)
PYTHON
cat > "$folder/compare.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np

one, other = (np.load(path) for path in sys.argv[1:3])
assert (version("numpy"), version("mujoco"), version("gymnasium")) == ("2.4.6", "4.0.0", "1.4.0")
apart = np.abs(one - other).max(axis=1)
print(f"apart by {apart[0]:.0e} after one step, by more than 1 after {int((apart > 1).argmax()) + 1}")
assert 0 < apart[0] < 1e-4
assert 0 < (apart > 1).argmax() < 100
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "numpy==2.4.6" "mujoco==4.0.0" "gymnasium==1.4.0" "imageio==2.38.1" "packaging==25.0"
cd "$folder"  # MuJoCo leaves its warnings in a file where it runs
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
for kernel in Haswell Sandybridge Zen; do
  OPENBLAS_CORETYPE=$kernel "$folder/venv/bin/python" "$folder/roll.py" "$folder/$kernel.npy" | tee "$folder/$kernel.txt"
done
"$folder/venv/bin/python" "$folder/compare.py" "$folder/Haswell.npy" "$folder/Sandybridge.npy"
grep -q "^Haswell 6a268f11c20d27dc " "$folder/Haswell.txt"
cmp "$folder/Haswell.txt" "$folder/Zen.txt"
! diff -q "$folder/Haswell.txt" "$folder/Sandybridge.txt" >/dev/null
echo "as stated"
