"""What Python hands over: what has one meaning is taken, of any type; all else gets one line before training."""

from __future__ import annotations

import json
import math
import re
from collections import deque
from dataclasses import asdict, fields
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import vgf
from tests.helpers.own_runs import CONFIG, EPISODES, SIZES, Walk, trajectories
from vgf import Budget, stein_direction, transport, value_gradient
from vgf.agents import CONFIGS, VGFConfig
from vgf.support.given import expanded, number, place, truth, whole, wholes
from vgf.theory import mmd2


@pytest.mark.parametrize(
    "value", [3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3), 3.0, np.float32(3), torch.tensor(3.0)]
)
def test_whole_numbers_of_any_library_are_integers(value: Any) -> None:
    found = whole("updates", value)
    assert found == 3
    assert type(found) is int


@pytest.mark.parametrize(
    "value",
    [True, np.True_, "3", b"3", None, 3.5, math.nan, math.inf, 1e300, [3], np.array([3]), torch.ones(2), 3 + 0j],
)
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^updates must be an integer >= 1, got ") as told:
        whole("updates", value, 1)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "value",
    [
        [0, 1, 2],
        range(3),
        np.arange(3),
        torch.arange(3),
        pd.Series([0, 1, 2]),
        deque([0, 1, 2]),
        (k for k in range(3)),
        np.arange(3, dtype=np.float32),
        [np.int32(0), torch.tensor(1), 2.0],
        {0: "a", 1: "b", 2: "c"}.keys(),
    ],
)
def test_sequences_of_any_library_are_tuples_of_integers(value: Any) -> None:
    assert wholes("seeds", value) == (0, 1, 2)
    assert wholes("seeds", np.int64(7)) == (7,)


@pytest.mark.parametrize(
    "value",
    ["012", {0, 1}, {0: 1}, None, np.zeros((1, 2)), [0, True], [0, "1"], [0.5], [[0, 1]], np.array([True]), object()],
)
def test_what_are_no_integers_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="seeds must be integers, "):
        wholes("seeds", value)


@pytest.mark.parametrize(
    "value", [1, 0.5, np.float16(0.5), torch.tensor(0.5), Fraction(1, 2), Decimal("0.5"), np.array(0.5)]
)
def test_numbers_of_any_library_are_floats(value: Any) -> None:
    assert type(number("tau", value, above=0, most=1)) is float


@pytest.mark.parametrize("value", [True, "0.5", None, math.nan, math.inf, 0, 1.5, [0.5], np.array([0.5]), 1j])
def test_what_is_no_number_of_its_range_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="tau must be a finite number > 0 and <= 1, got "):
        number("tau", value, above=0, most=1)


def test_truth_is_no_word() -> None:
    assert [truth("x", v) for v in (True, 0, np.bool_(1), torch.tensor(False), np.array(1))] == [1, 0, 1, 0, 1]
    for value in ("no", "False", None, 2, [], np.ones(2), math.nan):
        with pytest.raises(ValueError, match="replace must be True or False"):
            truth("replace", value)


def test_places_are_absolute_and_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for value in ("~/a/../runs", "runs", b"runs", PurePosixPath("./runs"), tmp_path / "runs"):
        assert place("out", value) == tmp_path / "runs"
    assert place("out", "a~b") == tmp_path / "a~b"
    for value, words in {
        "": "must be a path",
        None: "must be a path",
        3: "must be a path",
        "gs://bucket/x": "is an address",
        "file:///x": "is an address",
        "$SCRATCH/x": "$SCRATCH is not expanded",
        "${HOME}/x": "${HOME} is not expanded",
        "%USERPROFILE%/x": "is not expanded",
        "~nobody_here/x": "no home folder is known for ~nobody_here",
        "a\0b": "must be a path",
        "a/" + "ü" * 128: "is longer than the 255 bytes of a name",
    }.items():
        with pytest.raises(ValueError, match=re.escape(words)):
            place("out", value)
    assert expanded(["--out=~/a", "~/b", "--x", "~c", "d~"]) == [
        f"--out={tmp_path}/a",
        f"{tmp_path}/b",
        "--x",
        "~c",
        "d~",
    ]


TAKEN: list[dict[str, Any]] = [
    {"seeds": range(2)},
    {"seeds": torch.tensor([5, 3])},
    {"seeds": (np.uint16(4),)},
    {"updates": 2.0, "batch_size": torch.tensor(4)},
    {"updates": np.float64(2), "episodes": np.int8(2)},
    {"test_steps": np.array([0, 2]), "episode_steps": np.int64(3)},
    {"test_steps": (1,)},
    {"device": torch.device("cpu")},
    {"device": "CPU:0"},
    {"replace": np.False_, "rescale_actions": 0},
    {"config": VGFConfig(hidden=[np.int64(8)], particles=torch.tensor(2), flow_steps=np.int16(2), layer_norm=np.True_)},
]


