#!/usr/bin/env bash
# torch 2.13.0 (CPU): torch.optim.Adam(fused=True) writes to parameters past autograd's version counter.
#
# Guess before it was run: a fused step counts as an in-place write like any other, so `_version` grows by one, and a
# backward pass through a value that was saved before the step raises "modified by an inplace operation".
# Seen: the counter stays where it was. The backward pass raises nothing and returns a gradient made of old and new
# weights. The same lines with fused=False raise the error. Whoever caches something by `_version` (a copy of the
# weights in another precision, say) never learns that they changed.
# What we do about it: `Agent._descend` and the fused core call torch.autograd.graph.increment_version after each step,
# and a test trains with copies that are cached by version.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6"
"$folder/env/bin/python" - <<'PYTHON'
import torch

assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
found = {}
for fused in (False, True):
    p = torch.nn.Parameter(torch.ones(3))
    adam = torch.optim.Adam([p], lr=0.1, fused=fused)
    p.grad = torch.ones(3)
    before = p._version
    adam.step()
    counted = p._version - before
    p.grad = None
    value = (p * p).sum()  # saves p
    p.grad = torch.ones(3)
    adam.step()
    p.grad = None
    try:
        value.backward()
        outcome = "no error"
    except RuntimeError as error:
        outcome = "modified by an inplace operation" if "inplace operation" in str(error) else str(error)
    found[fused] = (counted, outcome)
    print(f"fused={fused}: version counter +{counted}, backward through the step: {outcome}")
assert found == {False: (1, "modified by an inplace operation"), True: (0, "no error")}, "the behaviour has changed"
PYTHON
