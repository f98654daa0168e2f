"""Locomotion: D4RL's file, read by d4rl itself; rollouts and replay that repeat bit by bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.helpers.dataset_files import read_hdf5
from tests.helpers.experts import random_expert
from vgf.datasets import DATASETS, DataError
from vgf.sources import locomotion as locomotion_module
from vgf.sources.collect import cut
from vgf.sources.experts import load_expert, save_expert
from vgf.sources.locomotion import RECIPES, regenerate_locomotion, replay_arrays
from vgf.sources.parts import write_hdf5
from vgf.sources.trainings import TRAININGS, make_training_env
from vgf.support.files import sha256

HOPPER = "hopper-medium-v2"
KEYS = {
    *("observations", "actions", "next_observations", "rewards", "terminals", "timeouts"),
    *("infos/qpos", "infos/qvel", "infos/action_log_probs"),
}


@pytest.fixture(autouse=True)
def data(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.getbasetemp() / "locomotion"
    if not folder.exists():
        for seed, level in enumerate(("medium", "expert")):
            save_expert(folder / "policies" / f"hopper-{level}.safetensors", random_expert(11, 3, seed=seed))
    monkeypatch.setenv("VGF_DATA", str(folder))
    return folder


def make(out: Path, name: str = HOPPER, **settings: Any) -> Path:
    return regenerate_locomotion(name, out=out, progress=False, **({"episodes": 4} | settings))


def arrays(path: Path) -> dict[str, np.ndarray]:
    return {name: values for name, values in read_hdf5(path).items() if not name.startswith("metadata/")}


def test_two_workers_make_the_bits_of_one(tmp_path: Path) -> None:
    one, two, other = (
        make(tmp_path / f"{i}.hdf5", workers=w, seed=s) for i, (w, s) in enumerate(((1, 0), (2, 0), (1, 1)))
    )
    assert sha256(one) == sha256(two)
    assert sha256(one) != sha256(other)


def test_file_is_d4rls(tmp_path: Path) -> None:
    path = make(tmp_path / "set.hdf5")
    rows = arrays(path)
    assert set(rows) == KEYS
    n = len(rows["rewards"])
    shapes = {name: values.shape for name, values in rows.items()}
    assert shapes["observations"] == shapes["next_observations"] == (n, 11)
    assert shapes["infos/qpos"] == shapes["infos/qvel"] == (n, 6)
    assert all(v.dtype == (np.bool_ if k in ("terminals", "timeouts") else np.float32) for k, v in rows.items())
    ends = rows["terminals"] | rows["timeouts"]
    assert ends.sum() == 4
    assert ends[-1]
    assert not (rows["terminals"] & rows["timeouts"]).any()
    np.testing.assert_array_equal(rows["next_observations"][:-1][~ends[:-1]], rows["observations"][1:][~ends[:-1]])
    with h5py.File(path) as file:
        expert = load_expert(locomotion_module.policy_path("hopper-medium.safetensors"))
        np.testing.assert_array_equal(file["metadata/policy/fc0/weight"][()], expert.layers[0][0].T)
        assert file["metadata/algorithm"][()] == b"SAC"
        assert file["metadata/policy/output_distribution"][()] == b"tanh_gaussian"


def test_stored_weights_and_densities_explain_the_actions(tmp_path: Path) -> None:
    rows = arrays(make(tmp_path / "set.hdf5"))
    expert = load_expert(locomotion_module.policy_path("hopper-medium.safetensors"))
    mean, log_std = (np.asarray(head, np.float64) for head in expert._heads(rows["observations"]))
    before = np.arctanh(rows["actions"].astype(np.float64))
    gaussian = -0.5 * ((before - mean) / np.exp(log_std)) ** 2 - log_std - 0.5 * np.log(2 * np.pi)
    density = (gaussian - np.log(1 - rows["actions"].astype(np.float64) ** 2)).sum(1)
    np.testing.assert_allclose(rows["infos/action_log_probs"], density, atol=1e-2)


def test_simulator_repeats_the_stored_steps(tmp_path: Path) -> None:
    rows = arrays(make(tmp_path / "set.hdf5"))
    env: Any = make_training_env(TRAININGS["hopper"])
    env.reset(seed=0)
    for i in range(6):
        env.unwrapped.set_state(rows["infos/qpos"][i].astype(float), rows["infos/qvel"][i].astype(float))
        observation, reward, terminated, *_ = env.step(rows["actions"][i])
        np.testing.assert_allclose(observation, rows["next_observations"][i], atol=1e-3)
        np.testing.assert_allclose(reward, rows["rewards"][i], atol=1e-3)
        assert terminated == rows["terminals"][i]


def test_d4rls_own_loader_reads_it(tmp_path: Path) -> None:
    path = make(tmp_path / "set.hdf5")
    rows = arrays(path)
    code = f"""
