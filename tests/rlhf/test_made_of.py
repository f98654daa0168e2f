"""What a cached stage is of: the same content is found again under any name, other content never under the same."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.helpers.language import little_cache, little_model, little_preferences, little_tokenizer
from vgf.rlhf import made_of, stages
from vgf.rlhf.settings import SIZES, Setup
from vgf.rlhf.study import verdicts
from vgf.rlhf.study.align import settings_of
from vgf.rlhf.study.api_judge import ApiJudge
from vgf.rlhf.study.methods import get_method
from vgf.support.content import content_of, files_of

torch.set_num_threads(1)
SIZE = replace(SIZES["quick"], sft_steps=2, tokens=6, prompts=6)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of little parts, a model of its own and preferences, and a working directory."""
    monkeypatch.setenv("VGF_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    little_cache(tmp_path / "data", 200)
    save(tmp_path / "model")
    little_preferences(tmp_path / "mine.jsonl", 60)
    return tmp_path


def save(folder: Path, seed: int = 3) -> None:
    little_model(seed).save_pretrained(folder)
    little_tokenizer().save_pretrained(folder)


def setup(world: Path, **changes: Any) -> Setup:
    given = {"model": str(world / "model"), "task": "hh", "preferences": world / "mine.jsonl", "sizes": SIZE}
    return Setup(**(given | changes))


def edit(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new, 1))


def swapped(world: Path) -> None:
    rows = [json.loads(line) for line in (world / "mine.jsonl").read_text().splitlines()]
    rows = [row | {"chosen": row["rejected"], "rejected": row["chosen"]} for row in rows]
    (world / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")


def same_time(world: Path) -> None:
    """Change a file and leave its size and its time as they were, as some editors and copies do."""
    path = world / "mine.jsonl"
    before = path.stat()
    swapped(world)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


OTHER: dict[str, Callable[[Path], Any]] = {
    "chosen and rejected exchanged": swapped,
    "the same at the same time of writing": same_time,
    "one row more": lambda w: (w / "mine.jsonl").write_text((w / "mine.jsonl").read_text() * 2),
    "a letter of one row": lambda w: edit(w / "mine.jsonl", "film", "film "),
    "a better model in its place": lambda w: save(w / "model", 4),
    "its config": lambda w: edit(w / "model" / "config.json", '"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-05'),
    "its tokenizer": lambda w: edit(w / "model" / "tokenizer.json", '"film"', '"flim"'),
    "a chat template beside it": lambda w: (w / "model" / "chat_template.jinja").write_text("{{ messages }}"),
}
SAME: dict[str, Callable[[Path], Any]] = {
    "a readme": lambda w: (w / "model" / "README.md").write_text("good"),
    "what a stage says of itself": lambda w: (w / "model" / "done.json").write_text("{}"),
    "a time of writing": lambda w: os.utime(w / "mine.jsonl"),
    "a copy in its place": lambda w: shutil.copytree(shutil.move(w / "model", w / "old"), w / "model"),
}


@pytest.mark.parametrize("change", [*OTHER, *SAME])
def test_a_stage_is_named_by_what_it_is_made_of(change: str, world: Path) -> None:
    before = setup(world).folder("sft")
    settings = settings_of(setup(world), get_method("sft"))
    (OTHER | SAME)[change](world)
    assert (setup(world).folder("sft") == before) == (change in SAME)
    assert (settings_of(setup(world), get_method("sft")) == settings) == (change in SAME)
    assert str(world) not in json.dumps(setup(world).made_of)  # a record names no one's folders


def test_one_model_under_many_names_is_one_and_two_of_one_name_are_two(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (world / "link").symlink_to(world / "model")
    monkeypatch.setenv("HOME", str(world))
    names = ("model", "./model", str(world / "model"), "model/", "~/model", "link")
    assert len({json.dumps(setup(world, model=name).made_of) for name in names}) == 1
    shutil.copy(world / "mine.jsonl", world / "copy.jsonl")
    assert setup(world).folder("reward") == setup(world, preferences=world / "copy.jsonl").folder("reward")
    save(world / "elsewhere" / "model", 5)
    monkeypatch.chdir(world / "elsewhere")
    assert setup(world, model="model").folder("sft") != setup(world, model="../model").folder("sft")


def test_the_prepared_parts_go_by_their_names_until_they_are_changed(world: Path) -> None:
    home, prepared = world / "data" / "cache" / "rlhf", Setup(sizes=SIZE)
    assert prepared.made_of != {"model": "smollm2-135m", "task": "reviews"}  # these were made by no `prepare`
    for folder, part in (("smollm2-135m", "smollm2"), ("ratings", "ratings")):
        files = {p.name: {"sha256": content_of(p)} for p in files_of(home / folder)}
        facts = {"archive": made_of.PARTS[part].sha256, "files": files}
        (home / folder / "manifest.json").write_text(json.dumps(facts))
    assert prepared.made_of == {"model": "smollm2-135m", "task": "reviews"}
    save(home / "smollm2-135m", 9)
    edit(home / "ratings" / "snippets.json", '"rating": ', '"rating":  ')
    assert set(prepared.made_of["model"]) == {"model"}
    assert set(prepared.made_of["task"]) == {"task", "content"}


def test_a_set_of_the_hub_is_named_by_its_version(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for version in ("0a1b", "0a1b", "2c3d"):
        made_of._hub_fingerprint.cache_clear()
        table = SimpleNamespace(cache_files=[{"filename": f"/cache/hh/{version}/hh-train.arrow"}])
        monkeypatch.setattr("vgf.rlhf.parts.preferences.hub_table", lambda task, table=table: table)
        found.append(setup(world, preferences=None).folder("sft"))
    made_of._hub_fingerprint.cache_clear()
    assert (found[0] == found[1], found[0] == found[2]) == (True, False)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"preferences": Path("none.jsonl")}, "none.jsonl: no such file"),
        ({"model": "./none"}, "no such folder; give a folder with a model"),
    ],
)
def test_what_is_not_there_is_named(changes: dict[str, Any], fault: str, world: Path) -> None:
    with pytest.raises(ValueError, match=fault):
        setup(world, **changes).folder("sft")


