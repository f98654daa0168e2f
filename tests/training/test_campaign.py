"""Several processes: the same records as one, whatever is killed, interrupted, broken or started twice."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from tests.helpers.moments import until
from tests.helpers.site import ROOT
from tests.helpers.warm_command import Command, WarmCommands
from vgf import cli, records
from vgf.support.progress import Progress
from vgf.training import campaign
from vgf.training.checkpoints import load_agent

TASK = "hopper-medium-v2"  # its simulator is built in no time, and falls soon
SCALE: dict[str, Any] = {
    "seeds": [0, 1, 2],
    "threads": 1,
    "updates": 24,
    "batch_size": 8,
    "log_every": 4,
    "evaluate_every": 12,
    "checkpoint_every": 4,
    "episodes": 2,
    "episodes_at_once": 2,
    "test_steps": [0, 1],
    "agent": {"hidden": [8], "particles": 2, "flow_steps": 2},
}
METHODS: dict[str, Any] = {"bc": {}, "vgf": {"preset": "release", "pretrain": 8}}
TIMES = ("started", "finished", "seconds", "groups", "commit", "dirty", "reference")  # what may differ


STARTED: list[subprocess.Popen[str] | Command] = []
WARM: list[WarmCommands] = []


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have a process that imported all a training needs, for commands to be forked from."""
    WARM.append(WarmCommands(tmp_path_factory.mktemp("warm")))
    yield
    WARM.pop().end()


@pytest.fixture(autouse=True)
def leave_nothing() -> Iterator[None]:
    """End what a test that failed has left."""
    yield
    for process in STARTED:
        if process.poll() is None:
            process.kill()
            process.communicate()
    STARTED.clear()