@pytest.mark.parametrize("given", TAKEN, ids=lambda given: ", ".join(given))
def test_fit_takes_them_all_and_its_record_can_be_read(given: dict[str, Any], tmp_path: Path) -> None:
    sizes = {"config": CONFIG} | SIZES | EPISODES | {"make_env": Walk} | given
    record = vgf.fit(trajectories(), str(tmp_path / "mine"), **sizes)
    assert json.loads((record.folder / "run.json").read_text())["runs"][0]["updates_by"]
    assert len(vgf.fit(trajectories(), record.folder, **sizes).episodes) == len(record.episodes)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"seeds": "0"}, "seeds must be integers"),
    ({"seeds": (np.True_,)}, "seeds must be integers, one is np.True_"),
    ({"seeds": (-1,)}, "seeds must be distinct integers >= 0"),
    ({"seeds": ()}, "seeds must be distinct integers >= 0, at least one"),
    ({"seeds": None}, "seeds must be integers"),
    ({"seeds": 3}, "seeds must be integers, for instance (0, 1, 2); for 3 alone give (3,)"),
    ({"seeds": np.int64(3)}, "for 3 alone give (3,)"),
    ({"test_steps": 3}, "test_steps must be integers, for instance (0, 1, 2); for 3 alone give (3,)"),
    ({"updates": "10"}, "updates must be an integer, got '10'"),
    ({"updates": None}, "updates must be an integer, got None"),
    ({"updates": 2.5}, "updates must be an integer, got 2.5"),
    ({"batch_size": True}, "batch_size must be an integer, got True"),
    ({"batch_size": 0}, "batch_size must be >= 1"),
    ({"episodes": 1.5}, "episodes must be an integer"),
    ({"episode_steps": 0}, "episode_steps must be an integer >= 1"),
    ({"test_steps": (1, 1)}, "test_steps must be distinct"),
    ({"test_steps": []}, "test_steps must be integers >= 0, at least one"),
    ({"device": "cuda:99"}, "device cuda:99 was asked for"),
    ({"device": "cpu:x"}, "device must be auto, cpu or cuda"),
    ({"device": None}, "device must be auto, cpu or cuda, got None"),
    ({"device": 0}, "device must be auto, cpu or cuda, got 0"),
    ({"replace": "no"}, "replace must be True or False"),
    ({"rescale_actions": "yes"}, "rescale_actions must be True or False"),
    ({"success_key": 3}, "success_key must be a name"),
    ({"method": ["vgf"]}, "method must be a name"),
    ({"config": VGFConfig}, "the config of vgf must be of VGFConfig, got type"),
    ({"config": {"particles": 3}}, "the config of vgf must be of VGFConfig, got dict"),
    ({"out": None}, "out must be a path"),
    ({"out": "s3://bucket/run"}, "out: s3://bucket/run is an address"),
    ({"out": "$HOME/run"}, "out: $HOME is not expanded"),
]


