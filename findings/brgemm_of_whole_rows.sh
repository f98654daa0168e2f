#!/usr/bin/env bash
# torch 2.13.0 (CPU), AVX2: at::native::cpublas::brgemm, the product of blocks that torch ships for C++ (oneDNN's micro-
# kernel in float32), takes the leading dimension of its right factor; at 512 it runs at little over half its speed.
#
# Guess before it was run: the leading dimension does not matter, as for gemm, which copies its factors into panels
# before it multiplies.
# Seen: a micro-kernel copies nothing. It walks through 16 columns of all rows; in rows of 512 float32 numbers these lie
# 2 KB apart and fall on two sets of the first cache, which hold a sixteenth of them. With the right factor stored in
# panels of 32 columns, 16 calls in place of one, [32, 512] x [512, 512] takes little over half as long; padding each row by
# 16 numbers, the usual remedy, gains less than half of that. At width 256 the gain is a sixth, at 128 nothing.
# What we do about it: on AVX2 the fused core keeps weights in panels of 32 columns (`vgf/agents/fused/perceptron.h`); an
# update of the paper's size takes 0.6 times as long. With AVX-512, whose kernels take more columns at a time, it does not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6" "ninja==1.13.0" "setuptools==80.9.0"
export ONEDNN_MAX_CPU_ISA=AVX2 PATH="$folder/env/bin:$PATH" TORCH_EXTENSIONS_DIR="$folder/built"
"$folder/env/bin/python" - <<'PYTHON'
import torch
from torch.utils.cpp_extension import load_inline

assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
SOURCE = r"""
#include <ATen/native/CPUBlas.h>
#include <torch/extension.h>
#include <algorithm>
#include <chrono>
#include <vector>

// Seconds of [m, w] x [w, w]: the right factor in panels of `p` columns, rows of each `ld` numbers long.
double seconds(int64_t m, int64_t w, int64_t p, int64_t ld) {
  auto a = torch::ones({m, w}), b = torch::ones({w / p, w, ld}), c = torch::empty({m, w});
  const float *from = a.data_ptr<float>(), *by = b.data_ptr<float>();
  float* to = c.data_ptr<float>();
  double best = 1e9;
  for (int turn = 0; turn < 9; ++turn) {
    const auto start = std::chrono::steady_clock::now();
    for (int repeat = 0; repeat < 50; ++repeat)
      for (int64_t j = 0; j < w / p; ++j)
        at::native::cpublas::brgemm(m, p, w, w, ld, w, false, from, by + j * w * ld, to + j * p, false);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  at::native::cpublas::brgemm_release(false);
  TORCH_CHECK(c.eq(w).all().item<bool>(), "wrong product");
  return best;
}
"""
torch.set_num_threads(1)
seconds = load_inline("panels", SOURCE, functions=["seconds"], extra_cflags=["-O2"]).seconds
found = {}
for width in (128, 256, 512):
    whole, padded, panels = (seconds(32, width, p, ld) for p, ld in ((width, width), (width, width + 16), (32, 32)))
    found[width] = whole / panels
    print(f"width {width}: whole rows take {whole / panels:.2f} times as long as panels, padded {padded / panels:.2f}")
assert found[512] > 1.25, "the behaviour has changed"
assert found[512] > 1.15 * found[128], "the behaviour has changed"
PYTHON
