#!/usr/bin/env bash
# minari 0.5.4, gymnasium 1.4.0: a policy that reuses its action array is recorded with its last action everywhere.
#
# Guess before it was run: DataCollector writes down what was played at each step; the environment has seen the action,
# and what is done to the array afterwards is no matter.
# Seen: it keeps the array itself until the episode is written. A policy that fills one array again and again (np.clip
# with out=, a preallocated buffer) drives Pendulum-v1 with eight different actions, and the set holds the last one
# eight times, beside the right observations. No error, no warning, and types, shapes and bounds are right: a method
# that trains on the set sees an action that does not matter. An environment that updates its observation in place
# loses all observations of an episode but the last likewise. With action.copy() the set is right.
# Where it touches us: the collectors of vgf/sources/ keep rows like this, too, but of environments and policies that
# make a new array at each step; vgf/datasets/minari.py can only read what is in a file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "minari[hdf5]==0.5.4" "gymnasium==1.4.0" "numpy==2.4.6" "jax==0.10.2" \
    "jaxlib==0.10.2" "pillow==13.0.0"
MINARI_DATASETS_PATH="$folder/datasets" JAX_PLATFORMS=cpu "$folder/env/bin/python" -W ignore - <<'PYTHON'
import gymnasium
import minari
import numpy as np

assert minari.__version__ == "0.5.4", minari.__version__
STEPS = 8
wanted = np.linspace(-2, 2, STEPS, dtype=np.float32)


class InPlace(gymnasium.Env):
    """Counts its steps in one array, which is its observation."""

    observation_space = gymnasium.spaces.Box(0.0, 100.0, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-2.0, 2.0, (1,), np.float32)

    def __init__(self):
        self.count = np.zeros(1, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count[:] = 0
        return self.count, {}

    def step(self, action):
        self.count += 1
        return self.count, 0.0, False, False, {}


def recorded(name, env, copied):
    """Play the wanted actions from one array and return the episode that Minari recorded."""
    env = minari.DataCollector(gymnasium.wrappers.TimeLimit(env, STEPS))
    env.reset(seed=0)
    action = np.empty(1, np.float32)
    for value in wanted:
        action[:] = value
        env.step(action.copy() if copied else action)
    episode = next(iter(env.create_dataset(name).iterate_episodes()))
    return episode.actions.ravel(), episode.observations


found = {}
for copied in (True, False):
    pendulum = gymnasium.make("Pendulum-v1").unwrapped
    found[copied] = recorded(f"test/pendulum{int(copied)}-v0", pendulum, copied)
    print(f"actions, copied {copied}: played {wanted.round(2).tolist()}, recorded {found[copied][0].round(2).tolist()}")
_, counts = recorded("test/counts-v0", InPlace(), True)
print(f"observations that are updated in place: played {list(range(STEPS + 1))}, recorded {counts.ravel().tolist()}")
assert np.array_equal(found[True][0], wanted) and np.array_equal(found[True][1], found[False][1])
assert (found[False][0] == wanted[-1]).all() and (counts == STEPS).all(), "the behaviour has changed"
PYTHON
