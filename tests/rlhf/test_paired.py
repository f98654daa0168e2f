"""The paper's setting from end to end in little: stages and rivals, both tasks' published rows, a judge, one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.helpers.judge_server import Stub
from tests.helpers.language import LITTLE, digest
from tests.helpers.paper_setting import write_pythia, write_rows
from tests.helpers.site import ROOT
from vgf import cli, records
from vgf.rlhf import settings
from vgf.rlhf.settings import PAIRED
from vgf.rlhf.study.asking import BASE, KEY
from vgf.rlhf.study.plan import read_plan, setups_of
from vgf.rlhf.study.records import read_rows

torch.set_num_threads(1)
FILE = ROOT / "data" / "experiments" / "rlhf_paper.yaml"
METHODS = ["human", "sft", "best_of_8", "vgf_L1", "constant_L1"]
SMALL: dict[str, Any] = {
    "about": "little",
    "language": "tldr",
    "model": "EleutherAI/pythia-1b",
    "prompt_tokens": 120,
    "judge": {"model": "gpt", "most_dollars": 1},
    "scales": {
        "paper": [
            {"seeds": [0], "methods": METHODS},
            {"seeds": [0], "methods": ["dpo"]},
            {"seeds": [0], "methods": ["ppo"]},
            {"seeds": [0], "methods": ["sft", "weighted_bc"], "task": "hh"},
        ]
    },
}
SIZES = replace(
    LITTLE, prompts=4, bc_steps=2, sft_batch=10, reward_batch=12, value_rank=2, together=8, reward_layers=12
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VGF_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(settings.SIZES, "paper", SIZES)
    write_pythia(tmp_path / "pythia")
    write_rows(tmp_path)
    return tmp_path


def words(folder: Path, stub_url: str = "", content: Any = None, **other: str) -> list[str]:
    path = folder / "little.yaml"
    path.write_text(yaml.safe_dump(content or SMALL))
    given = {"model": "pythia", "tldr": "comparisons.jsonl", "hh": "train.jsonl.gz"} | other
    found = [word for key, value in given.items() if value for word in (f"--{key}", str(folder / value))]
    address = ["--base-url", stub_url] if stub_url else []
    return ["rlhf", "run", str(path), "--scale", "paper", "--device", "cpu", *found, *address]


def test_the_papers_setting_runs_from_published_rows_to_the_judges_verdicts(
    world: Path, stub: Stub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words(world, stub.url)) == 0
    said = capsys.readouterr()
    assert "comparisons.jsonl: 1 of 90 rows are left out" in said.err  # the news article
    assert "train.jsonl.gz: 1 of 90 rows are left out, their prompts pass 120 tokens" in said.err
    for line in ("judge gpt: answers (stub-1), about 0.", "sft: 0.0 GB", "ppo: 0.0 GB", "comparison: 0.0 GB"):
        assert line in said.err
    goes = f"judge gpt: questions and the key of {KEY} go to 127.0.0.1:{stub.server_port}"
    assert said.err.index(goes) < said.err.index("judge gpt: answers")
    assert said.err.index("in all, 1 seed: at most") < said.err.index("tldr, seed 0: human, sft")
    assert "tldr, paper\n" in said.out
    assert "hh, paper\n" in said.out
    assert "tldr, paper, seed 0, judge gpt" in said.out
    for method in ("vgf_L1", "constant_L1", "dpo", "ppo"):
        assert f"{method}: wins 0.500" in said.out
    home = world / "data" / "results" / "rlhf" / "paper"
    assert len(read_rows(home / "tldr" / "ppo", 0)) == 4
    assert len(read_rows(home / "hh" / "weighted_bc", 0)) == 4
    told = records.read_runs(home / "tldr" / "vgf_L1")[0]
    assert told["settings"]["sizes"]["prompt_tokens"] == 120
    made = {path: digest(path) for path in home.rglob("*.csv")}
    asked = len(stub.asked)
    monkeypatch.delenv(KEY)  # what is finished is printed without it
    assert cli.main(words(world, stub.url)) == 0
    assert {path: digest(path) for path in made} == made
    assert len(stub.asked) == asked
    assert capsys.readouterr().out == said.out


WRONG = [
    ({"model": "gone"}, {}, "no such folder; give a folder with a model"),
    ({"tldr": "little.yaml"}, {}, "little.yaml, line 1: not JSON"),
    ({"hh": "comparisons.csv"}, {}, "comparisons.csv, line 1: no text 'chosen'; it has info"),
    ({}, {"judge": None}, "little.yaml: tldr has no judge of its own; name one with --judge MODEL"),
    ({}, {"judge": {"model": "gpt", "against": ["us"]}}, "judge.against has no 'us'"),
    (
        {},
        {"scales": {"paper": [{"seeds": [0], "methods": ["best_of_8"]}]}},
        "tldr is judged against ref; add sft to its",
    ),
    ({}, {"prompt_tokens": 3}, "prompts pass 3 tokens; raise prompt_tokens"),
]


@pytest.mark.parametrize(("given", "changes", "message"), WRONG)
def test_what_is_missing_is_one_line_before_anything_is_done(
    given: dict[str, str], changes: dict[str, Any], message: str, world: Path, stub: Stub, capsys: Any
) -> None:
    (world / "comparisons.csv").write_text('{"info": {}, "summaries": []}\n')
    assert cli.main(words(world, stub.url, SMALL | changes, **given)) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert message in told[-1]
    assert not any("goes on" in line or line.startswith("Traceback") for line in told)
    assert not list((world / "data").rglob("*.safetensors"))
    assert not stub.asked


def test_without_a_key_or_an_answer_nothing_is_begun(world: Path, stub: Stub, monkeypatch: Any, capsys: Any) -> None:
    stub.script = [401]
    assert cli.main(words(world, stub.url)) == 2
    assert "judge gpt on a first question: HTTP 401" in capsys.readouterr().err
    monkeypatch.delenv(KEY)
    assert cli.main(words(world, stub.url)) == 2
    assert f"the judge needs a key in the environment variable {KEY}" in capsys.readouterr().err
    assert not list((world / "data").rglob("*.safetensors"))


def test_what_a_kill_left_undone_of_every_seed_is_told(world: Path, stub: Stub, monkeypatch: Any, capsys: Any) -> None:
    two = {"scales": {"paper": [{"seeds": [0, 1], "methods": ["sft", "best_of_8"]}]}}

    def killed(*args: Any, **given: Any) -> None:
        raise ValueError("killed")

    with monkeypatch.context() as during:
        during.setattr("vgf.rlhf.study.run.align", killed)
        assert cli.main(words(world, stub.url, SMALL | two)) == 2
    assert len(list((world / "data").rglob("reward/seed0"))) == 1
    capsys.readouterr()
    monkeypatch.setattr("vgf.rlhf.study.cost.os.sysconf", lambda name: 100)
    assert cli.main(words(world, stub.url, SMALL | two)) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in said if "GB, " in line and ": 0.0" in line][:3] == [
        "sft",
        "reward",
        "comparison",
    ]
    assert any(line.startswith("in all, 2 seeds: at most") for line in said)


def test_a_file_alone_does_not_say_where_the_key_goes(world: Path, stub: Stub, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.delenv(BASE, raising=False)
    theirs = SMALL | {"judge": {"model": "gpt", "base_url": stub.url}}
    assert cli.main(words(world, "", theirs)) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert f"judge.base_url is 127.0.0.1:{stub.server_port}, and a file alone does not say where the key" in told[0]
    assert not stub.asked


def test_a_device_that_is_too_small_is_refused_with_the_stage(
    world: Path, stub: Stub, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr("vgf.rlhf.study.cost.os.sysconf", lambda name: 100)
    assert cli.main(words(world, stub.url)) == 2
    assert "dpo needs about 0.0 GB, CPU has 0.0 GB; give a smaller model" in capsys.readouterr().err
    assert not list((world / "data").rglob("*.safetensors"))


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_the_file_names_both_tasks_all_rivals_and_no_place_of_this_machine(scale: str) -> None:
    plan, comparisons = read_plan(FILE, scale)
    tasks = [setup.task for comparison in comparisons for setup in setups_of(plan, comparison, scale, "cpu")]  # type: ignore[arg-type]
    assert set(tasks) == set(PAIRED)
    assert plan.judge is not None
    assert plan.prompt_tokens == 512
    methods = {name for comparison in comparisons for name in comparison.methods}
    if scale == "paper":
        assert {"dpo", "ppo", "rloo", "weighted_bc", "best_of_16", "vgf_L1", "constant_L1", "no_kernel_L1"} <= methods
