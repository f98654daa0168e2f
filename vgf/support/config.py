"""One check of every method's config: each field as Python's own type, and within the range that has a meaning.

A config is written as JSON and compared with others, so a numpy integer or a list becomes what a YAML file would give.
Ranges that follow from what a field is, such as a discount's, are listed here once; a method adds what only it knows.
"""

from __future__ import annotations

import typing
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Literal

from vgf.support.given import number, shown, truth, wholes
from vgf.support.given import whole as integer

SHARES = ("discount", "tau", "average_rate")  # weights of a mean: at most 1, and positive


def check_config(config: Any, *, positive: Sequence[str] = (), nonnegative: Sequence[str] = ()) -> None:
    """Refuse a config whose fields have no meaning; put Python's own types in place of numpy's and torch's.

    Args:
        config: an instance of a frozen dataclass, which is changed in place.
        positive: fields that must be > 0.
        nonnegative: fields that must be >= 0.

    Raises:
        ValueError: naming the field.
    """
    hints = typing.get_type_hints(type(config))
    for field in fields(config):
        name = field.name
        value = checked_field(name, getattr(config, name), hints[name], name in positive)
        if name in nonnegative and value < 0:
            raise ValueError(f"{name} must be >= 0, got {value!r}")
        object.__setattr__(config, name, value)


def checked_field(name: str, value: Any, hint: Any, is_positive: bool = False) -> Any:
    """Return a field's value as its type says: int, float, bool, tuple of int, or float or a word.

    Raises:
        ValueError: naming the field.
    """
    above = 0.0 if is_positive or name in SHARES else None
    if typing.get_origin(hint) is tuple:
        found = wholes(name, value)
        if not found or min(found) < 1:
            raise ValueError(f"{name} must be widths >= 1, got {shown(value)}")
        return found
    literals = [one for one in (hint, *typing.get_args(hint)) if typing.get_origin(one) is Literal]
    words = [word for one in literals for word in typing.get_args(one)]
    if words and (isinstance(value, str) or typing.get_origin(hint) is Literal):
        if not isinstance(value, str) or value not in words:
            pure = typing.get_origin(hint) is Literal
            what = f"one of {', '.join(words)}" if pure else f"a number or {' or '.join(map(repr, words))}"
            raise ValueError(f"{name} must be {what}, got {shown(value)}")
        return str(value)
    if hint is bool:
        return truth(name, value)
    if hint is int:
        count = integer(name, value)
        if is_positive and count < 1:
            raise ValueError(f"{name} must be > 0, got {count}")
        return count
    if hint is float or words:
        return number(name, value, above=above, most=1.0 if name in SHARES else None)
    return value
