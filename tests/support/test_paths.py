"""Where the data lies, and how a path is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from vgf.datasets.own_rows import read_own
from vgf.support.errors import DataError
from vgf.support.paths import as_seen_from_here


def test_a_path_below_the_working_directory_is_shown_relative_and_others_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    (here / "deep").mkdir(parents=True)
    monkeypatch.chdir(here)
    assert as_seen_from_here(here / "deep" / "a.npz") == Path("deep/a.npz")
    assert as_seen_from_here(Path("deep/a.npz")) == Path("deep/a.npz")
    assert as_seen_from_here(tmp_path / "beside.npz") == tmp_path / "beside.npz"


@pytest.mark.parametrize("given", ["bad.npz", "./bad.npz", Path("bad.npz")])
def test_a_fault_names_a_file_as_it_was_given(
    given: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"^bad\.npz\b"):
        read_own(given)
