"""`vgf bench` on the fused path: cases, rows, refusals, folders; never how long anything takes."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from typing import Any, get_args

import pytest

from vgf import cli
from vgf.agents import fused, hardware
from vgf.bench import cases, commands, profile, rows, start, turns
from vgf.bench import updates as built
from vgf.bench.cases import PATHS, TIMED, AgentName, Case
from vgf.bench.updates import Updates

TINY = cases.Size((32, 32), particles=3, train_steps=1, flow_steps=2, batch=32)
CORE = pytest.mark.skipif(fused.reason() is not None, reason="this machine has no fused core")
QUICK = ("--threads", "1", "--blocks", "1", "--device", "cpu", "--json")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every size be tiny in this process, and put back what a case may take from it."""
    for module in (cases, built):
        monkeypatch.setattr(module, "SIZES", dict.fromkeys(cases.SIZES, TINY))
    monkeypatch.setattr(hardware, "hold_memory", hardware.hold_memory)
    monkeypatch.setattr(hardware, "FUSED", hardware.FUSED)


@pytest.fixture
def no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine have no fused core."""
    monkeypatch.setattr(fused, "reason", lambda: "there is no C++ compiler")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = cli.main(["bench", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@CORE
@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("agent", get_args(AgentName))
def test_every_method_is_updated_by_the_core_as_often_as_asked_and_counts_what_its_update_does(agent: str) -> None:
    preset = "banked" if agent in ("vgf", "best_of_n") else "default"
    quick = Case(preset, "small", "fused", agent=agent, precision="float32")
    updates = Updates(quick)
    before = updates.agent.updates
    assert updates.run(PATHS["fused"].at_once + 3) == PATHS["fused"].at_once + 3
    assert updates.agent.updates == before + PATHS["fused"].at_once + 3
    assert updates.flop() == Updates(replace(quick, path="fast")).flop() > 0


@CORE
@pytest.mark.usefixtures("tiny")
def test_both_paths_do_the_same_updates() -> None:
    ends = []
    for path in ("fast", "fused"):
        updates = Updates(Case("banked", "small", path, precision="float32"))
        updates.run(4)
        ends.append(updates.agent.critic.net.weights[1].detach())
    assert (ends[0] - ends[1]).norm() <= 1e-3 * ends[0].norm()


@CORE
@pytest.mark.usefixtures("tiny")
def test_a_core_that_is_switched_off_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VGF_FUSED", "0")
    with pytest.raises(ValueError, match="fused core: switched off by VGF_FUSED=0"):
        Updates(Case("banked", "small", "fused"))


def test_one_update_a_call_is_a_means_that_can_be_taken() -> None:
    whole = Case("paper", "small", "fused")
    assert whole.at_once == PATHS["fused"].at_once > 1
    assert replace(whole, without=("many at once",)).at_once == 1


def test_a_path_has_the_precisions_its_updates_have() -> None:
    every = ("float32", "bfloat16", "bfloat16_all")
    found = {
        (agent, path): [p for p in every if Case("banked", "small", path, agent=agent, precision=p).exists]  # type: ignore[arg-type]
        for agent in ("vgf", "fql")
        for path in ("fast", "fused")
    }
    assert found["vgf", "fast"] == ["float32", "bfloat16"]
    assert found["fql", "fast"] == ["float32"]
    here = [p for p in every if fused.reason() is not None or fused.fault(fused.PRECISIONS[p]) is None]
    assert found["vgf", "fused"] == found["fql", "fused"] == here


@pytest.mark.parametrize("preset", TIMED)
def test_a_bank_holds_at_least_the_particles_and_only_with_a_frozen_reference(preset: str) -> None:
    quick, eager = (Case(preset, "paper", path, particles=12).config for path in ("fused", "eager"))
    assert quick.bank == (12 if TIMED[preset].pretrain else 0)  # type: ignore[index]
    assert eager.bank == 0
    assert eager.precision == "float32"


def test_what_the_authors_have_stands_beside_what_does_the_same() -> None:
    assert [Case(preset, "small", "fused").theirs for preset in TIMED] == ["vgf", "a_vgf", "vgf", "a_vgf"]
    rivals = ("fql", "iql", "rebrac", "bc", "best_of_n")
    assert [Case("release", "small", "fused", agent=a).theirs for a in rivals] == ["fql", "iql", "rebrac", None, None]


@CORE
def test_update_prints_the_fused_rows_and_what_all_cores_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "BLOCK_SECONDS", 0.0)
    monkeypatch.setattr(turns, "cores", lambda: 2)
    words = ("--size", "tiny", "--agent", "bc", "--path", "fast", "fused", "--precision", "float32")
    status, out, _ = run(capsys, "update", *words, *QUICK)
    found = json.loads(out)
    assert status == 0
    assert [(row["agent"], row["preset"], row["path"], row["precision"]) for row in found] == [
        ("bc", "default", "fast", "float32"),
        ("bc", "default", "fused", "float32"),
    ]
    assert len({row["flop_per_update"] for row in found}) == 1
    assert "seconds_per_100k_updates_all_cores" not in found[0]  # training takes the fused path
    for row in found[1:]:
        assert len(row["side_by_side_ms"]) == 2
        rate = sum(1e3 / ms for ms in row["side_by_side_ms"])
        assert row["seconds_per_100k_updates_all_cores"] == pytest.approx(1e5 / rate)
        assert row["process_memory_bytes"] > row["peak_memory_bytes"]


@pytest.mark.usefixtures("no_core")
@pytest.mark.parametrize("command", ["update", "gains"])
def test_without_a_core_the_path_is_refused_in_one_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, command, "--path", "fused", "--device", "cpu")
    assert (status, out) == (2, "")
    assert err == "vgf: --path fused: no fused core here (there is no C++ compiler); leave it out\n"


@pytest.mark.usefixtures("no_core")
def test_without_a_core_the_default_paths_are_the_others() -> None:
    from vgf.bench.commands import Update

    assert {case.path for case in Update().cases("cpu")} == {"eager", "fast"}


def test_a_table_has_the_ratio_to_the_same_updates_on_the_fast_path() -> None:
    def row(path: str, blocks: list[float], **other: Any) -> dict[str, Any]:
        named = {"agent": "vgf", "preset": "banked", "size": "small", "path": path, "seeds": 1, "theirs": "vgf"}
        timed = {"ms_per_update": statistics.median(blocks), "ms_low": 1.0, "ms_high": 2.0, "ms_blocks": blocks}
        return named | timed | other

    quick = row("fused", [1.0, 2.0, 4.0])
    table = rows.update_table([row("fast", [3.0, 3.0, 20.0]), quick, row("official", [8.0, 20.0, 20.0])])
    fused_line = next(line for line in table.splitlines() if " fused " in line)
    assert fused_line.split()[-2:] == ["3.00", "8.00"]  # medians of 3, 1.5, 5 and of 8, 10, 5
    other = rows.update_table([row("fast", [3.0, 3.0, 3.0], preset="release"), quick])
    assert "3.00" not in other


@CORE
def test_a_precision_that_a_path_does_not_have_is_left_out() -> None:
    asked = commands.Update(
        size=("tiny",), agent=("bc",), path=("fast", "fused"), precision=("float32", "bfloat16_all")
    )
    here = Case("default", "tiny", "fused", agent="bc", precision="bfloat16_all").exists
    assert [(case.path, case.precision) for case in asked.cases("cpu")] == [
        ("fast", "float32"),
        ("fused", "float32"),
        *([("fused", "bfloat16_all")] if here else []),
    ]


@CORE
def test_what_is_paid_once_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < start.import_seconds(1) < 60
    row = Case("banked", "tiny", "fused", precision="float32")
    assert start.process_bytes(row) > 50e6
    monkeypatch.setattr(start, "BUILD", "import sys; sys.exit('no compiler')")
    with pytest.raises(ValueError, match="the fused core cannot be built: no compiler"):
        start.build_seconds()


def test_samples_are_sorted_by_what_the_functions_do() -> None:
    report = """
    40.00%  [JIT] tid 12             [.] 0x00007f0  -  -
    20.00%  update-0a9d.so           [.] (anonymous namespace)::backward<c10::BFloat16, float>
     5.00%  update-0a9d.so           [.] (anonymous namespace)::adam<float>
     5.00%  update-0a9d.so           [.] (anonymous namespace)::Worker<float>::vgf
    10.00%  libtorch_cpu.so          [.] at::native::cpublas::brgemm
     0.00%  [kernel.kallsyms]        [k] finish_task_switch
    """
    found = {kind: share for kind, share in profile.kinds(report).items() if share}
    assert found == pytest.approx(
        {
            "matrix products": 0.5,
            "normalisation, activations, first and last layers": 0.25,
            "Adam and targets": 0.0625,
            "other work of the core": 0.0625,
            "calls of the library": 0.125,
        }
    )
    with pytest.raises(ValueError, match="perf took no samples"):
        profile.kinds("")


def test_a_profile_without_perf_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused, "reason", lambda: None)
    monkeypatch.setattr(profile.shutil, "which", lambda name: None)
    status, out, err = run(capsys, "profile")
    assert (status, out) == (2, "")
    assert err == "vgf: perf is not installed; it comes with the kernel's tools (linux-perf)\n"
