"""TL;DR's comparisons as they were published: a post, two summaries of it and which one a person preferred.

A row of `openai/summarize_from_feedback` (stiennon2020tldr) names the post in parts. They are put together as that
paper's models read them: subreddit, title, post, and the sign after which the summary is written. Its news articles
are another task, and are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vgf.support.errors import DataError

KEYS = ("info", "summaries", "choice")
PROMPT = "SUBREDDIT: r/{subreddit}\n\nTITLE: {title}\n\nPOST: {post}\n\nTL;DR:"


class Useless(ValueError):
    """A row of the right shape that says nothing; it is left out and counted."""


def is_comparison(row: Mapping[str, Any]) -> bool:
    """Say whether a row has the keys of a published comparison."""
    return all(key in row for key in KEYS)


def comparison(row: Mapping[str, Any], where: str) -> dict[str, str]:
    """Return prompt, chosen and rejected of a published comparison.

    Raises:
        Useless: if it is of a news article, or both summaries are the same.
        ValueError: naming the part that is not as published.
    """
    info, summaries, choice = (row[key] for key in KEYS)
    texts = _texts(summaries)
    if len(texts) != 2 or not all(texts):
        raise DataError(f"{where}: summaries must be two texts, each as {{'text': ...}}")
    if isinstance(choice, bool) or choice not in (0, 1):
        raise DataError(f"{where}: choice must be 0 or 1, got {choice!r}")
    if not isinstance(info, Mapping):
        raise DataError(f"{where}: info must be an object with subreddit, title and post, got {type(info).__name__}")
    if not info.get("post"):
        raise Useless("no post: it compares summaries of a news article")
    if texts[0].strip() == texts[1].strip():
        raise Useless("both summaries are the same")
    words = {key: str(info.get(key) or "").strip() for key in ("subreddit", "title", "post")}
    chosen = int(choice)
    return {
        "prompt": PROMPT.format(**words),
        "chosen": " " + texts[chosen].strip(),
        "rejected": " " + texts[1 - chosen].strip(),
    }


def _texts(summaries: Any) -> list[str]:
    """Return the summaries' texts: of a list of objects, or of an object of lists as parquet may have it."""
    if isinstance(summaries, Mapping):
        found = summaries.get("text")
        return [str(text) for text in found] if isinstance(found, Sequence) and not isinstance(found, str) else []
    if not isinstance(summaries, Sequence) or isinstance(summaries, str):
        return []
    return [str(one.get("text") or "") if isinstance(one, Mapping) else "" for one in summaries]
