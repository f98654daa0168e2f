"""A stage whose files are not as they were written is refused, and a kill between rows and their seal loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from tests.helpers.language import LITTLE, little_cache
from vgf import cli, records
from vgf.rlhf import settings
from vgf.rlhf.models import save_model
from vgf.rlhf.parts.minilm import load_judge
from vgf.rlhf.parts.prepare import minilm_folder
from vgf.rlhf.reward import load_reward
from vgf.rlhf.settings import Setup
from vgf.rlhf.stages import open_sft
from vgf.rlhf.study.records import folder_of, mark_of, read_rows
from vgf.rlhf.training import read_done
from vgf.support import files

METHODS = ("sft", "best_of_8")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """The little language with its stages done."""
    monkeypatch.setenv("VGF_DATA", str(tmp_path))
    for scale in ("quick", "cpu"):
        monkeypatch.setitem(settings.SIZES, scale, LITTLE)
    little_cache(tmp_path, 200)
    for stage in ("sft", "reward", "judge"):
        assert cli.main(["rlhf", stage]) == 0
    return Setup(sizes=LITTLE)


def cut(content: bytes) -> bytes:
    return content[:-9]


def flip(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    return bytes(changed)


def longer(content: bytes) -> bytes:
    return content[:20] + b"xxx" + content[20:]


def nothing(content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [cut, flip, longer, nothing])
def test_damage_of_any_file_of_a_stage_is_named_in_one_line(damage: Callable[[bytes], bytes], world: Setup) -> None:
    for stage in ("sft", "reward", "judge"):
        folder = world.folder(stage)
        facts = read_done(folder)
        assert facts is not None
        for name in facts["files"]:
            whole = (folder / name).read_bytes()
            (folder / name).write_bytes(damage(whole))
            with pytest.raises(ValueError, match=f"{folder / name}: missing, or changed since it was written") as told:
                read_done(folder)
            assert "do this stage again" in str(told.value)
            (folder / name).write_bytes(whole)
        assert read_done(folder) == facts


@pytest.mark.parametrize("damage", [cut, longer, nothing])
def test_weights_that_are_none_are_refused_without_their_checksum_too(
    damage: Callable[[bytes], bytes], world: Setup
) -> None:
    """Stages of before have no checksums, and a model of one's own has none."""
    policy, _ = open_sft(world)
    for path in (world.folder("reward") / "reward.safetensors", world.folder("judge") / "judge.safetensors"):
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="the reward model is damaged"):
        load_reward(world.folder("reward"), policy)
    with pytest.raises(ValueError, match="the judge is damaged"):
        load_judge(world.folder("judge"), minilm_folder())
    folder = world.folder("sft")
    told = json.loads((folder / "done.json").read_text())
    (folder / "done.json").write_text(json.dumps({k: v for k, v in told.items() if k not in ("files", "seal")}))
    (folder / "model.safetensors").write_bytes(damage((folder / "model.safetensors").read_bytes()))
    with pytest.raises(ValueError, match=f"{folder}: no causal language model with safetensors weights"):
        open_sft(world)


@pytest.mark.parametrize(
    ("key", "value"),
    [("vocab_size", None), ("mlp_bias", 0), ("attention_dropout", ""), ("rope_parameters", []), ("hidden_size", -1),
     ("rope_parameters", "x"), ("num_attention_heads", 0), ("hidden_act", "nothing"), ("num_hidden_layers", 1e308)],
)  # fmt: skip
def test_a_reward_model_whose_config_is_none_is_refused_in_one_line(key: str, value: Any, world: Setup) -> None:
    policy, _ = open_sft(world)
    path = world.folder("reward") / "reward.json"
    told = json.loads(path.read_text())
    told["config"][key] = value
    path.write_text(json.dumps(told))
    with pytest.raises(ValueError, match=f"{path}: no config of a model") as refused:
        load_reward(path.parent, policy)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("key", ["seal", "files", "perplexity"])
def test_a_stage_that_says_something_else_of_itself_is_refused(key: str, world: Setup) -> None:
    path = world.folder("sft") / "done.json"
    told = json.loads(path.read_text())
    for changed in ({k: v for k, v in told.items() if k != key}, told | {f"{key}s": 1}, told | {key: 3.0}):
        path.write_text(json.dumps(changed))
        with pytest.raises(ValueError, match=f"{path}: "):
            read_done(path.parent)


def test_killed_while_it_notes_what_rows_are_made_with_a_comparison_goes_on(
    world: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note is written whole: half of one would say that the rows are another experiment's."""
    words = ["rlhf", "align", "--scale", "cpu", "--results", str(tmp_path / "r"), "--method", *METHODS]
    replaces: list[str] = []
    replace = Path.replace

    def dies(self: Path, target: Path) -> Path:
        replaces.append(Path(target).name)
        if Path(target).name.endswith(".unsealed"):
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(files.Path, "replace", dies)
    assert cli.main(words) == 130
    assert replaces == [".seed0.unsealed"]
    monkeypatch.setattr(files.Path, "replace", replace)
    assert not list((tmp_path / "r").rglob("*.unsealed"))
    assert cli.main(words) == 0
    for method in METHODS:
        folder = folder_of("cpu", "reviews", method, tmp_path / "r")
        assert len(read_rows(folder, 0)) == LITTLE.prompts
        assert not mark_of(folder, 0).exists()


def test_checkpoints_that_a_kill_after_the_end_leaves_go_with_the_next_call(world: Setup) -> None:
    for stage in ("sft", "reward"):
        left = world.folder(stage) / "checkpoint-000000008.safetensors"
        left.write_bytes(b"of a process that was killed before it removed this")
        assert read_done(left.parent)
        assert left.exists(), "who reads a stage changes nothing"
        assert cli.main(["rlhf", stage]) == 0
        assert not left.exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError("I/O error: no space left")])
def test_a_model_that_cannot_be_written_is_told_in_one_line(error: Exception, tmp_path: Path) -> None:
    """Of a full disk safetensors raises an error of its own, which was a traceback."""

    class Model:
        def to(self, _: Any) -> Model:
            return self

        def save_pretrained(self, *_: Any, **__: Any) -> None:
            raise error

    with pytest.raises(ValueError, match=rf"{tmp_path}: cannot be written \(.*pace left.*\); make room") as told:
        save_model(Model(), tmp_path)
    assert "\n" not in str(told.value)


def test_rows_on_language_that_were_changed_are_not_read(world: Setup, tmp_path: Path) -> None:
    root = tmp_path / "r"
    assert cli.main(["rlhf", "align", "--results", str(root), "--method", *METHODS]) == 0
    folder = folder_of("quick", "reviews", "sft", root)
    path = records.seed_file(folder, 0)
    path.write_text(path.read_text().replace("0.", "1.", 1))
    with pytest.raises(ValueError, match=f"{path}: changed since its run wrote it"):
        read_rows(folder, 0)
    assert cli.main(["rlhf", "table", "--scale", "quick", "--results", str(root)]) == 2
