"""What a reader is here: the good files it is tried on, how it reads, and what may be read of a mangled one.

The oracle. Of a mangled file a reader either refuses, in one line that names a file, or returns the content of the good
one. Something else may be returned only where the mangled file itself says so: a digit of a text is another digit, and
no plain text tells which was meant. So `told` reads such a file in another, simpler way, and what the reader returns
must be that. Where a checksum covers a file there is no `told`: other content is a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Content = Any  # arrays, numbers, words, and dicts, lists and tuples of them


class Unsure(Exception):
    """The simpler way does not understand the file either, so that nothing may be returned of it."""


@dataclass(frozen=True)
class Reader:
    """A reader, and how it is tried.

    Attributes:
        name: in words, for the record.
        form: how its files are mangled, see `tests.soak.mangle`: binary, text or json.
        count: of mangled files.
        make: writes the good files into a folder.
        read: returns the content of a folder.
        files: which files are mangled, by pattern.
        told: what a mangled file says, by other means: of the good folder, the file's name and its new bytes; None
            where a checksum covers the files.
        unprovable: what a mangled file says where damage left it another file, which nothing in it can show.
        instead: what is returned in place of a damaged file that is stepped around, of the good folder.
    """

    name: str
    form: str
    count: int
    make: Callable[[Path], None]
    read: Callable[[Path], Content]
    files: tuple[str, ...] = ("*",)
    told: Callable[[Path, Path, bytes], Content] | None = None
    unprovable: Callable[[Path, Path, bytes], Content] | None = None
    instead: Callable[[Path], Content] | None = None


def same(a: Content, b: Content) -> bool:
    """Return whether two contents are equal, to the bit where they are numbers."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        arrays = isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
        return arrays and (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or (a != a and b != b))


def plain(value: Any) -> Content:
    """Return a document with tuples as lists, as JSON and YAML have them."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value
