#!/usr/bin/env bash
# datasets 5.2.0: a float64 column comes out as float32 once it is asked for in numpy or torch.
#
# Guess before it was run: with_format("numpy") and with_format("torch") change the container; the type is the column's,
# and the schema says float64.
# Seen: both return float32, while the schema still says float64 and the rows without a format are right. Times of a
# recording (seconds since 1970, 50 a second) all become one number, so every time step is 0. A simulator's state stored
# in float64, put back and played on, is another one: a double pendulum from its stored state and the same actions is
# off by 6e-8 at once and by more than 0.1 after some hundred steps, where the state without a format repeats the
# recording to the last bit. Integers keep their type in numpy. with_format("numpy", dtype=np.float64) keeps everything.
# Where it touches us: vgf/datasets/lerobot.py and vgf/datasets/minari.py read their files themselves, and
# vgf/rlhf/rivals/preferred.py gives tokens, which are integers, to this library.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "datasets==5.2.0" "numpy==2.4.6"
HF_HOME="$folder/home" HF_HUB_OFFLINE=1 "$folder/env/bin/python" -W ignore - <<'PYTHON'
import datasets
import numpy as np

assert datasets.__version__ == "5.2.0", datasets.__version__
STEP, LENGTH = 0.02, 1500


def played(state, steps):
    """Return the states of a frictionless double pendulum (equal rods and masses), from `state` on."""
    states = [np.array(state, np.float64)]
    for _ in range(steps):
        a, b, u, v = states[-1]
        d, both = a - b, 2 - np.cos(a - b) ** 2
        up = (-np.sin(d) * (v**2 + u**2 * np.cos(d)) - 9.81 * (2 * np.sin(a) - np.sin(b) * np.cos(d))) / both
        vp = (np.sin(d) * (2 * u**2 + v**2 * np.cos(d)) + 19.62 * (np.sin(a) * np.cos(d) - np.sin(b))) / both
        u, v = u + STEP * up, v + STEP * vp
        states.append(np.array([a + STEP * u, b + STEP * v, u, v]))
    return np.array(states)


recorded = played([2.1, 2.3, 0.0, 0.0], LENGTH)
times = 1.7e9 + STEP * np.arange(LENGTH + 1)
rows = datasets.Dataset.from_dict({"time": times, "state": recorded, "step": np.arange(LENGTH + 1, dtype=np.uint16)})
assert str(rows.features["time"]) == "Value('float64')", rows.features
ways = {
    "no format": rows,
    'with_format("numpy")': rows.with_format("numpy"),
    'with_format("numpy", dtype=np.float64)': rows.with_format("numpy", dtype=np.float64),
}
found = {}
for name, view in ways.items():
    time, state = np.asarray(view[:]["time"]), np.asarray(view[:]["state"])
    apart = np.abs(played(state[0], LENGTH) - recorded).max(1)
    found[name] = time.dtype.name, float(np.diff(time).max()), float(apart[0]), float(apart.max())
    print(f"{name}: {time.dtype}, time steps up to {found[name][1]:.3f}, played from the stored start: off by", end=" ")
    print(f"{apart[0]:.0e} at once, {apart[500]:.0e} after 500 steps, {apart[LENGTH]:.0e} after {LENGTH}")
numbers = {name: view[:2]["step"] for name, view in ways.items()}
print({name: getattr(value, "dtype", value) for name, value in numbers.items()})
assert found['with_format("numpy")'][:2] == ("float32", 0.0) and found['with_format("numpy")'][3] > 0.1, "it has changed"
assert all(v[0] == "float64" and v[2:] == (0, 0) for k, v in found.items() if k != 'with_format("numpy")'), found
PYTHON
