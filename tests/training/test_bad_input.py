"""`vgf train` on bad input: one line that names the thing and the remedy, exit status 2, nothing half-written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.helpers.dataset_files import d4rl_arrays, write_hdf5
from tests.helpers.toy_runs import EXPERIMENT, TASK, a_run, contents, do, toy_data, write
from vgf import cli
from vgf.agents import BC, VGF
from vgf.datasets import Transitions
from vgf.training import commands, loop

QUICK = EXPERIMENT["scales"]["quick"]


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused and return its last line, the only one but for notes and progress."""
    capsys.readouterr()
    assert cli.main(["train", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    (line,) = [line for line in captured.err.splitlines() if line.startswith("vgf: ")]
    return line


@pytest.mark.parametrize(
    ("words", "changes", "message"),
    [
        (["--method", "vgff"], {}, "study.yaml: methods has no 'vgff'; one of: bc, mine"),
        (["--method", "mne"], {}, "study.yaml: methods has no 'mne'; nearest: mine"),
        (["--task", "cube-singel"], {}, "unknown task 'cube-singel'; nearest: cube-single-play"),
        ([], {"methods": {"td3bc": {}}}, "study.yaml: methods has no 'td3bc'; nearest: td3_bc"),
        ([], {"methods": {"x": {"agent": "vfg"}}}, "study.yaml: methods has no 'vfg'; nearest: vgf"),
        ([], {"tasks": {"hoper-medium": {}}}, "study.yaml: tasks: unknown task 'hoper-medium'; nearest: hopper-medium"),
        (["--scale", "cpu"], {}, "study.yaml: no scale 'cpu'; it has quick"),
    ],
)
def test_unknown_names_get_the_nearest(
    words: list[str],
    changes: dict[str, Any],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert message in refused([str(write(tmp_path, **changes)), *words], capsys)
    assert [p.name for p in tmp_path.iterdir()] == ["study.yaml"]


def test_data_of_other_widths_than_the_environment_is_refused(
    toy: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = toy_data()
    wide = Transitions(**vars(data) | {"actions": torch.cat([data.actions, data.actions], 1)})
    monkeypatch.setattr(commands, "load", lambda *_: wide)
    line = refused([str(write(toy))], capsys)
    assert f"{TASK}: the dataset has observations of 3 and actions of 4, the environment of 3 and 2; name a" in line
    assert not list(toy.rglob("*.csv"))


def test_a_file_of_another_task_and_a_file_that_is_not_there_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VGF_DATA", str(tmp_path))
    write_hdf5(tmp_path / "hopper.hdf5", d4rl_arrays())
    for name, message in (("hopper", "observations"), ("nothing", "no such file; a dataset's path is relative to")):
        scales = {"quick": QUICK | {"dataset": {"path": f"{name}.hdf5"}}}
        line = refused([str(write(tmp_path, scales=scales, tasks={"halfcheetah-medium-v2": {}}))], capsys)
        assert f"{tmp_path / name}.hdf5: " in line
        assert message in line
    assert not (tmp_path / "results").exists()


def test_a_checkpoint_of_another_method_is_refused(
    toy: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "served_until", lambda *_: None)  # both train a reference of their own
    for agent in (BC, VGF):  # both are interrupted, and leave a checkpoint
        monkeypatch.setattr(agent, "update_many", interrupted(agent.update_many))
    path, runs = str(write(toy)), toy / "data" / "cache" / "runs"
    for method in ("bc", "mine"):
        assert cli.main(["train", path, "--method", method]) == 130
    (bc,), (mine,) = runs.glob("study*-bc-*"), runs.glob("study*-mine-*")
    shutil.rmtree(mine)
    shutil.copytree(bc, mine)
    line = refused([path, "--method", "mine"], capsys)
    assert line == (
        f"vgf: {mine / 'checkpoint-000000004.safetensors'}: a checkpoint of another run, of method bc; remove {mine}"
    )


def interrupted(update_many: Any) -> Any:
    """Updates as if someone pressed Ctrl-C after the fifth."""

    def stops(agent: Any, transitions: Any, index: Any) -> Any:
        if agent.updates + len(index) > 5:
            raise KeyboardInterrupt
        return update_many(agent, transitions, index)

    return stops


def test_a_loss_that_is_not_finite_stops_with_its_update_and_the_last_good_checkpoint(
    toy: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, update_many = str(write(toy)), VGF.update_many

    def sick(agent: Any, transitions: Any, index: Any) -> Any:
        reported = update_many(agent, transitions, index)
        for each in reported:
            if 7 in each.updates:
                each.metrics["critic/loss"][each.updates.index(7)] = float("nan")
        return reported

    with monkeypatch.context() as patch:
        patch.setattr(VGF, "update_many", sick)
        line = refused([path, "--method", "mine"], capsys)
    last = "the last good checkpoint is that of update 4"
    assert line == f"vgf: mine on {TASK}: critic/loss is not finite at update 7; {last}; {loop.REMEDY}"
    folder = toy / "data" / "results" / "study.quick" / TASK / "mine"
    assert not folder.exists()
    assert cli.main(["train", path, "--method", "mine"]) == 0  # what made it sick is gone: it goes on from there
    assert "train mine: goes on from update 4" in capsys.readouterr().err
    whole = a_run(toy / "whole")
    assert do(whole)
    assert contents(folder) == contents(whole.folder)


def test_weights_that_are_not_finite_are_never_checkpointed(
    toy: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    update_many = VGF.update_many

    def sick(agent: Any, transitions: Any, index: Any) -> Any:
        reported = update_many(agent, transitions, index)
        if agent.updates == 8:  # a call never goes past the checkpoint that is due
            with torch.no_grad():
                next(agent.critic.parameters())[1].fill_(np.nan)
        return reported

    monkeypatch.setattr(VGF, "update_many", sick)
    line = refused([str(write(toy)), "--method", "mine"], capsys)
    assert "critic/" in line
    assert line.endswith("is not finite after update 8; the last good checkpoint is that of update 4; " + loop.REMEDY)


def test_cuda_that_is_not_there_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    line = refused([str(write(tmp_path)), "--device", "cuda"], capsys)
    assert line == "vgf: device cuda was asked for, but this torch finds none; use cpu"
