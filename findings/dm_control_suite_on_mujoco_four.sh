#!/usr/bin/env bash
# dm_control 1.0.50 with MuJoCo 4.0.0, which its requirement admits: no task of the suite loads, models still compile.
#
# Guess before it was run: the newest release of each, put together by pip, load a task; dm_control asks for
# mujoco>=3.17.0.
# Seen: suite.load("cheetah", "run") raises AttributeError for flex_vertedge, a field of deformable bodies. The cheetah
# has none: dm_control lists every field of a model by name, and MuJoCo 4.0.0 has this one no longer. mjcf.Physics raises
# the same, while mjcf builds XML that MuJoCo compiles. So a program that only describes models with dm_control works,
# and one that also simulates with it does not. With MuJoCo 3.17.0 both work.
# Where it touches us: requirements.lock has this pair. OGBench's cubes take mjcf from dm_control and simulate by
# themselves, so they work; the suite is used nowhere in vgf/.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/try.py" <<'PYTHON'
import sys
from importlib.metadata import requires, version

import mujoco
from dm_control import mjcf, suite


def outcome(call):
    """Return what came of a call: ok, or the name that was missed."""
    try:
        call()
    except AttributeError as error:
        return f"AttributeError: {error}"
    return "ok"


assert version("dm_control") == "1.0.50"
assert "mujoco>=3.17.0" in requires("dm_control"), requires("dm_control")
root = mjcf.RootElement()
body = root.worldbody.add("body", name="pole")
body.add("joint", type="hinge", axis=[0, 1, 0])
body.add("geom", type="sphere", size=[0.1])
seen = {
    "mjcf, compiled by MuJoCo": outcome(lambda: mujoco.MjModel.from_xml_string(root.to_xml_string())),
    "mjcf.Physics": outcome(lambda: mjcf.Physics.from_mjcf_model(root)),
    "suite.load": outcome(lambda: suite.load("cheetah", "run", task_kwargs={"random": 0}).reset()),
}
for what, how in seen.items():
    print(f"MuJoCo {mujoco.__version__}, {what}: {how}")
assert seen["mjcf, compiled by MuJoCo"] == "ok", "the behaviour has changed"
fails = mujoco.__version__ == "4.0.0"
for what in ("mjcf.Physics", "suite.load"):
    assert ("flex_vertedge" in seen[what]) == fails, "the behaviour has changed"
    assert (seen[what] == "ok") != fails, "the behaviour has changed"
PYTHON
for mujoco in 3.17.0 4.0.0; do
  python3 -m venv "$folder/$mujoco"
  "$folder/$mujoco/bin/pip" install --quiet "numpy==2.4.6" "mujoco==$mujoco" "dm_control==1.0.50"
  MUJOCO_GL=disabled "$folder/$mujoco/bin/python" -W ignore "$folder/try.py"
done
