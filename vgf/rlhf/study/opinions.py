"""`python -m vgf.rlhf.study.opinions`: what a held-out model and a word list say of responses that are recorded.

The perplexity beside every row is that of the tuned policy, from which the responses come, and the judge is a model.
Here is one of each that nothing of this experiment was tuned on: the base model before tuning, over all of its tokens,
and the words of VADER's list (hutto2014vader), which no training changed. Both read text alone, people's as well as
generated, in the same way. The base model is of the same family as the policy, so it is held out and not independent.
"""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import tyro

from vgf import records
from vgf.rlhf.models import Policy, load_model, load_tokenizer, make_policy
from vgf.rlhf.parts.data import Row
from vgf.rlhf.parts.prepare import model_folder
from vgf.rlhf.parts.registry import fetch, member
from vgf.rlhf.reward import padded, pair_accuracy
from vgf.rlhf.sampling import negative_log_likelihood
from vgf.rlhf.settings import SIZES, Setup
from vgf.rlhf.stages import load_splits
from vgf.rlhf.study.records import folder_of, read_rows
from vgf.support.errors import status_of
from vgf.support.progress import log
from vgf.support.provenance import code_provenance, fingerprint
from vgf.support.scales import ScaleName

METHODS = ("human", "sft", "best_of_16", "vgf_L1", "constant_L1", "no_kernel_L1", "cold_L1")
COLUMNS = ("method", "prompt", "nats", "length", "words")
KEYS = ("method", "prompt")
NEGATIONS = frozenset(["not", "no", "never", "none", "nothing", "nor", "neither", "hardly", "without", "cannot"])
REACH, TURNED = 3, -0.74  # words that a negation turns, and by how much (hutto2014vader)
SOFT = 15.0  # a sum s becomes s / sqrt(s^2 + SOFT), in (-1, 1) (hutto2014vader)
TOGETHER = 50


def folder(scale: str, task: str, root: Path | None = None) -> Path:
    """Return the folder of a task's second opinions."""
    return (root or records.results_folder()) / "rlhf" / f"opinions.{scale}" / task


@cache
def word_list() -> Mapping[str, float]:
    """Return the valence of each word of VADER's list, from the archive that the snippets come in."""
    lines = member(fetch("ratings"), "vader_lexicon.txt").decode().splitlines()
    parts = [line.split("\t") for line in lines if line.strip()]
    return {part[0].lower(): float(part[1]) for part in parts}


def words_score(text: str, valence: Mapping[str, float]) -> float:
    """Return the sum of a text's valences, those behind a negation turned, made soft: in (-1, 1), 0 for no such word.

    Args:
        text: of one response.
        valence: of a word, in lower case.
    """
    words = re.findall(r"[a-z']+", text.lower())
    turns = [word in NEGATIONS or word.endswith("n't") for word in words]
    total = 0.0
    for k, word in enumerate(words):
        turned = any(turns[max(0, k - REACH) : k])
        total += valence.get(word, 0.0) * (TURNED if turned else 1.0)
    return total / math.sqrt(total * total + SOFT)


