"""Episodes as they look from above: one start for all, the data's nearest, limbs and walls where MuJoCo has them."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from tests.helpers.line_world import Line
from vgf.book import films, practice
from vgf.book.films import Film, ground, look, play, replay
from vgf.datasets.maze_tasks import make_goal_maze
from vgf.datasets.own import own_transitions
from vgf.datasets.tasks import get_task

HOME = np.zeros(2)


def home(observation: Any, step: int) -> Any:
    """Fly home, never too fast."""
    return np.clip(-observation / practice.STEP, -0.5, 0.5).astype(np.float32)


@pytest.fixture(scope="module")
def maze() -> gymnasium.Env:
    return make_goal_maze(get_task("antmaze-umaze-v2"))


def test_an_episode_is_seen_from_its_start_to_its_end() -> None:
    film = play(practice.Drone(), home, 3, practice.HORIZON, "home")
    start, _ = practice.Drone().reset(seed=3)
    assert len(film.path) == practice.HORIZON + 1
    np.testing.assert_array_equal(film.path[0].place, start)
    assert np.linalg.norm(film.path[-1].place) < 1e-6
    np.testing.assert_array_equal(film.ground.goal, HOME)
    assert film.outcome.startswith("return \N{MINUS SIGN}")
    returned = sum(np.linalg.norm(seen.place) for seen in film.path[1:])
    assert film.outcome == f"return \N{MINUS SIGN}{returned:.1f}"


def test_equal_seeds_start_equally_and_others_do_not(maze: gymnasium.Env) -> None:
    rest = [play(maze, lambda s, t: np.zeros(8), seed, 2, "rest") for seed in (4, 4, 5)]
    np.testing.assert_array_equal(rest[0].path[-1].limbs, rest[1].path[-1].limbs)
    np.testing.assert_array_equal(rest[0].ground.goal, rest[1].ground.goal)
    assert not np.array_equal(rest[0].ground.goal, rest[2].ground.goal)


def test_a_goal_that_is_reached_ends_the_film(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Line, "place", property(lambda self: np.array([self.x, 0.0])), raising=False)
    film = play(Line(), lambda s, t: np.array([0.5], dtype=np.float32), 0, 50, "line")
    assert film.outcome == f"reaches the goal in {len(film.path) - 1} steps"
    assert film.path[-2].place[0] < 1 <= film.path[-1].place[0]
    assert play(Line(), lambda s, t: np.zeros(1, np.float32), 0, 4, "rest").outcome == "not at the goal after 4 steps"


def test_the_data_are_shown_from_the_episode_that_begins_nearest() -> None:
    flights = practice.flights(episodes=30, seed=0)
    starts = flights["observations"][:: practice.HORIZON + 1]
    film = replay(practice.Drone(), own_transitions(flights), seed=2)
    start, _ = practice.Drone().reset(seed=2)
    nearest = int(np.linalg.norm(starts - start, axis=-1).argmin())
    rows = flights["observations"].reshape(30, practice.HORIZON + 1, 2)[nearest]
    np.testing.assert_allclose([seen.place for seen in film.path], rows)


def test_an_ant_has_limbs_and_its_maze_has_walls(maze: gymnasium.Env) -> None:
    maze.reset(seed=0)
    core: Any = maze.unwrapped
    seen, still = look(maze), ground(maze)
    np.testing.assert_array_equal(seen.place, core.data.qpos[:2])
    assert seen.limbs.shape == (12, 2, 2)  # three a leg
    assert np.linalg.norm(seen.limbs - seen.place, axis=-1).max() < 1.5
    assert len(still.walls) == int(core.maze_map.sum())
    assert len(np.unique(still.walls[:, 2:])) == 1
    np.testing.assert_allclose(still.goal, core.cur_goal_xy)
    inside = ((seen.place > still.walls[:, :2]) & (seen.place < still.walls[:, :2] + still.walls[:, 2:])).all(1)
    assert not inside.any()


def test_a_state_of_the_data_is_put_back(maze: gymnasium.Env) -> None:
    there = play(maze, lambda s, t: np.ones(8, np.float32), 0, 5, "there")
    state = np.concatenate([maze.unwrapped.data.qpos, maze.unwrapped.data.qvel])  # type: ignore[attr-defined]
    maze.reset(seed=1)
    films.put(maze.unwrapped, state)
    np.testing.assert_allclose(look(maze).limbs, there.path[-1].limbs, atol=1e-3)  # MuJoCo's bodies lag a substep


def test_an_environment_that_shows_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="Line cannot be seen from above"):
        look(Line())


def test_the_four_actors_start_at_one_place() -> None:
    class Still:
        def act(self, observations: Any, budget: int = 1, seed: int = 0) -> Any:
            return home(observations, 0) * budget

    data = own_transitions(practice.flights(episodes=200, seed=0))
    found: dict[str, Film] = films.films(practice.Drone(), data, Still(), Still(), 1, 0, 6)  # type: ignore[arg-type]
    assert list(found) == ["data", "clone", "best-of-n", "vgf"]
    starts = [film.path[0].place for film in found.values()]
    np.testing.assert_allclose(starts[1:], [starts[1]] * 3)
    assert np.linalg.norm(starts[0] - starts[1]) < 0.15
    np.testing.assert_array_equal(found["best-of-n"].path[-1].place, starts[2])  # a budget of no step
    assert found["vgf"].title == "VGF, 1 flow step"
