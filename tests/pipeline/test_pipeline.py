"""The pipeline: what is run, what is left alone, and that a killed run goes on to the same table."""

from __future__ import annotations

import fcntl
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.helpers.site import ROOT

TINY = "tests/pipeline/tiny.yaml"
TASKS = [f"cube-single-play-singletask-task{i}-v0" for i in (1, 2)]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the pipeline reads, in which `vgf` is a stand-in that takes a second."""
    for name in ("vgf", "notebooks", "book", "data/paper", "data/experiments", "tests/pipeline", ".ci"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.ipynb"))
    for study in (ROOT / "data" / "results").glob("*.cpu"):  # what the chapters read
        shutil.copytree(study, tmp_path / "data" / "results" / study.name)
    for name in ("Makefile", "Snakefile", "_toc.yml", "_config.yml"):
        shutil.copy(ROOT / name, tmp_path / name)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (tmp_path / ".venv" / ".ready").touch()
    for name, words in (
        ("vgf", f"{tmp_path}/tests/pipeline/vgf_stand_in.py"),
        ("snakemake", "-m snakemake"),
        ("python", ""),
    ):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("VGF_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(scale: str, *more: str) -> list[str]:
    """Return `make reproduce` for the tiny experiment."""
    made = ["-o", "requirements.lock", "-o", "pyproject.toml", "-o", ".ci/install.py", "-o", ".venv/.ready"]
    return [
        "make",
        "--no-print-directory",
        *made,
        "reproduce",
        f"EXPERIMENT={TINY}",
        f"SCALE={scale}",
        "CORES=2",
        *more,
    ]


def reproduce(scale: str, *more: str) -> str:
    """Run it and return what it says."""
    done = subprocess.run(command(scale, *more), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def calls(word: str = "train") -> list[str]:
    """Return the calls of one command of vgf so far."""
    path = Path("calls.txt")
    return [line for line in path.read_text().splitlines() if line.startswith(word)] if path.exists() else []


def planned(*words: str) -> dict[str, int]:
    """Return how often each rule would run."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--nolock", "--cores", "1", "--quiet", "host", *words],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    stats = done.stdout.partition("Job stats:")[2].partition("\n\n")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE)}


def as_words(scale: str) -> list[str]:
    """Return the settings of Snakemake for the tiny experiment."""
    return ["--config", f"scale={scale}", f"experiment={TINY}", "--", "reproduce"]


def test_every_method_is_trained_on_every_task_and_a_shared_dataset_is_made_once(checkout: Path) -> None:
    assert planned(*as_words("cpu")) == {"dataset": 1, "train": 4, "table": 1, "reproduce": 1, "total": 7}
    assert planned(*as_words("quick")) == {"dataset": 1, "train": 2, "table": 1, "reproduce": 1, "total": 5}


def test_a_run_leaves_its_table_and_a_second_run_does_nothing(checkout: Path) -> None:
    said = reproduce("quick")
    assert "**tiny.quick, last checkpoint**" in said
    assert said.endswith((checkout / "data/tables/tiny.quick.md").read_text())
    before = calls()
    assert sorted(re.findall(r"--method (\w+)", " ".join(before))) == ["bc", "vgf"]
    assert all(f"--task {TASKS[1]}" in call for call in before)
    assert reproduce("quick").startswith("Everything is up to date.")
    assert calls() == before


def test_new_code_makes_quick_records_anew_and_leaves_hours_of_training_alone(checkout: Path) -> None:
    for scale, fresh in (("quick", 2), ("cpu", 0)):
        reproduce(scale)
        before = len(calls())
        time.sleep(0.01)
        with Path("vgf/training/loop.py").open("a") as file:
            file.write("# changed\n")
        if scale == "cpu":
            shutil.rmtree("data/cache/ogbench")  # nor is a dataset made for records that are there
            os.utime(TINY)
        reproduce(scale)
        assert len(calls()) - before == fresh, scale
    assert len(calls("data")) == 1


def test_a_record_that_is_gone_is_made_and_the_others_stay(checkout: Path) -> None:
    reproduce("cpu")
    before = len(calls())
    folder = checkout / "data/results/tiny.cpu" / TASKS[0] / "vgf"
    table = (checkout / "data/tables/tiny.cpu.csv").read_bytes()
    shutil.rmtree(folder)
    reproduce("cpu")
    assert [call.split("--task ")[1].split()[0] for call in calls()[before:]] == [TASKS[0]]
    assert (checkout / "data/tables/tiny.cpu.csv").read_bytes() == table


