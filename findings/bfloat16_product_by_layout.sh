#!/usr/bin/env bash
# torch 2.13.0 (CPU), a processor without AVX-512, or oneDNN switched off: how long a product in bfloat16 takes depends
# on the layout of its left factor, and the usual one is the slowest.
#
# Guess before it was run: without instructions for bfloat16 a product takes several times as long as in float32, alike
# for every layout, since the numbers are turned into float32 and multiplied there.
# Seen, one thread, [640, 256] x [256, 256], on an AVX2 processor: torch.mm of two contiguous matrices takes some 70 times
# as long as in float32. With the left factor stored by columns (the same numbers, `a.t().contiguous().t()`) it is some
# 12 times as fast; torch.nn.functional.linear lies between. Turning both factors into float32, multiplying and turning
# the result back is quicker than all of them, 40 to 70 times as quick as torch.mm. Nothing warns.
# What we do about it: training tries one product in both precisions at its start and says so where bfloat16 loses; the
# fused core has no bfloat16 there; the chapter on speed says what emulation costs. Below oneDNN is off, so that the
# script sees the same code on a processor with AVX-512, together with ATEN_CPU_CAPABILITY.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6"
ATEN_CPU_CAPABILITY=avx2 "$folder/env/bin/python" - <<'PYTHON'
import time

import torch

assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
torch.set_num_threads(1)
torch.manual_seed(0)
a, w = torch.randn(640, 256), torch.randn(256, 256)
low, low_w = a.bfloat16(), w.bfloat16()
by_columns, transposed = low.t().contiguous().t(), low_w.t().contiguous()
assert torch.equal(low, by_columns)
ways = {
    "float32": lambda: torch.mm(a, w),
    "bfloat16": lambda: torch.mm(low, low_w),
    "bfloat16, left by columns": lambda: torch.mm(by_columns, low_w),
    "bfloat16, linear": lambda: torch.nn.functional.linear(low, transposed),
    "bfloat16 through float32": lambda: torch.mm(low.float(), low_w.float()).bfloat16(),
}


def seconds(way):
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        way()
        best = min(best, time.perf_counter() - start)
    return best


with torch.backends.mkldnn.flags(enabled=False):
    for way in ways.values():
        way()
    took = {name: seconds(way) for name, way in ways.items()}
for name, value in took.items():
    print(f"{name}: {value / took['float32']:.1f} times as long as float32")
plain = took["bfloat16"]
assert plain > 15 * took["float32"], "the behaviour has changed"
assert plain > 4 * took["bfloat16, left by columns"], "the behaviour has changed"
assert plain > 8 * took["bfloat16 through float32"], "the behaviour has changed"
PYTHON
