"""The data layer: rows, transitions, readers that refuse, sources, and regeneration bit by bit."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import gymnasium
import mujoco
import numpy as np
import pytest
import torch

from tests.helpers.site import ROOT
from vgf.datasets import TASKS, Batch, DataError, Transitions, d4rl, get_dataset, get_task, load, make_env
from vgf.datasets.tasks import DATASETS
from vgf.sources.recipes import regenerate

GOOD = {
    "observations": torch.arange(12.0).reshape(6, 2),
    "actions": torch.linspace(-1, 1, 6).reshape(6, 1),
    "rewards": torch.arange(6.0),
    "masks": torch.tensor([1.0, 1, 0, 1, 1, 1]),
    "next_observations": torch.arange(12.0).reshape(6, 2) + 2,
    "terminals": torch.tensor([0.0, 0, 1, 0, 0, 1]),
}


@pytest.fixture(scope="module")
def scene_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short episodes of scene-play: cubes, buttons, a drawer and a window."""
    out = tmp_path_factory.mktemp("scene") / "scene.npz"
    return regenerate("scene-play", episodes=2, seed=3, out=out, rows=60, progress=False)


# --- the table


def test_every_task_of_the_paper_has_a_row() -> None:
    locomotion = {f"{r}-{k}" for r in ("hopper", "walker2d", "halfcheetah") for k in ("medium", "medium-replay")}
    mazes = {f"antmaze-{m}" for m in ("umaze", "umaze-diverse", "medium-play", "large-diverse")}
    play = {
        f"{e}-play-task{k}"
        for e in ("cube-single", "cube-double", "scene", "puzzle-3x3", "puzzle-4x4")
        for k in "12345"
    }
    for name in (
        locomotion | mazes | play | {"pen-human", "antmaze-giant-navigate", "humanoidmaze-medium-navigate-task5"}
    ):
        assert get_task(name).dataset in DATASETS
    assert len(TASKS) == 9 + 6 + 3 + 6 * 11


@pytest.mark.parametrize("name", [t.name for t in TASKS.values() if t.suite == "ogbench" and "-task" not in t.name])
def test_ogbench_rows_agree_with_the_package(name: str) -> None:
    task, dataset = get_task(name), get_dataset(name)
    env = make_env(name)
    assert env.spec is not None
    assert env.spec.max_episode_steps == task.episode_steps
    assert env.spec.kwargs["success_timing"] == task.success_timing
    observation, _ = env.reset(seed=0)
    assert observation.shape == (task.observation_size,) == (dataset.observation_size,)
    assert env.action_space.shape == (task.action_size,)
    assert env.unwrapped._reward_task_id == task.task_id  # type: ignore[attr-defined]
    assert _is_solved_dense(env)
    env.close()


def _is_solved_dense(env: gymnasium.Env) -> bool:
    """Return whether MuJoCo solves with dense Jacobians; with sparse ones 4.0.0 has a fault that 4.0.1 mends."""
    world = env.unwrapped
    return not mujoco.mj_isSparse(getattr(world, "model", None) or world._model)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["hopper-medium", "walker2d-medium", "halfcheetah-medium"])
def test_d4rl_rows_agree_with_gymnasium(name: str) -> None:
    task = get_task(name)
    env = make_env(name)
    assert env.spec is not None
    assert env.spec.max_episode_steps == task.episode_steps
    assert env.observation_space.shape == (task.observation_size,)
    assert env.action_space.shape == (task.action_size,)
    assert _is_solved_dense(env)
    env.close()


def test_names_may_be_short_and_unknown_ones_are_met_with_the_nearest() -> None:
    assert get_task("cube-double-play") is get_task("cube-double-play-v0") is TASKS["cube-double-play-singletask-v0"]
    assert get_dataset("cube-double-play-task4").name == "cube-double-play-v0"
    assert get_task("Hopper-Medium-v2").name == "hopper-medium-v2"
    with pytest.raises(DataError, match=r"unknown task 'cube-duoble-play'; nearest: .*cube-double-play"):
        get_task("cube-duoble-play")
    with pytest.raises(DataError, match=r"vgf data list"):
        get_dataset("@@@@")


