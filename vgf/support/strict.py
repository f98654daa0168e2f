"""Plain data into frozen dataclasses, strictly: what a file says must be known and of its field's type.

A key that no field has is refused with the nearest ones, so a misspelt setting cannot pass for a default. The price is
that nothing can be passed through unseen; what it buys is that a file means what it says.
"""

from __future__ import annotations

import difflib
import types
import typing
from dataclasses import MISSING, asdict, fields
from typing import Any, Literal


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
    return kind(**{key: convert(value, hints[key], f"{where}.{key}") for key, value in table.items()})


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
    elif isinstance(hint, type) and type(value) is hint:
        return value
    name = getattr(hint, "__name__", str(hint)) if origin is None else str(hint).replace("typing.", "")
    raise ValueError(f"{where} must be {name}, got {value!r}")


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
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{where} must be a mapping, got {type(value).__name__}")
    return dict(value)


def known(keys: Any, allowed: Any, where: str) -> None:
    """Refuse a key that is not allowed, with the nearest that are.

    Raises:
        ValueError: naming it.
    """
    for key in keys:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), list(allowed), n=3, cutoff=0.4) or list(allowed)
            raise ValueError(f"{where} has no {key!r}; nearest: {', '.join(near)}")


def _is_number(value: Any) -> bool:
    """Return whether a YAML value is a number; 3e-4 without a point is a word to YAML, and a number to people."""
    try:
        return not isinstance(value, bool) and float(value) == float(value)
    except (TypeError, ValueError):
        return False