@pytest.mark.parametrize(("given", "fault"), REFUSED)
def test_fit_answers_in_one_line_before_training(
    given: dict[str, Any], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sizes = {"out": "mine", "config": CONFIG} | SIZES | EPISODES | {"make_env": Walk} | given
    with pytest.raises(ValueError, match=re.escape(fault)) as told:
        vgf.fit(trajectories(), **sizes)
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_a_policy_takes_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    vgf.fit(trajectories(), "~/mine", CONFIG, seeds=range(2), **SIZES)
    policy = vgf.load_policy("~/mine", seed=np.int64(1), device=torch.device("cpu"))
    row = np.zeros(3)
    for given in (row, row.tolist(), torch.zeros(3, dtype=torch.float16, requires_grad=True), np.zeros(3, int)):
        found = policy.act(given, budget=np.int64(1), seed=torch.tensor(2))
        assert np.array_equal(found, policy.act(row, budget=1.0, seed=2))
    for given, fault in (
        ({"a": row}, "must be real numbers"),
        ("abc", "must be real numbers"),
        ([[0, 0], [0]], "cannot be read as an array"),
    ):
        with pytest.raises(ValueError, match=fault):
            policy.act(given)  # type: ignore[arg-type]
    for name, value in (("budget", True), ("budget", "2"), ("seed", -1), ("seed", "0")):
        with pytest.raises(ValueError, match=f"{name} must be"):
            policy.act(row, **{name: value})
    for given, fault in (
        ({"seed": True}, "seed must be"),
        ({"seed": 7}, "it has seeds 0, 1"),
        ({"device": "gpu"}, "device"),
    ):
        with pytest.raises(ValueError, match=fault):
            vgf.load_policy("~/mine", **given)  # type: ignore[arg-type]


BAD_FIELDS: dict[str, tuple[Any, ...]] = {
    "discount": (0.0, 1.01, -0.5, "0.99", None, True),
    "tau": (0, 1.5, math.nan, math.inf),
    "learning_rate": (0, -1e-3, math.inf, "3e-4", [1e-3]),
    "hidden": ((), (0,), "512", (8, 2.5), (True,), None),
    "layer_norm": ("no", 2, None),
    "average_rate": (0, 1.1),
    "expectile": (0, 1, "0.9"),
    "alpha": (-1, math.inf, "10", math.nan),
    "particles": (0, 2.5, True, "5"),
    "bandwidth": (0, -1, "mean", math.nan),
    "precision": ("float16", 32, None),
    "policy_noise": (-0.1, math.inf),
    "gradient_norm": (0, math.inf),
}


@pytest.mark.parametrize("method", sorted(CONFIGS))
def test_fields_without_meaning_are_refused_by_every_method(method: str) -> None:
    default = CONFIGS[method]["default"]
    tried = 0
    for field in fields(default):
        for value in BAD_FIELDS.get(field.name, ()):
            tried += 1
            with pytest.raises(ValueError, match=rf"^{field.name} must ") as told:
                type(default)(**{field.name: value})
            assert "\n" not in str(told.value)
    assert tried > 10
    same = type(default)(**{name: np.asarray(value)[()] for name, value in asdict(default).items() if name != "hidden"})
    assert (same, json.dumps(asdict(same))) == (default, json.dumps(asdict(default)))


@pytest.mark.parametrize("optimizer", ["none", "adam"])
def test_a_budget_takes_numbers_of_any_library(optimizer: Any) -> None:
    budget = Budget(np.int64(3), np.float32(0.5), torch.tensor(2.0), optimizer)
    assert budget == Budget(3, 0.5, 2.0, optimizer)
    assert {type(value) for value in asdict(budget).values()} == {int, float, str}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("steps", v) for v in (2.5, "3", True, None, -1, torch.tensor([1, 2]))),
        *(("step_size", v) for v in ("0.1", None, math.nan, -1, True, [0.1])),
        *(("temperature", v) for v in (0, "1", None, math.inf)),
    ],
)
def test_a_budget_without_meaning_is_refused_by_field(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        Budget(**{"steps": 3, "step_size": 0.1, name: value})


SCORE = value_gradient(lambda a: -(a - 0.5).square().sum(-1))


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (
            {"particles": torch.zeros(4, 2, dtype=torch.float16)},
            "particles must be float32 or float64, got torch.float16",
        ),
        ({"particles": torch.zeros(4, 2, dtype=torch.bfloat16)}, "particles must be float32 or float64"),
        ({"particles": torch.zeros(4, 2, dtype=torch.int64)}, "particles must be float32 or float64, got torch.int64"),
        ({"particles": np.zeros((4, 2))}, "particles must be a tensor, got ndarray"),
        ({"particles": [[0.0]]}, "particles must be a tensor, got list"),
        ({"bounds": 1.0}, "bounds must be (low, high)"),
        ({"bounds": (1, 0)}, "bounds must be (low, high)"),
        ({"bounds": (0, 1, 2)}, "bounds must be (low, high)"),
        ({"bounds": ("a", "b")}, "bounds must be (low, high)"),
        ({"bandwidth": None}, "bandwidth must be a finite number > 0"),
        ({"bandwidth": "mean"}, "bandwidth must be 'median' or a number > 0"),
        ({"score_fn": lambda a: np.zeros((4, 2))}, "what score_fn gives must be a tensor, got ndarray"),
        ({"score_fn": lambda a: a.half()}, "score_fn must have the particles' dtype torch.float32"),
    ],
)
def test_transport_answers_in_one_line(given: dict[str, Any], fault: str) -> None:
    arguments = {"particles": torch.zeros(4, 2), "score_fn": SCORE, "budget": Budget(2, 0.1)} | given
    with pytest.raises(ValueError, match=re.escape(fault)):
        transport(**arguments)


def test_float64_moves_and_bounds_may_be_an_array() -> None:
    particles = torch.linspace(-1, 1, 8, dtype=torch.float64).reshape(4, 2)
    moved = transport(particles, SCORE, Budget(2, 0.1), bounds=np.array([-1, 1]), bandwidth=np.float32(0.5))
    assert moved.dtype == torch.float64
    assert torch.equal(moved, transport(particles, SCORE, Budget(2, 0.1), bounds=(-1, 1), bandwidth=0.5))
    with pytest.raises(ValueError, match="temperature must be"):
        stein_direction(particles, particles, "1")  # type: ignore[arg-type]


def test_mmd_of_half_precision_does_not_overflow() -> None:
    x = 0.1 * torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
    assert mmd2(x.half(), x.half() + 1, 1.0) == pytest.approx(float(mmd2(x, x + 1, 1.0)), rel=1e-2)