def test_scores_are_normalised_by_the_row() -> None:
    hopper = get_task("hopper-medium")
    assert hopper.normalised(hopper.score_max) == pytest.approx(100)
    assert hopper.normalised(hopper.score_min) == pytest.approx(0)
    assert get_task("cube-single-play").normalised(0.4) == pytest.approx(40)


def test_nothing_but_the_table_tests_a_name() -> None:
    families = "antmaze|humanoid|antsoccer|cube|scene|puzzle|hopper|walker|halfcheetah|pen"
    test = re.compile(rf"""["']({families})[\w-]*["']\s+(not\s+)?in\b|\.startswith\(["']({families})""")
    package = ROOT / "vgf"
    offending = [path.name for path in package.rglob("*.py") if test.search(path.read_text(encoding="utf-8"))]
    assert offending == []


# --- transitions


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("rewards", torch.zeros(0), "rewards must be \\[T\\]"),
        ("rewards", torch.zeros(6, 1), "rewards must be \\[T\\]"),
        ("observations", torch.zeros(5, 2), "observations must be \\[6, size\\]"),
        ("observations", torch.zeros(6, 0), "observations must be \\[6, size\\]"),
        ("next_observations", torch.zeros(6, 3), "next_observations must have the observations' shape"),
        ("actions", torch.zeros(6), "actions must be \\[6, size\\]"),
        ("actions", torch.tensor([0.0, 0, 0, 1.5, 0, 0])[:, None], "outside \\[-1, 1\\] at row 3, column 0"),
        (
            "observations",
            GOOD["observations"].clone().fill_(torch.nan),
            "observations is not finite at row 0, column 0",
        ),
        ("rewards", torch.tensor([0.0, 0, torch.inf, 0, 0, 0]), "rewards is not finite at row 2"),
        ("masks", torch.full((6,), 0.5), "masks is neither 0 nor 1 at row 0"),
        ("terminals", torch.zeros(6), "terminals must end with 1"),
        ("masks", torch.ones(6, dtype=torch.float64), "masks must be torch.float32"),
        ("terminals", torch.ones(6, dtype=torch.int64), "terminals must be torch.float32"),
    ],
)
def test_transitions_refuse_what_does_not_fit(field: str, value: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Transitions(**(GOOD | {field: value}))


def test_a_sample_is_rows_of_the_data_drawn_anew_for_each_seed() -> None:
    data = Transitions(**GOOD)
    assert (len(data), data.nbytes) == (6, 4 * (12 + 6 + 6 + 6 + 12 + 6))
    batch = data.sample(torch.Generator().manual_seed(0), 500, 3)
    assert [tuple(part.shape) for part in batch] == [
        (3, 500, 2),
        (3, 500, 1),
        (3, 500),
        (3, 500),
        (3, 500, 2),
        (3, 500, 1),
        (3, 500),
    ]
    row = batch.rewards.long()  # rewards number the rows
    rows = GOOD | {"next_actions": GOOD["actions"][[1, 2, 3, 4, 5, 5]]}  # by hand: the action of the row below
    rows |= {"row_index": torch.arange(6)}
    for name in Batch._fields:
        assert torch.equal(getattr(batch, name), rows[name][row])
    assert not torch.equal(row[0], row[1])
    counts = torch.bincount(row.flatten(), minlength=6)
    chi_square = ((counts - 250) ** 2 / 250).sum()
    assert chi_square < 20.5  # 5 degrees of freedom, p = 0.001
    again = data.sample(torch.Generator().manual_seed(0), 500, 3)
    assert all(torch.equal(a, b) for a, b in zip(batch, again, strict=True))


def test_a_sample_refuses_nonsense() -> None:
    data = Transitions(**GOOD)
    with pytest.raises(ValueError, match="batch_size and seeds"):
        data.sample(torch.Generator(), 0, 1)
    with pytest.raises(ValueError, match="generator is on"):
        data.sample(SimpleNamespace(device=torch.device("cuda")), 1, 1)  # type: ignore[arg-type]


# --- OGBench files as transitions


def test_the_loader_equals_the_packages_own(scene_file: Path) -> None:
    import ogbench

    name = "scene-play-singletask-task4-v0"
    ours = load(name, scene_file, "cpu")
    _, theirs, _ = ogbench.make_env_and_datasets(name, dataset_path=str(scene_file))
    assert set(theirs) == {field.name for field in fields(Transitions)}
    for field, values in theirs.items():
        assert np.array_equal(getattr(ours, field).numpy(), values), field
    assert ours.rewards.min() < 0


@pytest.mark.parametrize("timing", ["pre", "post"])
def test_labels_are_the_environments_own_rewards(timing: str) -> None:
    from vgf.datasets import ogbench as loader

    task = get_task("scene-play-task1")
    env = loader.make_env(task, timing)  # type: ignore[arg-type]
    env.action_space.seed(0)
    _, info = env.reset(seed=0)
    rows: dict[str, list[np.ndarray]] = {
        "qpos": [info["qpos"]],
        "button_states": [env.unwrapped._cur_button_states.copy()],
    }  # type: ignore[attr-defined]
    rewards = []
    for _ in range(12):
        _, reward, _, _, info = env.step(env.action_space.sample())
        rewards.append(reward)
        rows["qpos"].append(info["qpos"])
        rows["button_states"].append(env.unwrapped._cur_button_states.copy())  # type: ignore[attr-defined]
    arrays = {name: np.array(values) for name, values in rows.items()}
    arrays["terminals"] = np.arange(13) == 12
    labels, masks = loader.label(task, arrays, timing)  # type: ignore[arg-type]
    assert np.array_equal(labels, np.array(rewards, np.float32))
    assert np.array_equal(masks, (labels < 0).astype(np.float32))


def test_post_labels_are_pre_labels_one_step_later(scene_file: Path) -> None:
    from vgf.datasets.ogbench import load_ogbench

    task = get_task("scene-play-task4")
    pre, post = (load_ogbench(task, scene_file, success_timing=timing) for timing in ("pre", "post"))
    inside = pre.terminals[:-1] == 0
    assert torch.equal(post.rewards[:-1][inside], pre.rewards[1:][inside])
    assert torch.equal(pre.observations, post.observations)


def test_next_observations_stay_within_their_trajectory(scene_file: Path) -> None:
    data = load("scene-play", scene_file, "cpu")
    inside = data.terminals[:-1] == 0
    assert torch.equal(data.next_observations[:-1][inside], data.observations[1:][inside])
    assert not torch.equal(data.next_observations[:-1][~inside], data.observations[1:][~inside])
    assert int(data.terminals.sum()) == 2


def test_an_environment_of_a_package_that_is_missing_is_one_line() -> None:
    for package in ("no_such_package", "json"):
        task = replace(get_task("pen-human"), env_id="NoSuchHandPen-v1", env_package=package)
        with pytest.raises(
            DataError, match=f"no environment NoSuchHandPen-v1 .*pip install {package.replace('_', '-')}"
        ):
            d4rl.make_registered(task)


@pytest.mark.parametrize(("name", "far"), [("umaze", (0, 8)), ("medium-play", (20, 20)), ("large-diverse", (32, 24))])
def test_a_d4rl_maze_starts_at_one_end_and_ends_at_the_other(name: str, far: tuple[int, int]) -> None:
    task = get_task(f"antmaze-{name}")
    env = make_env(task.name)
    assert env.action_space.shape == (task.action_size,)
    goals = []
    for seed in (0, 1, 0):
        observation, info = env.reset(seed=seed)
        assert observation.shape == (task.observation_size,)
        assert np.abs(observation[:2]).max() <= 0.1
        goals.append(info["goal"])
        assert np.all((goals[-1] >= np.array(far)) & (goals[-1] <= np.array(far) + 1.5))
    assert np.array_equal(goals[0], goals[2])
    assert not np.array_equal(goals[0], goals[1])
    _, reward, terminated, _, info = env.step(np.zeros(8, np.float32))
    assert (reward, terminated, info["success"]) == (0, False, 0)
    env.unwrapped.set_xy(goals[2] + 0.2)  # type: ignore[attr-defined]
    _, reward, terminated, _, info = env.step(np.zeros(8, np.float32))
    assert (reward, terminated, info["success"]) == (1, True, 1)
    env.close()
