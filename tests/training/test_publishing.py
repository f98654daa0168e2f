"""Work is not lost: every seed's policy stays, a kill at any line is mended by the same call, places are tried."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vgf
from tests.helpers.own_runs import CONFIG, EPISODES, LENGTH, SIZES, Says, Walk, trajectories
from tests.helpers.site import ROOT
from tests.helpers.toy_runs import contents
from vgf import cli, records
from vgf.agents import VGF
from vgf.records import faults, read_runs
from vgf.support.places import check_writable
from vgf.training import checkpoints, publishing

HERE = np.zeros(3)


class Killed(BaseException):
    """What no one catches."""


def fit(out: Path, **more: Any) -> records.Record:
    return vgf.fit(trajectories(), out, more.pop("config", CONFIG), **(SIZES | more))


def acts(out: Path, seed: int) -> list[float]:
    return vgf.load_policy(out, seed=seed).act(HERE, budget=1, seed=0).tolist()


@pytest.mark.parametrize(
    "calls",
    [[(0,), (1,)], [(2,), (0,), (1,)], [(0, 1), (1, 2)], [(3, 1), (0,)], [(0,), (0, 1)], [range(2), range(1, 4)]],
)
def test_seeds_trained_over_several_calls_all_act_as_each_does_alone(calls: list[Any], tmp_path: Path) -> None:
    for seeds in calls:
        fit(tmp_path / "mine", seeds=seeds)
    seeds = sorted({seed for each in calls for seed in each})
    assert faults(tmp_path / "mine") == []
    assert sorted({seed for run in read_runs(tmp_path / "mine") for seed in run["seeds"]}) == seeds
    for seed in seeds:
        fit(tmp_path / f"alone{seed}", seeds=(seed,))
        np.testing.assert_allclose(acts(tmp_path / "mine", seed), acts(tmp_path / f"alone{seed}", seed), rtol=1e-5)
    assert vgf.fit(trajectories(), tmp_path / "mine", CONFIG, seeds=seeds[:1], **SIZES).folder == tmp_path / "mine"


AT_ONCE = """
import os, sys
import torch._dynamo  # torch's Adam imports it when it is made
import vgf
from tests.helpers.own_runs import CONFIG, SIZES, trajectories
torch.set_num_threads(1)
fit, data, started = vgf.fit, trajectories(), []
for seed in sys.argv[2:]:
    started.append(os.fork())
    if not started[-1]:
        fit(data, sys.argv[1], CONFIG, seeds=(int(seed),), **SIZES)
        os._exit(0)
