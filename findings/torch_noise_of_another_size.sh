#!/usr/bin/env bash
# torch 2.13.0 (CPU): with one seed, randn(n) is not the beginning of randn(m).
#
# Guess before it was run: numbers are drawn one after the other, so the first n normals after manual_seed(0) are the
# same however many follow, as those of torch.rand are.
# Seen: fewer than 16 come from another algorithm and share not one number with 16 or more. From 16 on they are made in
# blocks of 16, and where the size is no multiple of 16 the last 16 are drawn anew: of randn(64), randn(17) shares one
# number, randn(31) fifteen, randn(40) twenty-four, randn(32) all. torch.rand agrees for every size. So the first 5 of
# 10 particles, a smaller batch, or 10 instead of 20 evaluation episodes have other noise, and how much of it depends on
# the remainder by 16: a comparison "on the same noise" of two sizes is none.
# Where it touches us: vgf/networks.py (SeedStreams) draws one tensor for all particles or environments, so in
# vgf/training/evaluate.py another number of episodes or particles means other noise; nothing here promises otherwise.
# vgf/rlhf/sampling.py draws from a generator for each prompt.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6"
"$folder/env/bin/python" - <<'PYTHON'
import torch

assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
shared = {}
for draw in (torch.rand, torch.randn):
    torch.manual_seed(0)
    many = draw(64)
    for n in (5, 15, 16, 17, 31, 32, 40):
        torch.manual_seed(0)
        shared[draw.__name__, n] = int((draw(n) == many[:n]).sum())
        print(f"of {draw.__name__}(64), {draw.__name__}({n}) shares {shared[draw.__name__, n]} numbers")
assert all(shared["rand", n] == n for name, n in shared if name == "rand")
assert [shared["randn", n] for n in (5, 15, 16, 17, 31, 32, 40)] == [0, 0, 16, 1, 15, 32, 24], "it has changed"
PYTHON
