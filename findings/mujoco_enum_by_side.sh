#!/usr/bin/env bash
# mujoco 3.11.0 and 3.12.0, gymnasium-robotics 1.4.2: what type a joint has depends on the side of the equals sign.
#
# Guess before it was run: model.jnt_type[0] == mjtJoint.mjJNT_FREE is the same as mjJNT_FREE == model.jnt_type[0], and
# as membership in a tuple or a dictionary of joint types; a minor release changes none of it.
# Seen: until 3.11.0 all agree. Since 3.12.0 the number on the left is equal (a numpy integer compares by value), the
# enum on the left is not, and `in (mjJNT_FREE, mjJNT_BALL)` and `names.get(...)` say that a free joint is none: no
# error, another branch is taken. gymnasium-robotics, which asks for mujoco>=2.2.0, has one such line: with 3.12.0 and
# 4.0.0 its Fetch, Shadow Hand and Kitchen tasks end in an AssertionError without a word; its mazes are made.
# mjtJoint(number) == mjtJoint.mjJNT_FREE is right in all versions.
# Where it touches us: nothing in vgf/ compares with an enum of MuJoCo. Of gymnasium-robotics it plays AdroitHandPen-v1
# (vgf/datasets/tasks.yaml), which is made under the 4.0.0 of requirements.lock.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/ask.py" <<'PYTHON'
import sys

import gymnasium
import gymnasium_robotics
import mujoco

assert mujoco.__version__ == sys.argv[1], mujoco.__version__
free, hinge = mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_HINGE
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><body><freejoint/><geom size='1'/></body></worldbody></mujoco>"
)
joint = model.jnt_type[0]
said = {
    "number == enum": bool(joint == free),
    "enum == number": bool(free == joint),
    "number in (enum, enum)": joint in (free, hinge),
    "number as key": {free: True}.get(joint, False),
    "enum(number) == enum": mujoco.mjtJoint(int(joint)) == free,
}
gymnasium.register_envs(gymnasium_robotics)
made = {}
for name in ("FetchPush-v4", "HandReach-v3", "FrankaKitchen-v1", "PointMaze_UMaze-v3"):
    try:
        gymnasium.make(name).reset(seed=0)
        made[name] = True
    except AssertionError:
        made[name] = False
print(f"mujoco {mujoco.__version__}, a free joint: {said}; can be made: {made}")
old = sys.argv[1] == "3.11.0"
assert list(said.values()) == [True, old, old, old, True], "the behaviour has changed"
assert list(made.values()) == [old, old, old, True], "the behaviour has changed"
PYTHON
python3 -m venv "$folder/env"
cd "$folder" # MuJoCo writes a log where it runs
for version in 3.11.0 3.12.0 4.0.0; do
    "$folder/env/bin/pip" uninstall --quiet --yes mujoco # else its files go after those of mujoco-core have come
    "$folder/env/bin/pip" install --quiet "gymnasium-robotics==1.4.2" "gymnasium==1.4.0" "mujoco==$version" \
        "numpy==2.4.6"
    MUJOCO_GL=disable "$folder/env/bin/python" -W ignore "$folder/ask.py" "$version"
done