import sys, warnings; warnings.simplefilter("ignore")
sys.modules["mujoco_py"] = None
import d4rl, gym, json
from d4rl.offline_env import OfflineEnv
class Env(OfflineEnv):
    observation_space = gym.spaces.Box(-1, 1, (11,)); action_space = gym.spaces.Box(-1, 1, (3,))
data = d4rl.qlearning_dataset(Env(), dataset=Env().get_dataset({str(path)!r}))
sums = {{name: float(data[name].sum()) for name in ("rewards", "terminals")}}
print(json.dumps(sums | {{"n": len(data["rewards"])}}))
"""
    quiet = os.environ | {"D4RL_SUPPRESS_IMPORT_ERROR": "1", "D4RL_DATASET_DIR": str(tmp_path / "d4rl")}
    output = subprocess.run([sys.executable, "-c", code], env=quiet, capture_output=True, text=True, check=True).stdout
    read = json.loads(output.splitlines()[-1])
    kept = ~rows["timeouts"][:-1]
    assert read["n"] == kept.sum()
    assert read["terminals"] == rows["terminals"][:-1][kept].sum()
    assert read["rewards"] == pytest.approx(float(rows["rewards"][:-1][kept].sum()), rel=1e-5)


def test_medium_expert_is_medium_then_expert(tmp_path: Path) -> None:
    medium = arrays(make(tmp_path / "medium.hdf5", HOPPER, episodes=2))
    both = arrays(make(tmp_path / "both.hdf5", "hopper-medium-expert-v2", episodes=2))
    n = len(medium["rewards"])
    for name, values in medium.items():
        np.testing.assert_array_equal(values, both[name][:n])
    expert = load_expert(locomotion_module.policy_path("hopper-expert.safetensors"))
    mean, log_std = expert._heads(both["observations"][n:])
    assert (np.abs(np.arctanh(both["actions"][n:]) - mean) < 6 * np.exp(log_std)).all()


def test_full_size_stops_at_the_last_row_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locomotion_module, "ROWS", 900)
    monkeypatch.setattr("vgf.sources.collect.BATCH", 2)
    one, two = (arrays(make(tmp_path / f"{w}.hdf5", episodes=None, workers=w)) for w in (1, 2))
    assert len(one["rewards"]) == 900
    assert one["timeouts"][-1] != one["terminals"][-1]
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name])


def write_training(folder: Path, returns: list[float], steps: int = 5, envs: int = 2) -> None:
    """Write what a training leaves; rewards tell chunk, step and environment."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for chunk in range(len(returns)):
        shape = (steps, envs)
        dones, timeouts = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        dones[1, 0] = dones[2, 1] = timeouts[2, 1] = 1
        mark = 100 * chunk + 10 * np.arange(steps)[:, None] + np.arange(envs)
        content = {"observations": 11, "next_observations": 11, "actions": 3, "qpos": 6, "qvel": 6}
        values = {name: rng.normal(size=(*shape, size)).clip(-1, 1) for name, size in content.items()}
        np.savez(folder / f"chunk-{chunk:04d}.npz", rewards=mark, dones=dones, timeouts=timeouts, **values)
        facts = {"seed": 0, "versions": {"sbx-rl": "0"}}
        save_expert(folder / f"policy-{chunk:04d}.safetensors", replace(random_expert(11, 3), facts=facts))
    log = [{"steps": 10 * (i + 1), "updates": i, "return_mean": value} for i, value in enumerate(returns)]
    (folder / "log.json").write_text(json.dumps(log))


