"""`vgf bench`: what it prints, what it counts and what it refuses; never how long anything takes."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from vgf import cli
from vgf.agents import hardware
from vgf.bench import cases, turns
from vgf.bench.cases import MEANS, SIZES, Case
from vgf.bench.commands import Update
from vgf.bench.gains import COMPILED, LADDER, ladder
from vgf.bench.machine import machine
from vgf.bench.updates import Updates

KEYS = {  # what a reader of the JSON may rely on
    "preset",
    "size",
    "path",
    "seeds",
    "ms_per_update",
    "flop_per_update",
    "flop_per_s",
    "matmul_peak_flop_per_s",
    "peak_memory_bytes",
    "ms_blocks",
}
SMALL = SIZES["small"]


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time single updates: nothing here looks at the times."""
    monkeypatch.setattr(turns, "BLOCK_SECONDS", 0.0)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = cli.main(["bench", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def products(*sizes: int) -> int:
    """Return the multiplications of one row through a perceptron."""
    return sum(a * b for a, b in pairwise(sizes))


def closed_form(preset: str) -> dict[str, int]:
    """Return the floating-point operations of an eager update at the small size, part by part, from its definition."""
    (o, d), n, batch, members = SMALL.dims, SMALL.particles, SMALL.batch, 2
    critic, field = (o + d, *SMALL.hidden, 1), (o + d, *SMALL.hidden, d)
    velocity = (o + d + 1, *SMALL.hidden, d)
    rows, q, v, f = batch * n, products(*critic), products(*velocity), products(*field)
    kernel = 2 * batch * n * n * d  # K times the score; repulsion is a sum of differences, no product
    trained = lambda net, sizes: 4 * net + 2 * (net - sizes[0] * sizes[1])  # noqa: E731  forward; weights; inputs but the first layer's
    frozen = preset == "paper"
    step = rows * 2 * f if frozen else rows * members * 4 * q  # forward; forward and the gradient in the action
    return {
        "reference sampled": SMALL.flow_steps * rows * 2 * v,
        "particles moved": SMALL.train_steps * (step + kernel),
        "particles valued": rows * members * 2 * q,
        "gradient fitted": batch * (members * 4 * q + trained(f, field)) if frozen else 0,
        "reference trained": 0 if frozen else batch * trained(v, velocity),
        "critic trained": batch * members * trained(q, critic),
    }


@pytest.mark.parametrize("preset", ["release", "paper"])
def test_operations_counted_are_those_of_the_definition(preset: str) -> None:
    updates = Updates(Case(preset, "small", "eager"), SMALL.batch)
    assert updates.flop_by_part() == closed_form(preset)
    assert updates.flop() == sum(closed_form(preset).values())


def test_the_fast_path_does_not_sample_the_reference_it_has_banked() -> None:
    eager, quick = (Updates(Case("paper", "small", path), SMALL.batch).flop_by_part() for path in ("eager", "fast"))
    assert quick["reference sampled"] == 0 < eager["reference sampled"]
    assert quick["critic trained"] == eager["critic trained"]
    assert quick["particles moved"] < eager["particles moved"]  # a state's share of the first layer, once


def test_seeds_multiply_the_operations() -> None:
    one, three = (Updates(Case("release", "small", "eager", seeds=s), SMALL.batch).flop() for s in (1, 3))
    assert three == 3 * one


def test_update_prints_a_list_of_objects_with_the_promised_keys_each_against_its_own_peak(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("--size", "small", "--preset", "release", "--threads", "1", "--blocks", "1", "--device", "cpu", "--json")
    asked = ("--path", "eager", "fast", "--precision", "float32", "bfloat16", "--no-all-cores")
    status, out, _ = run(capsys, "update", *words, *asked)
    rows = json.loads(out)
    assert status == 0
    assert [(row["preset"], row["size"], row["path"], row["precision"], row["seeds"]) for row in rows] == [
        ("release", "small", "eager", "float32", 1),
        ("release", "small", "fast", "float32", 1),
        ("release", "small", "fast", "bfloat16", 1),
    ]
    for row in rows:
        assert set(row) >= KEYS
        assert row["flop_per_s"] == pytest.approx(1e3 * row["flop_per_update"] / row["ms_per_update"])
        assert row["share_of_peak"] == pytest.approx(row["flop_per_s"] / row["matmul_peak_flop_per_s"])
        assert row["peak_memory_bytes"] > 0
    assert rows[0]["flop_per_update"] == sum(closed_form("release").values())
    peaks = [row["matmul_peak_flop_per_s"] for row in rows]
    assert peaks[0] == peaks[1] != peaks[2]


def test_precision_is_bfloat16_unless_asked_and_float32_where_modules_update() -> None:
    cases = Update(size=("small",), preset=("release",), path=("eager", "fast")).cases("cpu")
    assert [(case.path, case.precision) for case in cases] == [("eager", "float32"), ("fast", "bfloat16")]


def test_a_ladder_in_float32_climbs_the_same_steps_but_those_of_bfloat16() -> None:
    low, single = (dict(ladder("fused", precision, compiled=True)) for precision in ("bfloat16_all", "float32"))
    assert list(single) == [added for added in low if added not in ("bfloat16", "one call a layer", "all in bfloat16")]
    assert {case.config.precision for case in single.values()} == {"float32"}
    for added, case in single.items():
        assert {*case.without} == {*low[added].without, "one call"}


def test_a_ladder_goes_as_far_as_its_path_and_precision() -> None:
    fast_path, fused_path, whole = (
        [added for added, _ in ladder(path, precision, compiled=False)]
        for path, precision in (("fast", "bfloat16"), ("fused", "bfloat16"), ("fused", "bfloat16_all"))
    )
    assert fused_path == [*fast_path, "fused core", "many updates a call"]
    assert whole == [*fused_path, "all in bfloat16"]


def test_transport_prints_rate_and_memory_and_leaves_out_what_is_too_large(capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "--particles",
        "5",
        "64",
        "--dimension",
        "2",
        "--most",
        "100",
        "--blocks",
        "1",
        "--device",
        "cpu",
        "--json",
    )
    status, out, _ = run(capsys, "transport", *words)
    (row,) = json.loads(out)
    assert status == 0
    assert (row["particles"], row["dimension"], row["sets"]) == (5, 2, 4096 // 5)
    assert row["particle_steps_per_s"] == pytest.approx(1e3 * 5 * row["sets"] / row["ms_per_step"], rel=0.01)


def test_data_says_what_a_file_takes(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "data", "--transitions", "2000", "--batch", "8", "--device", "cpu", "--json")
    (row,) = json.loads(out)
    assert status == 0
    assert 0 < row["transitions"] <= 2000
    assert row["bytes"] == row["transitions"] * 4 * (17 + 6 + 1 + 1 + 17 + 1)  # halfcheetah's row in float32


@pytest.mark.parametrize(
    ("there", "single", "low"), [(True, "bfloat16", "bfloat16_all"), (False, "float32", "float32")]
)
def test_by_default_the_ladder_goes_to_what_the_processor_multiplies_in(
    monkeypatch: pytest.MonkeyPatch, there: bool, single: str, low: str
) -> None:
    monkeypatch.setattr(cases.hardware, "FUSED", there)
    monkeypatch.setattr(cases, "fault", lambda precision: None if there or precision < 2 else "no such product")
    assert cases.lowest_precision("fast", "cpu") == single
    assert cases.lowest_precision("fused", "cpu") == low
    assert cases.lowest_precision("graph", "cuda") == "bfloat16"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("update", "--release", "."), "--release and --release-python go together"),
        (("update", "--release-python", sys.executable), "--release and --release-python go together"),
        (("update", "--blocks", "0"), "--blocks and --seeds must be >= 1"),
        (("update", "--seeds", "0"), "--blocks and --seeds must be >= 1"),
        (("gains", "--blocks", "0"), "--blocks must be >= 1"),
        (("gains", "--path", "fast", "--precision", "bfloat16_all"), "--precision bfloat16_all needs --path fused"),
        (("update", "--path", "fast", "--precision", "bfloat16_all"), "not on the paths asked for; add --path fused"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_folder_that_is_no_clone_and_an_interpreter_that_is_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no clone given has agents/vgf\.py; https://github\.com/ryanxhr/vgf has vgf"):
        turns.release_worker([tmp_path], Path(sys.executable), "vgf", SMALL._asdict(), None)
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "vgf.py").touch()
    with pytest.raises(ValueError, match="no such interpreter; give one that has jax, flax and distrax"):
        turns.release_worker([tmp_path], tmp_path / "python", "vgf", SMALL._asdict(), None)


def test_a_process_that_fails_ends_with_its_last_line() -> None:
    with pytest.raises(ValueError, match=r"benchmark of nothing ended: .*nonsense"):
        turns.python_worker({"preset": "nonsense", "size": "small", "path": "fast"}, "nothing")


def test_what_a_case_goes_without_is_taken_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "hold_memory", hardware.hold_memory)  # put back afterwards
    monkeypatch.setattr(hardware, "FUSED", hardware.FUSED)
    assert {name for _, case in (*LADDER, COMPILED) for name in case.without} == {*MEANS}
    bare = Updates(Case("paper", "small", "fast", without=("one call", "bank", "amortised"), precision="float32"))
    assert not hardware.FUSED
    assert bare.agent.bank is None
    assert bare.agent.config.direction == "autograd"
    assert bare.agent.core is not None
    bare.run(1)
    assert {net.all.rest.dtype for net in bare.agent.core.nets.values()} == {torch.float32}


def test_the_machine_says_nothing_of_its_host() -> None:
    import getpass
    import socket

    facts = json.dumps(machine())
    assert socket.gethostname() not in facts
    assert f"/{getpass.getuser()}" not in facts
    assert machine()["cores"] >= 1
