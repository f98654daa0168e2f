#!/usr/bin/env bash
# gymnasium 1.4.0, mujoco 3.4.0 and 3.5.0: Hopper-v5 and Ant-v5 change their dynamics and keep their version.
#
# Guess before it was run: -v5 names the dynamics, and two versions of the engine differ by rounding until contacts
# amplify it.
# Seen: same seed, same actions, and the first contact parts them. Hopper's observations are 0.05 apart after ten steps,
# Ant's 0.8 after five; Walker2d's and HalfCheetah's agree to 1e-12 after twenty. What changed is a rule: a contact's
# margin was the larger one of its two geoms' margins, since 3.5.0 it is their sum (0.001 and 0.002 in the hopper).
# Hopper and Ant give a margin to the robot and to the floor, the other two to neither. With the floor's margin set to
# 0, version 3.5.0 returns Hopper's trajectory of 3.4.0 to the last bit, and Ant's to 1e-13. 4.0.0 sums, too.
# Where it touches us: D4RL's files were recorded under the old rule; requirements.lock has mujoco 4.0.0, so
# vgf/sources/locomotion.py and vgf/sources/mazes.py record, and vgf/training/evaluate.py scores, hopper and ant under
# the new one. Each run.json and each row "made with" of data/README.md name the version.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/roll.py" <<'PYTHON'
import sys

import gymnasium
import mujoco
import numpy as np

assert mujoco.__version__ == sys.argv[1], mujoco.__version__
rows = {}
for name in ("Hopper-v5", "Ant-v5", "Walker2d-v5", "HalfCheetah-v5"):
    for floor in ("as it is", "margin 0"):
        env = gymnasium.make(name).unwrapped
        if floor == "margin 0":
            env.model.geom_margin[env.model.geom_bodyid == 0] = 0
        observations, margins = [env.reset(seed=0)[0]], set()
        env.action_space.seed(0)
        for _ in range(20):
            observations.append(env.step(env.action_space.sample())[0])
            margins |= {round(float(contact.includemargin), 6) for contact in env.data.contact}
        rows[f"{name}, floor {floor}"] = np.array(observations)
        if name == "Hopper-v5":
            print(f"mujoco {mujoco.__version__}, {name}, floor {floor}: margins of its contacts {sorted(margins)}")
np.savez(sys.argv[2], **rows)
PYTHON
cd "$folder" # MuJoCo writes a log where it runs
for version in 3.4.0 3.5.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "gymnasium==1.4.0" "mujoco==$version" "numpy==2.4.6" "imageio==2.38.1" \
        "packaging==25.0"
    MUJOCO_GL=disable "$folder/$version/bin/python" "$folder/roll.py" "$version" "$folder/$version.npz"
done
"$folder/3.5.0/bin/python" - "$folder" <<'PYTHON'
import sys

import numpy as np

old, new = (dict(np.load(f"{sys.argv[1]}/{version}.npz")) for version in ("3.4.0", "3.5.0"))
apart = {}
for name in ("Hopper-v5", "Ant-v5", "Walker2d-v5", "HalfCheetah-v5"):
    for floor in ("as it is", "margin 0"):
        differences = np.abs(old[f"{name}, floor as it is"] - new[f"{name}, floor {floor}"]).max(1)
        apart[name, floor] = differences
        after = [f"{differences[t]:.1e}" for t in (5, 10, 20)]
        print(f"{name}, floor {floor} in 3.5.0: apart after 5, 10, 20 steps {after}")
assert apart["Hopper-v5", "as it is"][10] > 0.01 and apart["Ant-v5", "as it is"][5] > 0.1, "the behaviour has changed"
assert apart["Walker2d-v5", "as it is"][20] < 1e-9 and apart["HalfCheetah-v5", "as it is"][20] < 1e-9
assert apart["Hopper-v5", "margin 0"].max() == 0 and apart["Ant-v5", "margin 0"][20] < 1e-9
PYTHON