def test_replay_keeps_each_environments_trajectories_together(tmp_path: Path) -> None:
    write_training(tmp_path, [0.0, 2000.0, 3000.0])
    rows = replay_arrays(tmp_path, 1)
    assert rows["rewards"].tolist() == [
        *(0, 10, 20, 30, 40, 1, 11, 21, 31, 41),
        *(100, 110, 120, 130, 140, 101, 111, 121, 131, 141),
    ]
    assert np.flatnonzero(rows["terminals"]).tolist() == [1, 11]
    assert np.flatnonzero(rows["timeouts"]).tolist() == [4, 7, 9, 14, 17, 19]
    assert rows["observations"].dtype == np.float32


def test_replay_ends_at_the_medium_policy(tmp_path: Path) -> None:
    write_training(tmp_path / "training", [0.0, 2000.0, 3000.0])
    name = "hopper-medium-replay-v2"
    path = make(tmp_path / "set.hdf5", name, episodes=None, training_folder=tmp_path / "training")
    assert arrays(path)["rewards"].max() == 141
    assert set(arrays(path)) == KEYS - {"infos/action_log_probs"}
    first = make(tmp_path / "first.hdf5", name, episodes=3, training_folder=tmp_path / "training")
    assert arrays(first)["rewards"].tolist() == [0, 10, 20, 30, 40, 1, 11, 21]
    assert json.loads(path.with_suffix(".json").read_text())["return_mean"] == 2000.0


def test_replay_without_a_training_says_how_to_get_one(tmp_path: Path) -> None:
    write_training(tmp_path / "training", [0.0, 900.0])
    for folder in (tmp_path / "none", tmp_path / "training"):
        with pytest.raises(DataError, match=r"expert_training hopper --until medium"):
            make(tmp_path / "set.hdf5", "hopper-medium-replay-v2", episodes=None, training_folder=folder)
    assert not (tmp_path / "set.hdf5").exists()


def test_a_cut_trajectory_ends_in_a_timeout() -> None:
    rows = {"terminals": np.array([0, 0, 1, 0], bool), "timeouts": np.zeros(4, bool)}
    assert cut(rows, 2)["timeouts"].tolist() == [False, True]
    assert cut(rows, 3)["timeouts"].tolist() == [False, False, False]
    assert cut(rows, 9) is rows
    assert not rows["timeouts"].any()


def test_equal_arrays_give_equal_bytes_whenever_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"rewards": np.arange(1000, dtype=np.float32), "infos/qpos": np.ones((1000, 3), np.float32)}
    write_hdf5(tmp_path / "a", rows, {"algorithm": "SAC", "iteration": 3})
    monkeypatch.setattr("time.time", lambda: 0.0)
    write_hdf5(tmp_path / "b", dict(reversed(rows.items())), {"iteration": 3, "algorithm": "SAC"})
    assert sha256(tmp_path / "a") == sha256(tmp_path / "b")


def test_every_locomotion_dataset_has_a_recipe() -> None:
    official = {name for name, row in DATASETS.items() if row.suite == "d4rl" and row.action_size in (3, 6)}
    assert set(RECIPES) == official


def test_refusals_name_the_remedy_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"must end in \.npz or \.hdf5"):
        make(tmp_path / "set.txt")
    with pytest.raises(DataError, match="workers must be >= 1"):
        make(tmp_path / "set.hdf5", workers=0)
    monkeypatch.setenv("VGF_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr("vgf.sources.collect.checkout_data", lambda: tmp_path / "no checkout")
    with pytest.raises(DataError, match="no such policy"):
        make(tmp_path / "set.hdf5")
    assert not list(tmp_path.iterdir())


def test_a_simulator_says_nothing_that_nobody_can_act_on(tmp_path: Path) -> None:
    script = (
        "from vgf.datasets import make_env; make_env('halfcheetah-medium').close()\n"
        "from vgf.sources.trainings import *; env = make_training_env(TRAININGS['halfcheetah'])\n"
        "env.reset(); env.unwrapped.data.qpos[:] = float('nan'); env.step([0] * 6)\n"
    )
    words = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    told = [line for line in done.stderr.splitlines() if "MuJoCo" in line or "mujoco" in line or "deprecated" in line]
    assert len(told) == 1
    assert told[0].startswith("MuJoCo: Nan, Inf or huge value")
    assert list(tmp_path.iterdir()) == []
