"""What `vgf data check` says of an official file, and whose file it takes one for, whatever it is called."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.dataset_files import ogbench_arrays
from vgf.datasets.files import content_digest, write_npz
from vgf.datasets.own import own_transitions
from vgf.datasets.tasks import DATASETS
from vgf.sources import check
from vgf.support.errors import DataError
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


OWN = {  # steps of two episodes, of widths that no dataset has
    "observations": np.arange(18.0).reshape(6, 3),
    "actions": np.full((6, 2), 0.5),
    "rewards": np.arange(6.0),
    "terminals": np.array([0, 0, 1, 0, 0, 1]),
    "timeouts": np.zeros(6, int),
}


@pytest.mark.parametrize(
    "name", ["hopper-medium-v2.mine.npz", "hopper_medium-v2.npz", f"{NAME}.own.npz", f"{NAME}.npz", f"{NAME}-val.npz"]
)
def test_a_name_makes_nobodys_file_a_datasets(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    np.savez(path, **OWN)  # type: ignore[arg-type]
    report = check.check_file(path)
    assert (report["dataset"], report["source"]) == (None, "local")
    assert report["transitions"] == len(own_transitions(path)) == 6
    assert report["layout"] == "npz: rows of steps, as D4RL has them"
    row = check.named_after(path)
    assert [note for note in report["notes"] if "called after" in note] == (
        []
        if row is None
        else [
            f"{path}: called after {row.name}, and read as a file of your own all the same, as vgf.fit reads it; "
            f"`vgf data get {row.name} --path FILE` checks it as that dataset"
        ]
    )


def test_a_file_of_the_cache_is_the_projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VGF_DATA", str(tmp_path))
    path = tmp_path / "cache" / "ogbench" / f"{NAME}.seed0.ep3.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, **OWN)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="has no array qpos; `vgf data get"):
        check.check_file(path)
    write_npz(path, ogbench_arrays())
    assert check.check_file(path)["dataset"] == NAME


def test_simulator_state_is_read_by_the_row_of_the_name(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.seed0.ep3.npz"  # without its sidecar
    write_npz(path, ogbench_arrays())
    assert check.check_file(path)["dataset"] == NAME
