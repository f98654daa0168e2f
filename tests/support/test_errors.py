"""A message is one line whatever the names in it hold."""

from __future__ import annotations

import pickle

import pytest

from vgf.support.errors import DataError


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
