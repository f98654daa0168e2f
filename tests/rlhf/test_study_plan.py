"""An experiment file on language: names of its own, and what a machine has in their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from vgf.rlhf.settings import SIZES
from vgf.rlhf.study.asking import BASE
from vgf.rlhf.study.plan import Given, JudgePlan, read_plan, setups_of

FILE: dict[str, Any] = {
    "about": "little",
    "language": "tldr",
    "model": "EleutherAI/pythia-1b",
    "preferences": {"hh": "mine.jsonl"},
    "prompt_tokens": 200,
    "judge": {"model": "gpt", "base_url": "https://one.example/v1"},
    "scales": {
        "quick": [{"seeds": [0, 1], "prompts": 5}, {"seeds": [2], "task": "hh"}, {"seeds": [3], "task": "reviews"}]
    },
}


@pytest.fixture(autouse=True)
def _own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASE, "https://one.example/other")


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(FILE | changes))
    return path


def test_each_comparison_has_its_task_rows_and_a_lean_placement_where_it_is_of_preferences(tmp_path: Path) -> None:
    plan, comparisons = read_plan(write(tmp_path), "quick")
    setups = [setup for comparison in comparisons for setup in setups_of(plan, comparison, "quick")]
    usual = SIZES["quick"].prompts
    assert [(s.task, s.seed, s.sizes.prompts) for s in setups[:3]] == [("tldr", 0, 5), ("tldr", 1, 5), ("hh", 2, usual)]
    assert [s.sizes.prompt_tokens for s in setups] == [200, 200, 200, 0]
    assert [s.placement.lean for s in setups] == [True, True, True, False]
    assert [s.preferences and s.preferences.name for s in setups] == [None, None, "mine.jsonl", None]


def test_what_is_given_takes_the_place_of_names_and_nothing_else(tmp_path: Path) -> None:
    given = Given("folder", (("tldr", Path("rows.parquet")),), "other", "https://two.example/v1")
    plan, _ = read_plan(write(tmp_path), "quick", given)
    assert plan.model == "folder"
    assert plan.preferences == {"hh": "mine.jsonl", "tldr": "rows.parquet"}
    assert plan.judge == JudgePlan("other", "https://two.example/v1")
    assert read_plan(write(tmp_path), "quick")[0].judge == JudgePlan("gpt", "https://one.example/v1")
    assert read_plan(write(tmp_path, judge=None), "quick", Given(judge="x"))[0].judge == JudgePlan("x")
    assert read_plan(write(tmp_path, judge=None), "quick")[0].judge is None


@pytest.mark.parametrize(
    "url",
    [
        "https://two.example/v1",
        "https://one.example:8443/v1",
        "https://api.openai.com@two.example/v1",
        "https://api.openai.com.two.example/v1",
        "https://two.example/api.openai.com",
        "https://one.example:port/v1",
        "https://[two\nlines",
    ],
)
def test_a_judges_server_is_not_the_files_alone_to_name(url: str, tmp_path: Path) -> None:
    path = write(tmp_path, judge={"model": "gpt", "base_url": url})
    with pytest.raises(
        ValueError, match=r"plan.yaml: judge.base_url is .*; if you trust it, give it as --base-url"
    ) as told:
        read_plan(path, "quick")
    assert "\n" not in str(told.value)
    plan, _ = read_plan(path, "quick", Given(base_url="https://mine.example/v1"))
    assert plan.judge == JudgePlan("gpt", "https://mine.example/v1")


@pytest.mark.parametrize(
    "url", ["", "https://api.openai.com/v1", "https://one.example:443/v1", "https://ONE.example/v1"]
)
def test_openais_server_and_the_environments_may_stand_in_a_file(url: str, tmp_path: Path) -> None:
    plan, _ = read_plan(write(tmp_path, judge={"model": "gpt", "base_url": url}), "quick")
    assert plan.judge == JudgePlan("gpt", url)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preferences": {"tlrd": "x"}}, "plan.yaml: preferences has no 'tlrd'; nearest: tldr"),
        ({"scales": {"quick": [{"seeds": [0], "task": "hhh"}]}}, r"scales.quick\[0\].task has no 'hhh'; nearest: hh"),
        ({"judge": {"model": "gpt", "against": ["us"]}}, "judge.against has no 'us'"),
        ({"judge": {}}, "plan.yaml.judge.model is missing"),
        ({"prompt_tokens": "many"}, "prompt_tokens must be a whole number, got 'many'"),
    ],
)
def test_a_faulty_file_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_plan(write(tmp_path, **changes), "quick")
