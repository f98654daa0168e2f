"""A whole experiment on language from one file: in order, once, and refused where the file is wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.helpers.language import LITTLE, digest, little_cache
from tests.helpers.site import ROOT
from vgf import cli
from vgf.rlhf import settings
from vgf.rlhf.study import run as study
from vgf.rlhf.study.plan import read_plan
from vgf.rlhf.study.records import read_rows

torch.set_num_threads(1)
FILE = ROOT / "data" / "experiments" / "rlhf.yaml"
LITTLE_FILE: dict[str, Any] = {
    "about": "little",
    "language": "reviews",
    "scales": {
        "quick": [
            {"seeds": [0], "methods": ["human", "sft", "best_of_8", "vgf_L1", "weighted_bc"]},
            {"seeds": [0, 1], "methods": ["sft", "best_of_8"], "development": True},
        ]
    },
}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A little world in which the parts are there already."""
    little_cache(tmp_path)
    monkeypatch.setenv("VGF_DATA", str(tmp_path))
    monkeypatch.setitem(settings.SIZES, "quick", LITTLE)
    monkeypatch.setattr(study, "prepare", lambda: ["ready"])
    return tmp_path


def write(folder: Path, content: Any) -> Path:
    path = folder / "little.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_one_command_does_every_stage_once_and_prints_a_table_for_each_set_of_prompts(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["rlhf", "run", str(write(world, LITTLE_FILE))]
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert "reviews, quick\n" in said
    assert "reviews-development, quick\n" in said
    assert said.count("| 1 x 10 |") == 5
    assert said.count("| 2 x 10 |") == 2
    home = world / "results" / "rlhf" / "quick"
    tested = set(read_rows(home / "reviews" / "sft", 0)["prompt"])
    assert tested.isdisjoint(read_rows(home / "reviews-development" / "sft", 0)["prompt"])
    made = {path: digest(path) for path in sorted(world.rglob("*")) if path.suffix in (".csv", ".safetensors")}
    assert cli.main(words) == 0
    assert capsys.readouterr().out == said
    assert {path: digest(path) for path in made} == made
    assert {p.parent.parent.name for p in world.glob("cache/rlhf/work/*/*/*/done.json")} >= {"sft", "reward", "bc"}


def changed(**fields: Any) -> dict[str, Any]:
    return {**LITTLE_FILE, **fields}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "little.yaml: not YAML"),
        (changed(language="revews"), "little.yaml: language has no 'revews'; nearest: reviews"),
        (changed(langage="reviews"), "little.yaml has no 'langage'; nearest: language"),
        (changed(scales={"fast": []}), "little.yaml: scales has no 'fast'"),
        (changed(scales={"cpu": [{"seeds": [0]}]}), "little.yaml has no scale 'quick'; it has cpu"),
        (changed(scales={"quick": []}), "little.yaml: scales.quick must be a list of comparisons"),
        (changed(scales={"quick": [{}]}), "little.yaml: scales.quick[0].seeds is missing"),
        (
            changed(scales={"quick": [{"seeds": ["a"]}]}),
            "little.yaml: scales.quick[0].seeds must be a whole number, got 'a'",
        ),
        (changed(scales={"quick": [{"seeds": [0], "methods": ["magic"]}]}), "no method 'magic'; known: human"),
        (
            changed(scales={"quick": [{"seeds": [0], "methods": ["best_of_32"]}]}),
            "best_of_32 draws 32 responses a prompt, at most 16 are allowed",
        ),
    ],
)
def test_a_faulty_file_is_one_line(content: Any, message: str, world: Path, capsys: Any) -> None:
    assert cli.main(["rlhf", "run", str(write(world, content))]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (world / "results").exists()


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: Any) -> None:
    assert cli.main(["rlhf", "run", str(tmp_path / "gone.yaml")]) == 2
    assert "no such file; experiments lie in data/experiments" in capsys.readouterr().err


def test_what_a_comparison_needs_is_asked_for_before_anything_is_done(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(study.preferred.importlib.util, "find_spec", lambda name: None)
    path = write(world, changed(scales={"quick": [{"seeds": [0]}, {"seeds": [0], "methods": ["ppo"]}]}))
    assert cli.main(["rlhf", "run", str(path)]) == 2
    assert "not installed" in capsys.readouterr().err
    assert not list(world.glob("cache/rlhf/work/*"))


@pytest.mark.parametrize("scale", sorted(yaml.safe_load(FILE.read_text())["scales"]))
def test_the_file_of_the_book_is_whole_and_has_every_control(scale: str) -> None:
    _, comparisons = read_plan(FILE, scale)
    names = {name for comparison in comparisons if not comparison.development for name in comparison.methods}
    assert {"human", "sft", "best_of_8", "best_of_16", "vgf_L1", "constant_L1", "no_kernel_L1", "cold_L0"} <= names


def test_make_gives_an_experiment_on_language_to_its_own_command() -> None:
    made = [
        word
        for name in ("requirements.lock", "pyproject.toml", ".ci/install.py", ".venv/.ready")
        for word in ("-o", name)
    ]
    for name, expected in (
        ("rlhf", "vgf rlhf run data/experiments/rlhf.yaml --scale quick"),
        ("latent", "vgf rlhf latent data/experiments/latent.yaml --scale quick"),
        ("overoptimisation", "vgf rlhf latent data/experiments/overoptimisation.yaml --scale quick"),
        ("rlhf_paper", "vgf rlhf run data/experiments/rlhf_paper.yaml --scale quick"),
        ("first_run", "snakemake"),
    ):
        words = ["make", "-n", *made, "reproduce", f"EXPERIMENT={name}", "WITH=--model folder"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
        assert ("vgf rlhf" in done.stdout) == ("--model folder" in done.stdout) == (name != "first_run")
