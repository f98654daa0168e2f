"""Preference data: the paper's two tasks by name, and any jsonl of prompt, chosen and rejected.

TL;DR (stiennon2020tldr) and Anthropic's helpful and harmless dialogues (bai2022hh) come from the hub through
`datasets`; a local jsonl takes their place where it is given. Rows fall into splits by a digest of their prompt, so
that no prompt is on two sides. A row with a missing key is refused with its line; nothing is guessed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vgf.rlhf.parts.data import Row, Splits, split_of
from vgf.rlhf.parts.hub import require_hub

HUB = {"tldr": ("trl-lib/tldr-preference", "train"), "hh": ("Anthropic/hh-rlhf", "train")}
TURN = "\n\nAssistant:"  # where a dialogue's last answer begins
KEYS = ("prompt", "chosen", "rejected")


def read_preferences(task: str, path: Path | None, tokenizer: Any, tokens: int) -> Splits:
    """Return the splits of a preference task, tokenized; the `judge` split goes to the reward model.

    Args:
        task: tldr or hh.
        path: a jsonl file in place of the hub's dataset, or None.
        tokenizer: of the policy.
        tokens: most tokens of a response; longer ones are cut there.

    Raises:
        ValueError: if the data cannot be had, is empty or lacks a key, in one line with the remedy.
    """
    source = read_jsonl(path) if path is not None else read_hub(task)
    splits = Splits([], [], [], [])
    for text in source:
        row = tokenized(text, tokenizer, tokens)
        split = split_of(text["prompt"])
        (splits.reward if split == "judge" else getattr(splits, split)).append(row)
    for name in ("sft", "reward", "test"):
        if not getattr(splits, name):
            raise ValueError(f"{path or task}: too few preferences, none falls into the {name} split; give more")
    return splits


def read_jsonl(path: Path) -> Iterator[dict[str, str]]:
    """Yield prompt, chosen and rejected of each line.

    Raises:
        ValueError: naming the file, the line and the key.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; give a jsonl of {', '.join(KEYS)}")
    count = 0
    with path.open(encoding="utf-8") as stream:
        for at, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}, line {at}: not JSON ({error.msg})") from None
            yield checked(row, f"{path}, line {at}")
            count += 1
    if not count:
        raise ValueError(f"{path}: empty; give a jsonl of {', '.join(KEYS)}")


def read_hub(task: str) -> Iterator[dict[str, str]]:
    """Yield prompt, chosen and rejected of the hub's dataset.

    Raises:
        ValueError: within seconds if `datasets` or the hub is not there.
    """
    name, split = HUB[task]
    if importlib.util.find_spec("datasets") is None:
        raise ValueError(f"dataset {name}: the package datasets is needed; pip install datasets, or --preferences FILE")
    from datasets import DownloadConfig, load_dataset

    try:
        table = load_dataset(name, split=split, download_config=DownloadConfig(local_files_only=True, max_retries=0))
    except Exception:  # the library raises many types for a dataset that is not in its cache
        require_hub(f"dataset {name}", "`--preferences FILE` (jsonl), or leave --task out for the embedded reviews")
        table = load_dataset(name, split=split)
    for at, row in enumerate(table):
        yield checked(dialogue(row) if task == "hh" else row, f"{name}, row {at}")


def dialogue(row: Mapping[str, str]) -> dict[str, str]:
    """Split two dialogues that differ in their last answer into prompt, chosen and rejected.

    Raises:
        ValueError: if there is no answer, or the dialogues differ before it.
    """
    parts = {}
    for key in ("chosen", "rejected"):
        begin, turn, answer = str(row.get(key, "")).rpartition(TURN)
        if not turn:
            raise ValueError(f"a dialogue's {key} has no answer ({TURN.strip()!r} does not occur in it)")
        parts[key] = (begin + turn, answer)
    return {"prompt": parts["chosen"][0], "chosen": parts["chosen"][1], "rejected": parts["rejected"][1]}


def checked(row: Any, where: str) -> dict[str, str]:
    """Return the three texts of a row; ValueError naming what is missing."""
    if not isinstance(row, Mapping):
        raise ValueError(f"{where}: expected an object with {', '.join(KEYS)}")
    for key in KEYS:
        if not isinstance(row.get(key), str) or not row[key].strip():
            has = ", ".join(map(str, row)) or "nothing"
            raise ValueError(f"{where}: no text {key!r}; it has {has}, expected {', '.join(KEYS)}")
    return {key: row[key] for key in KEYS}


def tokenized(text: Mapping[str, str], tokenizer: Any, tokens: int) -> Row:
    """Return a row of tokens; a response that is not cut ends with the end of text."""
    prompt, chosen, rejected = (tokenizer(text[key], add_special_tokens=False)["input_ids"] for key in KEYS)
    cut = [tuple([*ids, tokenizer.eos_token_id][:tokens]) for ids in (chosen, rejected)]
    name = "pair-" + hashlib.sha256("\x00".join(text[key] for key in KEYS).encode()).hexdigest()[:12]
    return Row(name, tuple(prompt), cut[0], cut[1])


def texts_of(rows: Iterable[Row], tokenizer: Any) -> dict[str, tuple[str, str]]:
    """Return prompt and human response as text by a row's name."""
    return {
        row.name: (tokenizer.decode(list(row.prompt)), tokenizer.decode(list(row.chosen), skip_special_tokens=True))
        for row in rows
    }