def _interruptible() -> None:
    """Let Ctrl-C be heard, also where the tests run in the background of a shell."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Place:
    """A data folder and an experiment file of its own, and the command on them."""

    def __init__(self, folder: Path, methods: dict[str, Any] | None = None, **sizes: Any) -> None:
        self.folder = folder
        self.results, self.runs = folder / "data" / "results", folder / "data" / "cache" / "runs"
        (folder / "data").mkdir(parents=True)
        rng, rows = np.random.default_rng(0), 60
        with h5py.File(folder / "data" / "hopper.hdf5", "w") as file:
            file["observations"] = rng.normal(size=(rows, 11)).astype(np.float32)
            file["actions"] = rng.uniform(-1, 1, (rows, 3)).astype(np.float32)
            file["rewards"] = rng.normal(size=rows).astype(np.float32)
            file["terminals"], file["timeouts"] = np.arange(rows) % 20 == 19, np.zeros(rows, dtype=bool)
        table = {
            "about": "a test",
            "tasks": {TASK: {"dataset": {"cpu": {"path": "hopper.hdf5"}}}},
            "methods": methods or METHODS,
            "scales": {"cpu": SCALE | sizes},
        }
        (folder / "study.yaml").write_text(yaml.safe_dump(table))

    def start(self, *options: str, hold: Path | None = None) -> Command:
        """Start the command, in processes that are forks of a warm one; see `WarmCommands.start`."""
        words = ["train", str(self.folder / "study.yaml"), "--scale", "cpu", *options]
        process = WARM[0].start(words, {"VGF_DATA": str(self.folder / "data")}, hold)
        STARTED.append(process)
        return process

    def start_anew(self, *options: str) -> subprocess.Popen[str]:
        """Start the command as a user does, in processes that are new interpreters."""
        words = ["train", str(self.folder / "study.yaml"), "--scale", "cpu", *options]
        env = os.environ | {"VGF_DATA": str(self.folder / "data"), "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, "-m", "vgf.cli", *words],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_interruptible,
        )
        STARTED.append(process)
        return process

    def run(self, *options: str) -> tuple[int, str]:
        """Return exit status and stderr."""
        return self.end_of(self.start(*options))

    def end_of(self, process: subprocess.Popen[str] | Command) -> tuple[int, str]:
        """Wait for a command; return exit status and stderr."""
        _, told = process.communicate(timeout=1200)
        assert process.returncode is not None
        return process.returncode, told

    def record(self, method: str) -> Path:
        return self.results / "study.cpu" / TASK / method

    def contents(self, method: str) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in self.record(method).iterdir() if p.suffix in (".csv", ".safetensors")}

    def entry(self, method: str) -> dict[str, Any]:
        (entry,) = records.read_runs(self.record(method))
        return {key: value for key, value in entry.items() if key not in TIMES}


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Records made by one process."""
    place = Place(tmp_path_factory.mktemp("together") / "place")
    status, told = place.run("--processes", "1")
    assert status == 0, told
    return place


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The record of one method, its seeds in two groups."""
    place = Place(tmp_path_factory.mktemp("apart") / "place")
    status, told = place.run("--processes", "2", "--method", "vgf")
    assert status == 0, told
    return place


def test_two_processes_leave_the_records_of_one(together: Place, tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    status, told = place.end_of(place.start_anew("--processes", "2"))
    assert status == 0, told
    for method in METHODS:
        assert place.contents(method) == together.contents(method)
        assert place.entry(method) == together.entry(method)
        assert records.faults(place.record(method)) == []
    assert not list(place.runs.glob("*/*"))
    status, told = place.run("--processes", "2")
    assert (status, told.count("there already, made with these settings")) == (0, 2)


def test_methods_share_a_reference_and_a_bank_and_two_processes_leave_the_records_of_one(tmp_path: Path) -> None:
    methods = {"bc": {}, "vgf": {"preset": "release"}, "best_of_n": {"preset": "release"}, "idql": {"preset": "ifql"}}
    sizes = {"reference_updates": 12, "agent": {"hidden": [8], "particles": 2, "flow_steps": 2, "bank": 4}}
    one, two = (Place(tmp_path / name, methods, **sizes) for name in ("one", "two"))
    for place, processes in ((one, "1"), (two, "2")):
        status, told = place.run("--processes", processes)
        assert status == 0, told
        ages = [
            line.split()[2]
            for line in told.replace(": reference of", "\nreference of").splitlines()
            if "trained once" in line
        ]
        assert sorted(ages) == ["12", "24"], told
        assert told.count("drawn once and kept") == 1
    for method in methods:
        assert one.contents(method) == two.contents(method)


def test_seeds_trained_apart_become_the_record_of_one_process(together: Place, apart: Place) -> None:
    """Numbers agree to rounding: how Adam's last few weights of a tensor are rounded depends on their place in it."""
    assert apart.entry("vgf") == together.entry("vgf")
    assert records.read_runs(apart.record("vgf"))[0]["groups"] == [[0, 1], [2]]
    assert records.faults(apart.record("vgf")) == []
    assert set(apart.contents("vgf")) == set(together.contents("vgf"))
    for name in (name for name in together.contents("vgf") if name.endswith(".csv")):
        found, expected = (pd.read_csv(place.record("vgf") / name) for place in (apart, together))
        pd.testing.assert_frame_equal(found, expected, rtol=1e-3, atol=1e-6)
    (a, _), (b, _) = (load_agent(place.record("vgf")) for place in (apart, together))
    assert (a.seeds, a.updates, a.config) == (b.seeds, b.updates, b.config) == ((0, 1, 2), 24, b.config)
    for key, value in a.policy().items():
        torch.testing.assert_close(value, b.policy()[key], rtol=1e-3, atol=1e-5)
    assert not list(apart.runs.glob("*/*"))


def test_a_single_process_takes_a_record_of_groups_as_done(apart: Place) -> None:
    before = apart.contents("vgf")
    status, told = apart.run("--processes", "1", "--method", "vgf")
    assert (status, told.count("there already")) == (0, 1)
    assert apart.contents("vgf") == before


def slow(folder: Path) -> Place:
    """A place whose two groups train until someone stops them, checkpoint by checkpoint."""
    return Place(folder, updates=1_000_000, evaluate_every=1_000_000)