print(*(os.waitpid(process, 0)[1] for process in started))
"""


def test_seeds_trained_by_processes_at_once_all_stay(tmp_path: Path) -> None:
    seeds = ("0", "1", "1")  # two processes of one seed do no harm either
    words = [sys.executable, "-c", AT_ONCE, str(tmp_path / "mine"), *seeds]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["0", "0", "0"], done.stderr[-500:]
    assert len({tuple(acts(tmp_path / "mine", seed)) for seed in (0, 1)}) == 2
    assert faults(tmp_path / "mine") == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine"]


def test_a_work_folder_that_another_process_clears_too_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.rmtree

    def twice(path: Any, *given: Any, **named: Any) -> None:
        real(path)
        real(path, *given, **named)  # as a process that waited for the lock may have done it first

    monkeypatch.setattr(shutil, "rmtree", twice)
    assert fit(tmp_path / "mine").runs
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine"]


def test_a_place_that_is_tried_is_left_as_it_was_and_never_made_itself(tmp_path: Path) -> None:
    seen: list[Path] = []

    class Watched(type(tmp_path)):  # type: ignore[misc]
        def mkdir(self, *given: Any, **named: Any) -> None:
            seen.append(Path(self))
            super().mkdir(*given, **named)

    for folder in (tmp_path / "mine", tmp_path / "a" / "b" / "mine", tmp_path / ("n" * 255)):
        check_writable(Watched(folder))
        assert list(tmp_path.iterdir()) == []
    assert seen
    assert not any(path in (tmp_path / "mine", tmp_path / "a") for path in seen)


def dies_in(name: str, home: Any, when: int = 1) -> Callable[[pytest.MonkeyPatch], None]:
    """Return what makes a function die at its n-th call, before it does anything."""
    calls = []

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        real = getattr(home, name)

        def dying(*given: Any, **named: Any) -> Any:
            calls.append(name)
            if len(calls) == when:
                raise Killed
            return real(*given, **named)

        monkeypatch.setattr(home, name, dying)

    return patch


DEATHS = {
    "before the record is begun": dies_in("make_way", publishing),
    "before its mark": dies_in("write_bytes", publishing),
    "before the rows": dies_in("add_rows", publishing),
    "between the rows of two seeds": dies_in("append_rows", records, 8),
    "before the policy": dies_in("add_policy", publishing),
    "within the policy": dies_in("save_policy", checkpoints),
    "before run.json": dies_in("merge_run", records),
    "before the work is cleared": dies_in("rmtree", shutil, 4),  # three places were tried before
}


@pytest.mark.parametrize("moment", DEATHS)
def test_a_death_while_the_record_is_written_loses_nothing_that_was_trained(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"seeds": (0, 1), "make_env": Walk, **EPISODES}
    whole = contents(fit(tmp_path / "whole" / "mine", **given).folder)
    with monkeypatch.context() as patch:
        DEATHS[moment](patch)
        with pytest.raises(Killed):
            fit(tmp_path / "mine", **given)
    monkeypatch.setattr(VGF, "update_many", None)  # nothing is trained a second time
    record = fit(tmp_path / "mine", **given)
    assert contents(record.folder) == whole
    assert faults(record.folder) == []
    assert not (record.folder / publishing.UNFINISHED).exists()


@pytest.mark.parametrize("moment", ["before the rows", "before the policy", "before run.json"])
def test_half_a_record_of_other_settings_is_cleared_and_the_other_call_still_finishes(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        DEATHS[moment](patch)
        patch.setattr(records, "merge_run", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            fit(tmp_path / "mine")
    other = VGF_OTHER
    assert fit(tmp_path / "mine", config=other).runs[0]["settings"]["config"]["particles"] == 3
    shutil.rmtree(tmp_path / "mine")
    monkeypatch.setattr(VGF, "update_many", None)
    assert fit(tmp_path / "mine").runs[0]["settings"]["config"]["particles"] == CONFIG.particles


VGF_OTHER = type(CONFIG)(**{**vars(CONFIG), "particles": 3})


def nan_at_last(step: int, answers: list[Any]) -> tuple[Any, ...]:
    answers[1] = np.nan if step == LENGTH else answers[1]
    return tuple(answers)


def test_a_record_that_is_to_be_replaced_stays_until_the_new_one_is_finished(tmp_path: Path) -> None:
    before = contents(fit(tmp_path / "mine").folder)
    given: dict[str, Any] = {"replace": True, **EPISODES}
    with pytest.raises(ValueError, match="the reward is nan"):
        fit(tmp_path / "mine", make_env=lambda: Says(nan_at_last), **given)
    assert contents(tmp_path / "mine") == before
    assert vgf.load_policy(tmp_path / "mine").act(HERE).shape == (1,)
    replaced = fit(tmp_path / "mine", make_env=Walk, **given)
    assert (len(replaced.runs), len(replaced.episodes)) == (1, 4)


def test_a_record_put_there_meanwhile_is_not_mixed_with_and_the_work_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(tmp_path / "other", config=VGF_OTHER)
    real = publishing.make_way

    def late(run: Any) -> None:
        monkeypatch.setattr(publishing, "make_way", real)
        for path in (tmp_path / "other").iterdir():
            shutil.copy(path, run.folder / path.name)
        real(run)

    monkeypatch.setattr(publishing, "make_way", late)
    with pytest.raises(ValueError, match="a record with other settings was put there meanwhile; move it away"):
        fit(tmp_path / "mine")
    assert read_runs(tmp_path / "mine") == read_runs(tmp_path / "other")
    shutil.rmtree(tmp_path / "mine")
    monkeypatch.setattr(VGF, "update_many", None)
    assert fit(tmp_path / "mine").runs[0]["settings"]["config"]["particles"] == CONFIG.particles


def a_file(folder: Path) -> Path:
    (folder / "file").write_text("x")
    return folder / "file" / "mine"


PLACES = {
    "below a file": a_file,
    "of a name too long": lambda folder: folder / ("n" * 300),
    "of a name whose neighbours are too long": lambda folder: folder / ("n" * 250),
    "where nothing can be": lambda folder: Path("/proc/mine"),
}


@pytest.mark.parametrize("kind", PLACES)
def test_a_place_that_cannot_be_written_is_refused_before_training(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VGF, "update_many", None)
    out = PLACES[kind](tmp_path)
    with pytest.raises((ValueError, OSError)) as told:
        fit(out)
    assert "\n" not in str(told.value)
    assert str(told.value).endswith(("choose another place", "give a shorter one"))
    assert [p.name for p in tmp_path.iterdir()] in ([], ["file"])


def test_a_disk_without_room_is_refused_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10))
    monkeypatch.setattr(VGF, "update_many", None)
    with pytest.raises(ValueError, match=r"MB are needed and 0 MB are free; make room"):
        fit(tmp_path / "mine")


@pytest.mark.parametrize(
    ("export", "fault"), [(".", "is a folder; name a file in it"), ("file/x", "cannot be written")]
)
def test_an_export_that_cannot_be_written_is_refused_before_training(
    export: str, fault: str, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "file").write_text("x")
    words = [
        str(ROOT / "data" / "experiments" / "first_run.yaml"),
        "--export",
        str(tmp_path / export),
        "--method",
        "vgf",
    ]
    assert cli.main(["train", *words, "--export-seed", "0", "--results", str(tmp_path / "results")]) == 2
    assert fault in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


class Wanders(Walk):
    def reset(self, **given: Any) -> Any:
        os.chdir("/")
        return super().reset(**given)


def test_an_environment_that_changes_the_working_directory_changes_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record = vgf.fit(trajectories(), "mine", CONFIG, make_env=Wanders, **SIZES, **EPISODES)
    assert record.folder == tmp_path / "mine"
    assert vgf.load_policy(record.folder).task == "mine"


def test_a_damaged_policy_is_named_and_hidden_files_are_no_record(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".DS_Store").write_text("x")
    fit(tmp_path / "mine", seeds=(0,))
    (tmp_path / "mine" / "policy.safetensors").write_bytes(b"half a file")
    fit(tmp_path / "mine", seeds=(1,))
    assert re.search("damaged, or not a safetensors file .*; it is replaced", capsys.readouterr().err)
    assert acts(tmp_path / "mine", 1)


@pytest.mark.parametrize(
    "change",
    [
        {"episode_steps": 3},
        {"make_env": None},
        {"success_key": "done_well"},
        {"rescale_actions": True},
        {"episodes": 1},
        {"test_steps": (0, 1)},
        {"batch_size": 5},
        {"ignore": ("masks",)},
    ],
)
def test_a_record_of_another_call_is_never_handed_out_for_this_one(change: dict[str, Any], tmp_path: Path) -> None:
    data = trajectories() | {"masks": np.arange(21) % 3 > 0}
    given = SIZES | EPISODES | {"make_env": Walk}
    vgf.fit(data, tmp_path / "mine", CONFIG, **given)
    with pytest.raises(ValueError, match="made with other settings"):
        vgf.fit(data, tmp_path / "mine", CONFIG, **(given | change))


def test_data_of_the_same_bytes_and_another_shape_are_other_data(tmp_path: Path) -> None:
    arrays = {name: np.zeros_like(values) for name, values in trajectories(observation=4, action=1).items()}
    arrays["terminals"] = trajectories()["terminals"]
    fit_one = vgf.fit(arrays, tmp_path / "mine", CONFIG, **SIZES)
    wide = arrays | {"observations": np.zeros((21, 2)), "actions": np.zeros((21, 5))}
    assert fit_one.runs
    with pytest.raises(ValueError, match="made with other settings"):
        vgf.fit(wide, tmp_path / "mine", CONFIG, **SIZES)
