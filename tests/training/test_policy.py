"""Exported policies: one seed alone acts as it did in company, at any budget, and says what is ambiguous."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

import vgf
from tests.helpers.toy_runs import CPU, TASK, a_run, contents, do, write
from vgf import cli, records
from vgf.agents import AGENTS, CONFIGS, Dims
from vgf.networks import SeedStreams
from vgf.training.checkpoints import load_agent, one_seed, save_policy
from vgf.training.policy import load_policy

STATES = np.random.default_rng(0).normal(size=(4, 3))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = a_run(tmp_path_factory.mktemp("record"))
    assert do(run)
    return run.folder


@pytest.mark.parametrize("name", AGENTS)
def test_a_seed_alone_acts_as_it_did_in_company(name: str, tmp_path: Path) -> None:
    default: Any = CONFIGS[name]["default"]
    small = {"hidden": (8,), "particles": 2, "flow_steps": 2}
    config = replace(default, **{f.name: small[f.name] for f in fields(default) if f.name in small})
    agent = AGENTS[name].create(config, Dims(3, 2), (7, 4, 9), CPU)
    states = torch.as_tensor(STATES, dtype=torch.float32).expand(3, -1, -1)
    budget = agent.budget(2)
    together = agent.act(states, budget, SeedStreams((7, 4, 9), "test"))
    alone = one_seed(agent, 4)
    assert alone.seeds == (4,)
    torch.testing.assert_close(alone.act(states[1:2], budget, SeedStreams((4,), "test"))[0], together[1])
    save_policy(tmp_path / "one.safetensors", alone, TASK)
    policy = vgf.load_policy(tmp_path / "one.safetensors")
    again, _ = load_agent(tmp_path / "one.safetensors")
    expected = again.act(states[1:2], budget, SeedStreams((5,), "policy"))[0].numpy()
    assert np.array_equal(policy.act(STATES, budget, seed=5), expected)


def test_one_observation_or_a_batch_of_any_kind_of_array(record: Path) -> None:
    policy = load_policy(record, seed=3)
    assert (policy.method, policy.task, policy.updates) == ("vgf", TASK, 10)
    assert (policy.observation_size, policy.action_size) == (3, 2)
    batch = policy.act(STATES, 2, seed=0)
    assert (batch.shape, batch.dtype) == ((4, 2), np.float32)
    assert np.array_equal(policy.act(torch.as_tensor(STATES), 2, seed=0), batch)
    assert np.array_equal(policy.act(STATES.tolist(), np.int64(2), seed=0), batch)  # type: ignore[arg-type]
    one = policy.act(STATES[0], 2, seed=0)
    assert one.shape == (2,)
    np.testing.assert_allclose(one, policy.act(STATES[:1], 2, seed=0)[0], atol=1e-6)
    assert np.abs(batch).max() <= 1


def test_a_policy_acts_in_inference_mode_and_on_nothing(record: Path) -> None:
    policy = load_policy(record, seed=3)
    expected = policy.act(STATES, 2, seed=0)
    with torch.inference_mode():
        assert np.array_equal(policy.act(torch.as_tensor(STATES), 2, seed=0), expected)
        values = policy.values(torch.as_tensor(STATES), expected)
    assert np.array_equal(values, policy.values(STATES, expected))
    assert policy.act(STATES[:0], 2).shape == (0, 2)
    assert policy.values(STATES[:0], expected[:0]).shape == (0, values.shape[1])


BIG_ENDIAN = STATES.astype(">f4")
LOCKED = STATES.copy()
LOCKED.flags.writeable = False


@pytest.mark.parametrize(
    "given",
    [STATES[::-1][::-1], BIG_ENDIAN, LOCKED, pd.DataFrame(STATES), np.asfortranarray(STATES), np.ma.array(STATES)],
)
def test_any_array_of_real_numbers_is_taken_without_a_word(record: Path, given: Any) -> None:
    policy = load_policy(record, seed=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = policy.act(given, 2, seed=0)
    assert np.array_equal(found, policy.act(STATES, 2, seed=0))
    assert not np.array_equal(policy.act(STATES[::-1], 2, seed=0), found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (STATES + 1j, "observations must be real numbers"),
        (torch.as_tensor(STATES + 1j), "observations must be real numbers"),
        (STATES.astype(str), "observations must be real numbers"),
        (None, "observations must be real numbers"),
        (np.ma.masked_less(STATES, 0), "the vgf policy: observations has masked numbers"),
        ([[0.0], [0.0, 1.0]], "the vgf policy: observations cannot be read as an array"),
        ([1e300] * 3, "observations must be finite, in float32 too"),
        ([1e25] * 3, "the networks overflow at these observations or actions: scale them"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_is_no_observation_is_one_line(record: Path, given: Any, message: str) -> None:
    policy = load_policy(record, seed=3)
    for ask in (lambda: policy.act(given), lambda: policy.values(given, np.zeros(2))):
        with pytest.raises(ValueError, match=f"^{message}") as told:
            ask()
        assert "\n" not in str(told.value)


def test_a_policy_that_has_acted_can_be_copied(record: Path) -> None:
    policy = load_policy(record, seed=3)
    expected = policy.act(STATES, 2, seed=0)
    for twin in (copy.copy(policy), copy.deepcopy(policy), pickle.loads(pickle.dumps(policy))):
        assert np.array_equal(twin.act(STATES, 2, seed=0), expected)
    own = copy.deepcopy(policy)
    with torch.no_grad():
        for weight in own._agent.networks["reference"].parameters():
            weight.zero_()
    assert not np.array_equal(own.act(STATES, 0, seed=0), policy.act(STATES, 0, seed=0))  # it has weights of its own
    assert np.array_equal(policy.act(STATES, 2, seed=0), expected)


def test_a_record_is_taken_where_its_folder_is(record: Path) -> None:
    found = records.read_record(record)
    assert len(repr(found)) < 100 + len(str(record))
    assert "\n" not in repr(found)
    assert np.array_equal(load_policy(found, 3).act(STATES, seed=0), load_policy(record, 3).act(STATES, seed=0))


def test_the_budget_is_a_number_of_steps_a_budget_or_the_trained_one(record: Path) -> None:
    policy = load_policy(record, seed=0)
    assert (policy.budget.steps, policy.budget.step_size) == (3, 0.05)
    assert np.array_equal(policy.act(STATES, seed=1), policy.act(STATES, 3, seed=1))
    assert np.array_equal(policy.act(STATES, policy.budget, seed=1), policy.act(STATES, 3, seed=1))
    assert not np.array_equal(policy.act(STATES, 0, seed=1), policy.act(STATES, 3, seed=1))
    other = vgf.Budget(3, 0.2, 1.0)
    assert not np.array_equal(policy.act(STATES, other, seed=1), policy.act(STATES, 3, seed=1))


def test_a_seed_repeats_a_call_and_none_draws_on(record: Path) -> None:
    policy = load_policy(record, seed=0)
    first = policy.act(STATES, seed=1)
    assert not np.array_equal(policy.act(STATES), policy.act(STATES))
    assert np.array_equal(policy.act(STATES, seed=1), first)
    assert not np.array_equal(policy.act(STATES, seed=2), first)


def test_what_is_wrong_is_said(record: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"record: it has seeds 0, 3; name one of them"):
        load_policy(record)
    with pytest.raises(ValueError, match=r"it has seeds 0, 3"):
        load_policy(record, seed=5)
    with pytest.raises(ValueError, match=r"no policy at .*nowhere"):
        load_policy(tmp_path / "nowhere")
    policy = load_policy(record, seed=0)
    with pytest.raises(ValueError, match=r"observations must be \[3\] or \[B, 3\], got \[4\]"):
        policy.act(np.zeros(4))
    with pytest.raises(ValueError, match="observations must be finite"):
        policy.act(np.full(3, np.nan))
    with pytest.raises(ValueError, match="steps"):
        policy.act(np.zeros(3), -1)


def flip(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 4
    return bytes(changed)


DAMAGE = {
    "a bit of the last weight": lambda content: flip(content, -1),
    "a bit of some weight": lambda content: flip(content, len(content) // 2),
    "a block of zeros": lambda content: content[:-64] + bytes(64),
    "how long it was trained": lambda content: content.replace(b'\\"updates\\": ', b'\\"updates\\":-'),
    "the name of the checksum": lambda content: content.replace(b'\\"sha256\\"', b'\\"sha257\\"'),
    "a seed": lambda content: content.replace(b"[0, 3]", b"[0, 7]"),
    "its end": lambda content: content[:-3],
    "something behind it": lambda content: content + b"x",
    "no header": lambda content: content[8:],
    "nothing": lambda content: b"",
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_policy_that_is_not_as_it_was_written_is_refused(kind: str, record: Path, tmp_path: Path) -> None:
    """Safetensors keep no checksum: a bit that flips in a weight acts otherwise, and nothing tells."""
    whole, path = (record / "policy.safetensors").read_bytes(), tmp_path / "mine.safetensors"
    path.write_bytes(DAMAGE[kind](whole))
    assert path.read_bytes() != whole
    wrong = "a policy of another version" if "checksum" in kind else "damaged, or not a safetensors file"
    with pytest.raises(ValueError, match=f"{path}: {wrong}.*; train or export it again") as told:
        load_policy(path, seed=0)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agent": "vgf2"}, "a policy of another version of vgf .*has no 'vgf2'; nearest: vgf"),
        ({"config": None}, "a policy of another version of vgf .its header has no config"),
        ({"config": {"speed": 1}}, "a policy of another version of vgf .config has no 'speed'"),
        (None, "holds tensors, but its header no policy"),
    ],
)
def test_a_whole_file_of_another_kind_is_told_from_a_damaged_one(
    changes: dict[str, Any] | None, message: str, record: Path, tmp_path: Path
) -> None:
    with safetensors.safe_open(record / "policy.safetensors", "pt") as file:
        facts = json.loads(file.metadata()["policy"])
    facts = {key: value for key, value in (facts | (changes or {})).items() if value is not None}
    del facts["sha256"]
    told = None if changes is None else {"policy": json.dumps(facts)}
    safetensors.torch.save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors", told)
    with pytest.raises(ValueError, match=f"x.safetensors: {message}"):
        load_policy(tmp_path / "x.safetensors", seed=0)


EXPORT = ["--export", "{out}", "--method", "mine", "--export-seed", "3"]


def test_export_writes_one_seed_of_one_method_after_training_or_from_the_record(
    toy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = toy / "policy.safetensors"
    words = ["train", str(write(toy)), *(w.format(out=out) for w in EXPORT)]
    assert cli.main(words) == 0
    assert f"{out}: method vgf, task {TASK}, seed 3, updates 10" in capsys.readouterr().out
    first = out.read_bytes()
    folder = toy / "data" / "results" / "study.quick" / TASK / "mine"
    whole = load_policy(folder, seed=3)
    assert np.array_equal(vgf.load_policy(out).act(STATES, seed=0), whole.act(STATES, seed=0))
    out.unlink()
    before = contents(folder)
    assert cli.main(words) == 0  # nothing is trained again
    assert out.read_bytes() == first
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (EXPORT[:2], "--export writes one policy; say which with --method, one of bc, mine"),
        (EXPORT[:4], "--export writes one policy; say which with --export-seed, one of 0, 3"),
        ([*EXPORT[:5], "8"], "say which with --export-seed, one of 0, 3"),
    ],
)
def test_an_ambiguous_export_is_refused_before_anything_is_trained(
    words: list[str],
    message: str,
    toy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = toy / "policy.safetensors"
    assert cli.main(["train", str(write(toy)), *(w.format(out=out) for w in words)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()
    assert not (toy / "data").exists()


def test_values_are_the_critics_and_their_mean_picks_the_action(record: Path) -> None:
    policy = load_policy(record, seed=3)
    agent, _ = load_agent(record)
    actions = np.random.default_rng(1).uniform(-1, 1, (4, 2))
    states = torch.as_tensor(STATES, dtype=torch.float32).expand(2, -1, -1)
    expected = agent.critic(states, torch.as_tensor(actions, dtype=torch.float32).expand(2, -1, -1))  # type: ignore[attr-defined]
    found = policy.values(STATES, actions)
    assert (found.shape, found.dtype) == ((4, 2), np.float32)
    np.testing.assert_allclose(found, expected[1].detach().numpy().T, rtol=1e-5, atol=1e-6)
    one = policy.values(STATES[2], actions[2])
    assert one.shape == (2,)
    np.testing.assert_allclose(one, found[2], rtol=1e-5, atol=1e-6)
    candidates = np.stack([policy.act(STATES[0], 0, seed=k) for k in range(6)])
    assert policy.values(np.repeat(STATES[:1], 6, 0), candidates).mean(-1).std() > 0


@pytest.mark.parametrize(
    ("states", "actions", "fault"),
    [
        (STATES[:, :2], np.zeros((4, 2)), r"observations must be \[3\] or \[B, 3\], got \[4, 2\]"),
        (STATES, np.zeros((4, 3)), r"actions must be \[2\] or \[B, 2\], got \[4, 3\]"),
        (STATES, np.full((4, 2), np.nan), "actions must be finite"),
        (STATES, np.zeros((3, 2)), r"\[4, 3\] observations do not go with \[3, 2\] actions"),
        (STATES, np.zeros(2), r"do not go with \[2\] actions"),
    ],
)
def test_values_refuse_what_does_not_fit(record: Path, states: Any, actions: Any, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        load_policy(record, seed=0).values(states, actions)


def test_a_method_without_the_value_says_so(tmp_path: Path) -> None:
    default: Any = CONFIGS["bc"]["default"]
    save_policy(tmp_path / "bc.safetensors", AGENTS["bc"].create(replace(default, hidden=(8,)), Dims(3, 2), (0,)), TASK)
    with pytest.raises(ValueError, match="bc has no value of an action to ask for"):
        load_policy(tmp_path / "bc.safetensors").values(STATES, np.zeros((4, 2)))
