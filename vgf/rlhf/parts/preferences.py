"""Preference data: the paper's two tasks by name, and files of rows in the shapes that people have.

    standard          {"prompt": text, "chosen": text, "rejected": text}
    implicit prompt   {"chosen": text, "rejected": text}: dialogues that part after the last "Assistant:"
    conversational    lists of {"role", "content"}, with or without a prompt, through the tokenizer's chat template
    comparisons       {"info": post, "summaries": two, "choice": 0 or 1}: TL;DR as it was published (`published`)

TL;DR (stiennon2020tldr) and Anthropic's helpful and harmless dialogues (bai2022hh) come from the hub through
`datasets`; a local file takes their place where it is given, and its rows are read by the same rules. Rows fall into
splits by a digest of their prompt, so that no prompt is on two sides. A row of another shape is refused with its line;
one that says nothing, as an answer is empty or the dialogues part early, is left out and counted.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vgf.rlhf.parts.data import Row, Splits, split_of
from vgf.rlhf.parts.hub import require_hub
from vgf.rlhf.parts.published import Useless, comparison, is_comparison
from vgf.rlhf.parts.row_files import rows_of
from vgf.support.errors import DataError
from vgf.support.progress import log

HUB = {"tldr": ("trl-lib/tldr-preference", "train"), "hh": ("Anthropic/hh-rlhf", "train")}
TURN = "\n\nAssistant:"  # where a dialogue's last answer begins
KEYS = ("prompt", "chosen", "rejected")
MOST_LEFT_OUT = 0.5  # of all rows; above it they are no such rows


def read_preferences(task: str, path: Path | None, tokenizer: Any, tokens: int, prompt_tokens: int = 0) -> Splits:
    """Return the splits of a preference task, tokenized; the `judge` split goes to the reward model.

    Args:
        task: tldr or hh.
        path: a file of rows in place of the hub's dataset, or None.
        tokenizer: of the policy.
        tokens: most tokens of a response; longer ones are cut there.
        prompt_tokens: rows with a longer prompt are left out, and counted on stderr; 0 leaves none out.

    Raises:
        ValueError: if the data cannot be had, is empty or lacks a key, in one line with the remedy.
    """
    source = read_jsonl(path, tokenizer) if path is not None else read_hub(task, tokenizer)
    splits, count, long = Splits([], [], [], []), 0, 0
    for text in source:
        row = tokenized(text, tokenizer, tokens)
        count, is_long = count + 1, bool(prompt_tokens) and len(row.prompt) > prompt_tokens
        long += is_long
        if is_long:
            continue
        split = split_of(text["prompt"])
        (splits.reward if split == "judge" else getattr(splits, split)).append(row)
    if long > MOST_LEFT_OUT * count:
        raise DataError(f"{path or task}: {long} of {count} prompts pass {prompt_tokens} tokens; raise prompt_tokens")
    if long:
        log(f"{path or task}: {long} of {count} rows are left out, their prompts pass {prompt_tokens} tokens")
    for name in ("sft", "reward", "test"):
        if not getattr(splits, name):
            raise DataError(f"{path or task}: too few preferences, none falls into the {name} split; give more")
    return splits


def read_jsonl(path: Path, tokenizer: Any = None) -> Iterator[dict[str, str]]:
    """Yield prompt, chosen and rejected of each row of a file; what is left out is counted on stderr.

    Args:
        path: jsonl, a JSON list or parquet; see `vgf.rlhf.parts.row_files`.
        tokenizer: whose chat template turns messages into text; without one they are refused.

    Raises:
        ValueError: naming the file, the line and the key.
    """
    return _useful(rows_of(path), str(path), tokenizer)


def read_hub(task: str, tokenizer: Any = None) -> Iterator[dict[str, str]]:
    """Yield prompt, chosen and rejected of the hub's dataset.

    Raises:
        ValueError: within seconds if `datasets` or the hub is not there.
    """
    name = HUB[task][0]
    return _useful(((f"{name}, row {at}", row) for at, row in enumerate(hub_table(task))), name, tokenizer)


def hub_table(task: str) -> Any:
    """Return the table of the hub's dataset, from its cache or fetched now; ValueError as `read_hub`."""
    name, split = HUB[task]
    if importlib.util.find_spec("datasets") is None:
        raise DataError(f"dataset {name}: the package datasets is needed; pip install datasets, or --preferences FILE")
    from datasets import DownloadConfig, load_dataset

    try:
        return load_dataset(name, split=split, download_config=DownloadConfig(local_files_only=True, max_retries=0))
    except Exception:  # the library raises many types for a dataset that is not in its cache
        require_hub(f"dataset {name}", "`--preferences FILE` (jsonl), or leave --task out for the embedded reviews")
        return load_dataset(name, split=split)


