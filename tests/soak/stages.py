"""Work that is killed, denied its disk or shared between processes: each kind small, and all of it the real code.

A stage is a function of a folder, in which it leaves all it does. `progress` counts what is finished there, and may
never fall; `end` is what an unkilled run leaves, whatever else (times, dates) a record says.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import safetensors.torch

from tests.helpers import cloning_runs, toy_runs
from tests.helpers.language import LITTLE, little_cache
from tests.helpers.study_records import CUBE, HOPPER, write_record
from tests.helpers.toy_runs import Push, a_run, toy_data
from vgf import cli
from vgf.agents import VGFConfig, bank_file
from vgf.book import plots
from vgf.book.claims import verdict
from vgf.rlhf import settings
from vgf.sources.recipes import regenerate
from vgf.training.clones import _Training as Cloned
from vgf.training.fit import fit

WHOLE = 10**6  # progress of what is finished altogether
FIT = VGFConfig(hidden=(8,), particles=2, flow_steps=2, step_size=0.05, pretrain=5, bank=3)


@dataclass(frozen=True)
class Stage:
    """One kind of work.

    Attributes:
        name: in words, for the record.
        kills: how often it is killed.
        work: does all of it in a folder, or what is missing there.
        progress: counts what is finished in a folder.
        end: what counts of a folder when all is done: digests by name.
        prepare: what is to be there before, which is not tried here.
    """

    name: str
    kills: int
    work: Callable[[Path], None]
    progress: Callable[[Path], int]
    end: Callable[[Path], dict[str, str]]
    prepare: Callable[[Path], None] = lambda folder: None


def digests(folder: Path, *patterns: str) -> dict[str, str]:
    """Return the digest of each file that matches, by its place."""
    files = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def numbers(path: Path) -> str:
    """Return the digest of a safetensors file's tensors, without its header's times."""
    tensors = safetensors.torch.load_file(path)
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode() + tensors[name].float().numpy().tobytes())
    return found.hexdigest()


def command(*words: str) -> None:
    """Do a command of vgf; what it refuses is raised."""
    os.environ["VGF_DEBUG"] = "1"
    assert cli.main(words) == 0


def rows_in(*folders: Path) -> int:
    """Return the number of rows of csv files, in the folder that has most."""
    return max(sum(path.read_bytes().count(b"\n") for path in folder.glob("*.csv")) for folder in folders)


def newest(folder: Path) -> int:
    """Return the update of the newest checkpoint that counts."""
    return max((int(path.stem.split("-")[1]) for path in folder.glob("checkpoint-*.json")), default=0)


def recorded(record: Path, work: Path) -> int:
    """Return how far a training is: rows and checkpoints, or all."""
    return WHOLE if (record / "run.json").exists() else 1000 * newest(work) + rows_in(work, record)


def nothing_left(folder: Path, *patterns: str) -> None:
    """Raise AssertionError where something that was needed on the way is still there at the end, empty locks apart."""
    found = [path.relative_to(folder) for pattern in patterns for path in folder.glob(pattern)]
    kept = sorted(str(path) for path in found if path.suffix != ".lock")
    assert not kept, f"{', '.join(kept[:4])} left"


def of_record(folder: Path) -> dict[str, str]:
    """Return a record's rows and policy, and what run.json says of them."""
    nothing_left(folder, ".record-*", "cache/references/*/*.work")
    told = json.loads((folder / "record" / "run.json").read_text())
    ids = [(run["id"], run["seeds"], run["fingerprint"]) for run in told["runs"]]
    found = digests(folder, "record/*.csv", "record/*.safetensors")
    return found | {"run.json": json.dumps([ids, told["sha256"]], sort_keys=True)}


SIZES = {"updates": 8, "evaluate_every": 6, "checkpoint_every": 2, "online": {"steps": 4, "test_steps": 1}}


def train(folder: Path) -> None:
    """Train offline and online, two seeds, with checkpoints every other update."""
    toy_runs.do(a_run(folder, sizes=SIZES))


def kept_reference(folder: Path) -> None:
    """Train with a reference and a bank that are kept for others, and that are made in steps."""
    Cloned.EVERY, bank_file.SAVE_SECONDS = 2, 0.0
    cloning_runs.do(cloning_runs.a_run(folder, "vgf"), folder / "cache")


def kept_progress(folder: Path) -> int:
    """Count the reference's checkpoints beside the run's own."""
    places = list((folder / "cache" / "references").glob("*/age*"))
    return recorded(folder / "record", folder / "work") + (sum(map(newest, places)) if places else 0)


def own_data(folder: Path) -> None:
    """Train with `fit`, two calls of a seed each."""
    for seed in (0, 3):
        fit(
            toy_data(), folder / "record", FIT, make_env=Push, seeds=(seed,), updates=10, batch_size=4,
            test_steps=(0, 1), episodes=1, episode_steps=3, device="cpu",
        )  # fmt: skip


def own_progress(folder: Path) -> int:
    """Count the seeds that are in the record, and the updates of the one under way."""
    record, works = folder / "record", list(folder.glob(".record-*"))
    there = len(json.loads((record / "run.json").read_text())["runs"]) if (record / "run.json").exists() else 0
    return 1000 * there + max(map(newest, works), default=0)


def data(folder: Path) -> None:
    """Make a small set of the cube anew."""
    regenerate("cube-single-play-v0", episodes=3, rows=8, out=folder / "made.npz", progress=False)


def data_progress(folder: Path) -> int:
    """Count the finished episodes."""
    return WHOLE if (folder / "made.json").exists() else len(list(folder.glob("*.parts-*/*.npz")))


