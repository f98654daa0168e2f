#!/usr/bin/env bash
# d4rl 1.1: without timeouts in the file, qlearning_dataset keeps transitions that lead from one episode to the next.
#
# Guess before it was run: where a file has no timeouts, the episodes are cut by the environment's time limit: the last
# row of each, which has no successor, is left out, and every other is kept with the row behind it.
# Seen: right until the first terminal. Its counter of steps is set to 0 there and then raised by one, so the next
# episode begins at 1; at a time limit it is set to 0 and not raised, so the lead is never made up. From the first
# terminal on, each episode that ends by its time limit loses its last but one row, a good transition, and keeps its
# last, whose "next observation" is the start of another episode and whose terminal is False: a critic learns that the
# world jumps there. With a column of timeouts (the v2 files have one) the same rows are cut where they should be.
# What we do about it: vgf/datasets/hdf5.py cuts where terminals or timeouts say so and counts no steps; it refuses a
# file without timeouts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-deps "d4rl==1.1" "gym==0.24.1" "gym-notices==0.0.8" "cloudpickle==3.1.2" \
    "h5py==3.16.0" "numpy==2.4.6" "tqdm==4.70.1"
D4RL_SUPPRESS_IMPORT_ERROR=1 "$folder/env/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np

sys.modules["mujoco_py"] = None  # its simulators are not needed, and d4rl takes this for an answer
import d4rl

assert version("d4rl") == "1.1"
LIMIT = 4
lengths = [2, 4, 4, 4]  # the first ends in a terminal, the others at the limit
episode = np.repeat(np.arange(len(lengths)), lengths)
ends = np.cumsum(lengths) - 1
rows = len(episode)
data = dict(observations=np.arange(rows, dtype=float)[:, None], actions=np.zeros((rows, 1)), rewards=np.zeros(rows))
data["terminals"] = np.arange(rows) == ends[0]
timeouts = np.isin(np.arange(rows), ends[1:])
found = {}
for name, columns in (("no timeouts", data), ("timeouts", data | {"timeouts": timeouts})):
    env = SimpleNamespace(_max_episode_steps=LIMIT, get_dataset=lambda columns=columns: columns)
    out = d4rl.qlearning_dataset(env)
    pairs = zip(out["observations"].ravel().astype(int), out["next_observations"].ravel().astype(int), strict=True)
    kept = [(int(a), int(b)) for (a, b), end in zip(pairs, out["terminals"], strict=True) if not end]
    jumps = [(a, b) for a, b in kept if episode[a] != episode[b]]
    lost = [(a, a + 1) for a in range(rows - 1) if episode[a] == episode[a + 1] and (a, a + 1) not in kept]
    found[name] = jumps, lost
    print(f"file with {name}: transitions into another episode {jumps}, transitions lost {lost}")
assert found["no timeouts"][0] == [(5, 6), (9, 10)] and found["timeouts"][0] == [], "the behaviour has changed"
PYTHON
