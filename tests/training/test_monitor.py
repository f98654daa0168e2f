"""Watching a run: what goes to the record goes to who watches, nothing else changes, and what is missing is said."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from tests.helpers.toy_runs import CPU, TASK, a_run, contents, do, toy_data, toy_envs, write
from vgf import cli, records
from vgf.agents import BC, BCConfig, Dims, Reported
from vgf.training import loop
from vgf.training.inputs import TrainingInputs
from vgf.training.metrics import MetricWindow, NotFinite, check_finite
from vgf.training.monitor import Monitor


class Writer:
    """Stands for TensorBoard's: keeps what it is given."""

    made: dict[str, Writer] = {}  # noqa: RUF012

    def __init__(self, folder: str, purge_step: int) -> None:
        self.purge_step, self.scalars, self.closed = purge_step, [], False  # type: ignore[var-annotated]
        Writer.made[folder] = self

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def tensorboard(monkeypatch: pytest.MonkeyPatch) -> dict[str, Writer]:
    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(Writer, "made", {})
    return Writer.made


class Session:
    """Stands for a run of Weights & Biases."""

    def __init__(self, **arguments: Any) -> None:
        self.arguments, self.logged = arguments, []  # type: ignore[var-annotated]

    def define_metric(self, name: str, step_metric: str) -> None:
        self.metric = (name, step_metric)

    def log(self, row: dict[str, float]) -> None:
        self.logged.append(row)

    def finish(self, exit_code: int) -> None:
        self.exit_code = exit_code


def test_tensorboard_gets_the_curve_and_the_evaluations_of_each_seed(
    tmp_path: Path, tensorboard: dict[str, Writer]
) -> None:
    run, plain = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    with Monitor(run, tensorboard=tmp_path / "board") as monitor:
        assert loop.train(run, TrainingInputs(toy_data(), toy_envs(), CPU), monitor)
    place = tmp_path / "board" / "study.quick" / TASK / "mine"
    assert set(tensorboard) == {str(place / "seed0"), str(place / "seed3")}
    record = records.read_record(run.folder)
    for seed in (0, 3):
        writer = tensorboard[str(place / f"seed{seed}")]
        assert writer.closed
        told = {(name, step): value for name, value, step in writer.scalars}
        own = record.curve[record.curve["seed"] == seed].set_index("update")
        for update, value in own["reference/loss"].dropna().items():
            assert told[("reference/loss", update)] == pytest.approx(value, rel=1e-6)
        assert ("reference/loss", 10) not in told  # the reference is frozen by then
        episodes = record.episodes[(record.episodes["seed"] == seed) & (record.episodes["update"] == 10)]
        means = episodes.groupby("test_steps")["return"].mean()
        for steps in (0, 2):
            assert told[(f"evaluation/return/{steps} steps", 10)] == pytest.approx(means[steps], rel=1e-6)
    assert do(plain)
    assert contents(plain.folder) == contents(run.folder)


def test_a_resumed_run_drops_what_was_shown_after_its_checkpoint(
    tmp_path: Path, tensorboard: dict[str, Writer]
) -> None:
    run = a_run(tmp_path)
    assert not do(run, 7)
    with Monitor(run, tensorboard=tmp_path / "board") as monitor:
        loop.train(run, TrainingInputs(toy_data(), toy_envs(), CPU), monitor)
    assert {writer.purge_step for writer in tensorboard.values()} == {6}  # the first row after the checkpoint of 4


def test_weights_and_biases_gets_one_run_without_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions: list[Session] = []
    module = types.ModuleType("wandb")
    module.init = lambda **a: sessions.append(Session(**a)) or sessions[-1]  # type: ignore[attr-defined, func-returns-value]
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setenv("WANDB_API_KEY", "a-secret")
    run = a_run(tmp_path)
    with Monitor(run, wandb="project") as monitor:
        loop.train(run, TrainingInputs(toy_data(), toy_envs(), CPU), monitor)
    (session,) = sessions
    assert session.arguments["config"] == run.settings
    assert (session.arguments["project"], session.arguments["id"]) == ("project", f"mine-{run.ident}")
    assert session.exit_code == 0
    assert {"reference/loss/seed0", "reference/loss/seed3"} <= {name for row in session.logged for name in row}
    assert all("update" in row for row in session.logged)
    assert "a-secret" not in str(session.arguments) + str(session.logged) + (run.folder / "run.json").read_text()


@pytest.mark.parametrize(
    ("words", "package", "message"),
    [
        (
            ["--tensorboard", "board"],
            "torch.utils.tensorboard",
            "--tensorboard needs the package tensorboard; pip",
        ),
        (["--wandb", "project"], "wandb", "--wandb needs the package wandb; pip install wandb"),
    ],
)
def test_a_missing_package_is_one_line_before_anything_is_trained(
    words: list[str],
    package: str,
    message: str,
    toy: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert cli.main(["train", str(write(toy)), *words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (toy / "data").exists()


def test_a_missing_key_is_one_line(
    toy: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", types.ModuleType("wandb"))
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    assert cli.main(["train", str(write(toy)), "--wandb", "project"]) == 2
    assert "--wandb needs WANDB_API_KEY in the environment, or WANDB_MODE=offline" in capsys.readouterr().err


AGENT = BC.create(BCConfig(hidden=(4,)), Dims(2, 1), (5, 9))


def window_of(*updates: dict[str, list[float]]) -> MetricWindow:
    window = MetricWindow()
    for number, metrics in enumerate(updates, 1):
        window.add(Reported((number,), {name: torch.tensor([value]) for name, value in metrics.items()}))
    return window


def test_a_window_is_the_mean_over_the_updates_that_reported() -> None:
    AGENT.updates = 3
    name = AGENT.metric_names[0]
    rows = window_of({name: [1.0, 2.0]}, {name: [3.0, 6.0], "other": [0.0, 0.0]}, {"other": [1.0, 1.0]}).rows(AGENT)
    expected = pd.DataFrame({"seed": [5, 9], "update": 3, name: [2.0, 4.0]})
    pd.testing.assert_frame_equal(rows, expected)
    assert window_of().rows(AGENT)[name].isna().all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_first_update_that_went_wrong_is_named(bad: float) -> None:
    good, sick = {"a": [1.0, 1.0], "b": [1.0, 1.0]}, {"a": [1.0, 1.0], "b": [1.0, bad]}
    with pytest.raises(NotFinite, match=r"^b is not finite at update 3$"):
        window_of(good, {"c": [0.0, 0.0]}, sick, good, sick).rows(AGENT)


def test_a_state_that_is_not_finite_is_refused() -> None:
    state = {"count": torch.tensor(3), "w": torch.ones(2), "v": torch.tensor([0.0, float("nan")])}
    check_finite({"w": state["w"], "count": state["count"]}, 7)
    with pytest.raises(NotFinite, match=r"^v is not finite after update 7$"):
        check_finite(state, 7)
