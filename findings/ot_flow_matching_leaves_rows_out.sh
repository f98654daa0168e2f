#!/usr/bin/env bash
# torchcfm 1.0.7 (POT 0.9.7.post1, torch 2.13.0): flow matching by optimal transport trains on 63 % of each batch.
#
# Guess before it was run: the exact transport plan of two batches of one size is a permutation, so the matcher pairs
# every row of noise with one row of data: 256 rows in, 256 out, each once; torch.manual_seed fixes the pairs.
# Seen: pairs are drawn from the plan with replacement. Of 256 rows of data about 162 come out (1 - 1/e), some four or
# five times; the rest is thrown away at each step, and the noise that is trained on repeats, too. A batch costs the
# same and shows 63 % of its rows. The draw is numpy's, from its global generator: with the same
# torch seed the pairs are others at each call. The plan itself is the permutation; sample_plan(x0, x1, replace=False)
# returns each row once, but the matcher's own method does not let one ask for it. The plain matcher uses every row.
# Where it touches us: vgf/reference.py takes its noise from its caller, one row for each action, and vgf/ does not use
# this library.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6" "scipy==1.17.1" "POT==0.9.7.post1"
"$folder/env/bin/pip" install --quiet --no-deps "torchcfm==1.0.7"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import torch
from torchcfm.conditional_flow_matching import (
    ConditionalFlowMatcher, ExactOptimalTransportConditionalFlowMatcher, OTPlanSampler,
)

assert version("torchcfm") == "1.0.7", version("torchcfm")
ROWS = 256
torch.manual_seed(0)
noise, data = torch.randn(ROWS, 4), torch.randn(ROWS, 4)


def used(matcher):
    """Return which rows of data the matcher trains on."""
    torch.manual_seed(1)
    t, between, velocity = matcher.sample_location_and_conditional_flow(noise, data)
    ends = between + (1 - t[:, None]) * velocity
    return torch.cdist(ends, data, compute_mode="donot_use_mm_for_euclid_dist").argmin(1)


plain, exact = ConditionalFlowMatcher(sigma=0.0), ExactOptimalTransportConditionalFlowMatcher(sigma=0.0)
counts = [len(used(exact).unique()) for _ in range(20)]
most = int(used(exact).bincount().max())
print(f"plain matcher: {len(used(plain).unique())} of {ROWS} rows of data")
print(f"optimal transport, twenty times: {min(counts)} to {max(counts)} rows, one of them {most} times")
plan = OTPlanSampler(method="exact").get_map(noise, data)
permutation = bool(((plan > 0).sum(0) == 1).all() and ((plan > 0).sum(1) == 1).all())
_, once = OTPlanSampler(method="exact").sample_plan(noise, data, replace=False)
print(f"the plan is a permutation: {permutation}; without replacement: {len(once.unique(dim=0))} rows")
same_torch = torch.equal(used(exact), used(exact))
repeats = []
for _ in range(2):
    np.random.seed(0)
    repeats.append(used(exact))
print(f"same pairs with torch's seed: {same_torch}; with numpy's global one, too: {torch.equal(*repeats)}")
assert len(used(plain).unique()) == ROWS and permutation and len(once.unique(dim=0)) == ROWS
assert 140 < min(counts) and max(counts) < 185 and most > 2, "the behaviour has changed"
assert not same_torch and torch.equal(*repeats), "the behaviour has changed"
PYTHON
