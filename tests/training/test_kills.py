"""Checkpoints: a process killed twenty times ends as if it had never been, and damage is named and stepped around."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch

from tests.helpers.fork_server import END, ForkServer
from tests.helpers.toy_runs import a_run, do, trained
from vgf.training.checkpoints import load_checkpoint

KILLS = 20


def left_behind(folder: Path) -> dict[str, Any]:
    """Everything that counts of a run that came to its end: each tensor's bytes, each csv."""
    work = folder / "work"
    tensors = safetensors.torch.load_file(work / f"checkpoint-{END:09d}.safetensors")
    return {p.name: p.read_bytes() for p in work.glob("*.csv")} | {
        name: value.numpy().tobytes() for name, value in tensors.items()
    }


def test_a_process_killed_at_twenty_random_changes_of_its_files_ends_as_if_never_killed(tmp_path: Path) -> None:
    server = ForkServer(tmp_path / "warm")
    status, changes = server.train(tmp_path / "whole")
    assert status == 0
    whole = left_behind(tmp_path / "whole")
    kinds = ("adam.", "stream.", "online.rows", "critic/", "seed0.csv", "seed3.curve.csv")
    assert all(any(name.startswith(kind) for name in whole) for kind in kinds)

    rng = np.random.default_rng(20)
    kills, round_, moments = 0, 0, set()
    while kills < KILLS:
        folder = tmp_path / f"killed{round_}"
        done = sorted((folder / "work").glob("checkpoint-*.json"))
        progress = int(done[-1].stem.split("-")[1]) / END if done else 0.0
        most = max(1, round(2 * (1 - progress) * changes / (KILLS - kills)))
        status, _ = server.train(folder, kill_at=1 + int(rng.integers(most)))
        if status == signal.SIGKILL:
            kills += 1
            moments.add(progress)
        else:  # it had fewer changes left: what it left counts, and the rest of the kills hit another
            assert status == 0
            assert left_behind(folder) == whole
            round_ += 1
    assert server.train(folder)[0] == 0
    assert left_behind(folder) == whole
    assert len(moments) > KILLS / 4  # they fell all along the way
    server.process.kill()
    server.process.wait()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(at: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[int(at * (len(data) - 1))] ^= 4
        path.write_bytes(data)

    return damage


DAMAGES: list[tuple[str, Callable[[Path], None]]] = [
    ("safetensors", cut),
    ("safetensors", flip(0.0)),
    ("safetensors", flip(0.3)),
    ("safetensors", flip(1.0)),
    ("safetensors", Path.unlink),
    ("safetensors", lambda path: path.write_bytes(b"")),  # type: ignore[arg-type, return-value]
    ("json", cut),
    ("json", flip(0.2)),
    ("json", flip(0.7)),
    ("json", lambda path: path.write_text("{}")),  # type: ignore[arg-type, return-value]
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return trained(a_run(tmp_path_factory.mktemp("whole")))


@pytest.mark.parametrize(("suffix", "damage"), DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    suffix: str,
    damage: Callable[[Path], None],
    tmp_path: Path,
    whole: dict[str, bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = a_run(tmp_path)
    assert not do(run, 9)
    damage(run.work / f"checkpoint-000000008.{suffix}")
    capsys.readouterr()
    assert trained(run) == whole
    lines = capsys.readouterr().err.splitlines()
    assert "checkpoint-000000008.safetensors: damaged checkpoint, not used (" in lines[0]
    assert lines[1] == "train mine: goes on from update 4"


def test_two_checkpoints_are_kept_and_one_without_its_json_does_not_count(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    run = a_run(tmp_path)
    assert not do(run, 10)
    names = sorted(p.name for p in run.work.glob("checkpoint-*.safetensors"))
    assert names == ["checkpoint-000000008.safetensors", "checkpoint-000000010.safetensors"]
    (run.work / "checkpoint-000000010.json").unlink()
    found = load_checkpoint(run.work)
    assert found is not None
    assert found.update == 8
    assert trained(run) == whole


def test_without_an_intact_checkpoint_a_run_begins_anew(
    tmp_path: Path, whole: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run(tmp_path)
    assert not do(run, 9)
    for path in run.work.glob("checkpoint-*.safetensors"):
        cut(path)
    assert trained(run) == whole
    assert capsys.readouterr().err.count("damaged checkpoint, not used") == 2


def test_a_checkpoint_says_what_it_is(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    assert not do(run, 4)
    facts = json.loads((run.work / "checkpoint-000000004.json").read_text())
    assert (facts["update"], facts["method"], facts["ident"]) == (4, "mine", run.ident)