def data_end(folder: Path) -> dict[str, str]:
    """Return both files, and what the sidecar says of them but the time it took."""
    nothing_left(folder, "*.parts-*", ".*.parts-*")
    told = json.loads((folder / "made.json").read_text())
    told.pop("seconds")
    return digests(folder, "*.npz") | {"made.json": json.dumps(told, sort_keys=True)}


def world(folder: Path, data: str = "world") -> None:
    """Let the little language be where it is looked for."""
    os.environ["VGF_DATA"] = str(folder / data)
    settings.SIZES["quick"] = LITTLE


def little_world(*before: tuple[str, ...]) -> Callable[[Path], None]:
    """Return what puts the little language into a folder, with the stages that come before."""

    def prepare(folder: Path) -> None:
        world(folder)
        little_cache(folder / "world", 200)
        for words in before:
            command("rlhf", *words)

    return prepare


def language(*words: str) -> Callable[[Path], None]:
    """Return the work of one command of `vgf rlhf`."""

    def work(folder: Path) -> None:
        world(folder)
        command("rlhf", *(str(folder / "results") if word == "RESULTS" else word for word in words))

    return work


def stage_folder(folder: Path, stage: str) -> Path:
    """Return where a stage of the language pipeline leaves its work."""
    found = sorted((folder / "world").glob(f"cache/rlhf/work/*/{stage}*"))
    places = [path / "seed0" if stage != "judge" else path for path in found]
    return places[0] if places else folder / "none"


def language_progress(stage: str) -> Callable[[Path], int]:
    """Return what counts the steps of a stage."""

    def progress(folder: Path) -> int:
        place = stage_folder(folder, stage)
        return WHOLE if (place / "done.json").exists() else newest(place)

    return progress


def language_end(stage: str) -> Callable[[Path], dict[str, str]]:
    """Return what counts of a finished stage: its numbers, and what it says of them but the time it took."""

    def end(folder: Path) -> dict[str, str]:
        place = stage_folder(folder, stage)
        told = json.loads((place / "done.json").read_text())
        for name in ("seconds", "seal", "files"):
            told.pop(name, None)
        left = {path.name: numbers(path) for path in sorted(place.glob("*.safetensors"))}
        nothing_left(place, "checkpoint-*")
        return left | {"done.json": json.dumps(told, sort_keys=True)}

    return end


def align_end(folder: Path) -> dict[str, str]:
    """Return every method's rows; none may be left unsealed."""
    nothing_left(folder, "**/*.unsealed")
    return digests(folder, "results/rlhf/**/*.csv")


def tables(folder: Path) -> None:
    """Make a study's table from its records, in three formats."""
    command("tables", "both.cpu", "--results", str(folder / "root"), "--out", str(folder / "tables"))


def records_of_a_study(folder: Path) -> None:
    """Leave the records of two tasks and three methods, as runs do; what is there stays."""
    for task in (CUBE, HOPPER):
        for method in ("bc", "iql", "vgf"):
            write_record(folder / "root", task, method)


def book(folder: Path) -> None:
    """Publish two figures and verdicts, as a chapter does."""
    for number in range(2):
        table = pd.DataFrame({"x": range(5), "y": [float(number * x) for x in range(5)]})
        with plots.style():
            figure, axes = plots.plt.subplots(figsize=(2, 2))
            axes.scatter(table["x"], table["y"])
            words = {"caption": "Words.", "alt": "Words.", "data": table}
            plots.save_figure(figure, f"figure-{number}", **words, directory=folder / "figures")
        verdict("boltzmann", "held", f"as figure {number} says", "quick", directory=folder / "verdicts")


def files_in(*names: str) -> Callable[[Path], int]:
    """Return what counts the whole files in folders."""
    return lambda folder: sum(not path.name.startswith(".") for name in names for path in folder.glob(f"{name}/*"))


def align_progress(folder: Path) -> int:
    """Count the rows of all methods."""
    return sum(rows_in(path) for path in folder.glob("results/rlhf/quick/reviews/*"))


ALIGN = ("align", "--results", "RESULTS", "--prompts", "8", "--method", "human", "sft", "best_of_8", "vgf_L2")
STAGES = (
    Stage("training, offline and online", 230, train, lambda f: recorded(f / "record", f / "work"), of_record),
    Stage("reference and bank that are kept", 120, kept_reference, kept_progress, of_record),
    Stage("own data, one seed a call", 100, own_data, own_progress, of_record),
    Stage("dataset made anew", 100, data, data_progress, data_end),
    Stage("supervised policy", 80, language("sft"), language_progress("sft"), language_end("sft"), little_world()),
    Stage(
        "reward model", 80, language("reward"), language_progress("reward"), language_end("reward"),
        little_world(("sft",)),
    ),
    Stage("judge", 40, language("judge"), language_progress("judge"), language_end("judge"), little_world()),
    Stage(
        "weighted cloning", 60, language("train", "bc"), language_progress("bc"), language_end("bc"),
        little_world(("sft",), ("reward",)),
    ),
    Stage(
        "comparison on language", 70, language(*ALIGN), align_progress, align_end,
        little_world(("sft",), ("reward",), ("judge",)),
    ),
    Stage("tables", 60, tables, files_in("tables"), lambda f: digests(f, "tables/*"), records_of_a_study),
    Stage("figures and verdicts", 60, book, files_in("figures", "verdicts"), lambda f: digests(f, "*/*")),
)  # fmt: skip
