"""One episode of OGBench's manipulation play data: scripted oracles chase random targets (park2025ogbench).

An oracle plans a path through keyframes (reach, grasp, lift, place, ...), blurs it with smoothed noise, and follows
it; when it is done, a new random target and its oracle take over, until the time limit. The behaviour is thus not
Markovian and never solves a particular task, which is what makes the data play. The oracles are the `ogbench`
package's own.

An episode depends on its own seed alone, not on which process runs it or what ran there before: the environment's
generator, numpy's global one (which the package's oracles draw from) and the stacking probability are all seeded from
it.

Nobody looks at these episodes, so the arm's 30 MB of visual shapes, which touch nothing, give way to a pebble before
the model is compiled. A process starts in half the time and the bits stay (a test compares them).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import gymnasium
import numpy as np

from vgf.datasets.tasks import Recipe

Arrays = dict[str, np.ndarray]

BLOCK = slice(14, 17)  # the cube's position in qpos, after the arm's and the gripper's joints
RIGHT_EDGE, LEFT_EDGE = 0.29, -0.3  # metres along y beyond which the table hides the cube
DRAWER_HEIGHT = (0.06, 0.08)  # metres; a cube this high beyond the left edge lies in the drawer
PEBBLE = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"  # a Wavefront tetrahedron


def open_environment(recipe: Recipe) -> gymnasium.Env:
    """Return the recipe's environment, built and reset once so that every episode starts from the same footing."""
    quieten()
    import ogbench.manipspace  # noqa: F401  # registers the environments; loads MuJoCo, so only here

    with compiled_without_looks():
        env = gymnasium.make(
            recipe.environment,
            terminate_at_goal=False,
            mode="data_collection",
            max_episode_steps=recipe.rows,
            disable_env_checker=True,
        )
        env.reset(seed=0)
    return env


def collect_episode(env: gymnasium.Env, recipe: Recipe, seed: np.random.SeedSequence) -> Arrays:
    """Return one episode in the official layout.

    Args:
        env: from `open_environment` with the same recipe, or one of more rows.
        recipe: oracles, noise, probabilities and rows.
        seed: the episode's own.

    Returns:
        `observations`, `actions`, `qpos`, `qvel` float32, `terminals` bool (true in the last row) and, where the
        environment has buttons, `button_states` int64; each [recipe.rows, ...].
    """
    for_oracles, for_env, for_stacking = (int(word) for word in seed.generate_state(3))
    stacking = np.random.default_rng(for_stacking)
    with _global_numpy_seed(for_oracles):
        oracles = _make_oracles(env, recipe)
        observation, info = env.reset(seed=for_env)
        while True:
            stack_probability = float(stacking.uniform(*recipe.stack_probability))
            rows = _roll_out(env, oracles, observation, info, stack_probability, recipe.rows)
            if not recipe.cube_stays_visible or _cube_is_visible(rows["qpos"]):
                return {name: _official(name, values) for name, values in rows.items()}
            observation, info = env.reset()


