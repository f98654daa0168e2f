"""Expert policies: the same numbers as the training library's, files that cannot lie, trainings that can say no."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.helpers.experts import expert_of, random_expert
from tests.helpers.site import ROOT
from vgf.datasets import TASKS, DataError
from vgf.datasets.mujoco import global_numpy_seed
from vgf.sources import expert_training
from vgf.sources.experts import Expert, load_expert, save_expert
from vgf.sources.trainings import (
    TRAININGS,
    export,
    make_training_env,
    medium_chunk,
    policy_table,
    rollout_returns,
    write_policy_table,
)

REFERENCE = ROOT / "tests" / "reference"
POLICIES = ROOT / "data" / "policies"


def reference_script() -> Any:
    spec = spec_from_file_location("make_sbx_reference", REFERENCE / "make_sbx_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Given(np.random.Generator):
    """A generator whose normal numbers are given."""

    def __init__(self, noise: np.ndarray) -> None:
        super().__init__(np.random.PCG64(0))
        self.noise = noise

    def standard_normal(self, *_: Any, **__: Any) -> np.ndarray:
        return self.noise


def test_policy_equals_the_training_librarys() -> None:
    script = reference_script()
    known = json.loads((REFERENCE / "sbx_reference.json").read_text())
    expert = expert_of(script.weights())
    observations, noise = script.inputs()
    actions, density = expert.sample(observations, Given(noise))
    np.testing.assert_allclose(expert.act(observations), known["mode"], atol=1e-6)
    np.testing.assert_allclose(actions, known["actions"], atol=1e-6)
    np.testing.assert_allclose(expert.act(observations, Given(noise)), known["actions"], atol=1e-6)
    np.testing.assert_allclose(density, known["log_density"], atol=2e-5)


def test_density_integrates_to_one() -> None:
    expert = random_expert(observation=3, action=1)
    observation = np.array([0.3, -1.0, 0.8], np.float32)
    _, log_std = expert._heads(observation)
    mean = np.arctanh(expert.act(observation))
    before = np.linspace(mean - 8 * np.exp(log_std), mean + 8 * np.exp(log_std), 4001, dtype=np.float32)
    noise = (before - mean) / np.exp(log_std)
    actions, density = expert.sample(np.tile(observation, (4001, 1)), Given(noise.astype(np.float32)))
    assert abs(float(np.trapezoid(np.exp(density), actions[:, 0])) - 1) < 1e-3


def test_density_is_finite_where_the_squashing_saturates() -> None:
    expert = random_expert()
    _, density = expert.sample(np.full((4, 29), 1e3, np.float32), np.random.default_rng(0))
    assert np.isfinite(density).all()


def test_one_observation_acts_as_in_a_batch_and_repeats_for_a_seed() -> None:
    expert = random_expert()
    observations = np.random.default_rng(1).normal(size=(5, 29))
    np.testing.assert_allclose([expert.act(o) for o in observations], expert.act(observations), atol=1e-6)
    twice = [expert.act(observations, np.random.default_rng(2)) for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    assert (np.abs(twice[0]) <= 1).all()


def test_wrong_observation_width_is_named() -> None:
    with pytest.raises(ValueError, match="30 columns, the policy takes 29"):
        random_expert().act(np.zeros(30))


def test_file_gives_back_weights_and_facts_and_equal_policies_equal_bytes(tmp_path: Path) -> None:
    expert = random_expert()
    for name in ("a", "b"):
        save_expert(tmp_path / name, expert)
    again = load_expert(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert again.facts == {"steps": 7}
    assert (again.observation_size, again.action_size) == (29, 8)
    np.testing.assert_array_equal(again.act(np.ones((3, 29))), expert.act(np.ones((3, 29))))


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.unlink(), "no such policy"),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), "not a policy"),
        (lambda path: path.write_bytes(b""), "not a policy"),
        (lambda path: flip(path, -5), "its bytes are not those that were written"),
        (lambda path: flip(path, -400), "its bytes are not those that were written"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"steps", b"stepz")), "not those that were written"),
        (
            lambda path: path.write_bytes(path.read_bytes().replace(b"sealed", b"sealex")),
            "its header has no 'sealex'",
        ),
        (lambda path: save_file({"x.weight": np.ones(3, np.float32)}, path), "not a policy"),
    ],
)
def test_damaged_policies_are_refused_in_one_line(tmp_path: Path, damage: Any, words: str) -> None:
    path = tmp_path / "policy.safetensors"
    save_expert(path, random_expert())
    damage(path)
    with pytest.raises(DataError, match=words) as refusal:
        load_expert(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_policies_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    good = random_expert()
    wide = Expert(good.layers, good.mean, (np.ones((7, 8), np.float32), np.ones(8, np.float32)), {})
    broken = Expert(good.layers, (good.mean[0] * np.float32("nan"), good.mean[1]), good.log_std, {})
    for expert, words in ((wide, "after 6 units"), (broken, "not finite")):
        save_expert(tmp_path / "policy", expert)
        with pytest.raises(DataError, match=words):
            load_expert(tmp_path / "policy")


def test_medium_level_is_a_third_of_the_experts_score() -> None:
    for name in ("hopper", "walker2d", "halfcheetah"):
        task = TASKS[f"{name}-medium-v2"]
        medium = TRAININGS[name].medium_return
        assert medium is not None
        assert 33 <= task.normalised(medium) <= 36
        assert TRAININGS[name].env_id == task.env_id, "behaviour and evaluation share one simulator"


def test_a_level_is_exported_once_it_is_reached(tmp_path: Path) -> None:
    training = TRAININGS["hopper"]
    with pytest.raises(DataError, match="no medium policy yet"):
        export(training, tmp_path, "medium", tmp_path)
    log = [{"return_mean": value} for value in (10.0, 1500.0, 300.0)]
    (tmp_path / "log.json").write_text(json.dumps(log))
    for chunk in range(3):
        save_expert(tmp_path / f"policy-{chunk:04d}.safetensors", random_expert(11, 3, seed=chunk))
    assert medium_chunk(training, log) == 1
    medium = load_expert(export(training, tmp_path, "medium", tmp_path / "out"))
    best = load_expert(export(training, tmp_path, "expert", tmp_path / "out"))
    np.testing.assert_array_equal(medium.layers[0][0], random_expert(11, 3, seed=1).layers[0][0])
    assert (medium.facts["level"], best.facts["level"]) == ("medium", "expert")


def test_returns_repeat_and_leave_numpys_global_state_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # the state under test
    twice = [rollout_returns(random_expert(), TRAININGS["ant"], seed=3, episodes=1) for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_training_environment_tells_the_state_before_each_step() -> None:
    env = make_training_env(TRAININGS["hopper"])
    observation, _ = env.reset(seed=0)
    _, _, _, _, info = env.step(env.action_space.sample())
    env.close()
    np.testing.assert_allclose(observation[:5], info["qpos"][1:], rtol=1e-6)
    assert observation.dtype == np.float32


def test_directional_reward_is_the_displacement_along_the_direction() -> None:
    env: Any = make_training_env(TRAININGS["ant"])
    with global_numpy_seed(0):
        observation, _ = env.reset(seed=0)
        direction, here = observation[-2:], env.unwrapped.data.qpos[:2].copy()
        _, reward, *_ = env.step(np.ones(8))
    np.testing.assert_allclose(reward, direction @ (env.unwrapped.data.qpos[:2] - here), rtol=1e-5)
    env.close()


def test_without_the_training_library_one_line_says_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "sbx", None)
    with pytest.raises(DataError, match=r"pip install 'vgf-companion\[experts\]'"):
        expert_training.train(TRAININGS["hopper"], tmp_path)


def test_shipped_policies_are_those_the_recipes_name() -> None:
    for path in sorted(POLICIES.glob("*.safetensors")):
        expert = load_expert(path)
        name, level = path.stem.split("-")
        assert expert.facts["training"] == name
        assert expert.facts["level"] == level
        assert expert.facts["environment"] == TRAININGS[name].env_id
        assert {"steps", "updates", "seed", "versions", "return_mean", "return_std"} <= expert.facts.keys()
        if level == "medium":
            assert 25 <= TASKS[f"{name}-medium-v2"].normalised(expert.facts["return_mean"]) <= 65
    readme = (POLICIES / "README.md").read_text(encoding="utf-8")
    assert policy_table(POLICIES) in readme


def test_policy_table_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="table of policies"):
        write_policy_table(tmp_path)
    (tmp_path / "README.md").write_text("before\n\n| old |\n|---|\n\nafter\n")
    facts = {
        "environment": "Hopper-v4",
        "steps": 16000,
        "updates": 4000,
        "seed": 0,
        "return_mean": 9.96,
        "return_std": 1.0,
    }
    expert = random_expert(11, 3)
    save_expert(tmp_path / "hopper-medium.safetensors", replace(expert, facts=facts))
    write_policy_table(tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before\n\n| file |")
    assert text.endswith("| 16,000 | 4,000 | 0 | 10.0 +- 1.0 | 0.9 |\n\nafter\n")
