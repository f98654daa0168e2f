"""A reference trained once: who takes it leaves the record of one who trained it, to the bit, whatever is killed."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.helpers.cloning_runs import PATHS, ROWS, a_run, do, others_rewards
from tests.helpers.moments import until
from tests.helpers.toy_runs import contents, toy_data
from vgf import records
from vgf.agents import AGENTS, CONFIGS, Dims
from vgf.datasets import Transitions
from vgf.support.files import locked
from vgf.support.provenance import fingerprint
from vgf.training import clones


@pytest.fixture(params=PATHS, ids=["fused", "modules"])
def path(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VGF_FUSED", request.param)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """From which age to which references were trained."""
    found: list[tuple[int, int]] = []
    run = clones._Training.run

    def counted(self: clones._Training) -> Any:
        found.append((self.agent.updates, self.age))
        return run(self)

    monkeypatch.setattr(clones._Training, "run", counted)
    return found


@pytest.mark.parametrize("method", ROWS)
def test_a_run_that_takes_a_reference_leaves_the_record_of_one_that_trains_it(
    method: str, path: None, tmp_path: Path
) -> None:
    own, taken, again = (a_run(tmp_path / name, method) for name in ("own", "taken", "again"))
    do(own, None)
    do(taken, tmp_path / "cache")
    do(again, tmp_path / "cache")
    assert contents(taken.folder) == contents(own.folder)
    assert contents(again.folder) == contents(own.folder)
    entries = [records.read_runs(run.folder)[0] for run in (own, taken, again)]
    assert "reference" not in entries[0]
    assert [entry["reference"]["trained_here"] for entry in entries[1:]] == [True, False]
    assert entries[1]["reference"]["kept"] == entries[2]["reference"]["kept"]
    assert entries[1]["fingerprint"] == entries[0]["fingerprint"], "who trained it is no setting"


def test_one_training_serves_all_methods_and_all_tasks_of_the_data(
    path: None, tmp_path: Path, trained: list[tuple[int, int]]
) -> None:
    for method in ("vgf", "best_of_n", "idql"):
        do(a_run(tmp_path / method, method), tmp_path / "cache")
    do(a_run(tmp_path / "another task", "vgf"), tmp_path / "cache", data=others_rewards)
    assert trained == [(0, 5)]
    do(a_run(tmp_path / "bc", "bc"), tmp_path / "cache")  # evaluated after 4, 8 and 10 updates
    assert trained == [(0, 5), (0, 4), (5, 8), (8, 10)]
    do(a_run(tmp_path / "as old", "bc", updates=5, evaluate_every=5), tmp_path / "cache")
    assert len(trained) == 4, "where BC is as old as the reference, it is the reference"
    (place,) = (tmp_path / "cache" / "references").glob("*/key.json")
    assert sorted(p.name for p in place.parent.glob("age*")) == [f"age{age:09d}" for age in (4, 5, 8, 10)]


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 5},
        {"seeds": [0, 4]},
        {"seeds": [0]},
        {"agent": {"hidden": [9], "particles": 2, "flow_steps": 2}},
        {"agent": {"hidden": [8], "particles": 2, "flow_steps": 2, "learning_rate": 1e-3}},
        {"agent": {"hidden": [8], "particles": 2, "flow_steps": 2, "reference": "gaussian"}},
    ],
    ids=str,
)
def test_what_determines_a_reference_names_it(change: dict[str, Any], tmp_path: Path) -> None:
    def name(transitions: Transitions = toy_data(), **sizes: Any) -> str:  # noqa: B008
        run = a_run(tmp_path, "vgf", **sizes)
        agent = AGENTS["vgf"].create(run.method.config, Dims(3, 2), run.scale.seeds)
        assert agent.cloning is not None
        return fingerprint(clones.key(agent, agent.cloning, transitions, run.scale.batch_size))

    assert name(**change) != name()
    assert name(others_rewards()) == name()
    moved = toy_data()
    moved.actions[7, 1] += 1e-3
    assert name(moved) != name()
    for free in ({"agent": {"hidden": [8], "particles": 2, "flow_steps": 7}}, {"updates": 11}):
        assert name(**free) == name(), "sampling and what comes after have no part in it"


@pytest.mark.parametrize("stops", [[5], [7], [3], [5, 9]])
def test_a_run_that_took_a_reference_goes_on_bit_for_bit(stops: list[int], tmp_path: Path) -> None:
    own, run = (a_run(tmp_path / name, "vgf", checkpoint_every=2) for name in ("own", "taken"))
    do(own, None)
    for stop in stops:
        assert not do(run, tmp_path / "cache", stop)
    do(run, tmp_path / "cache")
    assert contents(run.folder) == contents(own.folder)
    served = "reference" in records.read_runs(run.folder)[0]
    assert served == (stops != [3]), "a run that began to train its own goes on so"


class Killed(Exception):
    """As if the process had ended."""


@pytest.mark.parametrize("when", ["before the first checkpoint", "on the way", "tensors written", "all but the end"])
def test_a_training_that_is_killed_leaves_nothing_half_and_goes_on(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(clones._Training, "EVERY", 2)
    own = a_run(tmp_path / "own", "vgf")
    do(own, None)
    with monkeypatch.context() as patch:
        if when == "tensors written":
            patch.setattr("vgf.training.checkpoints.write_json", _dies)
        elif when == "all but the end":
            patch.setattr(clones, "shutil", SimpleNamespace(rmtree=_dies))  # here alone: others call it before
        else:
            update, left = clones._Training._update, [0 if when.startswith("before") else 2]

            def dying(self: clones._Training, index: Any) -> Any:
                left[0] -= 1
                return update(self, index) if left[0] >= 0 else _dies()

            patch.setattr(clones._Training, "_update", dying)
        with pytest.raises(Killed):
            do(a_run(tmp_path / "killed", "vgf"), tmp_path / "cache")
    run = a_run(tmp_path / "next", "vgf")
    do(run, tmp_path / "cache")
    assert contents(run.folder) == contents(own.folder)
    expected = {"on the way": [(0, 5), (2, 5)], "all but the end": [(0, 5)]}
    assert trained == expected.get(when, [(0, 5), (0, 5)])
    assert not list((tmp_path / "cache").rglob("*.work")), "what was needed on the way stays"


def _dies(*_: Any, **__: Any) -> Any:
    raise Killed


def test_a_damaged_file_is_named_and_made_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, run = a_run(tmp_path / "own", "best_of_n"), a_run(tmp_path / "next", "best_of_n")
    do(own, tmp_path / "cache")
    (file,) = (tmp_path / "cache" / "references").rglob("*.safetensors")
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    do(run, tmp_path / "cache")
    assert f"{file}: damaged checkpoint, not used" in capsys.readouterr().err
    assert contents(run.folder) == contents(own.folder)


def test_whoever_needs_it_meanwhile_waits(
    tmp_path: Path, trained: list[tuple[int, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run(tmp_path / "one", "vgf")
    agent = AGENTS["vgf"].create(run.method.config, Dims(3, 2), run.scale.seeds)
    assert agent.cloning is not None
    name = fingerprint(clones.key(agent, agent.cloning, toy_data(), run.scale.batch_size))
    found: list[clones.Clone] = []
    waiting = threading.Thread(target=lambda: found.append(clones.clone(tmp_path, agent, toy_data(), 4, 5)))
    with locked(tmp_path / "references", name):
        waiting.start()
        until(lambda: "another process trains it; this one waits" in capsys.readouterr().err)
        assert not found
        assert trained == []
    waiting.join()
    assert found[0].update == 5
    assert found[0].losses.shape == (5, 2)


def test_an_agent_that_trains_no_reference_alone_is_refused() -> None:
    agent = AGENTS["vgf"].create(replace(CONFIGS["vgf"]["default"], hidden=(8,)), Dims(3, 2), (0, 3))
    with pytest.raises(ValueError, match="vgf has no reference that is trained alone for 3 updates"):
        clones.clone(Path("nowhere"), agent, toy_data(), 4, 3)


def test_a_reference_that_is_not_finite_is_not_kept(tmp_path: Path) -> None:
    def sick() -> Transitions:
        data = toy_data()
        data.actions[:] = float("nan")
        return data

    run = a_run(tmp_path / "one", "vgf")
    with pytest.raises(ValueError, match="is not finite"):
        do(run, tmp_path / "cache", data=sick)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
