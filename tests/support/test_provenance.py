"""A record says whether the code behind it is committed; what the code itself makes does not count."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vgf.support import provenance


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, which the package seems to lie in."""
    for name in ("vgf/cli.py", "data/results/a/run.json", "data/tables/a.csv", "data/paper/claims.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one\n")
    own = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    for words in (("init", "-q"), ("add", "."), (*own, "commit", "-qm", "one")):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "vgf" / "cli.py"))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("vgf/cli.py", True),
        ("data/paper/claims.csv", True),
        ("data/results/a/run.json", False),
        ("data/tables/a.csv", False),
    ],
)
def test_what_the_code_makes_is_no_change_of_the_code(checkout: Path, name: str, counts: bool) -> None:
    assert not provenance.uncommitted()
    (checkout / name).write_text("two\n")
    assert provenance.uncommitted() is counts
    (checkout / name).unlink()
    assert provenance.code_provenance()["dirty"] is counts


def test_a_new_file_is_no_change(checkout: Path) -> None:
    (checkout / "notes.txt").write_text("one\n")
    assert not provenance.uncommitted()


def test_equal_settings_have_one_fingerprint_whatever_their_order() -> None:
    assert provenance.fingerprint({"a": 1, "b": [1, 2]}) == provenance.fingerprint({"b": [1, 2], "a": 1})
    assert provenance.fingerprint({"a": 1}) != provenance.fingerprint({"a": 2})
