"""Prompts and responses: rated review snippets as they are, split once and for all.

A snippet's first tokens are the prompt, the rest the human response, its mean human rating in [-4, 4] the ground truth
(hutto2014vader). Four splits never share a snippet: `sft` and `reward` train the policy and the proxy reward, `judge`
trains the judge nobody optimises, `test` is only looked at. Which split a snippet falls into depends on a digest of
its text alone, so equal texts are never on two sides. The price of four disjoint splits is less data for each.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from vgf.support.files import sha256, write_json
from vgf.support.json_text import read_json

Split = Literal["sft", "reward", "judge", "test"]
SHARES: dict[Split, float] = {"sft": 0.22, "reward": 0.33, "judge": 0.33, "test": 0.12}
PROMPT_TOKENS = 4
WORDS = (5, 32)  # shorter ones hold no continuation, longer ones would be cut


class Snippet(NamedTuple):
    """A rated text: its number in the original file, its mean human rating and how many people gave one."""

    number: int
    rating: float
    raters: int
    text: str


class Row(NamedTuple):
    """A prompt with a human response, in tokens.

    Attributes:
        name: of the snippet or pair; what records hold in place of the text.
        prompt: token ids.
        chosen: token ids of the human response, its end included where it was not cut.
        rejected: token ids of a worse response; empty where there is none.
        rating: human rating of the chosen response with its prompt; NaN where there is none.
    """

    name: str
    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...] = ()
    rating: float = math.nan


@dataclass(frozen=True)
class Splits:
    """Every split's rows; `judge` holds texts, for a judge has a tokenizer of its own."""

    sft: list[Row]
    reward: list[Row]
    test: list[Row]
    judge: list[tuple[str, float]]


def parse_snippets(truth: bytes, ratings: bytes) -> list[Snippet]:
    """Return the rated snippets from the bytes of the two original files: number, mean, text; and who rated what.

    Raises:
        ValueError: naming the line that is not as expected.
    """
    raters = {}
    for line in filter(str.strip, ratings.decode("utf-8", "replace").splitlines()):
        cells = line.split("\t")
        raters[cells[0]] = len(json.loads(cells[-1]))
    found = []
    for at, line in enumerate(truth.decode("utf-8", "replace").split("\n"), 1):
        cells = line.strip("\r").split("\t", 2)
        if not line.strip():
            continue
        try:
            number, rating, text = int(cells[0]), float(cells[1]), " ".join(cells[2].replace("''", '"').split())
        except (IndexError, ValueError):
            raise ValueError(f"line {at} of the ratings is not number, rating, text: {line[:60]!r}") from None
        if not -4 <= rating <= 4:
            raise ValueError(f"line {at} of the ratings: {rating} is outside [-4, 4]")
        found.append(Snippet(number, rating, raters.get(cells[0], 0), text))
    return found


def split_of(text: str) -> Split:
    """Return which split a text belongs to, by its digest."""
    place = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
    for name, share in SHARES.items():
        if place < share:
            return name
        place -= share
    return "test"


def write_snippets(path: Path, snippets: Sequence[Snippet]) -> dict[str, Any]:
    """Write the usable snippets with their splits; return each split's size and the digest of its numbers."""
    usable = [s for s in snippets if WORDS[0] <= len(s.text.split()) <= WORDS[1]]
    rows = [{"split": split_of(s.text), **s._asdict()} for s in usable]
    write_json(path, rows)
    facts: dict[str, Any] = {"sha256": sha256(path), "snippets": len(rows), "splits": {}}
    for name in SHARES:
        numbers = [row["number"] for row in rows if row["split"] == name]
        digest = hashlib.sha256(json.dumps(numbers).encode()).hexdigest()
        facts["splits"][name] = {"snippets": len(numbers), "sha256_of_numbers": digest}
    return facts


def read_reviews(path: Path, tokenizer: Any, tokens: int) -> Splits:
    """Return the splits of the rated snippets, tokenized.

    Args:
        path: what `write_snippets` wrote.
        tokenizer: of the policy.
        tokens: most tokens of a response; longer human responses are cut there.

    Raises:
        ValueError: if the file is missing, or was changed.
    """
    splits = Splits([], [], [], [])
    rows = read_snippets(path)
    chosen = [row for row in rows if row["split"] != "judge"]
    splits.judge.extend((row["text"], row["rating"]) for row in rows if row["split"] == "judge")
    ids = tokenizer([row["text"] for row in chosen], add_special_tokens=False)["input_ids"]
    for row, words in zip(chosen, ids, strict=True):
        if len(words) <= PROMPT_TOKENS:
            continue
        response = [*words[PROMPT_TOKENS:], tokenizer.eos_token_id][:tokens]
        item = Row(f"review-{row['number']}", tuple(words[:PROMPT_TOKENS]), tuple(response), (), row["rating"])
        getattr(splits, row["split"]).append(item)
    return splits


def read_snippets(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file of snippets; ValueError where it is missing, or not of `write_snippets`."""
    if not path.exists():
        raise ValueError(f"no snippets at {path}; `vgf rlhf prepare` fetches them")
    remedy, kinds = "`vgf rlhf prepare` fetches them again", {"split": str, "text": str, "rating": float, "number": int}
    rows = read_json(path, remedy)
    for at, row in enumerate(rows if isinstance(rows, list) else [rows]):
        fine = isinstance(row, dict) and all(type(row.get(key)) is kind for key, kind in kinds.items())
        if not fine or row["split"] not in SHARES or not isinstance(rows, list):
            raise ValueError(f"{path}, row {at}: no snippet; {remedy}")
    return rows


def evaluation_prompts(
    rows: Sequence[Row], count: int, least_rating: float = -4.0, development: bool = False
) -> list[Row]:
    """Return `count` rows with different prompts, in an order that depends on their names alone.

    Args:
        rows: the test split.
        count: how many.
        least_rating: leave out prompts whose human response is rated lower: the harder testbed, in which the human
            response is itself what the reward asks for.
        development: take them from the other end of the order, for choices that must not be made on what is reported.

    Raises:
        ValueError: if there are not that many.
    """
    order = sorted(rows, key=lambda row: hashlib.sha256(row.name.encode()).hexdigest())
    found: dict[tuple[int, ...], Row] = {}
    for row in order:
        if not row.rating < least_rating:  # NaN, no rating, stays in
            found.setdefault(row.prompt, row)
    if len(found) < count:
        raise ValueError(f"{count} prompts were asked for, the test split has {len(found)} that qualify")
    chosen = list(found.values())
    return chosen[::-1][:count] if development else chosen[:count]
