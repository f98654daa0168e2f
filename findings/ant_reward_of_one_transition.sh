#!/usr/bin/env bash
# gymnasium 1.4.0, mujoco 4.0.0: in Ant-v5 one state, one action and one next state have two rewards.
#
# Guess before it was run: the reward of Ant-v5 is a function of state, action and next state: forward reward is the
# change of x over the time step, and x is the first number of qpos (which info["x_position"] shows).
# Seen: put into the state it is in anyway (set_state with its own qpos and qvel, warm start restored), Ant takes the
# same step to the last bit and is paid up to 0.042 differently. The velocity is taken from the body's position in space
# (xpos), and after a step that is the position of the last of the Runge-Kutta integrator's trial stages, not of the new
# qpos; set_state and reset bring it up to date. So info's x_velocity is not the change of info's x_position (by up to
# 0.045), and a model that computes rewards from observations cannot get the recorded ones. HalfCheetah-v5, Hopper-v5,
# Walker2d-v5 and Swimmer-v5 use qpos and pay the same twice.
# Where it touches us: vgf/sources/mazes.py takes an ant maze's reward from the recorded position, not from Ant's own
# reward; nothing else here plays Ant-v5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "gymnasium==1.4.0" "mujoco==4.0.0" "mujoco-core==4.0.0" "numpy==2.4.6" \
    "imageio==2.38.1" "packaging==25.0"
cd "$folder" # MuJoCo writes a log where it runs
MUJOCO_GL=disable "$folder/env/bin/python" - <<'PYTHON'
import gymnasium
import mujoco
import numpy as np

assert (gymnasium.__version__, mujoco.__version__) == ("1.4.0", "4.0.0")
found = {}
for name in ("Ant-v5", "HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Swimmer-v5"):
    env, twin = gymnasium.make(name).unwrapped, gymnasium.make(name).unwrapped
    env.reset(seed=0), twin.reset(seed=0)
    env.action_space.seed(0)
    states, rewards, moved = [], [], []
    for _ in range(60):
        position, velocity = env.data.qpos.copy(), env.data.qvel.copy()
        warm, action = env.data.qacc_warmstart.copy(), env.action_space.sample()
        _, reward, _, _, info = env.step(action)
        twin.set_state(position, velocity)
        twin.data.qacc_warmstart[:] = warm
        _, again, _, _, _ = twin.step(action)
        states.append(max(np.abs(env.data.qpos - twin.data.qpos).max(), np.abs(env.data.qvel - twin.data.qvel).max()))
        rewards.append(abs(reward - again))
        moved.append(abs(info["x_velocity"] - (env.data.qpos[0] - position[0]) / env.dt))
    found[name] = max(states), max(rewards), max(moved)
    print(f"{name}: next state differs by {found[name][0]:.1e}, reward by up to {found[name][1]:.4f},", end=" ")
    print(f"x_velocity from the change of qpos by up to {found[name][2]:.4f}")
assert found["Ant-v5"][0] == 0 and found["Ant-v5"][1] > 0.01 and found["Ant-v5"][2] > 0.01, "the behaviour has changed"
assert all(value[:2] == (0, 0) for name, value in found.items() if name != "Ant-v5")
PYTHON
