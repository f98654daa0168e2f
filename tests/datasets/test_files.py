"""The readers: a bad file is one line that names it, and never a wrong array."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.dataset_files import ROWS, Arrays, d4rl_arrays, ogbench_arrays, write_hdf5
from vgf.datasets import DataError, get_dataset, lean, load, ogbench
from vgf.datasets.files import read_npz, write_npz
from vgf.datasets.hdf5 import read_hdf5
from vgf.sources.check import check_file, read_any
from vgf.support.files import sha256, write_json


def with_value(name: str, place: tuple[int, ...], value: float) -> Callable[[Arrays], Arrays]:
    def change(arrays: Arrays) -> Arrays:
        arrays[name] = arrays[name].astype(np.float32)
        arrays[name][place] = value
        return arrays

    return change


def without(name: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {key: values for key, values in arrays.items() if key != name}


def cut(name: str, *index: slice) -> Callable[[Arrays], Arrays]:
    return lambda arrays: arrays | {name: arrays[name][index]}


BAD_BOTH = [
    (without("actions"), "has no array actions"),
    (with_value("observations", (7, 3), np.nan), "observations is not finite at row 7, column 3"),
    (with_value("actions", (2, 1), np.inf), "actions is not finite at row 2, column 1"),
    (with_value("actions", (2, 1), 1.01), r"actions is outside \[-1, 1\] at row 2, column 1"),
    (with_value("terminals", (3,), 0.5), "terminals is neither 0 nor 1 at row 3"),
    (cut("actions", slice(None), slice(2)), r"actions has 2 columns, \S+ has \d"),
    (cut("observations", slice(None), slice(9)), r"observations has 9 columns, \S+ has \d"),
    (cut("actions", slice(5)), "actions has shape"),
    (lambda arrays: {name: values[:0] for name, values in arrays.items()}, "has shape"),
    (lambda arrays: arrays | {"observations": arrays["observations"].astype("S4")}, "expected real numbers"),
    (lambda arrays: arrays | {"terminals": arrays["terminals"][:, None]}, "terminals has shape"),
]
BAD_NPZ = [
    (without("qpos"), "has no array qpos"),
    (lambda a: a | {"terminals": np.zeros(ROWS, bool)}, "terminals does not end with 1"),
    (lambda a: a | {"terminals": np.ones(ROWS, bool)}, "a trajectory of a single row, row 0,"),
    (lambda a: a | {"observations": a["observations"].astype(complex)}, "expected real numbers"),
]
BAD_HDF5 = [
    (without("timeouts"), "has no array timeouts"),
    (with_value("rewards", (4,), -np.inf), "rewards is not finite at row 4"),
    (lambda a: a | {"timeouts": np.ones(ROWS, bool)}, "leaves no transition"),
]


@pytest.mark.parametrize(("change", "message"), BAD_BOTH + BAD_NPZ)
def test_a_bad_npz_is_one_line(change: Callable[[Arrays], Arrays], message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **change(ogbench_arrays()))
    refused(lambda: read_npz(path, get_dataset("cube-single-play")), path, message)


@pytest.mark.parametrize(("change", "message"), BAD_BOTH + BAD_HDF5)
def test_a_bad_hdf5_is_one_line(change: Callable[[Arrays], Arrays], message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.hdf5"
    write_hdf5(path, change(d4rl_arrays()))
    refused(lambda: read_hdf5(path, get_dataset("hopper-medium")), path, message)


@pytest.mark.parametrize("suffix", [".npz", ".hdf5"])
@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"", "empty"), (b"not a dataset at all", "not a readable"), ("folder", "a folder")],
)
def test_what_is_no_file_of_the_kind_is_one_line(
    suffix: str, content: bytes | str | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / f"file{suffix}"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "folder":
        path.mkdir()
    refused(lambda: read_any(path), path, message)


def test_pickled_objects_are_refused_and_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return (sys.exit, ("loaded",))

    path = tmp_path / "trap.npz"
    np.savez(path, **(ogbench_arrays() | {"qpos": np.array([Trap()] * ROWS, dtype=object)}))
    refused(lambda: read_npz(path), path, "qpos holds pickled objects")


def test_a_truncated_file_is_refused_at_every_length(tmp_path: Path) -> None:
    for suffix, write in ((".npz", write_npz), (".hdf5", write_hdf5)):
        whole = tmp_path / f"whole{suffix}"
        write(whole, ogbench_arrays() if suffix == ".npz" else d4rl_arrays())
        data = whole.read_bytes()
        for length in range(1, len(data), max(1, len(data) // 60)):
            path = tmp_path / f"cut{suffix}"
            path.write_bytes(data[:length])
            refused(lambda path=path: read_any(path), path, "get it again|nor|no array")


def test_a_header_that_claims_less_than_is_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in ogbench_arrays().items():
            buffer = io.BytesIO()
            np.save(buffer, values)
            archive.writestr(f"{name}.npy", buffer.getvalue() + b"more")
    refused(lambda: read_npz(path), path, "bytes long where its header says")


def refused(read: Callable[[], object], path: Path, message: str) -> None:
    """Check that reading raises a DataError of one line that names the file and says `message`."""
    with pytest.raises(DataError, match=message) as caught:
        read()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


# --- writing and checking


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_npz(tmp_path / f"{name}.npz", ogbench_arrays())
    assert sha256(tmp_path / "a.npz") == sha256(tmp_path / "b.npz")
    found = read_any(tmp_path / "a.npz", get_dataset("cube-single-play"))
    assert {name: values.tobytes() for name, values in found.items()} == {
        name: values.tobytes() for name, values in ogbench_arrays().items()
    }


def test_a_full_disk_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(b"the file before")
    script = (
        "import resource, signal, sys\nfrom pathlib import Path\nimport numpy as np\n"
        "from vgf.datasets import DataError\nfrom vgf.datasets.files import write_npz\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    write_npz(Path(sys.argv[1]), {'x': np.random.default_rng(0).random(10_000)})\n"
        "except DataError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{path}: cannot be written (")
    assert path.read_bytes() == b"the file before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_is_no_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    refused(lambda: write_json(tmp_path / "file" / "x.json", {}), tmp_path / "file" / "x.json", "cannot be written")


def test_check_counts_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "cube-single-play-v0.npz"
    write_npz(path, ogbench_arrays())
    report = check_file(path)
    assert (report["dataset"], report["source"]) == ("cube-single-play-v0", "local")
    assert (report["rows"], report["trajectories"], report["transitions"]) == (ROWS, 2, ROWS - 2)
    assert report["sha256"] == sha256(path)
    path = tmp_path / "hopper_medium-v2.hdf5"
    write_hdf5(path, d4rl_arrays())
    report = check_file(path)
    assert (report["dataset"], report["rows"]) == ("hopper-medium-v2", ROWS)
    assert (report["trajectories"], report["transitions"]) == (3, ROWS - 2)


def test_check_knows_a_file_its_sidecar_disowns(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    write_npz(path, ogbench_arrays())
    write_json(path.with_suffix(".json"), {"dataset": "cube-single-play-v0", "sha256": "0" * 64})
    refused(lambda: check_file(path), path, r"not the one in mine\.json")
    path.with_suffix(".json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"mine\.json: damaged"):
        check_file(path)


def test_loading_takes_little_more_memory_than_the_transitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 200_000
    arrays = {name: np.resize(values, (rows, *values.shape[1:])) for name, values in ogbench_arrays().items()}
    arrays["terminals"] = np.arange(rows) % 1000 == 999
    path = tmp_path / "set.npz"
    np.savez(path, **arrays)
    transitions = rows - rows // 1000
    flat = (np.zeros(transitions, np.float32), np.ones(transitions, np.float32))
    monkeypatch.setattr(ogbench, "label", lambda *_: flat)  # the simulator behind it takes the same for any set
    load("cube-single-play", path)  # what is imported on first use counts for nothing
    tracemalloc.start()
    data = load("cube-single-play", path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data) == transitions
    assert peak < 1.1 * data.nbytes


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_rows_move_within_their_own_memory(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean.slices, "__defaults__", (at_once,))
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(50, 4)).astype(np.float32)
    rows = np.flatnonzero(rng.uniform(size=49) < 0.7)
    states = whole.copy()
    before, after = lean.before_and_after(states, rows, rows + 1)
    assert np.array_equal(before, whole[rows])
    assert np.array_equal(after, whole[rows + 1])
    assert np.shares_memory(before, states)
    assert np.array_equal(lean.moved_up(whole[:, 0] > 0, rows), (whole[rows, 0] > 0).astype(np.float32))
    whole[31, 2] = np.nan
    assert lean.first_place(whole, np.isnan) == "row 31, column 2"
    assert lean.first_place(whole[:, 2], np.isnan) == "row 31"
    assert lean.first_place(whole[:31], np.isnan) is None
