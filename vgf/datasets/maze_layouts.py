"""The mazes: their cells, the shortest ways through them, and OGBench's ant among their walls.

The ant, its joints and gears, the walls and D4RL's medium and large maze are the same bodies in d4rl and in ogbench
(fu2020d4rl, park2025ogbench; a test compares the models), so the maintained package's environment serves both. D4RL's U
maze is in neither list of ogbench's and is laid out here.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import gymnasium
import numpy as np

Cell = tuple[int, int]
Layout = tuple[str, ...]

UNIT = 4.0  # metres from cell to cell; cell (1, 1) is the origin
STEPS = ((-1, 0), (0, -1), (1, 0), (0, 1))

# Walls #, floor ., the start r and the goals g that play uses (fu2020d4rl, maze specifications for data generation).
U_MAZE = ("#####", "#r..#", "###.#", "#g..#", "#####")
MEDIUM = ("########", "#r.##..#", "#..#..g#", "##...###", "#..#...#", "#g#..#.#", "#...#g.#", "########")
LARGE = (
    "############",
    "#r...#g....#",
    "#.##.#.#.#.#",
    "#....g.#..g#",
    "#.####.###.#",
    "#.g#.#.....#",
    "##.#.#.#.###",
    "#..#g.g#.g.#",
    "############",
)
EVALUATION_GOALS: Mapping[Layout, Cell] = MappingProxyType({U_MAZE: (3, 1), MEDIUM: (6, 6), LARGE: (7, 9)})


def marked(layout: Layout, mark: str) -> list[Cell]:
    """Return the cells that carry a mark, row by row."""
    return [(i, j) for i, row in enumerate(layout) for j, sign in enumerate(row) if sign == mark]


def signs_of(maze_map: np.ndarray) -> Layout:
    """Return the package's map, 1 for walls, as rows of signs."""
    return tuple("".join("#" if wall else "." for wall in row) for row in maze_map.tolist())


def middle(cell: Cell) -> np.ndarray:
    """Return x and y of a cell's middle, in metres."""
    return np.array([(cell[1] - 1) * UNIT, (cell[0] - 1) * UNIT])


def cell_of(xy: np.ndarray) -> Cell:
    """Return row and column of the cell a place lies in."""
    return int(np.floor(xy[1] / UNIT + 1.5)), int(np.floor(xy[0] / UNIT + 1.5))


@cache
def cells(signs: Layout, which: str, mark: str = "g") -> tuple[Cell, ...]:
    """Return the floor's cells: "any", the "marked" ones, or "crossings", all but straight corridors."""
    free = [(i, j) for i, row in enumerate(signs) for j, sign in enumerate(row) if sign != "#"]
    if which == "marked":
        free = marked(signs, mark)
    if which == "crossings":
        free = [cell for cell in free if not _is_corridor(signs, cell)]
    return tuple(free)


def _is_corridor(signs: Layout, cell: Cell) -> bool:
    """Return whether a cell's open sides are exactly two opposite ones."""
    up, left, down, right = (signs[cell[0] + i][cell[1] + j] != "#" for i, j in STEPS)
    return (up, left, down, right) in ((True, False, True, False), (False, True, False, True))


@cache
def next_cell(signs: Layout, start: Cell, goal: Cell) -> Cell:
    """Return the neighbour of `start` on a shortest way to `goal`, or `start` when there is none nearer."""
    distances = _distances(signs, goal)
    far = len(signs) * len(signs[0])
    options = [start, *((start[0] + i, start[1] + j) for i, j in STEPS)]
    return min(options, key=lambda cell: distances.get(cell, far))


@cache
def _distances(signs: Layout, goal: Cell) -> dict[Cell, int]:
    """Return the number of steps from every reachable cell to the goal, breadth first."""
    distances, queue = {goal: 0}, deque([goal])
    while queue:
        i, j = queue.popleft()
        for di, dj in STEPS:
            cell = (i + di, j + dj)
            if cell not in distances and signs[cell[0]][cell[1]] != "#":
                distances[cell] = distances[i, j] + 1
                queue.append(cell)
    return distances


def make_maze(environment: str, layout: Layout | None = None, steps: int | None = None) -> gymnasium.Env:
    """Return OGBench's ant in one of its mazes or in a layout of one's own; no task, no end at a goal.

    Args:
        environment: maze of the package; with a layout only a template.
        layout: rows of the maze, walls "#", anything else floor.
        steps: time limit; None for none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no display: nothing a reader can act on
        from ogbench.locomaze.maze import make_maze_env

        template = make_maze_env("ant", "maze", maze_type=environment, terminate_at_goal=False)
        if layout is None:
            return gymnasium.wrappers.TimeLimit(template, steps) if steps else template
        rows = np.array([[int(sign == "#") for sign in row] for row in layout])
        template.close()

        class LaidOut(type(template)):  # type: ignore[misc]  # the package makes its class in a function
            """The package's maze with other walls."""

            def update_tree(self, tree: Any) -> None:
                """Replace the walls just before they are built."""
                self.maze_map = rows
                super().update_tree(tree)

            def set_tasks(self) -> None:
                """Have one task, from the last cell to itself: the package's are another maze's."""
                cell = cells(layout, "any")[-1]
                xy = self.ij_to_xy(cell)
                self.task_infos = [
                    {"task_name": "task1", "init_ij": cell, "goal_ij": cell, "init_xy": xy, "goal_xy": xy}
                ]

        env: gymnasium.Env = LaidOut(maze_type=environment, terminate_at_goal=False)
        return gymnasium.wrappers.TimeLimit(env, steps) if steps else env


def near(rng: np.random.Generator, cell: Cell) -> np.ndarray:
    """Return a goal in a cell as D4RL draws it: up to 1.5 m from the middle along x and y, upwards only."""
    return middle(cell) + rng.uniform(0, UNIT / 4, 2) + rng.uniform(0, UNIT / 8, 2)
