"""The pipeline: what is run, what is left alone, and that a killed run goes on to the same table."""

from __future__ import annotations

import fcntl
import os
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
CHAPTER = "03_bandit"  # the one that the copies have
TASKS = [f"cube-single-play-singletask-task{i}-v0" for i in (1, 2)]


def lay_out(folder: Path) -> None:
    """Copy what the pipeline reads, with one chapter: each start of Snakemake looks at every chapter there is."""
    for name in ("vgf", "book", "data/paper", "tests/pipeline", ".ci"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "Snakefile", "_config.yml"):
        shutil.copy(ROOT / name, folder / name)
    for name in (f"notebooks/{CHAPTER}.md", "data/experiments/d4rl.yaml", "data/experiments/first_run.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    declared = yaml.safe_load((ROOT / "notebooks" / "chapters.yaml").read_text())
    write_yaml(folder / "notebooks" / "chapters.yaml", {CHAPTER: declared[CHAPTER]})
    write_yaml(folder / "_toc.yml", {"root": "book/intro", "chapters": [{"file": f"notebooks/{CHAPTER}"}]})


def write_yaml(path: Path, table: dict[str, object]) -> None:
    """Write a file of settings."""
    path.write_text(yaml.safe_dump(table))


def enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a copy, in which `vgf` is a stand-in that takes a second."""
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    (folder / ".venv" / ".ready").touch()
    for name, words in (
        ("vgf", f"{folder}/tests/pipeline/vgf_stand_in.py"),
        ("snakemake", "-m snakemake"),
        ("python", ""),
    ):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("VGF_DATA", str(folder / "data"))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy in which nothing was made yet."""
    lay_out(tmp_path)
    return enter(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which the tiny experiment was made at both scales; what was said is kept beside the table."""
    folder = tmp_path_factory.mktemp("finished")
    lay_out(folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        enter(folder, monkeypatch)
        for scale in ("quick", "cpu"):
            Path(f"said.{scale}.txt").write_text(reproduce(scale))
    return folder


@pytest.fixture
def made(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same in a place of its own: the pipeline knows no absolute path, and the copy keeps times."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return enter(tmp_path, monkeypatch)


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


def test_a_run_leaves_its_table_and_a_second_run_does_nothing(made: Path) -> None:
    said = Path("said.quick.txt").read_text()
    assert "**tiny.quick, last checkpoint**" in said
    assert said.endswith((made / "data/tables/tiny.quick.md").read_text())
    before = calls()
    quick = [call for call in before if "--scale quick" in call]
    assert sorted(re.findall(r"--method (\w+)", " ".join(quick))) == ["bc", "vgf"]
    assert all(f"--task {TASKS[1]}" in call for call in quick)
    assert reproduce("quick").startswith("Everything is up to date.")
    assert calls() == before


def test_new_code_makes_quick_records_anew_and_leaves_hours_of_training_alone(made: Path) -> None:
    with Path("vgf/training/loop.py").open("a") as file:
        file.write("# changed\n")
    for scale, fresh in (("quick", 2), ("cpu", 0)):
        before = len(calls())
        if scale == "cpu":
            shutil.rmtree("data/cache/ogbench")  # nor is a dataset made for records that are there
            os.utime(TINY)
        reproduce(scale)
        assert len(calls()) - before == fresh, scale
    assert len(calls("data")) == 1


def test_a_record_that_is_gone_is_made_and_the_others_stay(made: Path) -> None:
    before = len(calls())
    folder = made / "data/results/tiny.cpu" / TASKS[0] / "vgf"
    table = (made / "data/tables/tiny.cpu.csv").read_bytes()
    shutil.rmtree(folder)
    reproduce("cpu")
    assert [call.split("--task ")[1].split()[0] for call in calls()[before:]] == [TASKS[0]]
    assert (made / "data/tables/tiny.cpu.csv").read_bytes() == table


def killed_at(point: str) -> None:
    """Start the pipeline and kill all of it when the stand-in says that it is at a point, where it waits."""
    Path("wait_at.txt").write_text(point)
    run = subprocess.Popen(command("cpu"), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not Path("waiting.txt").exists():
        assert run.poll() is None, f"it ended before {point}"
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    with Path("_build/logs/tiny.cpu.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the last of its processes is gone
    Path("wait_at.txt").unlink()
    Path("waiting.txt").unlink()


def test_killed_at_any_point_it_goes_on_to_the_same_table(checkout: Path, finished: Path) -> None:
    for point in ("step 2", "rows", "table"):
        killed_at(point)
    reproduce("cpu")
    for name in ("tables/tiny.cpu.csv", "tables/tiny.cpu.md"):
        assert (checkout / "data" / name).read_bytes() == (finished / "data" / name).read_bytes()
    whole = sorted((finished / "data/results/tiny.cpu").rglob("seed*.csv"))
    assert len(whole) == 16  # four records, two seeds each, episodes and curves
    for path in whole:
        assert (checkout / path.relative_to(finished)).read_bytes() == path.read_bytes()


def test_the_same_is_not_made_twice_at_once(made: Path) -> None:
    lock = made / "_build/logs/tiny.cpu.lock"
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        done = subprocess.run(command("cpu"), capture_output=True, text=True)
        assert done.returncode == 2
        assert "the same is being made already" in done.stderr
    assert reproduce("cpu").startswith("Everything is up to date.")


def test_an_unknown_experiment_is_one_line_with_the_known_ones(checkout: Path) -> None:
    words = [word.replace(TINY, "nothing") for word in command("quick")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2
    assert re.match(r"reproduce: no data/experiments/nothing.yaml; say EXPERIMENT=one of: .*first_run", done.stdout)


def test_an_unknown_scale_is_one_line_with_the_known_ones(checkout: Path) -> None:
    done = subprocess.run(command("paper"), capture_output=True, text=True)
    assert done.returncode == 2
    assert f"reproduce: {TINY} has no scale 'paper'; it has quick, cpu\n" in done.stderr


def test_a_file_changed_by_hand_stops_the_table_with_its_name(made: Path) -> None:
    path = next((made / "data/results").glob("tiny.quick/*/bc/seed1.csv"))
    text = path.read_text()
    path.write_text(text.replace(",1\n", ",0\n"))
    assert path.read_text() != text
    (made / "data/tables/tiny.quick.csv").unlink()
    done = subprocess.run(command("quick"), capture_output=True, text=True)
    assert done.returncode == 2
    assert "seed1.csv: changed since its run wrote it" in done.stdout


def test_the_book_reads_larger_records_that_are_there_and_trains_quick_ones_alone(
    checkout: Path, finished: Path
) -> None:
    shutil.copy(TINY, "data/experiments/tiny.yaml")
    write_yaml(Path("notebooks/chapters.yaml"), {CHAPTER: {"studies": ["tiny"]}})
    words, chapter = ("--config", "scale=quick", "--", f"notebooks/{CHAPTER}.ipynb"), {f"chapter_{CHAPTER}": 1}
    assert planned(*words) == {"dataset": 1, "train": 2, "total": 4} | chapter
    for name in ("data/tables", "data/results/tiny.cpu", ".snakemake"):
        shutil.copytree(finished / name, checkout / name, dirs_exist_ok=True)
    shutil.rmtree(f"data/results/tiny.cpu/{TASKS[0]}/bc")  # a campaign that is not complete is shown as far as it is
    assert planned(*words) == {"total": 1} | chapter


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
