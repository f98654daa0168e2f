"""What `vgf data check` says of an official file: that the simulator it was recorded in moves some robots otherwise."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from tests.helpers.dataset_files import ogbench_arrays
from vgf.datasets.files import write_npz
from vgf.datasets.tasks import DATASETS
from vgf.sources import check
from vgf.support.files import sha256

NAME = "cube-single-play-v0"


def installed(version: str | None) -> object:
    """Return what says which version is installed; None: the package is not there."""

    def told(package: str) -> str:
        assert package == "mujoco"
        if version is None:
            raise PackageNotFoundError(package)
        return version

    return told


@pytest.fixture
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a file and take it for the official one."""
    path = tmp_path / f"{NAME}.npz"
    write_npz(path, ogbench_arrays())
    row = replace(DATASETS[NAME], sha256=(sha256(path),))
    monkeypatch.setattr(check, "DATASETS", {NAME: row})
    return path


@pytest.mark.parametrize("version", ["3.5.0", "3.10.1", "4.0.0"])
def test_a_later_simulator_is_told(official: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "version", installed(version))
    report = check.check_file(official)
    assert report["source"] == "official"
    (line,) = report["notes"]
    assert f"recorded before MuJoCo 3.5 and scored in {version}" in line
    assert "data/README.md" in line
    assert "\n" not in line


@pytest.mark.parametrize("version", ["3.1.6", "3.4.0", None])
def test_the_simulator_of_the_recording_is_not(
    official: Path, version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "version", installed(version))
    assert "notes" not in check.check_file(official)


def test_a_file_of_no_known_checksum_is_not_called_official(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.npz"
    write_npz(path, ogbench_arrays())
    report = check.check_file(path)
    assert report["source"] == "local"
    assert "notes" not in report
