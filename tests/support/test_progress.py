"""Progress: plain lines where there is no terminal, one line on one, and counts passed on to whoever draws them."""

from __future__ import annotations

import io

import pytest

from vgf.support import progress
from vgf.support.progress import Progress, passed_on


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_counts_are_passed_on_and_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PASS_SECONDS", 0.0)
    told: list[tuple[str, str, int, int]] = []
    stream = io.StringIO()
    with passed_on(lambda *counts: told.append(counts)):
        with Progress("train", 6, "update", done=2, stream=stream) as counter:
            counter.update()
            counter.update(3)
        with Progress("quietly", 2, "round", stream=stream, quiet=True) as counter:
            counter.update(2)
    assert told == [("train", "update", 2, 6), ("train", "update", 3, 6), ("train", "update", 6, 6)]
    assert stream.getvalue() == ""


def test_few_counts_are_passed_on_but_always_the_first_and_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PASS_SECONDS", 1e9)
    told: list[tuple[str, str, int, int]] = []
    with passed_on(lambda *counts: told.append(counts)), Progress("train", 100, "update") as counter:
        for _ in range(100):
            counter.update()
    assert told == [("train", "update", 0, 100), ("train", "update", 100, 100)]


def test_what_an_earlier_run_did_counts_as_done_and_not_for_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 10.0, 20.0, 20.0, 20.0, 20.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    counter = Progress("train: 0 of 2 runs done", 100, "update", stream=stream)
    counter.skip(50)
    counter.update(20)
    counter.rename("train: 1 of 2 runs done")
    counter.tick()
    assert stream.getvalue().splitlines() == [
        "train: 0 of 2 runs done: 70/100, 2.00 update/s, 15 s left",
        "train: 1 of 2 runs done: 70/100, 1.00 update/s, 30 s left",
    ]


def test_on_a_terminal_there_is_one_line_and_notes_stand_above_it() -> None:
    stream = Terminal()
    with Progress("train", 10, "update", stream=stream) as counter:
        counter.skip(4)
        counter.update(2)
        counter.note("vgf on hopper: goes on from update 4")
        counter.rename("train: 1 of 2 runs done")
    text = stream.getvalue()
    assert text.count("\n") == 2  # the note, and the end of the bar
    assert "\rvgf on hopper: goes on from update 4\n" in text
    assert "train: 1 of 2 runs done:  60%" in text
    assert "6/10" in text
