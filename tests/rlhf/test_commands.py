"""Settings, method names, and what a command says where a part, a network or a stage is missing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.language import little_policy
from vgf.rlhf.parts import hub, prepare, registry
from vgf.rlhf.parts.hub import local_or_hub
from vgf.rlhf.rivals import preferred
from vgf.rlhf.settings import SIZES, Setup, Sizes
from vgf.rlhf.study.methods import METHODS, TILT, chosen, get_method, order_of

torch.set_num_threads(1)
POLICY = little_policy()


# --- settings and methods


def test_every_flow_of_one_family_has_one_total_tilt_and_a_control_differs_in_one_thing() -> None:
    for prefix in ("vgf_L", "vgf_hidden_L", "no_kernel_L", "constant_L", "constant_cold_L"):
        tilts = {
            m.flow.budget.steps * m.flow.budget.step_size for n, m in METHODS.items() if n.startswith(prefix) and m.flow
        }
        assert tilts == {TILT}
    alone = ("no_kernel_L4", "no_repulsion_L4", "constant_L4", "vgf_one_line_L4", "vgf_hidden_L4", "vgf_wide_L4")
    for name, of in (*((name, "vgf_L4") for name in alone), ("constant_cold_L4", "cold_L4")):
        plain, other = METHODS[of].flow, METHODS[name].flow
        assert plain is not None
        assert other is not None
        assert sum(getattr(plain, f) != getattr(other, f) for f in plain.__dataclass_fields__) == 1
    assert [m.name for m in chosen((), 8, 8) if m.name.startswith("best")] == ["best_of_8"]
    with pytest.raises(ValueError, match="best_of_32 draws 32 responses a prompt, at most 16"):
        chosen(("best_of_32",), 16, 8)
    with pytest.raises(ValueError, match="no method 'magic'"):
        chosen(("magic",), 16, 8)


def test_a_tilt_after_the_name_scales_the_budget_alone() -> None:
    method, plain = get_method("vgf_L4@1.5"), METHODS["vgf_L4"].flow
    assert plain is not None
    assert method.flow == replace(plain, budget=replace(plain.budget, step_size=1.5 / 4))
    assert method.name == "vgf_L4@1.5"
    for name in ("sft@2", "cold_L0@2", "vgf_L4@-1", "vgf_L4@much"):
        with pytest.raises(ValueError, match=r"a tilt is a number > 0 after the name of a flow"):
            get_method(name)
    assert order_of(["vgf_L4@2", "sft", "vgf_L4@0.5", "vgf_L1", "gone"]) == ["sft", "vgf_L1", "vgf_L4@0.5", "vgf_L4@2"]


@pytest.mark.parametrize(
    ("packages", "message"),
    [((), "trl, peft, datasets, accelerate: not installed"), (("trl",), r"trl 9.9 is installed")],
)
def test_trl_is_asked_for_by_its_release(packages: tuple[str, ...], message: str, monkeypatch: Any) -> None:
    found = (lambda name: object()) if packages else (lambda name: None)
    monkeypatch.setattr(preferred.importlib.util, "find_spec", found)
    monkeypatch.setattr(preferred, "version", lambda name: "9.9")
    with pytest.raises(ValueError, match=message):
        preferred.train(Setup(), "dpo")


def test_a_stage_is_found_by_what_it_depends_on_alone() -> None:
    one, other = Setup(), Setup(sizes=Sizes(prompts=3, reward_steps=5, sft_steps=SIZES["quick"].sft_steps))
    assert one.folder("sft") == other.folder("sft")
    assert one.folder("reward") != other.folder("reward")
    assert one.folder("judge") == Setup(seed=1).folder("judge")
    assert one.folder("dpo") != Setup(sizes=replace(one.sizes, bc_steps=7)).folder("dpo")
    assert one.folder("reward") == Setup(sizes=replace(one.sizes, bc_steps=7)).folder("reward")
    assert one.folder("sft") != Setup(seed=1).folder("sft")
    assert Setup(least_rating=1.5).task_name == "reviews-1.5"
    assert Setup(again=True).task_name == "reviews-again"
    assert Setup(again=True).folder("sft") == one.folder("sft")
    with pytest.raises(ValueError, match="tokens must be > 0"):
        Sizes(tokens=0)
    for name in ("prompt_tokens", "value_rank"):
        with pytest.raises(ValueError, match=f"{name} must be >= 0, got -1"):
            replace(Sizes(), **{name: -1})
    with pytest.raises(ValueError, match=r"most \(4\) must be at least particles \(8\)"):
        Sizes(most=4)


# --- without a network


DEAD = "http://127.0.0.1:9"  # the discard port: refused at once


def test_a_part_that_cannot_be_fetched_is_one_line_soon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, DEAD)
    monkeypatch.setenv("PIP_INDEX_URL", f"{DEAD}/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(ValueError, match=r"vaderSentiment 3\.3\.2 could not be fetched \(.*\); try again") as told:
        registry.fetch("ratings", tmp_path)
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_download_is_fetched_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    part = registry.PARTS["ratings"]
    (tmp_path / part.file).write_bytes(b"half")
    asked: list[Any] = []

    def offline(command: list[str], **options: Any) -> Any:
        asked.append((command, Path(command[command.index("-r") + 1]).read_text()))
        return subprocess.CompletedProcess(command, 1, "", "ERROR: NewConnectionError")

    monkeypatch.setattr(registry.subprocess, "run", offline)
    with pytest.raises(ValueError, match="no network"):
        registry.fetch("ratings", tmp_path)
    ((command, wanted),) = asked
    assert wanted == f"vaderSentiment==3.3.2 --hash=sha256:{part.sha256}\n"
    assert "--require-hashes" in command
    assert not (tmp_path / part.file).exists()


def test_a_folder_counts_when_its_manifest_and_files_agree(tmp_path: Path) -> None:
    assert prepare.manifest(tmp_path) is None
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {"a": {"bytes": 3}}}))
    assert prepare.manifest(tmp_path) is not None
    (tmp_path / "a").write_bytes(b"12")
    assert prepare.manifest(tmp_path) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("sft", "--model", "EleutherAI/pythia-70m", "--task", "tldr"),
            "model EleutherAI/pythia-70m: not in the cache",
        ),
        (("sft", "--model", "./nowhere"), "no such folder; give a folder with a model"),
        (("sft", "--preferences", "x.jsonl"), "--preferences goes with --task tldr or hh"),
        (("sft",), "smollm2-135m is not here; `vgf rlhf prepare` fetches it"),
        (("judge", "--api", "gpt"), "`vgf rlhf prepare` fetches it"),
        (("align",), "no supervised policy|not here"),
        (("table",), "`vgf rlhf align --scale quick` makes them"),
        (("align", "--method", "magic"), "no method 'magic'"),
    ],
)
def test_without_network_and_data_a_command_says_what_to_do(
    words: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    import re

    from vgf import cli

    monkeypatch.setenv("VGF_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", DEAD)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    assert cli.main(["rlhf", *words]) == 2
    told = capsys.readouterr().err
    assert re.search(message, told), told
    assert told.count("\n") == 1
    assert sum(slept) < 5  # the hub's client alone would retry, with pauses of half a minute


def test_a_hub_that_is_switched_off_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE is set; unset it, or `--model FOLDER`"):
        local_or_hub("EleutherAI/pythia-70m")


def test_a_name_that_is_never_looked_up_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(hub, "PROBE_SECONDS", 0.1)

    given_up = threading.Event()

    def lost(*args: Any, **options: Any) -> Any:
        given_up.wait()
        raise OSError("too late")

    monkeypatch.setattr(hub.socket, "create_connection", lost)
    with pytest.raises(ValueError, match=r"model x: not in the cache and .* \(no answer\); use the other one"):
        hub.require_hub("model x", "the other one")
    given_up.set()


def test_the_package_loads_without_transformers() -> None:
    check = (
        "import sys, vgf.rlhf.study.commands; "
        "assert not {'torch', 'transformers'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
