"""One door for what Python hands over: numbers, sequences of them, truth values and places.

People have numpy's and torch's scalars, ranges, arrays, `1e6` where a count is meant, and `~` in a path. Each function
here takes what has one meaning and returns Python's own type, so that it can be compared, written as JSON and read by
any library after it; everything else gets one line that names the argument. The trade-off: `True` is no number here
and "3" is none either, although Python and YAML would take them.
"""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any

EXACT = 2**53  # whole numbers up to here have one float each
SHOWN = 80  # characters of a value in a message
LONGEST = 255  # bytes of one name of a path, on the disks that people have
_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_VARIABLE = re.compile(r"\$\w+|\$\{\w+\}|%\w+%")


def whole(name: str, value: Any, least: int | None = None) -> int:
    """Return an integer: Python's, numpy's or torch's, or a float without a fraction such as 1e6.

    Args:
        name: of the argument, for the message.
        value: what was given.
        least: the smallest that has a meaning.

    Raises:
        ValueError: if it is none, or smaller.
    """
    found = _as_integer(scalar(value))
    if found is None or (least is not None and found < least):
        raise ValueError(f"{name} must be an integer{'' if least is None else f' >= {least}'}, got {shown(value)}")
    return found


def wholes(name: str, value: Any, least: int | None = None, alone: bool = True) -> tuple[int, ...]:
    """Return integers: of a list, tuple, range, generator, array or tensor with one axis; of one number, that number.

    Args:
        name: of the argument, for the message.
        value: what was given.
        least: the smallest that has a meaning.
        alone: whether a number alone is taken; not where it may be meant as how many.

    Raises:
        ValueError: naming the argument, if it is something else or one of them is no such integer.
    """
    if (one := _as_integer(scalar(value))) is not None:
        if not alone:
            raise ValueError(f"{name} must be integers, for instance (0, 1, 2); for {one} alone give ({one},)")
        return (whole(name, value, least),)
    flat = getattr(value, "ndim", 1) == 1
    if isinstance(value, str | bytes | Mapping | set | frozenset) or not isinstance(value, Iterable) or not flat:
        raise ValueError(f"{name} must be integers, for instance (0, 1, 2), got {shown(value)}")
    found = []
    for one in value:
        integer = _as_integer(scalar(one))
        if integer is None or (least is not None and integer < least):
            raise ValueError(f"{name} must be integers{'' if least is None else f' >= {least}'}, one is {shown(one)}")
        found.append(integer)
    return tuple(found)


def number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> float:
    """Return a finite float: of Python's, numpy's or torch's numbers, a fraction or a decimal.

    Args:
        name: of the argument, for the message.
        value: what was given.
        above: it must be greater.
        least: it must be as great.
        below: it must be smaller.
        most: it must not be greater.

    Raises:
        ValueError: if it is no number, not finite or out of bounds.
    """
    plain = scalar(value)
    found = float(plain) if isinstance(plain, Real | Decimal) and not isinstance(plain, bool) else math.nan
    given = {">": above, ">=": least, "<": below, "<=": most}
    bounds = {sign: bound for sign, bound in given.items() if bound is not None}
    if not math.isfinite(found) or not all(_COMPARE[sign](found, bound) for sign, bound in bounds.items()):
        words = " and ".join(f"{sign} {bound:g}" for sign, bound in bounds.items())
        raise ValueError(f"{name} must be a finite number{f' {words}' if words else ''}, got {shown(value)}")
    return found


def truth(name: str, value: Any) -> bool:
    """Return a truth value: Python's, numpy's or torch's, or 0 or 1; words such as "no" are true to Python.

    Raises:
        ValueError: if it is something else.
    """
    plain = scalar(value)
    if isinstance(plain, bool | int | float) and plain in (0, 1):
        return bool(plain)
    raise ValueError(f"{name} must be True or False, got {shown(value)}")


def place(name: str, value: Any) -> Path:
    """Return a path as an absolute one, `~` read as the home folder.

    Absolute, because an environment may change the working directory while it trains, and because some libraries
    expand `~` and others do not.

    Raises:
        ValueError: if it is no path, is an address, or has a variable that nothing has expanded or too long a name.
    """
    try:
        text = os.fsdecode(os.fspath(value))
    except TypeError:
        raise ValueError(f"{name} must be a path, got {shown(value)}") from None
    if not text.strip() or "\0" in text:
        raise ValueError(f"{name} must be a path, got {text!r}")
    if _SCHEME.match(text):
        raise ValueError(f"{name}: {text} is an address; give a path on this machine")
    if found := _VARIABLE.match(text):
        raise ValueError(f"{name}: {found[0]} is not expanded in {text}; give os.path.expandvars of it")
    try:
        path = Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100  # takes ".." out, follows no link
    except RuntimeError:
        raise ValueError(f"{name}: no home folder is known for {Path(text).parts[0]} in {text}") from None
    if too_long := next((part for part in path.parts if len(os.fsencode(part)) > LONGEST), None):
        raise ValueError(f"{name}: {shown(too_long)} is longer than the {LONGEST} bytes of a name; give a shorter one")
    return path


def expanded(words: Sequence[str]) -> list[str]:
    """Return a command's words with `~` at the beginning of a path expanded, in `--name=~/x` too: no shell does it."""
    found = []
    for word in words:
        option, sign, text = word.partition("=") if word.startswith("--") else ("", "", word)
        is_home = text == "~" or text.startswith("~/")
        found.append(f"{option}{sign}{Path(text).expanduser()}" if is_home else word)
    return found


def scalar(value: Any) -> Any:
    """Return numpy's and torch's scalars, and arrays without axes, as Python has them; anything else as it is."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        try:
            return value.item()
        except (TypeError, ValueError, RuntimeError):
            return value
    return value


def shown(value: Any) -> str:
    """Return a value's repr on one short line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _as_integer(plain: Any) -> int | None:
    """Return the integer that a Python value is, or None."""
    if isinstance(plain, bool):
        return None
    if isinstance(plain, float):
        return int(plain) if plain.is_integer() and abs(plain) <= EXACT else None
    try:
        return operator.index(plain)
    except TypeError:
        return None
