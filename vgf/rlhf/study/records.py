"""What is measured of a response, and the record of it: one row a prompt, without a word of anyone else's text.

Judge and proxy reward never come alone: a text can please both and be broken, so the negative log-likelihood under the
supervised policy stands beside them, and how far the text is from where it came from. A win is a comparison of the
judge's scores, ties half, against all N reference responses and against the human one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vgf import records
from vgf.support.files import sha256, write_bytes
from vgf.support.provenance import code_provenance, fingerprint, version_of

KEYS = ("prompt",)
SHARED = ("sft", "reward", "judge")  # stages whose outcome every method of a seed starts from or is measured by
COLUMNS = (
    "prompt",  # name of the snippet or pair
    "reward",  # proxy reward
    "judge",  # predicted human rating of prompt and response; empty where a task has no such judge
    "win_ref",  # against the N reference responses
    "win_chosen",  # against the human response
    "nats",  # negative log-likelihood under the supervised policy
    "length",  # tokens
    "edit",  # share of tokens changed from the reference of the same noise
    "diversity",  # mean edit share between the candidates
    "drawn",  # responses that passed through the language model
    "gradients",  # reward gradients taken
    "response",  # generated text; empty for the human one
)
CURVE = ("step", "reward", "error")  # of a rival in training: mean on development prompts, its standard error


def edit_share(a: Sequence[int], b: Sequence[int]) -> float:
    """Return Levenshtein's distance over the longer length, in [0, 1]; two empty sequences are equal."""
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (x != y)))
        previous = row
    return previous[-1] / max(len(a), len(b), 1)


def diversity(candidates: Sequence[Sequence[int]]) -> float:
    """Return the mean edit share over all pairs; NaN for a single candidate."""
    n = len(candidates)
    shares = [edit_share(candidates[i], candidates[j]) for i in range(n) for j in range(i)]
    return float(np.mean(shares)) if shares else float("nan")


def win(score: float, others: Sequence[float]) -> float:
    """Return how often a score beats others, ties half."""
    other = np.asarray(others, dtype=float)
    return float(((score > other) + 0.5 * (score == other)).mean())


def folder_of(scale: str, task: str, method: str, root: Path | None = None) -> Path:
    """Return the folder of a method's record."""
    return (root or records.results_folder()) / "rlhf" / scale / task / method


def read_rows(folder: Path, seed: int) -> pd.DataFrame:
    """Return the rows of one seed; none where it has no record.

    Raises:
        ValueError: if they are damaged, or changed since they were sealed, naming the file.
    """
    path = records.seed_file(folder, seed)
    if not path.exists():
        return pd.DataFrame(columns=list(COLUMNS))
    sealed = None if mark_of(folder, seed).exists() else records.checksums(folder).get(path.name)
    return records.read_csv(path, sealed, dtype={"prompt": str, "response": str}, keep_default_na=True)


def mark_of(folder: Path, seed: int) -> Path:
    """Return the file that says, until a seed's rows are sealed, what they are made with."""
    return folder / f".seed{seed}.unsealed"


def append(folder: Path, seed: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows to a record; those that are there already stay as they are."""
    frame = pd.DataFrame(list(rows), columns=list(COLUMNS))
    frame["response"] = [" ".join(str(text).split()) for text in frame["response"]]
    records.append_rows(records.seed_file(folder, seed), frame, KEYS)


def seal(folder: Path, seed: int, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Put a seed's run into run.json, with what its numbers depend on and the checksum of its rows."""
    packages = {name: version_of(name) for name in ("transformers", "tokenizers", "trl")}
    told = code_provenance()
    told["versions"] |= packages
    run = {"id": f"seed{seed}", "seeds": [seed], "digest": fingerprint(settings), "settings": dict(settings)}
    records.merge_run(folder, run | dict(facts) | told)


def write_curve(folder: Path, seed: int, rows: Sequence[Mapping[str, float]]) -> None:
    """Put a rival's reward over its training steps beside its rows; sealing them seals it too."""
    frame = pd.DataFrame(list(rows), columns=list(CURVE))
    path = records.seed_file(folder, seed, curve=True)
    write_bytes(path, frame.to_csv(index=False, float_format="%.9g", lineterminator="\n").encode())


def read_curve(folder: Path, seed: int) -> pd.DataFrame:
    """Return a rival's reward over its training steps, columns `CURVE`.

    Raises:
        ValueError: if it is missing, damaged, or changed since it was sealed, naming the file.
    """
    path = records.seed_file(folder, seed, curve=True)
    if not path.exists():
        raise ValueError(f"{path}: missing; `vgf rlhf align` makes it with the rows")
    return records.read_csv(path, records.checksums(folder).get(path.name))


def made_from(folder: Path, seed: int) -> tuple[str, str] | None:
    """Return the digests of a seed's settings and of the stages all methods share, or None where it has no run."""
    if not (folder / "run.json").exists():
        return None
    runs = [run for run in records.read_runs(folder) if seed in run["seeds"]]
    if not runs:
        return None
    told = runs[-1].get("stages")
    stages = {stage: told.get(stage) if isinstance(told, dict) else None for stage in SHARED}
    return str(runs[-1].get("digest")), fingerprint(stages)


def faults(folder: Path) -> list[str]:
    """Return, a line each, the files of a record that are missing or not as their run left them."""
    sealed, found = records.checksums(folder), []
    for seed in sorted({seed for run in records.read_runs(folder) for seed in run["seeds"]}):
        path = records.seed_file(folder, seed)
        if not path.exists():
            found.append(f"{path}: missing, though run.json names the seed")
        elif sha256(path) != sealed.get(path.name):
            found.append(f"{path}: changed since its run wrote it (its checksum is not the one in run.json)")
    return found
