"""Ant mazes: OGBench's own ways and bodies, D4RL's layouts and file, the same bits for any number of workers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from tests.helpers.dataset_files import read_hdf5
from tests.helpers.experts import random_expert
from tests.helpers.site import ROOT
from vgf.datasets import DATASETS, DataError
from vgf.datasets.files import content_digest, validation_path
from vgf.datasets.maze_layouts import (
    EVALUATION_GOALS,
    LARGE,
    MEDIUM,
    U_MAZE,
    cell_of,
    cells,
    make_maze,
    middle,
    next_cell,
    signs_of,
)
from vgf.sources.experts import save_expert
from vgf.sources.mazes import RECIPES, collect_episode, open_environment, regenerate_maze
from vgf.support.files import sha256

ROWS = 30
NAVIGATE, GOAL = "antmaze-medium-navigate-v0", "antmaze-umaze-v2"


@pytest.fixture(autouse=True)
def data(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.getbasetemp() / "mazes"
    if not folder.exists():
        save_expert(folder / "policies" / "ant-expert.safetensors", random_expert())
    monkeypatch.setenv("VGF_DATA", str(folder))
    return folder


def make(out: Path, name: str, **settings: int) -> Path:
    return regenerate_maze(name, out=out, progress=False, **({"episodes": 3, "rows": ROWS} | settings))


def arrays(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    return read_hdf5(path)


@pytest.mark.parametrize(("name", "suffix"), [(NAVIGATE, "npz"), (GOAL, "hdf5")])
def test_two_workers_make_the_bits_of_one_and_another_seed_other_bits(name: str, suffix: str, tmp_path: Path) -> None:
    one, two, other = (
        make(tmp_path / f"{i}.{suffix}", name, workers=workers, seed=seed)
        for i, (workers, seed) in enumerate(((1, 0), (2, 0), (1, 1)))
    )
    assert sha256(one) == sha256(two)
    assert sha256(one) != sha256(other)


def test_resumes_after_sigkill_with_the_same_bits(tmp_path: Path, data: Path) -> None:
    whole = make(tmp_path / "whole.hdf5", GOAL, episodes=12, rows=60)
    code = (
        "from pathlib import Path; from vgf.sources.mazes import regenerate_maze; "
        f"from tests.helpers.moments import Changes; Changes({str(tmp_path)!r}, 4, 'os.rename'); "  # the fourth part's
        f"regenerate_maze({GOAL!r}, 12, out=Path({str(tmp_path / 'killed.hdf5')!r}), rows=60, progress=False)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed.hdf5").exists()
    assert len(list(tmp_path.glob("killed.parts-*/*.npz"))) == 3
    again = make(tmp_path / "killed.hdf5", GOAL, episodes=12, rows=60)
    assert sha256(again) == sha256(whole)
    assert not list(tmp_path.glob("killed.parts-*"))


def test_first_episodes_of_a_long_set_are_those_of_a_short_one(tmp_path: Path) -> None:
    short, long = (arrays(make(tmp_path / f"{n}.npz", NAVIGATE, episodes=n)) for n in (1, 3))
    for name, values in short.items():
        np.testing.assert_array_equal(values, long[name][: len(values)])


def test_an_episode_does_not_depend_on_what_ran_before() -> None:
    recipe = replace(RECIPES[GOAL], rows=ROWS)
    fresh = [collect_episode(open_environment(recipe), recipe, np.random.SeedSequence(0, spawn_key=(0, 4)))]
    used = open_environment(recipe)
    collect_episode(used, recipe, np.random.SeedSequence(0, spawn_key=(0, 9)))
    fresh.append(collect_episode(used, recipe, np.random.SeedSequence(0, spawn_key=(0, 4))))
    assert content_digest(fresh[0]) == content_digest(fresh[1])


def test_ogbenchs_own_loader_reads_the_navigate_set(tmp_path: Path) -> None:
    import ogbench

    path = make(tmp_path / "antmaze-medium-navigate-v0.npz", NAVIGATE, episodes=2)
    _, train, validation = ogbench.make_env_and_datasets(
        "antmaze-medium-navigate-singletask-task1-v0", dataset_path=str(path)
    )
    assert train["observations"].shape == (2 * (ROWS - 1), 29)
    assert validation["actions"].shape == (ROWS - 1, 8)
    assert set(np.unique(train["rewards"])) <= {-1.0, 0.0}
    stored = arrays(path)
    assert {name: values.dtype for name, values in stored.items()} == dict.fromkeys(
        ("observations", "actions", "qpos", "qvel"), np.float32
    ) | {"terminals": np.bool_}
    np.testing.assert_array_equal(stored["observations"], np.concatenate([stored["qpos"], stored["qvel"]], axis=1))
    assert validation_path(path).exists()


def test_simulator_repeats_the_stored_steps(tmp_path: Path) -> None:
    rows = arrays(make(tmp_path / "set.npz", NAVIGATE, episodes=1))
    env: Any = make_maze("medium")
    env.reset(seed=0)
    for i in range(5):
        env.unwrapped.set_state(rows["qpos"][i].astype(float), rows["qvel"][i].astype(float))
        observation, *_ = env.step(rows["actions"][i])
        np.testing.assert_allclose(observation, rows["observations"][i + 1], atol=2e-3)


def test_d4rls_file_has_its_keys_marks_and_one_target(tmp_path: Path) -> None:
    rows = arrays(make(tmp_path / "set.hdf5", GOAL))
    assert set(rows) == {
        *("actions", "observations", "rewards", "terminals", "timeouts", "infos/goal", "infos/qpos", "infos/qvel")
    }
    assert rows["observations"].shape == (3 * ROWS, 29)
    assert np.flatnonzero(rows["timeouts"]).tolist() == [ROWS - 1, 2 * ROWS - 1, 3 * ROWS - 1]
    np.testing.assert_array_equal(rows["rewards"], rows["terminals"])
    starts, goals = rows["observations"][::ROWS, :2], rows["infos/goal"]
    assert (np.abs(starts) < 0.5).all(), "the U maze starts at its marked cell, the origin"
    assert {cell_of(goal) for goal in goals} == {(3, 1)}
    assert (np.abs(rows["actions"]) <= 1).all()


def test_reward_is_one_exactly_where_the_step_ends_at_the_target() -> None:
    recipe = replace(RECIPES[GOAL], rows=200, target=(1, 1))
    env = open_environment(recipe)
    rows = [collect_episode(env, recipe, np.random.SeedSequence(3, spawn_key=(0, i))) for i in range(6)]
    reached = [row["observations"][1:, :2][row["rewards"][:-1] > 0] for row in rows]
    missed = [row["observations"][1:, :2][row["rewards"][:-1] == 0] for row in rows]
    hits = np.concatenate(reached)
    assert len(hits) > 0
    centre = (hits.min(0) + hits.max(0)) / 2
    assert np.ptp(hits, axis=0).max() <= 1.0 + 1e-6, "one disc of half a metre holds every reward"
    assert np.linalg.norm(np.concatenate(missed) - centre, axis=1).max() > 0.5


@pytest.mark.parametrize("name", [n for n, r in RECIPES.items() if r.goals != "marked" and r.protocol == "goal"])
def test_diverse_starts_and_goals_are_spread(name: str) -> None:
    recipe = replace(RECIPES[name], rows=2)
    env = open_environment(recipe)
    rows = [collect_episode(env, recipe, np.random.SeedSequence(0, spawn_key=(0, i))) for i in range(12)]
    assert len({cell_of(row["observations"][0, :2]) for row in rows}) > 3
    assert len({cell_of(row["infos/goal"][0]) for row in rows}) > 3


@pytest.mark.parametrize("maze", ["medium", "large", "giant"])
def test_ways_are_the_packages_oracles(maze: str) -> None:
    env: Any = make_maze(maze).unwrapped
    signs = signs_of(env.maze_map)
    free = cells(signs, "any")
    for start in free:
        assert cell_of(middle(start)) == start == env.xy_to_ij(middle(start))
        for goal in free[:: len(free) // 7]:
            theirs, distances = env.get_oracle_subgoal(middle(start), middle(goal))
            mine = next_cell(signs, start, goal)
            assert distances[mine] == distances[env.xy_to_ij(theirs)]
            np.testing.assert_array_equal(middle(mine), theirs)
    crossings = set(cells(signs, "crossings"))
    for cell in set(free) - crossings:
        sides = [signs[cell[0] + i][cell[1] + j] != "#" for i, j in ((-1, 0), (0, -1), (1, 0), (0, 1))]
        assert sides in ([True, False, True, False], [False, True, False, True])


def test_layouts_are_d4rls_and_their_floors_the_packages() -> None:
    source = Path(str(distribution("d4rl").locate_file("d4rl/locomotion/maze_env.py"))).read_text(encoding="utf-8")
    scope: dict[str, Any] = {"R": "r", "G": "g", "RESET": "r", "GOAL": "g"}
    exec(source[source.index("U_MAZE =") : source.index("U_MAZE_EVAL =")], scope)  # lists, of the installed package
    names = {1: "#", 0: ".", "r": "r", "g": "g"}
    for ours, theirs in ((U_MAZE, "U_MAZE"), (MEDIUM, "BIG_MAZE"), (LARGE, "HARDEST_MAZE")):
        assert ours == tuple("".join(names[sign] for sign in row) for row in scope[theirs])
        evaluated = [(i, j) for i, row in enumerate(scope[f"{theirs}_TEST"]) for j, s in enumerate(row) if s == "g"]
        assert evaluated == [EVALUATION_GOALS[ours]]
    for ours, maze in ((MEDIUM, "medium"), (LARGE, "large")):
        walls: Any = make_maze(maze).unwrapped
        np.testing.assert_array_equal([[sign == "#" for sign in row] for row in ours], walls.maze_map == 1)


def test_the_ant_is_d4rls_body() -> None:
    path = Path(str(distribution("d4rl").locate_file("d4rl/locomotion/assets/ant.xml")))
    theirs = mujoco.MjModel.from_xml_string(ET.tostring(ET.parse(path).getroot(), encoding="unicode"))
    ours: Any = make_maze("arena").unwrapped.model
    n = theirs.nbody
    for name in ("body_mass", "body_inertia", "body_pos", "body_quat"):
        np.testing.assert_allclose(getattr(ours, name)[:n], getattr(theirs, name), err_msg=name)
    for name in ("jnt_range", "jnt_axis", "dof_armature", "dof_damping", "qpos0"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), err_msg=name)
    assert (ours.opt.timestep, ours.opt.integrator) == (theirs.opt.timestep, theirs.opt.integrator)
    strongest = [model.actuator_gear[:, 0] * model.actuator_ctrlrange[:, 1] for model in (ours, theirs)]
    np.testing.assert_allclose(*strongest)


def test_u_maze_has_d4rls_walls() -> None:
    env: Any = make_maze("arena", U_MAZE).unwrapped
    blocks = {env.model.geom(i).name for i in range(env.model.ngeom) if env.model.geom(i).name.startswith("block")}
    assert blocks == {f"block_{i}_{j}" for i, row in enumerate(U_MAZE) for j, sign in enumerate(row) if sign == "#"}
    np.testing.assert_allclose(env.model.geom("block_0_0").pos, [-4, -4, 1])
    np.testing.assert_allclose(env.model.geom("block_0_0").size, [2, 2, 1])


def test_recipes_have_the_official_sizes() -> None:
    for name, recipe in RECIPES.items():
        if recipe.protocol == "navigate" and name in DATASETS:
            assert (DATASETS[name].episodes, DATASETS[name].rows) == (recipe.episodes, recipe.rows)
        if recipe.protocol == "goal":
            assert name in DATASETS
            assert abs(recipe.episodes * recipe.rows - 1_000_000) < recipe.rows


def test_sidecar_says_how_and_nothing_of_where(tmp_path: Path) -> None:
    path = make(tmp_path / "set.hdf5", GOAL)
    facts = json.loads(path.with_suffix(".json").read_text())
    assert facts["sha256"] == sha256(path)
    assert facts["recipe"]["policy_sha256"]
    assert str(tmp_path) not in json.dumps(facts)
    make(path, GOAL)
    with pytest.raises(DataError, match="other seed"):
        make(path, GOAL, seed=5)
    path.write_bytes(b"no")
    with pytest.raises(DataError, match="does not match"):
        make(path, GOAL)


def test_a_file_whose_sidecar_names_its_engine_by_an_older_path_is_kept(tmp_path: Path) -> None:
    path = make(tmp_path / "set.hdf5", GOAL)
    beside = path.with_suffix(".json")
    facts = json.loads(beside.read_text())
    assert facts["engine"] == "mazes"
    beside.write_text(json.dumps(facts | {"engine": "vgf.datasets.mazes"}))
    before = path.stat().st_mtime_ns
    assert make(path, GOAL).stat().st_mtime_ns == before
    beside.write_text(json.dumps(facts | {"engine": "vgf.datasets.locomotion"}))
    with pytest.raises(DataError, match="other engine"):
        make(path, GOAL)


def test_refusals_name_the_remedy_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for settings, words in (({"episodes": 0}, "episodes"), ({"workers": 0}, "workers"), ({"seed": -1}, "seed")):
        with pytest.raises(DataError, match=words):
            make(tmp_path / "set.hdf5", GOAL, **settings)
    monkeypatch.setenv("VGF_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr("vgf.sources.collect.checkout_data", lambda: tmp_path / "no checkout")
    with pytest.raises(DataError, match=r"no such policy; data/policies/README.md"):
        make(tmp_path / "set.hdf5", GOAL)
    assert not list(tmp_path.iterdir())
