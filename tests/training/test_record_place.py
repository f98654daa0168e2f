"""A replacement trains anew, goes on when it was interrupted, and removes what a record has and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vgf
from tests.helpers.own_runs import CONFIG, EPISODES, SIZES, Says, Walk, trajectories
from tests.helpers.toy_runs import contents
from vgf import records
from vgf.agents import VGF
from vgf.training import publishing, record_place
from vgf.training.loop import train as the_loop

OTHER = type(CONFIG)(**{**vars(CONFIG), "particles": 3})
TWICE: dict[str, Any] = {"make_env": lambda: Says(lambda step, answers: (answers[0], 2.0, *answers[2:])), **EPISODES}
ONCE: dict[str, Any] = {"make_env": Walk, **EPISODES}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep checkpoints often; how often is one of a run's settings."""
    monkeypatch.setattr("vgf.training.fit.LOGS_PER_CHECKPOINT", 5)


def fit(out: Path, **more: Any) -> records.Record:
    return vgf.fit(trajectories(), out, more.pop("config", CONFIG), **(SIZES | more))


def interrupt(monkeypatch: pytest.MonkeyPatch, out: Path, at: int, **more: Any) -> None:
    """Leave a fit as a kill after so many of its 40 updates would."""
    with monkeypatch.context() as patch:
        patch.setattr("vgf.training.fit.train", lambda run, inputs: the_loop(run, inputs, stop_at=at))
        try:
            fit(out, updates=40, **more)
        except ValueError as error:
            assert "no record at" in str(error)  # noqa: PT017  # a replaced one is still there


def test_a_changed_environment_is_scored_anew_and_a_second_time_only_when_asked(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    assert set(fit(out, **ONCE).episodes["return"]) == {5.0}
    assert set(fit(out, **TWICE).episodes["return"]) == {5.0}  # its code is not compared
    replaced = fit(out, replace=True, **TWICE)
    assert set(replaced.episodes["return"]) == {10.0}
    assert len(replaced.runs) == 1
    assert records.faults(out) == []
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_replacement_takes_no_checkpoint_of_before_and_one_that_was_interrupted_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    whole = contents(fit(tmp_path / "whole" / "mine", updates=40, **TWICE).folder)
    fit(out, updates=40, **ONCE)
    interrupt(monkeypatch, out, 13, replace=True, **ONCE)
    interrupt(monkeypatch, out, 23, replace=True, **TWICE)
    assert "goes on" not in capsys.readouterr().err
    assert set(records.read_record(out).episodes["return"]) == {5.0}
    record = fit(out, updates=40, **TWICE)
    assert "goes on from update 20" in capsys.readouterr().err
    assert set(record.episodes["return"]) == {10.0}
    assert contents(out) == whole
    monkeypatch.setattr(VGF, "update_many", None)  # it is done
    assert fit(out, updates=40, **TWICE).runs == record.runs


def test_one_of_other_settings_whose_replacement_was_interrupted_goes_on_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "mine"
    fit(out, config=OTHER)
    interrupt(monkeypatch, out, 23, replace=True)
    assert fit(out, updates=40).runs[0]["settings"]["config"]["particles"] == CONFIG.particles


def test_a_first_run_that_was_interrupted_begins_anew_where_it_is_to_replace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, tmp_path / "mine", 23, **ONCE)
    record = fit(tmp_path / "mine", updates=40, replace=True, **TWICE)
    assert set(record.episodes["return"]) == {10.0}


def test_half_a_record_of_another_environment_is_not_mixed_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(records, "merge_run", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path / "mine", **ONCE)
    assert set(fit(tmp_path / "mine", replace=True, **TWICE).episodes["return"]) == {10.0}


def test_a_death_while_a_record_is_removed_is_mended_by_the_same_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "mine", Path.unlink
    fit(out, **ONCE)

    def dying(path: Path, missing_ok: bool = False) -> None:
        real(path, missing_ok)
        if path.name == "seed0.csv" and path.parent == out:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", dying)
        with pytest.raises(KeyboardInterrupt):
            fit(out, replace=True, **TWICE)
    assert not (out / "seed0.csv").exists()
    monkeypatch.setattr(VGF, "update_many", None)
    assert set(fit(out, **TWICE).episodes["return"]) == {10.0}


def test_seeds_that_a_replacement_would_lose_are_named(tmp_path: Path) -> None:
    for seed in (0, 1):
        fit(tmp_path / "mine", seeds=(seed,))
    with pytest.raises(ValueError, match=r"mine: to be replaced whole, but seeds 0 are in it too; name them as well"):
        fit(tmp_path / "mine", seeds=(1,), replace=True)
    assert len(fit(tmp_path / "mine", seeds=(0, 1, 2), replace=True).runs) == 1


@pytest.mark.parametrize("change", [{}, {"config": OTHER}])
def test_files_of_ones_own_beside_a_record_are_named_before_training_and_stay(
    change: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "mine"
    fit(out)
    (out / "plots").mkdir()
    for name in ("notes.txt", "seed0.csv.bak", "thesis.tex", ".hidden"):
        (out / name).write_text("mine")
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with monkeypatch.context() as patch:
        patch.setattr(VGF, "update_many", None)
        with pytest.raises(ValueError, match=r"it holds notes\.txt, plots, seed0\.csv\.bak and 1 more; move that away"):
            fit(out, replace=True, **change)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    (out / "plots").rmdir()
    for name in ("notes.txt", "seed0.csv.bak", "thesis.tex"):
        (out / name).unlink()
    fit(out, replace=True, **change)
    assert (out / ".hidden").read_text() == "mine"


def test_what_comes_beside_a_record_while_its_successor_is_trained_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "mine", publishing.make_way
    fit(out)

    def late(run: Any) -> None:
        (out / "plots").mkdir()
        (out / "notes.txt").write_text("mine")
        real(run)

    monkeypatch.setattr(publishing, "make_way", late)
    fit(out, config=OTHER, replace=True)
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "plots").is_dir()


def test_a_record_knows_every_file_that_it_has(tmp_path: Path) -> None:
    out = fit(tmp_path / "mine", **ONCE).folder
    record_place.refuse_foreign(out)
    (out / "seed0.ranking.csv").write_text("")
    record_place.remove_record(out)
    assert [path.name for path in out.iterdir() if not path.name.endswith(".lock")] == []
