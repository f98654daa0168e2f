"""A run saves by the clock and when it is interrupted, and no number depends on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.toy_runs import a_run, contents, do, trained
from vgf.agents import VGF
from vgf.training import saving
from vgf.training.checkpoints import load_checkpoint


def interrupted(monkeypatch: pytest.MonkeyPatch, run: Any, after: int) -> None:
    """Press Ctrl-C in the update that follows one."""
    real = VGF.update_many

    def stops(agent: Any, transitions: Any, index: Any) -> Any:
        found = real(agent, transitions, index)  # what it has changed by then is not to be saved
        if agent.updates > after:
            raise KeyboardInterrupt
        return found

    with monkeypatch.context() as patch:
        patch.setattr(VGF, "update_many", stops)
        with pytest.raises(KeyboardInterrupt):
            do(run)


@pytest.mark.parametrize(("after", "saved"), [(1, None), (2, 2), (3, 2), (4, 4), (7, 6), (9, 8)])
def test_an_interruption_saves_the_last_logged_update_and_the_run_goes_on_bit_for_bit(
    after: int, saved: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(tmp_path)  # logs every 2 updates and keeps a checkpoint every 4
    interrupted(monkeypatch, run, after)
    found = load_checkpoint(run.work)
    assert (None if found is None else found.update) == saved
    assert trained(run) == trained(a_run(tmp_path / "whole"))


def test_a_checkpoint_is_due_by_the_clock_too_and_changes_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, run, saved = trained(a_run(tmp_path / "whole")), a_run(tmp_path), list[int]()
    real = saving.save_checkpoint

    def noted(folder: Path, update: int, *more: Any) -> None:
        saved.append(update)
        real(folder, update, *more)

    monkeypatch.setattr(saving, "save_checkpoint", noted)
    monkeypatch.setattr(saving, "SAVE_SECONDS", 0.0)
    do(run)
    assert saved == [2, 4, 6, 8, 10]
    assert contents(run.folder) == whole
    saved.clear()
    monkeypatch.setattr(saving, "SAVE_SECONDS", 1e9)
    do(a_run(tmp_path / "seldom"))
    assert saved == [4, 8, 10]
