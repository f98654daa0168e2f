"""Readers of what work leaves: policies, checkpoints, banks, records, stages of the language pipeline, tables."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from tests.helpers.language import LITTLE, little_cache
from tests.helpers.study_records import CUBE, write_record
from tests.helpers.toy_runs import a_run, do
from tests.soak.readers import Content, Reader, Unsure
from vgf import cli, records
from vgf.agents import VGF, Dims, VGFConfig
from vgf.agents.bank_file import BankFile
from vgf.book.claims import standing
from vgf.datasets.files import provenance, write_npz
from vgf.networks import SeedStreams
from vgf.rlhf import settings, stages
from vgf.rlhf.parts.minilm import load_judge
from vgf.rlhf.parts.prepare import minilm_folder
from vgf.rlhf.reward import load_reward
from vgf.rlhf.settings import Setup
from vgf.rlhf.study.records import read_rows
from vgf.sources.experts import Expert, load_expert, save_expert
from vgf.support.files import sha256, write_json
from vgf.training.checkpoints import load_agent, load_checkpoint, save_policy


def arrays(tensors: dict[str, torch.Tensor]) -> Content:
    """Return tensors as arrays."""
    numbers = {name: value.detach().float() if value.is_floating_point() else value for name, value in tensors.items()}
    return {name: value.numpy().copy() for name, value in numbers.items()}


def frame(table: pd.DataFrame) -> Content:
    """Return a table as columns of Python's values."""
    return {str(name): table[name].tolist() for name in table.columns}


def make_policy(folder: Path) -> None:
    """Write the policy of a new agent of two seeds."""
    config = VGFConfig(hidden=(8,), particles=2, flow_steps=2, step_size=0.05)
    save_policy(folder / "policy.safetensors", VGF.create(config, Dims(3, 2), (0, 3)), CUBE)


def read_policy(folder: Path) -> Content:
    """Return a policy file's content."""
    agent, task = load_agent(folder)
    return {
        **arrays(agent.policy()),
        "of": [agent.name, asdict(agent.config), agent.dims, agent.seeds, agent.updates, task],
    }


def make_expert(folder: Path) -> None:
    """Write a little expert."""
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(a, b)).astype(np.float32), np.ones(b, np.float32)) for a, b in ((3, 4), (4, 2), (4, 2))]
    save_expert(folder / "expert.safetensors", Expert((pairs[0],), pairs[1], pairs[2], {"steps": 5, "env": "x"}))


def read_expert(folder: Path) -> Content:
    """Return an expert file's content."""
    expert = load_expert(folder / "expert.safetensors")
    return [expert.layers, expert.mean, expert.log_std, dict(expert.facts)]


def make_checkpoints(folder: Path) -> None:
    """Leave a run's checkpoints as a kill does."""
    run = a_run(folder / "run")
    do(run, 9)
    shutil.copytree(run.work, folder / "work")
    shutil.rmtree(folder / "run")


def read_checkpoint(folder: Path) -> Content:
    """Return the state that a run would go on from, by its update; a damaged one is stepped around."""
    found = load_checkpoint(folder / "work")
    return None if found is None else {**arrays(found.tensors), "facts": found.facts}


def checkpoint_before(good: Path) -> Content:
    """Return the state of the checkpoint before the newest."""
    twin = good.with_name(f"{good.name}-twin")
    shutil.rmtree(twin, ignore_errors=True)
    shutil.copytree(good, twin)
    max((twin / "work").glob("checkpoint-*.json")).unlink()
    return read_checkpoint(twin)


def make_record(folder: Path) -> None:
    """Write a record as a run does."""
    shutil.move(write_record(folder / "root", CUBE, "vgf"), folder / "record")
    shutil.rmtree(folder / "root")


def read_record(folder: Path) -> Content:
    """Return a record with all its rows."""
    record = records.read_record(folder / "record")
    return [record.runs, *(frame(table) for table in (record.episodes, record.curve, record.ranking))]


def record_told(good: Path, name: Path, content: bytes) -> Content:
    """Return what a mangled run.json says, written as plainly as can be, beside the good rows."""
    document = json_of(content)
    twin = good.with_name(f"{good.name}-twin")
    shutil.rmtree(twin, ignore_errors=True)
    shutil.copytree(good, twin)
    (twin / name).write_text(json.dumps(document))
    return read_record(twin)


def json_of(content: bytes) -> Any:
    """Return a document, or raise Unsure."""
    try:
        return json.loads(content.decode())
    except (ValueError, RecursionError):
        raise Unsure from None


def bank(folder: Path) -> BankFile:
    """Return a little bank's file."""
    return BankFile(folder, {"name": "one"}, (2, 10, 3, 2))


