#!/usr/bin/env bash
# torch 2.13.0 (CPU): seeds that differ by a multiple of 2**32 are one seed, though initial_seed() tells them apart.
#
# Guess before it was run: manual_seed takes any 64-bit number and initial_seed() returns it, so rank * 2**32 + seed, or
# a 64-bit number mixed from several, gives every rank its own stream.
# Seen: the CPU's generator (a Mersenne twister) keeps the low 32 bits. 1, 1 + 2**32 and 1 + 5 * 2**32 draw the same
# numbers, and all multiples of 2**32 draw those of 0. No error, no warning, and each generator reports its own seed.
# numpy 2.4.6 tells all of them apart, so a seed that was packed for numpy's default_rng loses its upper half here.
# What we do about it: vgf/networks.py mixes seed and purpose with numpy's SeedSequence down to 32 bits before torch
# sees them; seed_of in vgf/rlhf/sampling.py hands over 56 hashed bits, of which a CPU keeps 32 that are as good.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6"
"$folder/env/bin/python" - <<'PYTHON'
import numpy as np
import torch

assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
streams, numpys, told = [], [], []
for rank in (0, 1, 5):
    seed = rank * 2**32 + 1
    generator = torch.Generator().manual_seed(seed)
    told.append(generator.initial_seed())
    streams.append(torch.randn(1000, generator=generator))
    numpys.append(np.random.default_rng(seed).standard_normal(1000))
    print(f"seed {seed}: torch says {told[-1]} and draws {streams[-1][0]:.6f}, numpy draws {numpys[-1][0]:.6f}")
assert len(set(told)) == 3 and not np.array_equal(numpys[0], numpys[1])
assert all(torch.equal(stream, streams[0]) for stream in streams), "the behaviour has changed"
PYTHON
