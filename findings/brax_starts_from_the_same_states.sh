#!/usr/bin/env bash
# brax 0.14.2: after its first reset an environment begins each later episode in the same state.
#
# Guess before it was run: an environment that resets itself draws a new start for each episode, as the environment's
# reset(rng) does and as every vector environment of gymnasium does.
# Seen: the wrapper that brax puts around an environment for training keeps the state and the observation of the first
# reset and puts them back. Four environments, whose reset draws from a continuum, play 84 episodes from four starts;
# gymnasium's vector environment with the same draw plays as many from 84. Whoever counts episodes as draws of a start
# (a mean return over 1,000 episodes of 8 environments, its interval, how far the data of a collection reach) has 8. A
# goal that reset draws into the state stays with it. No argument of wrap() changes this; reset() with new keys draws.
# Where it touches us: nothing here plays brax; vgf/training/vector_env.py resets each environment by itself and draws
# every start from that environment's generator.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-deps "brax==0.14.2" "jax==0.10.2" "jaxlib==0.10.2" "numpy==2.4.6" \
    "scipy==1.17.1" "ml-dtypes==0.6.0" "opt-einsum==3.4.0" "flax==0.12.8" "msgpack==1.2.4" "etils==1.15.0" \
    "mujoco==3.17.0" "mujoco-mjx==3.17.0" "jaxopt==0.8.5" "trimesh==5.2.0" "absl-py==2.5.1" \
    "typing-extensions==4.16.0" "gymnasium==1.4.0" "cloudpickle==3.1.2" "farama-notifications==0.0.6" \
    "rich==15.0.0" "PyYAML==6.0.4" "pillow==13.0.0"
cd "$folder" # MuJoCo writes a log where it runs
JAX_PLATFORMS=cpu MUJOCO_GL=disable "$folder/env/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from brax.envs.base import Env, State
from brax.envs.wrappers.training import wrap

assert version("brax") == "0.14.2", version("brax")
ENVIRONMENTS, LENGTH, STEPS = 4, 5, 100


class Stands(Env):
    """Draws where it stands, and stands there."""

    observation_size = action_size = 1
    backend = "none"

    def reset(self, rng):
        place, zero = jax.random.uniform(rng, (1,)), jnp.zeros(())
        return State(pipeline_state=place, obs=place, reward=zero, done=zero)

    def step(self, state, action):
        return state.replace(reward=jnp.ones(()))


class StandsToo(gymnasium.Env):
    """The same in gymnasium."""

    observation_space = action_space = gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.random(1, np.float32)
        return self.place, {}

    def step(self, action):
        return self.place, 1.0, False, False, {}


env = wrap(Stands(), episode_length=LENGTH)
state, step = env.reset(jax.random.split(jax.random.PRNGKey(0), ENVIRONMENTS)), jax.jit(env.step)
starts = [np.array(state.obs)]
for _ in range(STEPS):
    state = step(state, jnp.zeros((ENVIRONMENTS, 1)))
    starts.append(np.array(state.obs)[np.array(state.done) > 0])
starts = np.concatenate(starts)

make = lambda: gymnasium.wrappers.TimeLimit(StandsToo(), LENGTH)
same_step = gymnasium.vector.AutoresetMode.SAME_STEP
vector = gymnasium.vector.SyncVectorEnv([make] * ENVIRONMENTS, autoreset_mode=same_step)
others = [vector.reset(seed=0)[0]]
for _ in range(STEPS):
    observation, _, _, truncated, _ = vector.step(np.zeros((ENVIRONMENTS, 1), np.float32))
    others.append(observation[truncated])
others = np.concatenate(others)
found = [(len(rows), len(np.unique(rows))) for rows in (starts, others)]
for name, (episodes, places) in zip(("brax", "gymnasium"), found, strict=True):
    print(f"{name}: {episodes} episodes of {ENVIRONMENTS} environments begin in {places} different states")
assert found == [(84, 4), (84, 84)], "the behaviour has changed"
PYTHON
