"""Ant-maze data made anew: a trained ant follows shortest paths from cell to cell.

Two protocols share one engine. OGBench's navigate (park2025ogbench): start in any cell, walk to a crossing, and once
there to the next, until the time is up; the policy's mode with Gaussian noise. D4RL's (fu2020d4rl): one goal an
episode, marked in the maze ("play") or anywhere ("diverse"), the policy sampled with the same noise, and the whole file
then rewarded for one target: 1 within half a metre.

What is ours and differs: the ant policy (D4RL's follows an offset, OGBench's and this one a unit direction), and a cell
is the one the ant stands in, where D4RL's script counts from a cell's middle to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import gymnasium
import numpy as np

from vgf.datasets.files import Arrays
from vgf.datasets.maze_layouts import (
    EVALUATION_GOALS,
    LARGE,
    MEDIUM,
    U_MAZE,
    UNIT,
    Cell,
    Layout,
    cell_of,
    cells,
    make_maze,
    middle,
    near,
    next_cell,
    signs_of,
)
from vgf.datasets.mujoco import global_numpy_seed
from vgf.sources.collect import Collection, collect, collected_path, policy_path
from vgf.sources.experts import PolicyEnv, load_expert
from vgf.support.files import sha256

GOAL_RADIUS = 0.5  # metres
D4RL_ROWS = 1_000_000
TARGET_KEY = 1 << 16  # spawn key of the set's one target: no episode has it


@dataclass(frozen=True)
class MazeRecipe:
    """How a trained ant collects a maze's data.

    Attributes:
        name: of the recipe.
        protocol: "navigate" (OGBench) or "goal" (D4RL).
        environment: maze of the ogbench package: "arena", "medium", "large" or "giant".
        layout: rows of the maze where goals are marked or the package has none; None for the package's own.
        episodes: of the official file, as near as whole episodes come to its rows.
        rows: steps per episode, each one row of the file.
        noise: standard deviation of the Gaussian noise on actions.
        starts: "any" cell, or the "marked" one.
        goals: "crossings" (no straight corridor), "any" cell or the "marked" ones.
        target: cell whose neighbourhood the file is rewarded for; None where the file holds no rewards.
        policy: file name of the ant's policy.
        policy_sha256: of that file: another policy gives other data.
    """

    name: str
    protocol: Literal["navigate", "goal"]
    environment: str
    layout: Layout | None
    episodes: int
    rows: int
    noise: float
    starts: Literal["any", "marked"]
    goals: Literal["crossings", "any", "marked"]
    target: Cell | None
    policy: str = "ant-expert.safetensors"
    policy_sha256: str = ""


def _navigate(maze: str, episodes: int = 1000, rows: int = 1001) -> MazeRecipe:
    """Return OGBench's recipe for a maze."""
    return MazeRecipe("ant-navigate", "navigate", maze, None, episodes, rows, 0.2, "any", "crossings", None)


def _d4rl(layout: Layout, rows: int, starts: Literal["any", "marked"], goals: Literal["any", "marked"]) -> MazeRecipe:
    """Return D4RL's recipe for a maze."""
    target = EVALUATION_GOALS[layout]
    return MazeRecipe("ant-goal", "goal", "arena", layout, round(D4RL_ROWS / rows), rows, 0.2, starts, goals, target)


# Rows: the environment's time limit and one, as D4RL's script counts. Official file names say starts and goals.
RECIPES: Mapping[str, MazeRecipe] = MappingProxyType(
    {
        "antmaze-medium-navigate-v0": _navigate("medium"),
        "antmaze-large-navigate-v0": _navigate("large"),
        "antmaze-giant-navigate-v0": _navigate("giant", episodes=500, rows=2001),
        "antmaze-umaze-v2": _d4rl(U_MAZE, 701, "marked", "marked"),
        "antmaze-umaze-diverse-v2": _d4rl(U_MAZE, 701, "any", "any"),
        "antmaze-medium-play-v2": _d4rl(MEDIUM, 1001, "any", "marked"),
        "antmaze-medium-diverse-v2": _d4rl(MEDIUM, 1001, "any", "any"),
        "antmaze-large-play-v2": _d4rl(LARGE, 1001, "any", "marked"),
        "antmaze-large-diverse-v2": _d4rl(LARGE, 1001, "any", "any"),
    }
)


