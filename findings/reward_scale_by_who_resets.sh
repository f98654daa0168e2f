#!/usr/bin/env bash
# gymnasium 1.4.0: what NormalizeReward divides rewards by depends on who resets the environments.
#
# Guess before it was run: rewards are divided by the deviation of the discounted return since the start of the episode,
# and who resets (at the next step, in the same step, or the caller with a mask) is only a matter of book-keeping.
# Wrong; reading the source before the run already spoke against it.
# Seen: the same random policy with the same environments. CartPole, whose discounted returns have a deviation of 9.2:
# with both automatic modes rewards are divided by about that, by hand by 2.0, since a reset of some environments sets
# the running returns of all of them to 0; rewards are 4.5 times too large. (NormalizeObservation refuses such a
# reset, says its source; this wrapper does not.) Pendulum, which never terminates and is cut after 200 steps: in the same
# step 177, as it is; at the next step, the default, 158, since a return is carried from an episode that was cut into
# the next one. So two programs with one name for this scaling give a critic rewards of two sizes, and a penalty or a
# temperature that is weighed against rewards has two meanings.
# Where it touches us: nothing in vgf/ uses this wrapper; the mode of Workers in vgf/training/vector_env.py is by hand.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "numpy==2.4.6" "gymnasium==1.4.0"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import NormalizeReward

assert version("gymnasium") == "1.4.0", version("gymnasium")
COUNT, GAMMA = 8, 0.99


def scales(task, steps, mode):
    """Play at random; return what rewards are divided by, and the deviation of the discounted returns so far."""
    envs = gym.make_vec(task, num_envs=COUNT, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode})
    envs = NormalizeReward(envs, gamma=GAMMA)
    envs.reset(seed=0)
    envs.action_space.seed(0)
    returns, ended, seen = np.zeros(COUNT), np.zeros(COUNT, dtype=bool), []
    for _ in range(steps):
        _, scaled, terminated, truncated, _ = envs.step(envs.action_space.sample())
        divisor = np.sqrt(envs.return_rms.var + envs.epsilon)
        active = ~ended if mode == AutoresetMode.NEXT_STEP else np.ones(COUNT, dtype=bool)
        returns[~active] = 0
        returns[active] = GAMMA * returns[active] + (scaled * divisor)[active]
        seen.append(returns[active].copy())
        ended = terminated | truncated
        if mode != AutoresetMode.NEXT_STEP:
            returns[ended] = 0
        if mode == AutoresetMode.DISABLED and ended.any():
            envs.reset(options={"reset_mask": ended})
    envs.close()
    return float(divisor), float(np.concatenate(seen).std())


found = {}
for task, steps, modes in (("CartPole-v1", 600, AutoresetMode), ("Pendulum-v1", 1200, list(AutoresetMode)[:2])):
    for mode in modes:
        divisor, deviation = scales(task, steps, mode)
        found[task, mode] = divisor / deviation
        print(f"{task}, {mode.name}: divided by {divisor:.2f}, deviation of the returns {deviation:.2f}")
assert found["CartPole-v1", AutoresetMode.DISABLED] < 0.4, "the behaviour has changed"
assert found["Pendulum-v1", AutoresetMode.NEXT_STEP] < 0.95, "the behaviour has changed"
for task in ("CartPole-v1", "Pendulum-v1"):
    assert abs(found[task, AutoresetMode.SAME_STEP] - 1) < 0.02, "the behaviour has changed"
assert abs(found["CartPole-v1", AutoresetMode.NEXT_STEP] - 1) < 0.02, "the behaviour has changed"
PYTHON