def make_bank(folder: Path) -> None:
    """Draw a bank and keep it."""
    torch.manual_seed(0)
    actions = torch.rand(2, 10, 3, 2).half()

    def fill(into: torch.Tensor, first: int) -> None:
        into.copy_(actions)

    bank(folder).filled(SeedStreams((0, 3), "bank"), fill)


def read_bank(folder: Path) -> Content:
    """Return a bank; one that is damaged would be drawn anew."""
    found = bank(folder)._read()
    return None if found is None else found.numpy().copy()


def world(folder: Path) -> Setup:
    """Let the little language be in a folder; return the experiment."""
    os.environ["VGF_DATA"] = str(folder)
    settings.SIZES["quick"] = LITTLE
    return Setup(sizes=LITTLE)


def make_stages(folder: Path) -> None:
    """Do the stages before the comparison, and the comparison of two methods."""
    world(folder)
    little_cache(folder)
    for words in (["sft"], ["reward"], ["judge"], ["align", "--method", "sft", "best_of_8"]):
        assert cli.main(["rlhf", *words]) == 0


def read_stages(folder: Path) -> Content:
    """Return the numbers of policy, reward model and judge."""
    setup = world(folder)
    policy, splits = stages.open_sft(setup)
    reward = load_reward(setup.folder("reward"), policy)
    judge = load_judge(setup.folder("judge"), minilm_folder())
    facts = [stages.read_done(setup.folder(stage)) for stage in ("sft", "reward", "judge")]
    rows = [[row.name, row.prompt, row.chosen, row.rating] for row in splits.sft[:20]]
    return [
        arrays(policy.model.state_dict()),
        arrays({name: v for name, v in reward.state_dict().items() if "embed" not in name}),
        judge.weights,
        judge.intercept,
        facts,
        rows,
    ]


def read_language_rows(folder: Path) -> Content:
    """Return the rows of a method's record on language."""
    return frame(read_rows(folder / "results" / "rlhf" / "quick" / "reviews" / "best_of_8", 0))


def make_made(folder: Path) -> None:
    """Write a dataset's file with its sidecar."""
    write_npz(folder / "made.npz", {"observations": np.arange(6.0).reshape(3, 2)})
    facts = {"dataset": "cube-single-play-v0", "seed": 0, "sha256": sha256(folder / "made.npz")}
    write_json(folder / "made.json", facts)


def made_told(good: Path, name: Path, content: bytes) -> Content:
    """Return what a mangled sidecar says beside the facts that are not its own."""
    document = json_of(content)
    facts = provenance(good / "made.npz")
    if name.suffix != ".json" or document["sha256"] != facts["sha256"]:
        raise Unsure
    return {"file": "made.npz", **document, "source": "regenerated"}


def make_verdict(folder: Path) -> None:
    """Write a chapter's verdict on a claim."""
    write_json(folder / "claim.json", {"status": "held", "evidence": "as said", "scale": "cpu"})


def verdict_told(good: Path, name: Path, content: bytes) -> Content:
    """Return what a verdict says."""
    document = json_of(content)
    return document["status"], f"{document['evidence']} Scale: {document['scale']}."


STAGES = "cache/rlhf/work/*/*/**/*"
READERS = (
    Reader("safetensors, policy", "binary", 500, make_policy, read_policy),
    Reader("safetensors, expert", "binary", 300, make_expert, read_expert),
    Reader(
        "checkpoints, tensors",
        "binary",
        200,
        make_checkpoints,
        read_checkpoint,
        ("work/*.safetensors",),
        instead=checkpoint_before,
    ),
    Reader(
        "checkpoints, facts",
        "json",
        250,
        make_checkpoints,
        read_checkpoint,
        ("work/checkpoint*.json",),
        instead=checkpoint_before,
    ),
    Reader("bank of actions", "binary", 150, make_bank, read_bank, ("*.float16",)),
    Reader("run.json", "json", 700, make_record, read_record, ("record/run.json",), record_told),
    Reader("csv of a record", "text", 400, make_record, read_record, ("record/*.csv",)),
    Reader("language, weights of stages", "binary", 150, make_stages, read_stages, (f"{STAGES}.safetensors",)),
    Reader("language, facts of stages", "json", 150, make_stages, read_stages, (f"{STAGES}.json",)),
    Reader("language, csv of a record", "text", 100, make_stages, read_language_rows, ("results/**/seed*.csv",)),
    Reader(
        "sidecar of a dataset",
        "json",
        100,
        make_made,
        lambda folder: provenance(folder / "made.npz"),
        ("*.json",),
        told=made_told,
    ),
    Reader(
        "verdict on a claim", "json", 100, make_verdict, lambda folder: standing("claim", folder), told=verdict_told
    ),
)