def regenerate_maze(
    dataset: str,
    episodes: int | None = None,
    seed: int = 0,
    workers: int = 1,
    out: Path | None = None,
    *,
    rows: int | None = None,
    progress: bool = True,
) -> Path:
    """Make an ant maze's dataset anew and return its path; one that is there already is kept.

    Args:
        dataset: key of `RECIPES`.
        episodes: how many; by default the official file's. OGBench's validation file gets a tenth more.
        seed: of everything drawn.
        workers: processes.
        out: the file, ending in .npz (OGBench) or .hdf5 (D4RL).
        rows: steps per episode, if not the recipe's.
        progress: whether to report on stderr.

    Raises:
        DataError: naming the argument, the policy or the place, and the remedy.
    """
    recipe = RECIPES[dataset]
    count = recipe.episodes if episodes is None else episodes
    suite = "ogbench" if recipe.protocol == "navigate" else "d4rl"
    path = Path(out) if out else collected_path(dataset, suite, seed, episodes)
    policy = policy_path(recipe.policy)
    load_expert(policy)
    recipe = replace(recipe, rows=rows or recipe.rows, policy_sha256=sha256(policy))
    splits = (count, max(1, count // 10)) if suite == "ogbench" else (count,)
    return collect(Collection(dataset, recipe, "mazes", seed, splits), path, workers, progress=progress)


def open_environment(recipe: MazeRecipe) -> gymnasium.Env:
    """Return the recipe's environment with its policy aboard, reset once so that every episode starts equal.

    Raises:
        DataError: when the policy's file is missing or damaged.
    """
    expert = load_expert(policy_path(recipe.policy))
    env = make_maze(recipe.environment, recipe.layout, recipe.rows)
    env.reset(seed=0)
    return PolicyEnv(env, [expert])


def collect_episode(env: PolicyEnv, recipe: MazeRecipe, seed: np.random.SeedSequence) -> Arrays:
    """Return one episode in the official layout of its suite.

    Args:
        env: from `open_environment` with the same recipe.
        recipe: protocol, starts, goals, noise.
        seed: the episode's own.

    Returns:
        Arrays of [recipe.rows, ...], float32 but for the marks. "navigate": `observations`, `actions`, `terminals`,
        `qpos`, `qvel`. "goal": `observations`, `actions`, `rewards`, `terminals`, `timeouts`, `infos/goal`,
        `infos/qpos`, `infos/qvel`.
    """
    for_package, for_env, ours = (int(word) for word in seed.generate_state(3))
    rng = np.random.default_rng(ours)
    env.action_space.seed(for_env)
    with global_numpy_seed(for_package):
        rows = list(_walk(env, recipe, rng, for_env))
    arrays = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    if recipe.protocol == "goal":
        arrays |= _rewarded(recipe, arrays, _target(recipe, seed))
    del arrays["next_xy"]
    return {name: v.astype(bool if name in ("terminals", "timeouts") else np.float32) for name, v in arrays.items()}


def _walk(env: PolicyEnv, recipe: MazeRecipe, rng: np.random.Generator, env_seed: int) -> Iterator[dict[str, Any]]:
    """Yield one row per step until the time limit."""
    maze: Any = env.unwrapped
    signs = recipe.layout or signs_of(maze.maze_map)
    goals = cells(signs, recipe.goals)
    start = _pick(rng, cells(signs, recipe.starts, "r"))
    goal = _pick(rng, goals)
    env.reset(seed=env_seed, options={"task_info": {"init_ij": start, "goal_ij": goal}})
    if recipe.protocol == "goal":
        spread = (0.0, UNIT / 4) if recipe.starts == "any" else (-0.1, 0.1)
        maze.set_xy(middle(start) + rng.uniform(*spread, 2))
        maze.set_goal(goal_xy=near(rng, goal))
    observation, ended = maze.get_ob(), False
    while not ended:
        xy = maze.get_xy()
        way = _waypoint(recipe, rng, signs, xy, np.asarray(maze.cur_goal_xy)) - xy
        state = np.concatenate([observation[2:], way / (np.linalg.norm(way) + 1e-6)])
        action = env.experts[0].act(state, rng if recipe.protocol == "goal" else None)
        action = np.clip(action + recipe.noise * rng.standard_normal(action.shape), -1, 1)
        goal_xy = np.array(maze.cur_goal_xy)
        following, _, terminated, truncated, info = env.step(action)
        ended = terminated or truncated
        row = {"observations": observation, "actions": action, "terminals": ended, "next_xy": info["xy"]}
        if recipe.protocol == "navigate":
            yield row | {"qpos": info["prev_qpos"], "qvel": info["prev_qvel"]}
            if info["success"]:
                maze.set_goal(_pick(rng, goals))
        else:
            yield row | {"infos/goal": goal_xy, "infos/qpos": info["prev_qpos"], "infos/qvel": info["prev_qvel"]}
        observation = following


def _waypoint(
    recipe: MazeRecipe, rng: np.random.Generator, signs: Layout, xy: np.ndarray, goal: np.ndarray
) -> np.ndarray:
    """Return where the ant heads now: the middle of the next cell; in D4RL's protocol near it, and at last the goal."""
    following = next_cell(signs, cell_of(xy), cell_of(goal))
    if recipe.protocol == "navigate":
        return middle(following)
    return goal if following == cell_of(goal) else middle(following) + rng.uniform(0, UNIT / 4, 2)


def _target(recipe: MazeRecipe, seed: np.random.SeedSequence) -> np.ndarray:
    """Return the one place the whole file is rewarded for; it depends on the set's seed alone."""
    assert recipe.target is not None
    return near(np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=(TARGET_KEY,))), recipe.target)


def _rewarded(recipe: MazeRecipe, arrays: Arrays, target: np.ndarray) -> Arrays:
    """Return D4RL's rewards and marks: 1 and terminal when the step ends at the target, timeout in the last row."""
    there = np.linalg.norm(arrays["next_xy"] - target, axis=1) <= GOAL_RADIUS
    return {"rewards": there, "terminals": there, "timeouts": arrays["terminals"]}


def _pick(rng: np.random.Generator, choices: tuple[Cell, ...]) -> Cell:
    """Return one of the cells."""
    return choices[int(rng.integers(len(choices)))]
