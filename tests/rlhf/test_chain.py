"""The whole chain on the command line with little random models: every stage, killed and resumed, refused, tabled."""

from __future__ import annotations

import json
import math
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.helpers.judge_server import SECRET, Stub
from tests.helpers.language import LITTLE, digest, little_cache, little_model, little_preferences, little_tokenizer
from vgf import cli, records
from vgf.rlhf import settings
from vgf.rlhf.rivals import preferred
from vgf.rlhf.settings import Setup
from vgf.rlhf.stopping import Stopping
from vgf.rlhf.study import align as align_module
from vgf.rlhf.study import methods, table
from vgf.rlhf.study.api_judge import KEY
from vgf.rlhf.study.records import COLUMNS, faults, read_rows
from vgf.rlhf.training import read_done
from vgf.support.provenance import fingerprint

torch.set_num_threads(1)
METHODS = ("human", "sft", "best_of_8", "best_of_16", "vgf_L2", "vgf_hidden_L2", "vgf_one_line_L2", "cold_L0")
METHODS += (
    "cold_L1",
    "projection_L1",
    "swaps_L2",
    "constant_L1",
    "constant_cold_L1",
    "no_kernel_L1",
    "no_repulsion_L1",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with the little world, prepared and trained through the command line."""
    data = tmp_path_factory.mktemp("world")
    little_cache(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VGF_DATA", str(data))
        patch.setitem(settings.SIZES, "quick", LITTLE)
        patch.setitem(settings.SIZES, "cpu", LITTLE)
        for stage in ("sft", "reward", "judge"):
            assert cli.main(["rlhf", stage]) == 0
        yield data


def run(*words: str) -> int:
    return cli.main(["rlhf", *words])


def rows_of(root: Path, method: str, scale: str = "quick", task: str = "reviews", seed: int = 0) -> pd.DataFrame:
    return read_rows(root / "rlhf" / scale / task / method, seed)


@pytest.fixture(scope="module")
def aligned(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("records")
    assert run("align", "--results", str(root), "--method", *METHODS) == 0
    return root


def test_a_stage_says_what_it_came_to_and_is_not_done_twice(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sft") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["perplexity"] < told["perplexity_before"]
    assert told["steps"] == 8
    weights = list(world.glob("cache/rlhf/work/*/sft/seed0/model.safetensors"))
    assert len(weights) == 1
    assert not list(world.glob("cache/rlhf/work/*/sft/seed0/checkpoint-*"))
    stamp = weights[0].stat().st_mtime_ns
    assert run("sft") == 0
    assert weights[0].stat().st_mtime_ns == stamp


def test_every_prompt_is_recorded_without_a_word_of_others(world: Path, aligned: Path) -> None:
    snippets = json.loads((world / "cache/rlhf/ratings/snippets.json").read_text())
    test = {f"review-{row['number']}" for row in snippets if row["split"] == "test"}
    names = [set(rows_of(aligned, method)["prompt"]) for method in METHODS]
    assert all(each == names[0] for each in names)
    assert len(names[0]) == 10
    assert names[0] <= test
    for method in METHODS:
        rows = rows_of(aligned, method)
        assert tuple(rows.columns) == COLUMNS
        numbers = rows.drop(columns=["prompt", "response", "edit", "diversity"])
        assert np.isfinite(numbers.to_numpy(float)).all()
        assert faults(aligned / "rlhf" / "quick" / "reviews" / method) == []
    assert rows_of(aligned, "human")["response"].isna().all()
    prompts = {row["text"] for row in snippets}
    everything = "".join(path.read_text() for path in aligned.rglob("*") if path.is_file())
    assert not [text for text in prompts if text in everything]


def test_best_of_n_is_the_best_of_what_a_flow_starts_from(aligned: Path) -> None:
    reward = {method: rows_of(aligned, method).set_index("prompt")["reward"] for method in METHODS}
    assert (reward["best_of_16"] >= reward["best_of_8"]).all()
    assert (reward["best_of_8"] >= reward["sft"]).all()
    assert (rows_of(aligned, "sft")["edit"] == 0).all()
    assert (rows_of(aligned, "best_of_16")["edit"] == 0).all()
    assert reward["vgf_L2"].mean() > reward["sft"].mean()


def test_costs_are_recorded(aligned: Path) -> None:
    cost = {m: tuple(rows_of(aligned, m)[["drawn", "gradients"]].iloc[0]) for m in METHODS}
    assert cost["best_of_16"] == (16, 0)
    assert cost["vgf_L2"] == (4 * 3, 4 * 2 * 4)
    assert cost["vgf_one_line_L2"] == (4 * 2, 4 * 2 * 4)
    assert cost["constant_L1"] == (4 * 2, 0)
    assert cost["cold_L0"] == (4 * 2, 0)
    assert cost["human"] == (0, 0)


def test_a_killed_comparison_goes_on_to_the_same_bytes(
    world: Path, aligned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, real = [], align_module.rows_of

    def dying(*args: Any) -> Any:
        done.append(1)
        if len(done) == 4:
            raise KeyboardInterrupt
        return real(*args)

    words = ("align", "--results", str(tmp_path), "--method", "sft", "vgf_L2")
    monkeypatch.setattr(align_module, "rows_of", dying)
    assert run(*words) == 130
    assert 0 < len(rows_of(tmp_path, "sft")) < 10
    assert run(*words) == 0
    for method in ("sft", "vgf_L2"):
        there = tmp_path / "rlhf" / "quick" / "reviews" / method
        assert digest(there / "seed0.csv") == digest(aligned / "rlhf" / "quick" / "reviews" / method / "seed0.csv")
        assert faults(there) == []
        assert not list(there.glob(".seed*"))


def test_other_settings_do_not_mix(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("align", "--results", str(tmp_path), "--scale", "cpu", "--method", "sft", "--prompts")
    assert run(*words, "4") == 0
    assert run(*words, "5") == 2
    assert "seed0.csv: made with other settings; --replace removes it" in capsys.readouterr().err
    assert run(*words, "5", "--replace") == 0
    assert len(rows_of(tmp_path, "sft", "cpu")) == 5
    runs = records.read_runs(tmp_path / "rlhf" / "cpu" / "reviews" / "sft")
    assert [run["settings"]["sizes"]["prompts"] for run in runs] == [5]


def test_rows_of_another_policy_do_not_come_beside_those_of_a_seed(
    world: Path, aligned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(aligned, copy)
    words = ("align", "--results", str(copy), "--method")
    setup, method = Setup(sizes=LITTLE), methods.get_method("swaps_L4")
    done = setup.folder("sft") / "done.json"
    before = done.read_text()
    half = copy / "rlhf" / "quick" / "reviews" / "swaps_L4"
    half.mkdir()
    sibling = copy / "rlhf" / "quick" / "reviews" / "sft"
    shutil.copy(sibling / "seed0.csv", half / "seed0.csv")
    wanted = fingerprint(align_module.settings_of(setup, method))
    (half / ".seed0.unsealed").write_text(f"{wanted} {'0' * 12}")
    try:
        told = (read_done(done.parent) or {}) | {"loss": 1.25}
        done.write_text(json.dumps(told | {"seal": fingerprint(told)}))
        assert run(*words, "swaps_L4") == 2
        assert "best_of_16: seed 0 was made from another policy, reward model or judge" in capsys.readouterr().err
        before_rows = (sibling / "seed0.csv").stat().st_mtime_ns
        assert run(*words, "sft", "best_of_16") == 0, "what is complete is left as it is"
        assert (sibling / "seed0.csv").stat().st_mtime_ns == before_rows
    finally:
        done.write_text(before)
    with pytest.raises(ValueError, match=r"seed0.csv: made from other models; --replace removes it"):
        align_module.align(setup, [method], copy)
    shutil.rmtree(half)
    content = json.loads((sibling / "run.json").read_text())
    content["runs"][0]["stages"]["reward"]["loss"] = 1.25
    (sibling / "run.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"sft: seed 0 was made from other models than that of best_of_16"):
        table.read_study("quick", "reviews", copy)


def test_the_table_is_made_from_records_alone(world: Path, aligned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("table", "--results", str(aligned), "--json") == 0
    found = {row["method"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(found) == set(METHODS)
    assert found["vgf_L2"]["judge"] == pytest.approx(rows_of(aligned, "vgf_L2")["judge"].mean(), abs=1e-6)
    assert found["human"]["win_chosen"] == 0.5
    assert found["best_of_16"]["win_best_of_16"] == 0.5
    assert run("table", "--results", str(aligned)) == 0
    assert capsys.readouterr().out.count(" | 1 x 10 |") == len(METHODS)


def test_a_changed_record_is_told_on(aligned: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(aligned, copy)
    path = copy / "rlhf" / "quick" / "reviews" / "sft" / "seed0.csv"
    path.write_text(path.read_text().replace("review-", "review-9", 1))
    with pytest.raises(ValueError, match="changed since its run wrote it"):
        table.read_study("quick", "reviews", copy)


def test_weighted_cloning_is_a_policy_of_its_own(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("align", "--results", str(tmp_path), "--method", "weighted_bc", "weighted_bc_best", "sft")
    assert run(*words) == 2
    assert "`vgf rlhf train bc` comes first" in capsys.readouterr().err
    assert run("train", "bc") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["responses"] == 32
    assert 0 < facts["effective_share"] < 1
    assert run(*words) == 0
    assert (rows_of(tmp_path, "weighted_bc_best")["reward"] >= rows_of(tmp_path, "weighted_bc")["reward"]).all()


@pytest.mark.parametrize("method", ["dpo", "ppo", "rloo"])
def test_a_policy_trained_through_trl_is_compared_like_every_other(
    method: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", method) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 4  # and nothing of TRL's own beside it
    assert run("align", "--results", str(tmp_path), "--method", "sft", method) == 0
    before, after = rows_of(tmp_path, "sft"), rows_of(tmp_path, method)
    assert len(after) == 10
    assert np.isfinite(after[["reward", "judge", "nats"]].to_numpy(float)).all()
    weights = {name: next(world.glob(f"cache/rlhf/work/*/{name}/seed0/model.safetensors")) for name in ("sft", method)}
    assert digest(weights["sft"]) != digest(weights[method])
    assert list(before["prompt"]) == list(after["prompt"])


@pytest.mark.parametrize("method", ["dpo", "dpo_trained"])
def test_dpos_first_loss_is_log_two_after_supervised_tuning(
    method: str, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference is the tuned model itself, not the file that it was once loaded from."""
    losses: list[float] = []

    def first(trainer: Any, *_: Any) -> None:
        batch = next(iter(trainer.get_train_dataloader()))
        with torch.no_grad():
            losses.append(float(trainer.compute_loss(trainer.model, batch)))
        raise ValueError("the first loss is all that is wanted")

    monkeypatch.setattr("vgf.rlhf.rivals.preferred.run", first)
    for done in world.glob(f"cache/rlhf/*/*/{method}"):
        shutil.rmtree(done)
    setup = Setup(sizes=LITTLE, stopping=Stopping(every=2, patience=2, most=4, prompts=4))
    with pytest.raises(ValueError, match="the first loss is all that is wanted"):
        preferred.train(setup, method)
    assert losses == [pytest.approx(math.log(2), abs=2e-3)]  # in bfloat16 it has three digits


def test_the_harder_testbed_keeps_the_well_rated(world: Path, tmp_path: Path) -> None:
    words = ("--prompts", "3", "--least-rating", "1", "--results", str(tmp_path), "--method", "human")
    assert run("align", *words) == 0
    ratings = {f"review-{r['number']}": r["rating"] for r in json.loads(_snippets(world).read_text())}
    rows = rows_of(tmp_path, "human", task="reviews-1")
    assert len(rows) == 3
    assert all(ratings[name] >= 1 for name in rows["prompt"])


def test_a_preference_task_goes_the_same_way_with_a_judge_behind_an_address(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    little_model(seed=3).save_pretrained(tmp_path / "pythia")
    little_tokenizer().save_pretrained(tmp_path / "pythia")
    pairs = str(little_preferences(tmp_path / "pairs.jsonl"))
    common = ("--model", str(tmp_path / "pythia"), "--task", "tldr", "--preferences", pairs, "--prompts", "4")
    assert run("align", *common) == 2
    assert "`vgf rlhf sft` with seed 0 comes first" in capsys.readouterr().err
    assert run("sft", *common) == run("reward", *common) == 0
    assert json.loads(capsys.readouterr().out.split("\n}\n")[1] + "}")["accuracy"]["pairs"] > 0.8
    assert run("judge", *common) == 2
    assert "tldr has no judge of its own; `vgf rlhf judge --api`" in capsys.readouterr().err
    where = ("--results", str(world / "results"))
    assert run("align", *common, *where, "--method", "sft", "vgf_L2", "best_of_8") == 0
    assert rows_of(world / "results", "vgf_L2", task="tldr")["judge"].isna().all()
    told = (world / "results" / "rlhf" / "quick" / "tldr" / "vgf_L2" / "run.json").read_text()
    assert str(tmp_path) not in told
    monkeypatch.setenv(KEY, SECRET)
    stub = Stub()
    threading.Thread(target=stub.serve_forever, daemon=True).start()
    asking = ("judge", *common, "--api", "gpt", "--base-url", stub.url, "--method", "vgf_L2", "--against")
    for against in ("ref", "chosen"):
        assert run(*asking, against) == 0
        assert f"vgf_L2: wins 0.500 [0.500, 0.500] against {against}, 4 pairs" in capsys.readouterr().out
    assert len(stub.asked) == 16
    assert run(*asking, "ref") == 0
    assert len(stub.asked) == 16
    stub.shutdown()
    stub.server_close()


def test_a_missing_reference_is_named(world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv(KEY, SECRET)
    assert run("judge", "--api", "gpt", "--method", "swaps_L8") == 2
    assert "swaps_L8 has no record of seed 0; `vgf rlhf align --method swaps_L8`" in capsys.readouterr().err


def _snippets(world: Path) -> Path:
    return world / "cache" / "rlhf" / "ratings" / "snippets.json"