def test_a_stage_says_what_it_was_made_of_and_is_found_again_with_it(world: Path) -> None:
    first = stages.sft(setup(world))
    assert first["made_of"] == setup(world).made_of
    original = (world / "mine.jsonl").read_text()
    swapped(world)
    second = stages.sft(setup(world))
    assert second["made_of"] != first["made_of"]
    assert second["perplexity"] != first["perplexity"]
    (world / "mine.jsonl").write_text(original)
    assert stages.sft(setup(world)) == first


def test_an_interrupted_stage_does_not_go_on_with_other_rows(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stages, "write_done", killed)
        with pytest.raises(KeyboardInterrupt):
            stages.sft(setup(world))
    assert list(setup(world).folder("sft").glob("checkpoint-*"))
    same_time(world)
    capsys.readouterr()
    facts = stages.sft(setup(world))
    assert "goes on" not in capsys.readouterr().err
    assert facts == stages.sft(setup(world))


def test_one_judge_name_on_two_servers_is_two_judges(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def compare(judge: Any, pairs: Any, path: Path, most: float) -> pd.DataFrame:
        asked.append(path.name)
        return pd.DataFrame({"win": [1.0], "agree": [True]})

    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    for name in ("find_model", "load_tokenizer", "texts_of", "pairs_of"):
        monkeypatch.setattr(verdicts, name, lambda *_: None)
    monkeypatch.setattr(verdicts, "load_splits", lambda *_: SimpleNamespace(test=[]))
    monkeypatch.setattr(verdicts, "compare", compare)
    for base in (
        "",
        "https://api.openai.com/v1/",
        "https://a.example/v1",
        "https://b.example/v1",
        "https://a.example/v1",
    ):
        verdicts.judged(setup(world), ApiJudge("llama", base), ["vgf_L4"], "ref", 1.0)
    assert asked[0] == asked[1] == "seed0.verdicts-ref.csv"
    assert asked[2] == asked[4] != asked[3]
    assert len(set(asked)) == 3
    assert "example" not in "".join(asked)


def test_settings_take_numbers_and_paths_as_people_have_them(world: Path) -> None:
    given = Setup(world / "model", "hh", seed=np.int64(2), preferences=str(world / "mine.jsonl"), sizes=SIZE)  # type: ignore[arg-type]
    assert given == setup(world, seed=2)
    assert given.folder("sft") == setup(world, seed=2).folder("sft")
    assert replace(SIZE, sft_steps=np.int64(2)) == SIZE
    for name, value in (
        ("sft_steps", 2.5),
        ("tokens", 0),
        ("sft_rate", "1e-3"),
        ("sft_rate", float("inf")),
        ("rank", True),
    ):
        with pytest.raises(ValueError, match=f"{name} must be"):
            replace(SIZE, **{name: value})
    for seed in (-1, "0", True, None):
        with pytest.raises(ValueError, match="seed must be an integer >= 0"):
            setup(world, seed=seed)
