"""Plain data into frozen dataclasses, strictly: what a file says must be known and of its field's type.

A key that no field has is refused with the nearest ones, so a misspelt setting cannot pass for a default. The price is
that nothing can be passed through unseen; what it buys is that a file means what it says.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, asdict, fields
from typing import Any, Literal

from vgf.support.given import EXACT

_WORDS = {int: "a whole number", float: "a number", str: "a word", bool: "true or false", dict: "a mapping"}
_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE]\+?\d+")


def build(kind: Any, row: Any, where: str) -> Any:
    """Return a dataclass from a mapping, every key known and every value of its field's type.

    Args:
        kind: the dataclass.
        row: the mapping.
        where: its place in the file, for the message.

    Raises:
        ValueError: naming the place and what is missing, unknown or wrong.
    """
    table, hints = mapping(row, where), typing.get_type_hints(kind)
    known(table, hints, where)
    for f in fields(kind):
        if f.name not in table and f.default is MISSING and f.default_factory is MISSING:
            raise ValueError(f"{where}.{f.name} is missing")
    values = {key: convert(value, hints[key], f"{where}.{key}") for key, value in table.items()}
    with placed(hints, where):
        return kind(**values)


@contextmanager
def placed(fields: Container[str], where: str) -> Iterator[None]:
    """Put the place in a file before what a dataclass says of its values: it knows their names, not where they stand.

    Args:
        fields: names; a message that begins with one goes on from the place with a point.
        where: the place.

    Raises:
        ValueError: the one that is raised within, with the place.
    """
    try:
        yield
    except ValueError as error:
        is_named = str(error).partition(" ")[0] in fields
        raise ValueError(f"{where}{'.' if is_named else ': '}{error}") from None


def convert(value: Any, hint: Any, where: str) -> Any:
    """Return a YAML value as a field's type; lists become tuples.

    Raises:
        ValueError: if it is of another type.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        rows = [option for option in arguments if hasattr(option, "__dataclass_fields__")]
        if rows and value is not None:
            return build(rows[0], value, where)  # its own message says more than that no option fits
        for option in arguments:
            try:
                return convert(value, option, where)
            except ValueError:
                continue
    elif origin is tuple and isinstance(value, list):
        return tuple(convert(item, arguments[0], where) for item in value)
    elif origin is Literal:
        if value in arguments:
            return value
    elif origin is dict and isinstance(value, dict):
        return dict(value)
    elif hasattr(hint, "__dataclass_fields__"):
        return build(hint, value, where)
    elif hint is float and _is_number(value):
        return float(value)
    elif hint is type(None) and value is None:
        return None
    elif hint is int and (count := _whole(value)) is not None:
        return count
    elif isinstance(hint, type) and type(value) is hint:
        return value
    raise ValueError(f"{where} must be {_in_words(hint)}, got {value!r}")


def _in_words(hint: Any) -> str:
    """Return what a field takes, as a message says it: a type in words, the words there are, a list by example."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}" if len(arguments) > 1 else str(arguments[0])
    if origin is tuple:
        return f"a list such as {'[0, 1, 2]' if arguments[0] is int else '[one, two]'}"
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_in_words(option) for option in arguments)
    if hint is type(None):
        return "null"
    return _WORDS.get(origin or hint, getattr(hint, "__name__", str(hint)))


def recorded_fields(instance: Any) -> dict[str, Any]:
    """Return a dataclass as a record tells it, so that settings that do the same have the same fingerprint for ever.

    A field that was added after records had been made carries in its metadata, as "before", the value that does what
    was done without it; it is told only where it departs from that.
    """
    before = {f.name: f.metadata["before"] for f in fields(instance) if "before" in f.metadata}
    return {key: value for key, value in asdict(instance).items() if key not in before or value != before[key]}


def mapping(value: Any, where: str) -> dict[str, Any]:
    """Return a copy of a mapping with words for keys.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be a mapping, got {type(value).__name__}")
    for key in value:
        if not isinstance(key, str):
            raise ValueError(f"{where}: the key {key!r} is no word to YAML; put it in quotes")
    return dict(value)


def known(keys: Any, allowed: Any, where: str) -> None:
    """Refuse a key that is not allowed, with the nearest that are, or with all where none is near; case aside.

    Raises:
        ValueError: naming it.
    """
    names = {str(name).lower(): str(name) for name in allowed}
    for key in keys:
        if key not in list(allowed):  # which a list or a mapping, that has no hash, may be asked for
            near = difflib.get_close_matches(str(key).lower(), names, n=3, cutoff=0.4)
            told = f"nearest: {', '.join(map(names.__getitem__, near))}" if near else f"one of: {', '.join(allowed)}"
            raise ValueError(f"{where} has no {key!r}; {told}")


def _is_number(value: Any) -> bool:
    """Return whether a YAML value is a number; 3e-4 without a point is a word to YAML, and a number to people."""
    try:
        return not isinstance(value, bool) and float(value) == float(value)
    except (TypeError, ValueError):
        return False


def _whole(value: Any) -> int | None:
    """Return the integer that a YAML value is, None where it is none; 1e5 and 100000.0 are one to people."""
    if type(value) is int:
        return value
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        value = float(value)
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT else None
