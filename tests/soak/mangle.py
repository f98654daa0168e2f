"""Ways to mangle a file: its bytes, the words of a text, the values of a JSON document."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Rng = np.random.Generator


class Mangled(NamedTuple):
    """A mangled file.

    Attributes:
        kind: what was done, in a few words.
        content: the bytes there are now.
        hits: first and last place of bytes that were overwritten; None where bytes moved, so that places mean nothing.
    """

    kind: str
    content: bytes
    hits: tuple[tuple[int, int], ...] | None


NASTY = (  # words that stand for a value, or try to
    "null", "true", "NaN", "-Infinity", "1e999", "-1", "0", "1", "0.5", "1" * 5000, "[]", "{}", '""', "[" * 3000, "{}}",
    '"\\ud800"', '"\\u0000"', "2001-13-45", "2001-01-01", "0o17", "1_000", "!!int ''", "!!bool x", "!!timestamp x",
    "!!python/object:os.system {}", "&a [*a]", "<<: {a: 1}", "~", "\t", "{a: b", "'", "x: y: z", "? [a]: b", "é",
    "\x00",
)  # fmt: skip


def bytes_mangled(content: bytes, rng: Rng) -> Mangled:
    """Return a file with some of its bytes other, gone, new or elsewhere."""
    size, at = len(content), int(rng.integers(max(1, len(content))))
    length = int(min(size - at, rng.integers(1, 65))) if size else 0
    some = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
    whole = bytearray(content)
    match int(rng.integers(9)):
        case 0:
            return Mangled("cut short", content[:at], None)
        case 1:
            whole[at] ^= 1 << int(rng.integers(8))
            return Mangled("bit flipped", bytes(whole), ((at, at + 1),))
        case 2:
            places = [int(p) for p in rng.integers(0, size, int(rng.integers(2, 9)))]
            for place in places:
                whole[place] ^= 1 << int(rng.integers(8))
            return Mangled("bits flipped", bytes(whole), tuple((p, p + 1) for p in places))
        case 3:
            whole[at : at + length] = some
            return Mangled("bytes overwritten", bytes(whole), ((at, at + length),))
        case 4:
            end = min(size, at + int(rng.integers(1, 4097)))
            whole[at:end] = bytes(end - at)
            return Mangled("block of zeros", bytes(whole), ((at, end),))
        case 5:
            return Mangled("bytes removed", content[:at] + content[at + length :], None)
        case 6:
            return Mangled("bytes put in", content[:at] + some + content[at:], None)
        case 7:
            return Mangled("piece written twice", content[: at + length] + content[at:], None)
        case _:
            return Mangled("bytes put behind", content + some, None)


def text_mangled(content: bytes, rng: Rng) -> Mangled:
    """Return a text with other lines, words, keys or signs."""
    text = content.decode()
    lines, words = text.split("\n"), [m.span() for m in re.finditer(r"[^\s,:\[\]{}]+", text)]
    at, (start, end) = int(rng.integers(len(lines))), words[int(rng.integers(len(words)))]
    other = words[int(rng.integers(len(words)))]
    match int(rng.integers(8)):
        case 0:
            lines.pop(at)
            return Mangled("line left out", "\n".join(lines).encode(), None)
        case 1:
            lines.insert(at, lines[at])
            return Mangled("line doubled", "\n".join(lines).encode(), None)
        case 2:
            place = int(rng.integers(len(lines)))
            lines[at], lines[place] = lines[place], lines[at]
            return Mangled("lines exchanged", "\n".join(lines).encode(), None)
        case 3:
            (a, b), (c, d) = sorted([(start, end), other])
            changed = text if c < b else text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]
            return Mangled("words exchanged", changed.encode(), None)
        case 4 | 5:
            word = NASTY[int(rng.integers(len(NASTY)))]
            return Mangled("word replaced", (text[:start] + word + text[end:]).encode(), None)
        case 6:
            spot = int(rng.integers(start, end))
            sign = "'\"{}[]:,#&*!|>-?\t\r\u2028\ufeff\x00 9"[int(rng.integers(23))]
            return Mangled("sign put in", (text[:spot] + sign + text[spot:]).encode(), None)
        case _:
            return Mangled("line moved in", "\n".join([*lines[:at], "  " + lines[at], *lines[at + 1 :]]).encode(), None)


def json_mangled(content: bytes, rng: Rng) -> Mangled:
    """Return a JSON document, or one of several lines of them, with a value, a key or their order changed."""
    text = content.decode()
    lines = [text] if text.count("\n}") or text.lstrip().startswith("[") else text.splitlines()
    row = int(rng.integers(len(lines)))
    document = json.loads(lines[row])
    spots = list(_spots(document))
    holder, key = spots[int(rng.integers(len(spots)))]
    kind = _changed(holder, key, rng)
    lines[row] = json.dumps(document, indent=2 if len(lines) == 1 else None)
    return Mangled(kind, "\n".join(lines).encode(), None)


def _changed(holder: Any, key: Any, rng: Rng) -> str:
    """Change one place of a document; return what was done."""
    values: tuple[Any, ...] = (
        None,
        True,
        -1,
        0,
        1e308,
        10**400,
        "",
        "x",
        [],
        {},
        [[]],
        {"x": {}},
        float("nan"),
        "\ud800",
    )
    choice = int(rng.integers(4))
    if choice == 0:
        holder.pop(key)
        return "value left out"
    if choice == 1 and isinstance(holder, dict):
        holder[f"{key}s"] = holder.pop(key)
        return "key renamed"
    if choice == 2:
        others = list(holder) if isinstance(holder, dict) else range(len(holder))
        other = others[int(rng.integers(len(others)))]
        holder[key], holder[other] = holder[other], holder[key]
        return "values exchanged"
    holder[key] = values[int(rng.integers(len(values)))]
    return "value of another type"


def _spots(node: Any) -> Any:
    """Yield every container of a document with each of its keys or places."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield node, key
        yield from _spots(value)


WAYS: dict[str, tuple[Callable[[bytes, Rng], Mangled], ...]] = {
    "binary": (bytes_mangled,),
    "text": (bytes_mangled, text_mangled),
    "json": (bytes_mangled, text_mangled, json_mangled),
}


def mangle(content: bytes, form: str, rng: Rng) -> Mangled:
    """Return a file mangled in one of the ways of its form: binary, text or json."""
    ways = WAYS[form]
    return ways[int(rng.integers(len(ways)))](content, rng)
