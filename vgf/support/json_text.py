"""JSON files, read in one way: whatever is wrong with one becomes a line that names it.

Python's reader raises five kinds of errors for damaged text, none of which names the file, keeps the last of two equal
keys without a word, and its callers meet a list where a mapping was meant only later, as a TypeError. The price of
looking at the keys twice is microseconds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vgf.support.errors import DataError


def parse_json(text: str) -> Any:
    """Return what a JSON text holds.

    Raises:
        ValueError: on one line, if it is none, nests too deep, has a key twice or a number too long.
    """
    try:
        found = json.loads(text, object_pairs_hook=_mapping)
        if "\\u" in text:  # an escape may name half of a sign, which no file and no tokenizer takes
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except RecursionError:
        raise ValueError("it nests too deep") from None
    except UnicodeEncodeError:
        raise ValueError("it has half of a surrogate pair") from None


def read_json(path: Path, remedy: str = "") -> Any:
    """Return what a JSON file holds.

    Args:
        path: of the file.
        remedy: what to do about a damaged one.

    Raises:
        DataError: naming the file and what is wrong with it.
        OSError: if it cannot be read.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        end = f"; {remedy}" if remedy else ""
        raise DataError(f"{path}: not JSON ({' '.join(str(error).split())}){end}") from None


def read_facts(path: Path, remedy: str = "", **kinds: type) -> dict[str, Any]:
    """Return the mapping that a JSON file holds.

    Args:
        path: of the file.
        remedy: what to do about a damaged one.
        kinds: of the values that it must have, by key.

    Raises:
        DataError: naming the file and what is wrong with it.
        OSError: if it cannot be read.
    """
    found, fault = read_json(path, remedy), ""
    if not isinstance(found, dict):
        fault = f"it holds a {type(found).__name__}, not a mapping"
    for key, kind in kinds.items() if not fault else ():
        if not isinstance(found.get(key), kind) or isinstance(found[key], bool) is not (kind is bool):
            fault = fault or f"{key} must be a {kind.__name__}" + ("" if key in found else ", and is missing")
    if fault:
        raise DataError(f"{path}: damaged ({fault}){f'; {remedy}' if remedy else ''}")
    return found


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a mapping of pairs with unequal keys."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for at, key in enumerate(keys) if key in keys[:at])
        raise ValueError(f"{twice!r} is named twice; leave one out")
    return found
