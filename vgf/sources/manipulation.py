"""One episode of OGBench's manipulation play data: scripted oracles chase random targets (park2025ogbench).

An oracle plans a path through keyframes (reach, grasp, lift, place, ...), blurs it with smoothed noise, and follows
it; when it is done, a new random target and its oracle take over, until the time limit. The behaviour is thus not
Markovian and never solves a particular task, which is what makes the data play. The oracles are the `ogbench`
package's own.

An episode depends on its own seed alone, not on which process runs it or what ran there before: the environment's
generator, numpy's global one (which the package's oracles draw from) and the stacking probability are all seeded from
it.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from vgf.datasets.mujoco import compiled_without_looks, global_numpy_seed, silence_simulators
from vgf.datasets.tasks import Recipe

Arrays = dict[str, np.ndarray]

BLOCK = slice(14, 17)  # the cube's position in qpos, after the arm's and the gripper's joints
RIGHT_EDGE, LEFT_EDGE = 0.29, -0.3  # metres along y beyond which the table hides the cube
DRAWER_HEIGHT = (0.06, 0.08)  # metres; a cube this high beyond the left edge lies in the drawer


def open_environment(recipe: Recipe) -> gymnasium.Env:
    """Return the recipe's environment, built and reset once so that every episode starts from the same footing."""
    silence_simulators()
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
    with global_numpy_seed(for_oracles):
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
