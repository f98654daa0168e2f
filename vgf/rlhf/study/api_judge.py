"""Pairs of responses before an OpenAI-compatible judge: twice, the places exchanged, every verdict kept.

Language models prefer a place (zheng2023judge), so a pair is asked both ways and counts as won only where both say so;
disagreement is a tie. How a question is asked is in `asking`. What a verdict cost and the judge's own words are stored
as they come; asked again, only what is missing is asked, and a verdict on other texts than today's counts as missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vgf.records import append_rows, read_csv
from vgf.rlhf.study.asking import KEY, ApiJudge, api_key, ask, parse
from vgf.support.places import check_writable
from vgf.support.progress import log

__all__ = ["KEY", "ApiJudge", "Pair", "compare", "estimate", "outcome", "parse"]

KEYS = ("pair", "order", "model", "question_sha256")
CHARACTERS_A_TOKEN = 3.5  # English text, on the safe side
UNCLEAR_MOST = 0.1  # of all verdicts; above it the judge is of no use
QUESTION = """Two assistants answered the same request. Say which answer a careful reader would prefer: the one that \
is more accurate, more helpful and better written. Length alone is no merit.

Request:
{prompt}

Answer A:
{a}

Answer B:
{b}

Reply with one word and nothing else: A, B or TIE."""


class Pair(NamedTuple):
    """What is compared: a name for the record, and three texts that are not recorded."""

    name: str
    prompt: str
    ours: str
    other: str


def estimate(judge: ApiJudge, pairs: Sequence[Pair]) -> tuple[int, float]:
    """Return how many questions the pairs take and about how many dollars they cost."""
    characters = 2 * sum(len(QUESTION) + len(p.prompt) + len(p.ours) + len(p.other) for p in pairs)
    tokens, answers = characters / CHARACTERS_A_TOKEN, 2 * len(pairs) * judge.answer_tokens
    return 2 * len(pairs), (tokens * judge.dollars_in + answers * judge.dollars_out) / 1e6


def compare(judge: ApiJudge, pairs: Sequence[Pair], path: Path, most_dollars: float) -> pd.DataFrame:
    """Ask about every pair both ways; return one row a pair: pair, win (1, 0.5 or 0), agree.

    Args:
        judge: who is asked.
        pairs: with names that are unique.
        path: csv of verdicts; those that are there are not asked again.
        most_dollars: refuse to begin if the estimate is higher.

    Raises:
        ValueError: without a key where an answer is missing, above the price, or when the judge stops answering; what
            was answered is kept.
    """
    address = judge.address()
    asked = _answered(path, judge.model)
    check_writable(path.parent)
    open_questions = {key: text for key, text in _questions(pairs).items() if (*key, _digest(text)) not in asked}
    missing = [pair for pair in pairs if {(pair.name, 0), (pair.name, 1)} & open_questions.keys()]
    questions, dollars = estimate(judge, missing)
    key = api_key() if open_questions else ""
    log(f"judge {judge.model}: {questions} questions, about {dollars:.2f} dollars, to {judge.server}")
    if dollars > most_dollars:
        raise ValueError(f"about {dollars:.2f} dollars, more than --most-dollars {most_dollars:g}; nothing was asked")
    for (name, place), question in open_questions.items():
        reply = ask(judge, address, key, question, f"{name} ({place + 1} of 2)")
        append_rows(path, pd.DataFrame([_row(name, place, judge, question, reply)]), KEYS)
    return outcome(path, judge.model, pairs)


def outcome(path: Path, model: str, pairs: Sequence[Pair]) -> pd.DataFrame:
    """Return wins from stored verdicts on these very texts: 1 or 0 where both orders agree, else 0.5.

    Raises:
        ValueError: if too many answers were unclear to mean anything.
    """
    table = read_csv(path, dtype={"pair": str}) if path.exists() else pd.DataFrame()
    wanted = {(*key, _digest(text)) for key, text in _questions(pairs).items()}
    if len(table):
        table = table[(table["model"] == model) & np.array([key in wanted for key in _keys(table)], bool)]
    if not len(table):
        return pd.DataFrame({"pair": [], "win": [], "agree": []})
    unclear = float((table["verdict"] == "UNCLEAR").mean())
    if unclear > UNCLEAR_MOST:
        raise ValueError(f"{path}: {unclear:.0%} of the judge's answers are neither A, B nor TIE; use another judge")
    ours = {("A", 0): 1.0, ("B", 1): 1.0, ("A", 1): 0.0, ("B", 0): 0.0}
    score = [ours.get((v, int(o)), 0.5) for v, o in zip(table["verdict"], table["order"], strict=True)]
    both = table.assign(score=score).groupby("pair")["score"].agg(["min", "max", "size"]).query("size == 2")
    agree = (both["min"] == both["max"]).to_numpy()
    return pd.DataFrame({"pair": both.index, "win": both["min"].where(agree, 0.5).to_numpy(), "agree": agree})


def _digest(question: str) -> str:
    return hashlib.sha256(question.encode()).hexdigest()


def _questions(pairs: Sequence[Pair]) -> dict[tuple[str, int], str]:
    """Return what is asked about each pair, ours in the first place and in the second."""
    places = (((pair.ours, pair.other), (pair.other, pair.ours)) for pair in pairs)
    return {
        (pair.name, place): QUESTION.format(prompt=pair.prompt, a=a, b=b)
        for pair, orders in zip(pairs, places, strict=True)
        for place, (a, b) in enumerate(orders)
    }


def _row(pair: str, place: int, judge: ApiJudge, question: str, reply: dict[str, Any]) -> dict[str, Any]:
    """Return the stored verdict: the judge's words, and a digest in place of the question's third-party text."""
    return {
        "pair": pair,
        "order": place,
        "model": judge.model,
        "verdict": reply["verdict"],
        "words": " ".join(reply["words"].split())[:200] or "(nothing)",
        "served": reply["served"] or "(unnamed)",
        "tokens_in": reply["tokens_in"],
        "tokens_out": reply["tokens_out"],
        "question_sha256": _digest(question),
    }


def _answered(path: Path, model: str) -> set[tuple[str, int, str]]:
    """Return pair, order and digest of the questions that have an answer of this model."""
    if not path.exists():
        return set()
    table = read_csv(path, dtype={"pair": str})
    return set(_keys(table[table["model"] == model]))


def _keys(table: pd.DataFrame) -> list[tuple[str, int, str]]:
    return list(zip(table["pair"], table["order"].astype(int), table["question_sha256"], strict=True))
