"""`vgf bench update --path graph` and `python -m vgf.bench.gpu`: rows, refusals and the budget; never the times."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from tests.helpers.tape import record_tape
from vgf import cli
from vgf.agents.graph import GraphUpdates
from vgf.bench import cases, gpu, turns
from vgf.bench import updates as built
from vgf.bench.cases import PATHS, Case, PathName
from vgf.bench.updates import Updates

KEYS = {  # of `vgf bench update --json`
    *("preset", "size", "path", "precision", "seeds", "ms_per_update", "flop_per_update", "flop_per_s"),
    *("matmul_peak_flop_per_s", "peak_memory_bytes"),
}
TINY = cases.Size((8, 8), particles=3, train_steps=1, flow_steps=2, batch=16)
NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="what happens without CUDA")
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every size be tiny, and blocks and peaks short."""
    for module in (cases, built):
        monkeypatch.setattr(module, "SIZES", dict.fromkeys(cases.SIZES, TINY))
    monkeypatch.setattr(gpu, "BLOCK_SECONDS", 0.0)
    monkeypatch.setattr(gpu, "PEAK_SECONDS", 0.0)
    monkeypatch.setattr(built.hardware, "hold_memory", built.hardware.hold_memory)  # put back afterwards


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, Any]], str]:
    status = gpu.main(words)
    captured = capsys.readouterr()
    return status, json.loads(captured.out or "[]"), captured.err


def test_every_path_is_in_the_table_and_a_graph_is_the_fast_path_several_at_once() -> None:
    assert tuple(PATHS) == get_args(PathName)
    graph, quick = Case("paper", "small", "graph"), Case("paper", "small", "fast")
    assert graph.config == quick.config
    assert replace(graph, precision="float32").config == replace(quick, precision="float32").config
    assert PATHS["graph"].at_once > 1
    assert PATHS["graph"].device == "cuda"


def test_a_path_of_several_at_once_does_whole_calls_and_says_how_many_updates_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    updates = Updates(Case("release", "small", "fast"))
    assert updates.run(5) == 5
    updates.way = PATHS["graph"]
    before = updates.agent.updates
    assert updates.run(1) == PATHS["graph"].at_once
    assert updates.run(PATHS["graph"].at_once + 1) == 2 * PATHS["graph"].at_once
    assert updates.agent.updates == before + 3 * PATHS["graph"].at_once
    with pytest.raises(ValueError, match="no CUDA graph was recorded: the agent has none"):
        updates.warm_up()


@pytest.mark.parametrize("preset", ["release", "paper"])
def test_a_path_by_graph_is_warm_when_its_graph_is_recorded_and_counts_the_same_operations(preset: Any) -> None:
    updates, singly = Updates(Case(preset, "small", "fast")), Updates(Case(preset, "small", "fast"))
    updates.way = PATHS["graph"]
    updates.agent.graph = GraphUpdates(updates.agent, PATHS["graph"].at_once, record=record_tape)
    updates.warm_up()
    assert updates.agent.graph.recorded
    assert updates.flop() == singly.flop()


def test_a_block_of_more_updates_than_asked_is_divided_by_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = object.__new__(turns.Worker)
    worker.block, worker.times, worker.facts = 5, [], {}
    monkeypatch.setattr(worker, "send", lambda line: None)
    monkeypatch.setattr(worker, "_answer", lambda: {"seconds": 0.8, "updates": 8})
    worker.turn()
    assert worker.times == [100.0]
    worker.warm_up()
    assert worker.seconds == pytest.approx(0.1)


def test_the_script_prints_the_promised_rows_and_writes_them_after_each_group(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "rows.json"
    words = ("--device", "cpu", "--path", "eager", "fast", "--size", "small", "--seeds", "1", "2", "--out", str(out))
    status, rows, _ = run(capsys, *words)
    assert status == 0
    assert [(row["preset"], row["seeds"], row["path"], row["precision"]) for row in rows] == [
        (preset, seeds, path, precision)
        for preset in ("release", "paper")
        for seeds in (1, 2)
        for path, precision in (("eager", "float32"), ("fast", "bfloat16"), ("fast", "float32"))
    ]
    for row in rows:
        assert set(row) >= KEYS
        assert row["blocks"] == gpu.BLOCKS
        assert row["flop_per_s"] == pytest.approx(1e3 * row["flop_per_update"] / row["ms_per_update"])
    assert json.loads(out.read_text()) == rows
    assert [path.name for path in tmp_path.iterdir()] == ["rows.json"]


def test_what_no_time_is_left_for_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--device", "cpu", "--path", "eager", "--size", "small", "--seeds", "1", "--seconds", "1e-9")
    status, rows, err = run(capsys, *words)
    assert (status, rows) == (1, [])
    assert "gpu: release, small, eager, float32, seeds 1: left out, the time is up" in err


def test_a_case_that_fails_is_named_and_the_others_are_timed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flop = Updates.flop

    def fail(self: Updates) -> int:
        if self.way.quick:
            raise RuntimeError("CUDA out of memory\nmore")
        return flop(self)

    monkeypatch.setattr(Updates, "flop", fail)
    words = ("--device", "cpu", "--path", "eager", "fast", "--precision", "float32", "--size", "small", "--seeds", "1")
    status, rows, err = run(capsys, *words)
    assert status == 1
    assert {row["path"] for row in rows} == {"eager"}
    assert "gpu: paper, small, fast, float32, seeds 1: CUDA out of memory\n" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--device", "cpu"), "--path graph needs cuda, this is cpu; leave it out here"),
        (("--device", "cpu", "--path", "fast", "--seeds", "0"), "--seeds and --seconds must be > 0"),
        pytest.param((), "this torch finds no CUDA device", marks=NO_CUDA),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, rows, err = run(capsys, *words)
    assert (status, rows, err) == (2, [], f"gpu: {message}\n")


def test_vgf_bench_update_refuses_a_graph_without_cuda(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "update", "--path", "fast", "graph", "--device", "cpu"]) == 2
    assert capsys.readouterr().err == "vgf: --path graph needs cuda, this is cpu; leave it out here\n"


@CUDA
def test_on_cuda_every_path_of_every_preset_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    status, rows, err = run(capsys, "--size", "small", "--seeds", "1", "3")
    assert status == 0, err
    assert {row["path"] for row in rows} == set(PATHS)
    assert all(row["gpu"] and row["peak_memory_bytes"] > 0 for row in rows)