def begun(place: Place, process: subprocess.Popen[str] | Command, groups: int = 2) -> list[int]:
    """Wait until each group has a checkpoint; return its processes' ids."""

    def there() -> bool:
        assert process.poll() is None, process.communicate()
        return len({path.parent for path in place.runs.glob("*/group*.work/checkpoint-*.json")}) == groups

    until(there, 1200)
    return children(process.pid)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for_the_end_of(pids: list[int]) -> None:
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_all_and_says_one_line(sent: signal.Signals, tmp_path: Path) -> None:
    place = slow(tmp_path / "place")
    process = place.start("--processes", "2", "--method", "vgf")
    pids = begun(place, process)
    process.send_signal(sent)
    status, told = place.end_of(process)
    assert status == 130
    assert told.splitlines()[-1] == "vgf: interrupted; what was finished is kept, run again to go on"
    assert "Traceback" not in told
    wait_for_the_end_of(pids)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_killed_command_takes_its_processes_along_and_goes_on_as_it_began(apart: Place, tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    process = place.start("--processes", "2", "--method", "vgf", hold=tmp_path / "never")
    pids = begun(place, process)
    process.kill()
    process.communicate()
    wait_for_the_end_of(pids)
    assert not place.record("vgf").exists()
    status, told = place.run("--processes", "1", "--method", "vgf")  # another number: still the groups that were begun
    assert status == 0, told
    assert "train vgf: goes on from update" in told
    assert place.contents("vgf") == apart.contents("vgf")
    assert records.read_runs(place.record("vgf"))[0]["groups"] == [[0, 1], [2]]
    assert not list(place.runs.glob("*/*"))


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_process_that_is_killed_is_named_and_the_others_come_to_their_end(apart: Place, tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    go = tmp_path / "go"
    process = place.start("--processes", "2", "--method", "vgf", hold=go)
    begun(place, process)
    names = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in children(process.pid)}
    first = next(pid for pid, name in names.items() if "resource_tracker" not in name)
    os.kill(first, signal.SIGKILL)
    go.touch()
    status, told = place.end_of(process)
    assert status == 2
    last = told.splitlines()[-1]
    assert last.startswith(f"vgf: vgf on {TASK}, seed")
    assert "its process was ended by SIGKILL, perhaps for want of memory; run again to go on" in last
    assert len(list(place.runs.glob("*/group*/run.json"))) == 1
    status, told = place.run("--processes", "2", "--method", "vgf")
    assert status == 0, told
    assert place.contents("vgf") == apart.contents("vgf")


def test_a_run_that_fails_is_one_line_and_the_others_are_recorded(tmp_path: Path) -> None:
    methods = {"bad": {"agent": "bc", "learning_rate": 1e30}, "bc": {}}
    place = Place(tmp_path / "place", methods, agent={"hidden": [8], "flow_steps": 2})
    status, told = place.run("--processes", "2")
    assert status == 2
    last = told.splitlines()[-1]
    assert last.startswith(f"vgf: bad on {TASK}: ")
    assert "is not finite" in last
    assert "Traceback" not in told
    assert place.entry("bc")["seeds"] == [0, 1, 2]
    assert not place.record("bad").exists()


def test_two_commands_at_once_share_the_runs(together: Place, tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    both = [place.start("--processes", "2") for _ in range(2)]
    ended = [place.end_of(process) for process in both]
    assert [status for status, _ in ended] == [0, 0], ended
    for method in METHODS:
        assert place.contents(method) == together.contents(method)
        assert place.entry(method) == together.entry(method)


def test_the_line_says_what_is_under_way_besides_updates() -> None:
    progress = Progress("train", 20, "update", stream=io.StringIO())
    scheduler = campaign._Scheduler([], job=lambda run: None, progress=progress, threads=1, replace=False, groups=1)
    part: Any = SimpleNamespace(
        method=SimpleNamespace(name="vgf"),
        experiment=SimpleNamespace(scale=SimpleNamespace(seeds=[0, 1])),
    )
    child = campaign._Child(process=None, pipe=None, part=part, claimed=None)  # type: ignore[arg-type]
    scheduler.children = [child]
    for counts, words in (
        (("reference", "reference update", 5, 50), "train: 0 of 0 runs done, 1 at work; vgf: reference 5/50"),
        (("reference", "reference update", 50, 50), "train: 0 of 0 runs done, 1 at work"),
        (("evaluate vgf", "round", 1, 4), "train: 0 of 0 runs done, 1 at work; vgf: evaluate vgf 1/4"),
        (("train vgf", "update", 0, 10), "train: 0 of 0 runs done, 1 at work"),
        (("train vgf", "update", 4, 10), "train: 0 of 0 runs done, 1 at work"),
    ):
        scheduler._count(child, *counts)
        scheduler._show()
        assert progress.what == words
    assert progress.done == 8  # of two seeds


@pytest.mark.parametrize("count", ["0", "-3"])
def test_a_number_of_processes_without_meaning_is_refused(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "data/experiments/first_run.yaml", "--processes", count]) == 2
    assert capsys.readouterr().err == f"vgf: --processes must be >= 1, got {count}\n"


def test_a_record_with_other_settings_is_refused_before_anything_starts(tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    folder = place.record("vgf")
    folder.mkdir(parents=True)
    old = {"id": "a", "seeds": [], "fingerprint": "other"}
    (folder / "run.json").write_text(json.dumps({"schema": records.SCHEMA, "runs": [old], "sha256": {}}))
    status, told = place.run("--processes", "2")
    assert status == 2
    assert told.splitlines() == [
        f"vgf: {folder}: there already, made with other settings; move it away, or say --replace (replace=True)"
    ]
    assert not place.record("bc").exists()
