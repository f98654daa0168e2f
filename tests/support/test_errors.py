"""A message is one line whatever the names in it hold."""

from __future__ import annotations

import pickle

import pytest

from vgf.support.errors import DataError, status_of


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("rewards", "rewards"),
        ("größe 報酬", "größe 報酬"),
        ("a\nb", r"a\nb"),
        ("a\r\nb", r"a\r\nb"),
        ("a\tb", r"a\tb"),
        ("a\x00b", r"a\x00b"),
        ("a\u2028b", r"a\u2028b"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\ud800b", r"a\ud800b"),
        ("a\u202eb", r"a\u202eb"),
    ],
)
def test_a_message_is_one_line_that_can_be_printed(name: str, shown: str) -> None:
    error = DataError(f"mine.npz has {name}, which no layout has")
    assert str(error) == f"mine.npz has {shown}, which no layout has"
    assert str(error).encode()
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("kind", [ValueError, DataError, FileNotFoundError])
def test_bad_input_of_a_command_is_one_line_and_status_2(
    kind: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        raise kind("a.csv: missing; make it")

    assert status_of("budget", work) == 2
    assert capsys.readouterr() == ("", "budget: a.csv: missing; make it\n")


def test_a_command_that_does_its_work_says_nothing_and_a_fault_of_ours_is_not_hidden(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert status_of("budget", lambda: 5) == 0
    assert capsys.readouterr() == ("", "")
    with pytest.raises(KeyError):
        status_of("budget", lambda: {}["gone"])
