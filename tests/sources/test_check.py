"""What `vgf data check` says of an official file: that the simulator it was recorded in moves some robots otherwise."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.dataset_files import ogbench_arrays
from vgf.datasets.files import content_digest, write_npz
from vgf.datasets.tasks import DATASETS
from vgf.sources import check
from vgf.support.files import sha256, write_json

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


KNOWN = {"numpy": "2.4.6", "mujoco": "4.0.0"}


@pytest.mark.parametrize(("kind", "said"), [
    ("avx512", "; OPENBLAS_CORETYPE=SkylakeX"), ("amx", "; OPENBLAS_CORETYPE=SkylakeX"),
    ("avx2", "there SkylakeX, which only a processor with AVX-512 can run"),
])  # fmt: skip
def test_a_kernel_is_offered_where_the_processor_can_run_it(
    kind: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, arrays = tmp_path / f"{NAME}.seed0.ep3.npz", ogbench_arrays()
    write_npz(path, arrays)
    own = {"sha256": sha256(path), "dataset": NAME, "versions": KNOWN, "blas": "Haswell"}
    write_json(path.with_suffix(".json"), own)
    recorded = {"sha256": "0", "content": "0", "versions": KNOWN, "blas": "SkylakeX"}
    monkeypatch.setattr(check, "recorded_files", lambda: {path.name: recorded})
    monkeypatch.setattr(check, "processor_kind", lambda: kind)
    assert check.check_file(path)["checksum"].endswith(said)


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        ({"versions": KNOWN, "blas": "Haswell"}, "numpy's kernel SkylakeX, there Haswell; OPENBLAS_CORETYPE=Haswell"),
        ({"versions": KNOWN, "blas": "SkylakeX"}, "other processor"),
        ({"versions": KNOWN}, "other processor"),  # made before the kernel was noted
        ({"versions": KNOWN | {"mujoco": "3.1.6"}, "blas": "Haswell"}, "other mujoco"),
        ({"versions": KNOWN, "content": None}, "arrays equal to those on record, packed otherwise"),
        ({"versions": KNOWN, "sha256": None}, "equal to the one on record"),
        (None, "no other on record"),
    ],
)
def test_a_file_made_anew_is_told_from_the_one_on_record(
    recorded: dict[str, Any] | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, arrays = tmp_path / f"{NAME}.seed0.ep3.npz", ogbench_arrays()
    write_npz(path, arrays)
    own = {"sha256": sha256(path), "content": content_digest(arrays)}
    write_json(path.with_suffix(".json"), own | {"dataset": NAME, "versions": KNOWN, "blas": "SkylakeX"})
    if recorded is not None:  # a digest that is None in the case is this file's own
        recorded = {"sha256": "0", "content": "0"} | recorded
        recorded |= {name: own[name] for name in own if recorded[name] is None}
    monkeypatch.setattr(check, "recorded_files", lambda: {path.name: recorded} if recorded else {})
    report = check.check_file(path)
    assert report["source"] == "regenerated"
    assert said in report["checksum"]
