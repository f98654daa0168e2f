"""A bank that is kept: the bits of one that is drawn, nothing half-written used, one drawing for all who need it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.cloning_runs import PATHS, a_run, do, others_rewards
from tests.helpers.moments import until
from tests.helpers.toy_runs import contents, toy_data
from vgf.agents import VGF, Dims, VGFConfig, bank, bank_file
from vgf.agents.bank import ActionBank
from vgf.agents.bank_file import BankFile
from vgf.networks import SeedStreams
from vgf.support.files import locked

SEEDS, DIMS, ROWS, SIZE = (0, 3), Dims(3, 2), 40, 3
SHAPE = (2, ROWS, SIZE, 2)
STATES = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank, "CHUNK", 8)
    monkeypatch.setattr(bank_file, "SAVE_SECONDS", 0.0)


def sample(observations: Tensor, noise: Tensor) -> Tensor:
    return (observations[..., None, :2] + noise).clamp(-1, 1)


def drawn(folder: Path | None, how: Callable[[Tensor, Tensor], Tensor] = sample) -> Tensor:
    file = None if folder is None else BankFile(folder, {"name": "one"}, SHAPE)
    return ActionBank(STATES, how, SeedStreams(SEEDS, "bank"), SIZE, DIMS, file=file).actions


class Counted:
    """A sampler that dies at its n-th call."""

    def __init__(self, dies: int = 99) -> None:
        self.calls, self.dies = 0, dies

    def __call__(self, observations: Tensor, noise: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == self.dies:
            raise KeyboardInterrupt
        return sample(observations, noise)


def test_a_kept_bank_is_the_drawn_one_and_is_not_drawn_again(tmp_path: Path, capsys: Any) -> None:
    first, second = Counted(), Counted()
    assert torch.equal(drawn(tmp_path, first), drawn(None))
    assert torch.equal(drawn(tmp_path, second), drawn(None))
    assert (first.calls, second.calls) == (5, 0)
    told = capsys.readouterr().err
    assert "drawn once and kept in" in told
    assert "0.00 GB" in told
    (file,) = tmp_path.glob("*.float16")
    assert file.stat().st_size == 2 * 2 * ROWS * SIZE * 2
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob("*.progress"))


def test_what_is_done_to_a_bank_in_memory_does_not_reach_the_file(tmp_path: Path) -> None:
    drawn(tmp_path).zero_()
    drawn(tmp_path).zero_()
    assert torch.equal(drawn(tmp_path), drawn(None))


@pytest.mark.parametrize("dies", [1, 2, 4])
def test_one_that_was_killed_goes_on_where_it_was(dies: int, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        drawn(tmp_path, Counted(dies))
    assert not list(tmp_path.glob("*.float16"))
    rest = Counted()
    assert torch.equal(drawn(tmp_path, rest), drawn(None))
    assert rest.calls == 5 - (dies - 1)


@pytest.mark.parametrize("what", ["no note", "torn note", "other size"])
def test_a_half_that_is_not_accounted_for_is_drawn_anew(what: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        drawn(tmp_path, Counted(4))
    (note,), (part,) = tmp_path.glob("*.progress"), tmp_path.glob("*.part")
    if what == "no note":
        note.unlink()
    elif what == "torn note":
        note.write_bytes(note.read_bytes()[:100])
    else:
        part.write_bytes(part.read_bytes()[:-2])
    rest = Counted()
    assert torch.equal(drawn(tmp_path, rest), drawn(None))
    assert rest.calls == 5


@pytest.mark.parametrize("what", ["a byte", "the facts", "the file", "the end"])
def test_a_damaged_bank_is_drawn_anew(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn(tmp_path)
    (file,), (facts,) = tmp_path.glob("*.float16"), tmp_path.glob("*.json")
    raw = bytearray(file.read_bytes())
    raw[5] ^= 1
    {
        "a byte": lambda: file.write_bytes(raw),
        "the facts": lambda: facts.write_text("{"),
        "the file": file.unlink,
        "the end": lambda: file.write_bytes(raw[:-2]),
    }[what]()
    again = Counted()
    assert torch.equal(drawn(tmp_path, again), drawn(None))
    assert again.calls == 5
    assert f"{file}: damaged, made anew" in capsys.readouterr().err
    assert torch.equal(drawn(tmp_path), drawn(None))


def test_what_does_not_fit_is_drawn_into_memory_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=bank_file.SPARE + 100)
    monkeypatch.setattr(bank_file.shutil, "disk_usage", lambda _: usage)
    assert torch.equal(drawn(tmp_path), drawn(None))
    assert "not kept, for they take 0.00 GB" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.float16")) + list(tmp_path.glob("*.part"))


def test_whoever_needs_it_meanwhile_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, found = BankFile(tmp_path, {"name": "one"}, SHAPE).path.stem, list[Tensor]()
    waiting = threading.Thread(target=lambda: found.append(drawn(tmp_path)))
    with locked(tmp_path, name):
        waiting.start()
        until(lambda: "another process draws them; this one waits" in capsys.readouterr().err)
        assert not found
    waiting.join()
    assert torch.equal(found[0], drawn(None))


@pytest.mark.parametrize("fused", PATHS)
def test_methods_and_tasks_share_a_bank_and_leave_the_records_of_those_who_draw(
    fused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VGF_FUSED", fused)
    sizes = {"agent": {"hidden": [8], "particles": 2, "flow_steps": 2, "bank": 4}}
    for method in ("vgf", "best_of_n"):
        own, kept = (a_run(tmp_path / method / name, method, **sizes) for name in ("own", "kept"))
        do(own, None)
        do(kept, tmp_path / "cache")
        assert contents(kept.folder) == contents(own.folder)
    do(a_run(tmp_path / "another task", "vgf", **sizes), tmp_path / "cache", data=others_rewards)
    assert capsys.readouterr().err.count("drawn once and kept") == 1
    assert len(list((tmp_path / "cache" / "banks").glob("*.float16"))) == 1


def test_what_determines_a_bank_names_it(tmp_path: Path) -> None:
    def name(states: Tensor = STATES, seeds: tuple[int, ...] = SEEDS, **fields: Any) -> str:
        config = VGFConfig(**({"hidden": (8,), "particles": 2, "pretrain": 1, "bank": 3} | fields))
        agent = VGF.create(config, DIMS, seeds)
        agent.cache = tmp_path
        file = bank_file.of_agent(agent, states)
        assert file is not None
        return file.path.name

    others = {"bank": 4, "flow_steps": 9, "hidden": (9,), "reference": "gaussian", "precision": "bfloat16"}
    names = {name(), name(STATES + 1), name(seeds=(0, 4)), *(name(**{k: v}) for k, v in others.items())}
    assert len(names) == 3 + len(others)
    assert name(temperature=3.0, train_steps=0, discount=0.5) == name()
    agent = VGF.create(VGFConfig(hidden=(8,), particles=2, pretrain=1, bank=3), DIMS, SEEDS)
    assert bank_file.of_agent(agent, toy_data().observations) is None