def _useful(rows: Iterable[tuple[str, Any]], source: str, tokenizer: Any) -> Iterator[dict[str, str]]:
    """Yield the rows that say something; say at the end how many were left out, and refuse if most were."""
    count, left, first = 0, 0, ""
    for where, row in rows:
        count += 1
        try:
            text = checked(row, where, tokenizer)
        except Useless as reason:
            left, first = left + 1, first or f"{where}: {reason}"
            continue
        yield text
    if not count:
        raise DataError(f"{source}: empty; give a jsonl of {', '.join(KEYS)}")
    if left > MOST_LEFT_OUT * count:
        raise DataError(f"{source}: {left} of {count} rows say nothing, the first: {first}; give rows that do")
    if left:
        log(f"{source}: {left} of {count} rows are left out, the first: {first}")


def checked(row: Any, where: str, tokenizer: Any = None) -> dict[str, str]:
    """Return the three texts of a row.

    Raises:
        Useless: if its answers say nothing.
        ValueError: naming what is missing or of another kind.
    """
    if not isinstance(row, Mapping):
        raise DataError(f"{where}: expected an object with {', '.join(KEYS)}, got {type(row).__name__}")
    if is_comparison(row):
        row = comparison(row, where)
    has = ", ".join(map(str, row)) or "nothing"
    given = {key: row[key] for key in KEYS if row.get(key) is not None}
    for key in KEYS[1:]:
        if key in row and key not in given:
            raise DataError(f"{where}: no text {key!r}, it is null; give a text")
        if key not in given:
            raise DataError(f"{where}: no text {key!r}; it has {has}, expected {', '.join(KEYS)}")
    kinds = {key: _kind(value) for key, value in given.items()}
    for key, kind in kinds.items():
        if kind is None:
            raise DataError(f"{where}: {key} is neither a text nor a list of messages; give one of them")
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{key} is {kind}" for key, kind in kinds.items())
        raise DataError(f"{where}: {told}; give all three as one kind")
    if kinds["chosen"] == "a list of messages":
        return _of_messages(given, where, tokenizer)
    if "prompt" not in given:
        if not all(TURN in given[key] for key in KEYS[1:]):
            words = f"nor is there {TURN.strip()!r} to find one by"
            raise DataError(f"{where}: no text 'prompt', {words}; it has {has}, expected {', '.join(KEYS)}")
        given = dialogue(given)
    if not given["prompt"].strip():
        raise DataError(f"{where}: no text 'prompt', it is empty; every prompt needs a word")
    for key in KEYS[1:]:
        if not given[key].strip():
            raise Useless(f"no text {key!r}, it is empty")
    return {key: given[key] for key in KEYS}


def dialogue(row: Mapping[str, str]) -> dict[str, str]:
    """Split two dialogues that differ in their last answer into prompt, chosen and rejected.

    Raises:
        Useless: if they differ before it; a ValueError.
        ValueError: if there is no answer.
    """
    parts = {}
    for key in ("chosen", "rejected"):
        begin, turn, answer = str(row.get(key, "")).rpartition(TURN)
        if not turn:
            raise DataError(f"a dialogue's {key} has no answer ({TURN.strip()!r} does not occur in it)")
        parts[key] = (begin + turn, answer)
    if parts["chosen"][0] != parts["rejected"][0]:
        raise Useless("the dialogues differ before the last answer, so that they answer different prompts")
    return {"prompt": parts["chosen"][0], "chosen": parts["chosen"][1], "rejected": parts["rejected"][1]}


def _kind(value: Any) -> str | None:
    """Return what a value is in words: a text, or a list of messages; None for anything else."""
    if isinstance(value, str):
        return "a text"
    if not isinstance(value, Sequence) or not value:
        return None
    fine = all(isinstance(m, Mapping) and isinstance(m.get("role"), str) for m in value)
    return "a list of messages" if fine and all(isinstance(m.get("content"), str) for m in value) else None


def _of_messages(given: Mapping[str, Any], where: str, tokenizer: Any) -> dict[str, str]:
    """Return the three texts of messages, written as the tokenizer's chat template does it.

    Raises:
        Useless: if the last answers say nothing, or the dialogues part early.
        ValueError: without a template.
    """
    if getattr(tokenizer, "chat_template", None) is None:
        told = "prompt is a list of messages" if "prompt" in given else "chosen is a list of messages"
        raise DataError(f"{where}: {told}, and the tokenizer has no chat template to write them by; give text")
    before, chosen, rejected = ([dict(m) for m in given.get(key, ())] for key in KEYS)
    if "prompt" not in given:
        if chosen[:-1] != rejected[:-1] or not chosen[:-1]:
            raise Useless("the dialogues differ before the last answer, so that they answer different prompts")
        before, chosen, rejected = chosen[:-1], chosen[-1:], rejected[-1:]
    for key, answer in (("chosen", chosen), ("rejected", rejected)):
        if not answer[-1]["content"].strip():
            raise Useless(f"no text {key!r}, it is empty")
    prompt = str(tokenizer.apply_chat_template(before, tokenize=False, add_generation_prompt=True))
    found = {"prompt": prompt}
    for key, answer in (("chosen", chosen), ("rejected", rejected)):
        whole = str(tokenizer.apply_chat_template([*before, *answer], tokenize=False))
        if not whole.startswith(prompt):
            raise DataError(f"{where}: the chat template writes the prompt otherwise once it is answered; give text")
        found[key] = whole.removeprefix(prompt)
    return found


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
