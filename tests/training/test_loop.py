"""Training: a run that stopped goes on bit for bit; experiment files are read strictly; bad input is one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.toy_runs import EXPERIMENT, TASK, a_run, contents, do, toy_data, toy_envs, trained, write
from vgf import cli, records
from vgf.agents import BC
from vgf.networks import SeedStreams
from vgf.training.batches import draw_rows
from vgf.training.checkpoints import load_agent


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    run = a_run(tmp_path_factory.mktemp("whole"))
    found = trained(run)
    assert not run.work.exists()
    return found


def test_a_record_holds_curve_episodes_policy_and_what_made_them(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    do(run)
    record = records.read_record(run.folder)
    assert sorted(record.curve["update"].unique()) == [2, 4, 6, 8, 10]
    assert record.curve.groupby("seed").size().to_dict() == {0: 5, 3: 5}
    expected = {(0, 0): 4, (6, 0): 4, (6, 2): 4, (10, 0): 4, (10, 2): 4}
    assert record.episodes.groupby(["update", "test_steps"]).size().to_dict() == expected
    (entry,) = record.runs
    assert entry["scale"] == "quick"
    assert entry["seeds"] == [0, 3]
    assert entry["settings"]["config"]["step_size"] == 0.05
    assert entry["settings"]["config"]["hidden"] == [8]
    assert entry["dataset"] == {"sha256": "0"}
    assert {"commit", "dirty", "versions", "device", "seconds", "finished"} <= set(entry)


def test_phases_leave_gaps_in_the_curve_and_means_are_over_the_updates_that_reported(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    do(run)
    curve = records.read_record(run.folder).curve
    own = curve[curve["seed"] == 0].set_index("update")
    assert own["critic/loss"].isna().tolist() == [True, False, False, False, False]  # the reference alone until 3
    assert own["reference/loss"].isna().tolist() == [False, False, True, True, True]


def test_a_reference_with_updates_of_its_own_comes_before_the_others(tmp_path: Path) -> None:
    """Methods that clone first get more updates in all, and are evaluated once they have a critic; others stay."""
    sizes = {"agent": {"hidden": [8], "flow_steps": 2}, "evaluate_every": 4}
    run, plain = (a_run(tmp_path / name, name, sizes | {"reference_updates": 6}) for name in ("mine", "bc"))
    assert (run.scale.updates, run.method.config.pretrain, run.settings["updates"]) == (16, 6, 16)
    assert plain.ident == a_run(tmp_path / "again", "bc", sizes).ident
    for one in (run, plain):
        do(one)
    curve, episodes = records.read_record(run.folder).curve, records.read_record(run.folder).episodes
    assert curve[curve["critic/loss"].notna()]["update"].min() == 8
    assert curve["update"].max() == 16
    assert sorted(episodes["update"].unique()) == [0, 8, 12, 16]
    assert sorted(records.read_record(plain.folder).episodes["update"].unique()) == [0, 4, 8, 10]


def test_a_method_that_trains_its_reference_in_step_has_no_updates_of_the_reference_alone(tmp_path: Path) -> None:
    sizes = {"agent": {"hidden": [8], "flow_steps": 2}, "evaluate_every": 4, "reference_updates": 6}
    run = a_run(tmp_path, "mine", sizes, pretrain=0)
    assert (run.scale.updates, run.method.config.pretrain) == (10, 0)
    do(run)
    curve = records.read_record(run.folder).curve
    assert curve["update"].max() == 10
    trained = curve[curve["update"] > 0]
    assert trained[["critic/loss", "reference/loss"]].notna().all(axis=None)


def test_a_run_with_a_bank_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, stopped = (a_run(tmp_path / name, bank=4) for name in ("whole", "stopped"))
    assert trained(stopped, [3, 6, 9]) == trained(whole)


@pytest.mark.parametrize("stops", [[1], [4], [5, 6], [3, 7, 8, 9], [10]])
def test_a_run_that_stopped_goes_on_bit_for_bit(stops: list[int], tmp_path: Path, whole: dict[str, bytes]) -> None:
    assert trained(a_run(tmp_path), stops) == whole


def test_a_seed_sees_the_same_batches_alone_and_in_company() -> None:
    data = toy_data()
    both, one = SeedStreams((0, 3), "batches"), SeedStreams((3,), "batches")
    drawn, alone = draw_rows(data, both, 6, 3), draw_rows(data, one, 6, 3)
    assert torch.equal(drawn[:, 1], alone[:, 0])
    again = SeedStreams((0, 3), "batches")
    assert torch.equal(drawn, torch.cat([draw_rows(data, again, 6, 1) for _ in range(3)]))
    together = data.rows(drawn[0])
    assert not torch.equal(together.actions[0], together.actions[1])
    rows = [tuple(row.tolist()) for row in data.observations]
    index = [rows.index(tuple(row.tolist())) for row in together.observations.flatten(0, 1)]
    for name, values, whole in zip(together._fields, together, data.rows(torch.tensor(index)), strict=True):
        assert torch.equal(values.flatten(0, 1), whole), name  # every field is of the same row


def test_a_metric_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    run = a_run(tmp_path, learning_rate=1e30)
    with pytest.raises(
        ValueError, match=r"^mine on .*: .* is not finite at update 2; there is no checkpoint yet; give a smaller"
    ):
        do(run)
    assert not run.folder.exists()
    assert not run.work.exists()


@pytest.mark.parametrize("counts", [0, 2])
def test_a_method_that_does_not_count_its_updates_is_named(
    counts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the count training would have no end."""
    update = BC.update

    def miscounts(agent: Any, batch: Any) -> Any:
        before, metrics = agent.updates, update(agent, batch)
        agent.updates = before + counts
        return metrics

    monkeypatch.setattr(BC, "update", miscounts)
    monkeypatch.setattr(BC, "is_fused", False)
    with pytest.raises(ValueError, match=r"update\(\) of bc did not count; add self\.updates \+= 1"):
        do(a_run(tmp_path, "bc"))
    assert not (tmp_path / "record").exists()