def _roll_out(
    env: gymnasium.Env,
    oracles: dict[str, Any],
    observation: np.ndarray,
    info: dict[str, Any],
    stack_probability: float,
    most_rows: int,
) -> Arrays:
    """Follow one oracle after another until the time is up; return the rows as the simulator gave them."""
    rows: list[dict[str, Any]] = []
    oracle = oracles[info["privileged/target_task"]]
    oracle.reset(observation, info)
    ended = False
    while not ended:
        action = np.clip(oracle.select_action(observation, info), -1, 1)
        following, _, terminated, truncated, info = env.step(action)
        ended = terminated or truncated or len(rows) + 1 == most_rows
        row = {"observations": observation, "actions": action, "terminals": ended}
        row |= {"qpos": info["prev_qpos"], "qvel": info["prev_qvel"]}
        if "prev_button_states" in info:
            row["button_states"] = info["prev_button_states"]
        rows.append(row)
        observation = following
        if oracle.done:
            start, target = env.unwrapped.set_new_target(p_stack=stack_probability)  # type: ignore[attr-defined]
            oracle = oracles[target["privileged/target_task"]]
            oracle.reset(start, target)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _make_oracles(env: gymnasium.Env, recipe: Recipe) -> dict[str, Any]:
    """Return the package's plan oracles, by the kind of target they pursue."""
    from ogbench.manipspace.oracles.plan.button_plan import ButtonPlanOracle
    from ogbench.manipspace.oracles.plan.cube_plan import CubePlanOracle
    from ogbench.manipspace.oracles.plan.drawer_plan import DrawerPlanOracle
    from ogbench.manipspace.oracles.plan.window_plan import WindowPlanOracle

    kinds = {"cube": CubePlanOracle, "button": ButtonPlanOracle, "drawer": DrawerPlanOracle, "window": WindowPlanOracle}
    shared = {"env": env, "noise": recipe.noise, "noise_smoothing": recipe.noise_smoothing}
    special = {"button": {"gripper_always_closed": recipe.gripper_always_closed}}
    return {name: kinds[name](**shared, **special.get(name, {})) for name in recipe.oracles}


def _cube_is_visible(qpos: np.ndarray) -> bool:
    """Return whether the cube of [rows, q] never left the table's visible part, the drawer apart."""
    y, z = qpos[:, BLOCK][:, 1], qpos[:, BLOCK][:, 2]
    in_drawer = (z >= DRAWER_HEIGHT[0]) & (z <= DRAWER_HEIGHT[1])
    return not bool(((y >= RIGHT_EDGE) | ((y <= LEFT_EDGE) & ~in_drawer)).any())


def _official(name: str, values: np.ndarray) -> np.ndarray:
    """Return values in the official file's type."""
    return values.astype({"terminals": np.bool_, "button_states": np.int64}.get(name, np.float32))


@contextmanager
def compiled_without_looks() -> Iterator[None]:
    """Have MuJoCo compile, within the block, models whose purely visual shapes are pebbles."""
    import mujoco

    compile_model = mujoco.MjModel.from_xml_string

    def compile_light(xml: str, assets: dict[str, bytes] | None = None) -> Any:
        return compile_model(xml, (assets or {}) | dict.fromkeys(_visual_files(xml), PEBBLE))

    mujoco.MjModel.from_xml_string = compile_light
    try:
        yield
    finally:
        mujoco.MjModel.from_xml_string = compile_model


def _visual_files(xml: str) -> list[str]:
    """Return the Wavefront files of a model's meshes that only geoms of a class called visual use."""
    root = ElementTree.fromstring(xml)  # the package's own model
    solid = {geom.get("mesh") for geom in root.iter("geom") if not geom.get("class", "").endswith("visual")}
    files = [mesh.get("file", "") for mesh in root.iter("mesh") if mesh.get("name") not in solid]
    return [file for file in files if file.endswith(".obj")]


def quieten() -> None:
    """Drop the warnings these environments give on every use and nobody can act on; the simulator's others are kept.

    By default MuJoCo also writes its warnings to a file in whatever folder the user is in.
    """
    import mujoco

    warnings.filterwarnings("ignore", message=".*Box (low|high)'s precision lowered")
    warnings.filterwarnings("ignore", message=".*DISPLAY environment variable is missing")
    mujoco.set_mju_user_warning(_tell_unless_deprecated)


def _tell_unless_deprecated(message: str) -> None:
    """Print a simulator's warning, unless it is about how a package writes its models."""
    if "deprecated" not in message:
        print(f"MuJoCo: {' '.join(message.split())}", file=sys.stderr)


@contextmanager
def _global_numpy_seed(seed: int) -> Iterator[None]:
    """Seed numpy's global generator for the block and give the caller its own state back."""
    state = np.random.get_state()  # noqa: NPY002  # the package's oracles draw from the global generator
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
