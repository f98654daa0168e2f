"""Rivals trained until their reward stops rising: measured, cut short, killed, and found again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from tests.helpers.language import LITTLE, digest, little_cache
from vgf.results import commands
from vgf.rlhf import stages
from vgf.rlhf.rivals import preferred, watched
from vgf.rlhf.settings import Setup
from vgf.rlhf.stages import open_policy
from vgf.rlhf.stopping import TO_STOP, Stopping
from vgf.rlhf.study.align import align
from vgf.rlhf.study.methods import get_method
from vgf.rlhf.study.trained import longest, trainings

torch.set_num_threads(1)
SETUP = Setup(sizes=LITTLE, stopping=Stopping(every=2, patience=4, most=6, prompts=6))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    data = tmp_path_factory.mktemp("world")
    little_cache(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VGF_DATA", str(data))
        stages.sft(SETUP)
        stages.reward(SETUP)
        yield data


class Killed(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("method", sorted(TO_STOP))
def test_a_killed_training_goes_on_to_the_same_policy(
    method: str, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = preferred.train(SETUP, method)
    assert (facts["steps"], facts["stopped"]) == (6, False), "cut short: so few measurements are never enough"
    assert [row["step"] for row in facts["curve"]] == [0, 2, 4, 6]
    assert facts["kept"] == max(facts["curve"], key=lambda row: row["reward"])["step"]
    folder = SETUP.folder(method)
    assert not list(folder.glob("checkpoint-*"))
    whole = digest(folder / "model.safetensors")
    shutil.rmtree(folder)
    real, saved = watched.save_checkpoint, []

    def dying(*args: Any) -> None:
        real(*args)
        saved.append(args[1])
        if len(saved) == 2:
            raise Killed

    monkeypatch.setattr(watched, "save_checkpoint", dying)
    with pytest.raises(Killed):
        preferred.train(SETUP, method)
    again = preferred.train(SETUP, method)
    assert saved == [2, 4, 6]
    assert again["curve"] == facts["curve"]
    assert digest(folder / "model.safetensors") == whole


def test_the_kept_policy_is_the_one_that_was_measured(world: Path) -> None:
    facts = preferred.train(SETUP, "dpo_trained")
    state = safetensors.torch.load_file(SETUP.folder("dpo_trained") / "model.safetensors")
    assert {value.dtype for value in state.values()} == {torch.float32}
    policy, splits = open_policy(SETUP, SETUP.folder("dpo_trained"), "dpo_trained")
    reward = stages.load_reward(SETUP.folder("reward"), policy)
    rows = preferred.evaluation_prompts(splits.test, SETUP.stopping.prompts, development=True)
    value = watched.measurement(policy, reward, rows, LITTLE.tokens, SETUP.seed)()
    found = {row["step"]: row["reward"] for row in facts["curve"]}[facts["kept"]]
    assert sum(value) / len(value) == pytest.approx(found, abs=1e-4)


def test_a_level_reward_ends_the_training_early(world: Path, tmp_path: Path) -> None:
    rule = Stopping(every=1, patience=2, most=50, prompts=2)
    watch = watched.Watch("dpo_trained", rule, tmp_path / "stage", lambda: [1.0, 2.0], 0)
    weight = torch.nn.Parameter(torch.zeros(3))
    adam = torch.optim.AdamW([weight])
    watch.begin({"weight": weight}, adam)
    for done in (1, 2):
        weight.sum().backward()
        adam.step()
        with pytest.raises(watched.Finished) if done == 2 else nullcontext():
            watch.after_step({"weight": weight}, adam, 0.0)
    assert watch.facts()["stopped"]
    assert watch.facts()["steps"] == 2
    assert watch.facts()["kept"] == 0
    assert torch.equal(watch.best["weight"], torch.zeros(3))
    found = watched.Watch("dpo_trained", rule, tmp_path / "stage", lambda: [1.0, 2.0], 0)
    assert found.over
    assert found.first == 2


def test_rows_are_listed_from_the_step_that_is_next(tmp_path: Path) -> None:
    watch = watched.Watch("ppo_trained", Stopping(2, 1, 6, 2), tmp_path, lambda: [0.0, 0.0], 3)
    whole = watch.listed(list(range(10)), 2)
    watch.first = 4
    assert watch.listed(list(range(10)), 2) == whole[8:]
    assert len(whole) == 12


def test_a_record_says_how_far_its_rival_was_trained(world: Path, tmp_path: Path) -> None:
    study = tmp_path / "rlhf" / "quick" / "reviews"
    assert trainings(study).empty
    assert longest([study], "dpo") == ("dpo", False)
    stages.judge(SETUP)
    facts = preferred.train(SETUP, "dpo_trained")
    align(SETUP, [get_method("sft"), get_method("dpo_trained")], tmp_path)
    (line,) = trainings(study).to_dict("records")
    assert (line["rival"], line["seed"], line["steps"], line["kept"]) == ("dpo_trained", 0, 6, facts["kept"])
    assert line["before"] == pytest.approx(facts["curve"][0]["reward"])
    assert line["highest"] >= max(line["before"], line["last"])
    assert longest([study], "dpo") == ("dpo_trained", False)
    assert list(commands.language(tmp_path)) == []
    path = study / "dpo_trained" / "seed0.curve.csv"
    path.write_text(path.read_text().replace("\n2,", "\n2,9", 1))
    assert [line.split(":")[0] for line in commands.language(tmp_path)] == [str(path)]
    with pytest.raises(ValueError, match=r"seed0.curve.csv"):
        trainings(study)
