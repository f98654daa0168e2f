#!/usr/bin/env bash
# gymnasium 1.4.0: RescaleAction hands the environment actions that lie outside the environment's own Box.
#
# Guess before it was run: an action inside [-1, 1], its ends included, comes out inside the inner Box, since the wrapper
# maps the ends onto the Box's bounds; at most the last bit of float32 is lost on the inner side.
# Seen: the wrapper multiplies by a gradient and adds an intercept, both rounded to the Box's float32, and does not clip.
# Of 3,000 Boxes with random float32 bounds in one dimension, an action of exactly -1 or 1 leaves the Box by a last bit in
# about one of six, and Box.contains says no. Actions that a clip saturates, as those of offline policies often are, are
# exactly these ends. The library's own ClipAction does not mend it: around the wrapper it clips before the rounding, and
# within it cannot be put at all, because its action space is unbounded since 1.0 and RescaleAction refuses that.
# Where it touches us: `Rescaled` in vgf/support/environment.py is a wrapper of our own for this reason; it computes in
# float64 and clips what it hands over to the environment's bounds, and a test holds it to Box.contains.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "gymnasium==1.4.0" "numpy==2.4.6"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.wrappers import ClipAction, RescaleAction

assert version("gymnasium") == "1.4.0"


class Inner(gymnasium.Env):
    """Remembers the last action it was given."""

    observation_space = Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, low, high):
        self.action_space, self.last = Box(low, high, (1,), np.float32), None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.last = action
        return np.zeros(1, np.float32), 0.0, False, False, {}


def last(wrap, low, high, end):
    """Return what the inner environment gets for an action of exactly `end`."""
    inner = Inner(low, high)
    wrapped = wrap(inner)
    wrapped.reset()
    wrapped.step(np.full(1, end, np.float32))
    return inner


rng = np.random.default_rng(0)
bounds = np.sort(rng.uniform(-3, 3, (3000, 2)).astype(np.float32), axis=1)
ways = {
    "RescaleAction alone": lambda env: RescaleAction(env, -1.0, 1.0),
    "ClipAction around it": lambda env: ClipAction(RescaleAction(env, -1.0, 1.0)),
}
outside = dict.fromkeys(ways, 0)
worst = 0.0
for low, high in bounds:
    for name, wrap in ways.items():
        for end in (-1.0, 1.0):
            inner = last(wrap, low, high, end)
            if not inner.action_space.contains(inner.last):
                outside[name] += 1
                worst = max(worst, float(max(low - inner.last[0], inner.last[0] - high)))
try:
    RescaleAction(ClipAction(Inner(-1.0, 2.0)), -1.0, 1.0)
    within = "taken"
except ValueError as error:
    within = f"refused: {error}"
print("ClipAction within it", within)
print({name: f"{count} of {2 * len(bounds)} actions outside" for name, count in outside.items()}, f"by at most {worst:.1e}")
assert min(outside.values()) > 300 and 0 < worst < 1e-5 and within.startswith("refused"), "the behaviour has changed"
PYTHON