def test_killed_at_random_it_goes_on_to_the_same_table(checkout: Path) -> None:
    reproduce("cpu", "RESULTS=elsewhere/results")
    rng, killed = random.Random(0), 0
    for _ in range(10):  # a run that ended before its kill is not counted, but tried again
        before = len(calls())
        run = subprocess.Popen(
            command("cpu"), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while run.poll() is None and len(calls()) == before:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.7))
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            killed += 1
        run.wait()
        if killed == 3:
            break
    assert killed >= 2, "too few runs were under way when they were killed"
    reproduce("cpu")
    for name in ("tables/tiny.cpu.csv", "tables/tiny.cpu.md"):
        assert (checkout / "data" / name).read_bytes() == (checkout / "elsewhere" / name).read_bytes()
    for path in (checkout / "elsewhere/results").rglob("seed*.csv"):
        twin = checkout / "data/results" / path.relative_to(checkout / "elsewhere/results")
        assert twin.read_bytes() == path.read_bytes()


def test_the_same_is_not_made_twice_at_once(checkout: Path) -> None:
    lock = checkout / "_build/logs/tiny.cpu.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        done = subprocess.run(command("cpu"), capture_output=True, text=True)
        assert done.returncode == 2
        assert "the same is being made already" in done.stderr
    reproduce("cpu")


def test_an_unknown_experiment_is_one_line_with_the_known_ones(checkout: Path) -> None:
    words = [word.replace(TINY, "nothing") for word in command("quick")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2
    assert re.match(r"reproduce: no data/experiments/nothing.yaml; say EXPERIMENT=one of: .*first_run", done.stdout)


def test_an_unknown_scale_is_one_line_with_the_known_ones(checkout: Path) -> None:
    done = subprocess.run(command("paper"), capture_output=True, text=True)
    assert done.returncode == 2
    assert f"reproduce: {TINY} has no scale 'paper'; it has quick, cpu\n" in done.stderr


def test_a_file_changed_by_hand_stops_the_table_with_its_name(checkout: Path) -> None:
    reproduce("quick")
    path = next((checkout / "data/results").glob("tiny.quick/*/bc/seed1.csv"))
    text = path.read_text()
    path.write_text(text.replace(",1\n", ",0\n"))
    assert path.read_text() != text
    (checkout / "data/tables/tiny.quick.csv").unlink()
    done = subprocess.run(command("quick"), capture_output=True, text=True)
    assert done.returncode == 2
    assert "seed1.csv: changed since its run wrote it" in done.stdout


def test_the_book_reads_larger_records_that_are_there_and_trains_quick_ones_alone(checkout: Path) -> None:
    shutil.copy(TINY, "data/experiments/tiny.yaml")
    page = Path("notebooks/03_bandit.md")
    page.write_text(page.read_text() + "\n```{literalinclude} ../data/experiments/tiny.yaml\n```\n")
    words = ("--config", "scale=quick", "--", "notebooks/03_bandit.ipynb")
    assert planned(*words) == {"dataset": 1, "train": 2, "table": 1, "chapter_03_bandit": 1, "total": 5}
    reproduce("cpu")
    shutil.rmtree("data/cache")
    shutil.rmtree(f"data/results/tiny.cpu/{TASKS[0]}/bc")  # a campaign that is not complete is shown as far as it is
    assert planned(*words) == {"table": 1, "chapter_03_bandit": 1, "total": 2}


def test_the_kubernetes_job_starts_a_pod_for_each_method_and_its_command_trains_that_one(checkout: Path) -> None:
    job = yaml.safe_load((ROOT / "data/cluster/kubernetes/job.yaml").read_text())["spec"]
    (container,) = job["template"]["spec"]["containers"]
    settings = {entry["name"]: entry["value"] for entry in container["env"]}
    methods = settings["METHODS"].split()
    assert job["completions"] == len(methods)
    experiment = yaml.safe_load((ROOT / "data/experiments" / f"{settings['EXPERIMENT']}.yaml").read_text())
    assert set(methods) <= set(experiment["methods"])
    assert settings["SCALE"] in experiment["scales"]
    (checkout / ".venv/bin/vgf").write_text('#!/bin/sh\necho "$@"\n')
    for index, method in enumerate(methods):
        environment = os.environ | settings | {"JOB_COMPLETION_INDEX": str(index)}
        said = subprocess.run(
            [*container["command"], *container["args"]], env=environment, capture_output=True, text=True
        )
        file = f"data/experiments/{settings['EXPERIMENT']}.yaml"
        asked = container["resources"]["requests"]["cpu"]  # and no more processes than that
        words = ["train", file, "--scale", settings["SCALE"], "--method", method, "--processes", asked]
        assert said.stdout.split() == words
