#!/usr/bin/env bash
# torch 2.13.0, CPU: the bfloat16 gradient of an embedding row stops growing when its token occurs 256 times.
#
# Guess before it was run: the backward pass of an embedding sums the rows of a token in float32 and rounds once, as
# sum() of a bfloat16 tensor does; so n equal rows give a gradient of n, whichever way the rows were looked up.
# Seen: nn.functional.embedding (dense and sparse), weight[tokens], index_add_ and index_put_(accumulate=True) add in
# bfloat16, one row after the other. 256 + 1 rounds to 256 there, so 300, 1,000 and 4,000 occurrences all give 256. The
# same rows through gather, scatter_add_ or expand give 300, 1,000 and 4,000. With float32 weights all of them agree.
# In a batch of 32 x 64 tokens a space or a padding token passes 256 at once: what it should learn is cut to a part, and
# a soft prompt or a conditioning vector that is looked up by index for every row loses the same.
# Where it touches us: vgf/rlhf trains low-rank matrices in float32 and no embedding; embeddings are only read there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import torch
from torch.nn.functional import embedding

assert torch.__version__.startswith("2.13.0"), torch.__version__
WAYS = {
    "embedding": lambda w, t: embedding(t, w),
    "embedding, sparse": lambda w, t: embedding(t, w, sparse=True),
    "index": lambda w, t: w[t],
    "gather": lambda w, t: w.gather(0, t[:, None].expand(-1, 4)),
    "expand": lambda w, t: w[:1].expand(len(t), 4),
}


def gradient(way, count, dtype):
    """Return the gradient of the only row's first number when its token occurs `count` times."""
    weight = torch.zeros(1, 4, dtype=dtype, requires_grad=True)
    WAYS[way](weight, torch.zeros(count, dtype=torch.long)).sum().backward()
    found = weight.grad.coalesce().to_dense() if weight.grad.is_sparse else weight.grad
    return found[0, 0].item()


COUNTS = (200, 300, 1000, 4000)
for way in WAYS:
    found = [gradient(way, count, torch.bfloat16) for count in COUNTS]
    exact = [gradient(way, count, torch.float32) for count in COUNTS]
    print(f"{way:18s} bfloat16 {found}  float32 {exact}")
    assert exact == list(COUNTS)
    if way in ("gather", "expand"):
        assert found == list(COUNTS), "these added in float32"
    else:
        assert found == [200, 256, 256, 256], "the sum is no longer cut at 256"
ones, place = torch.ones(1000, dtype=torch.bfloat16), torch.zeros(1000, dtype=torch.long)
zero = torch.zeros(1, dtype=torch.bfloat16)
assert ones.sum().item() == 1000
assert zero.clone().index_add_(0, place, ones).item() == 256
assert zero.clone().scatter_add_(0, place, ones).item() == 1000
PYTHON
