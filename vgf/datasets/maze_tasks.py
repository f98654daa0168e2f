"""D4RL's ant maze tasks: walk from the marked start to the far goal (fu2020d4rl).

The suite's own environment wants a simulator that no longer installs; its ant and walls are those of `maze_layouts`.
As in its v2 environments every episode draws its goal anew, within a metre and a half of the goal cell's middle, and
ends when the ant is within half a metre of it, with reward 1.
"""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium
import numpy as np

from vgf.datasets.maze_layouts import EVALUATION_GOALS, LARGE, MEDIUM, U_MAZE, Cell, make_maze, marked, middle, near
from vgf.datasets.tasks import Task

LAYOUTS = {"umaze": U_MAZE, "medium": MEDIUM, "large": LARGE}
START_NOISE = 0.1  # metres to either side


class GoalMaze(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An ant's maze with one start and one goal cell; reward 1 and the end at the goal."""

    def __init__(self, env: gymnasium.Env, start: Cell, goal: Cell) -> None:
        """Keep the cells."""
        super().__init__(env)
        self.start, self.goal = start, goal
        self.rng = np.random.default_rng()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Put the ant at the start and draw a goal; a seed fixes both."""
        if seed is not None:
            self.rng = np.random.default_rng(seed)
            self.env.action_space.seed(seed)
        cells = {"task_info": {"init_ij": self.start, "goal_ij": self.goal}}
        _, info = self.env.reset(seed=seed, options=cells)
        maze: Any = self.env.unwrapped
        goal = near(self.rng, self.goal)
        maze.set_goal(goal_xy=goal)
        maze.set_xy(middle(self.start) + self.rng.uniform(-START_NOISE, START_NOISE, 2))
        return maze.get_ob(), info | {"goal": goal, "success": 0.0}

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step; the goal ends the episode."""
        observation, _, terminated, truncated, info = self.env.step(action)
        return observation, float(info["success"]), terminated or bool(info["success"]), truncated, info


def make_goal_maze(task: Task) -> gymnasium.Env:
    """Return a task's maze; its row's `env_id` is a key of `LAYOUTS`."""
    layout = LAYOUTS[task.env_id]
    maze = make_maze("arena", layout, task.episode_steps)
    return GoalMaze(maze, marked(layout, "r")[0], EVALUATION_GOALS[layout])
