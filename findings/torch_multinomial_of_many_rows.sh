#!/usr/bin/env bash
# torch 2.13.0 (CPU): of a replay buffer's rows, multinomial never draws those of small priority that stand late.
#
# Guess before it was run: torch.multinomial(priorities, n, replacement=True) draws row i as often as its priority says,
# wherever it stands; float32 weights cost a last digit.
# Seen: the weights are added up, one after the other, to a float32. Where the sum has grown, a small weight no longer
# changes it, and its row has no share: with 1 million priorities uniform in [0, 1], the second half's rows below 1/64
# are drawn not once in four million draws (about 490 are due, and the same rows of the first 10,000 get theirs); with
# 8 million, the last quarter's rows below 1/8 (15,600 due). What is left is a staircase: there, priorities 0.13 to 0.37
# are drawn alike. No warning; a row that training has once made unimportant is not seen again, and which rows these
# are depends on their place. The same weights in float64 are right, and so is WeightedRandomSampler, which makes them
# float64.
# Where it touches us: vgf/training/batches.py draws rows uniformly, and vgf/rlhf/sampling.py draws no weights; nothing
# here calls multinomial with replacement.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6"
"$folder/env/bin/python" - <<'PYTHON'
import torch

assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
DRAWS = 4_000_000
seen = {}
for rows, begin, edges in (
    (1_000_000, 550_000, [(0, 1 / 64)]),
    (8_000_000, 6_000_000, [(0, 1 / 8), (0.13, 0.2), (0.3, 0.37)]),
):
    torch.manual_seed(0)
    weights, picked = torch.rand(rows), {}
    for dtype in (torch.float32, torch.float64):
        torch.manual_seed(1)
        picked[dtype] = torch.multinomial(weights.to(dtype), DRAWS, replacement=True)
    for least, most in edges:
        chosen = (torch.arange(rows) >= begin) & (weights > least) & (weights < most)
        due = float(DRAWS * weights[chosen].double().sum() / weights.double().sum())
        single, double = (int(chosen[picked[dtype]].sum()) for dtype in (torch.float32, torch.float64))
        seen[rows, most] = due, single
        print(f"{rows:,} rows, those from {begin:,} on with priority {least:.3f} to {most:.3f}:", end=" ")
        print(f"due {due:,.0f}, drawn from float32 {single:,}, from float64 {double:,}")
        assert abs(double - due) < 6 * due**0.5, "float64 is wrong, too"
assert seen[1_000_000, 1 / 64][1] == 0 and seen[8_000_000, 1 / 8][1] == 0, "the behaviour has changed"
low, high = seen[8_000_000, 0.2], seen[8_000_000, 0.37]
print(f"drawn over due: {low[1] / low[0]:.2f} at 0.13 to 0.2, {high[1] / high[0]:.2f} at 0.3 to 0.37")
assert low[1] / low[0] > 1.3 and high[1] / high[0] < 0.85, "the behaviour has changed"
PYTHON