def test_a_policy_file_is_complete_and_acts_as_the_agent_did(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    do(run)
    agent, task = load_agent(run.folder)
    again, _ = load_agent(run.folder / "policy.safetensors")
    assert (agent.name, agent.seeds, agent.updates, task) == ("vgf", (0, 3), 10, run.task.name)
    assert agent.config == run.method.config
    s = torch.randn(2, 5, 3)
    actions = [a.act(s, a.budget(2), SeedStreams((0, 3), "test")) for a in (agent, again)]
    assert torch.equal(*actions)
    (run.folder / "policy.safetensors").write_bytes(b"not a policy")
    with pytest.raises(ValueError, match=r"policy.safetensors: damaged, or not a safetensors file"):
        load_agent(run.folder)


def test_the_command_trains_every_method_once_and_prints_a_summary(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", str(write(toy))]) == 0
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines()] == ["method", "bc", "mine", "mine"]
    folder = toy / "data" / "results" / "study.quick" / TASK
    before = contents(folder / "mine")
    assert cli.main(["train", str(write(toy))]) == 0
    assert "there already, made with these settings" in capsys.readouterr().err
    assert contents(folder / "mine") == before
    assert not list((toy / "data" / "cache" / "runs").glob("*/*"))


def test_every_task_has_its_own_config_and_records(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = "cube-single-play-singletask-task3-v0"
    path = str(write(toy, tasks={TASK: None, other: {"methods": {"mine": {"step_size": 0.1}}}}))
    assert cli.main(["train", path, "--task", other, "--method", "mine"]) == 0
    folder = toy / "data" / "results" / "study.quick"
    assert [p.name for p in folder.iterdir()] == [other]
    assert cli.main(["train", path]) == 0
    steps = {t: records.read_runs(folder / t / "mine")[0]["settings"]["config"]["step_size"] for t in (TASK, other)}
    assert steps == {TASK: 0.05, other: 0.1}
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[-2:]] == [[other, "mine"]] * 2


def test_other_seeds_join_a_record_and_other_settings_do_not(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quick = EXPERIMENT["scales"]["quick"]
    scales = {"cpu": quick}
    run = ["train", str(toy / "study.yaml"), "--scale", "cpu", "--method", "bc"]
    folder = toy / "data" / "results" / "study.cpu" / TASK / "bc"
    write(toy, scales=scales)
    assert cli.main(run) == 0
    write(toy, scales={"cpu": quick | {"seeds": [5, 6]}})
    assert cli.main(run) == 0
    assert set(records.read_record(folder).episodes["seed"]) == {0, 3, 5, 6}
    write(toy, scales={"cpu": quick | {"updates": 4}})
    capsys.readouterr()
    assert cli.main(run) == 2
    assert "made with other settings; move it away, or say --replace" in capsys.readouterr().err
    assert cli.main([*run, "--replace"]) == 0
    assert records.read_record(folder).curve["update"].max() == 4


def test_evaluate_command_reads_a_record(toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from vgf.training import evaluate_command

    assert cli.main(["train", str(write(toy))]) == 0
    monkeypatch.setattr(evaluate_command, "make_envs", toy_envs)
    folder = toy / "data" / "results" / "study.quick" / TASK / "mine"
    capsys.readouterr()
    assert cli.main(["evaluate", str(folder), "--steps", "0", "3", "--episodes", "2", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert [row["test_steps"] for row in table] == [0, 3]
    monkeypatch.setattr(evaluate_command, "make_envs", None)  # none is made for what has no meaning
    for words, told in (
        (("--episodes", "0"), "--episodes must be an integer >= 1, got 0"),
        (("--episodes", "-3"), "--episodes must be an integer >= 1, got -3"),
        (("--steps",), "--steps names no budget; give one or more, for instance --steps 0 3, or leave it out"),
        (("--steps", "0", "-1"), "--steps must be integers >= 0, one is -1"),
    ):
        assert cli.main(["evaluate", str(folder), *words]) == 2
        assert capsys.readouterr().err == f"vgf: {told}\n"
    shutil.rmtree(folder)
    assert cli.main(["evaluate", str(folder)]) == 2
    assert "no policy at" in capsys.readouterr().err