def opinions(
    policy: Policy, valence: Mapping[str, float], prompts: Sequence[Sequence[int]], texts: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the base model's nats, the tokens they are over, and the word list's score of each text behind its prompt.

    Args:
        policy: the base model, over all of its tokens.
        valence: of a word.
        prompts: token ids.
        texts: responses, spaces made single; each is read after one space.
    """
    ids = [policy.tokenizer(f" {text}", add_special_tokens=False)["input_ids"] or [policy.end] for text in texts]
    found: list[dict[str, Any]] = []
    for at in range(0, len(ids), TOGETHER):
        part = ids[at : at + TOGETHER]
        tokens, alive = padded(part, policy.end, policy.device)
        nats = negative_log_likelihood(policy, prompts[at : at + TOGETHER], tokens, alive).tolist()
        found += [{"nats": n, "length": len(own)} for n, own in zip(nats, part, strict=True)]
    return [row | {"words": words_score(text, valence)} for row, text in zip(found, texts, strict=True)]


def record(setup: Setup, methods: Sequence[str], root: Path | None = None) -> Path:
    """Read the recorded responses of a seed and write what is said of them; return the folder.

    Raises:
        ValueError: if a method has no record of the seed, or a part is missing.
    """
    started, base = time.monotonic(), model_folder()
    tokenizer = load_tokenizer(base)
    splits = load_splits(setup, tokenizer)
    sources = {name: folder_of(setup.scale, setup.task_name, name, root) for name in methods}
    rows = {name: read_rows(source, setup.seed).fillna({"response": ""}) for name, source in sources.items()}
    if missing := [name for name, frame in rows.items() if frame.empty]:
        raise ValueError(f"{missing[0]} has no record of seed {setup.seed}; `vgf rlhf align` makes it")
    policy = make_policy(load_model(base, getattr(torch, setup.precision())), tokenizer, None)
    by_name, valence = {row.name: row for row in splits.test}, word_list()
    found = []
    for name, frame in rows.items():
        sources_of = [by_name[prompt] for prompt in frame["prompt"]]
        texts = [spaced(policy, row) for row in sources_of] if name == "human" else list(frame["response"])
        told = opinions(policy, valence, [row.prompt for row in sources_of], texts)
        found += [{"method": name, "prompt": row.name} | one for row, one in zip(sources_of, told, strict=True)]
        log(f"opinions: seed {setup.seed}, {name}, {time.monotonic() - started:.0f} s")
    human = [spaced(policy, row) for row in splits.test]
    accuracy = pair_accuracy([words_score(text, valence) for text in human], [row.rating for row in splits.test])
    return _write(setup, pd.DataFrame(found, columns=list(COLUMNS)), sources, accuracy, started, root)


def spaced(policy: Policy, row: Row) -> str:
    """Return a human response as records have generated ones: spaces made single."""
    return " ".join(policy.text(row.chosen).split())


def _write(
    setup: Setup,
    rows: pd.DataFrame,
    sources: Mapping[str, Path],
    accuracy: Mapping[str, float],
    started: float,
    root: Path | None,
) -> Path:
    """Write and seal a seed's opinions; those of before give way."""
    home = folder(setup.scale, setup.task_name, root)
    path = records.seed_file(home, setup.seed)
    path.unlink(missing_ok=True)
    records.append_rows(path, rows, KEYS)
    read = {name: records.checksums(source)[f"seed{setup.seed}.csv"] for name, source in sources.items()}
    settings = {"model": setup.made_of["model"], "read": read}
    run = {"id": f"seed{setup.seed}", "seeds": [setup.seed], "digest": fingerprint(settings), "settings": settings}
    facts = {"words_accuracy": accuracy, "seconds": round(time.monotonic() - started, 1), "scale": setup.scale}
    records.merge_run(home, run | facts | {"precision": setup.precision()} | code_provenance())
    return home


def read(scale: str, task: str, root: Path | None = None) -> pd.DataFrame:
    """Return every seed's opinions, with a column seed; none where none is recorded.

    Raises:
        ValueError: if a file was changed since it was written.
    """
    home = folder(scale, task, root)
    if not (home / "run.json").exists():
        return pd.DataFrame(columns=[*COLUMNS, "seed"])
    sealed = records.checksums(home)
    seeds = sorted(seed for run in records.read_runs(home) for seed in run["seeds"])
    paths = {seed: records.seed_file(home, seed) for seed in seeds}
    return pd.concat(
        [records.read_csv(path, sealed[path.name], dtype={"prompt": str}).assign(seed=s) for s, path in paths.items()],
        ignore_index=True,
    )


def command(seed: tuple[int, ...], scale: ScaleName = "cpu", method: tuple[str, ...] = METHODS) -> None:
    """Ask a held-out model and a word list about recorded responses to the reviews.

    Args:
        seed: which of the records.
        scale: of the records.
        method: whose responses.
    """
    for one in seed:
        record(Setup(scale=scale, seed=one, sizes=SIZES[scale]), method)


if __name__ == "__main__":
    sys.exit(status_of("opinions", lambda: tyro.cli(command, prog="vgf.rlhf.study.opinions")))
