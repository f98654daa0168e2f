"""Somebody's own data as arrays of transitions, from a path or a mapping; without torch, for `vgf data check`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from vgf.datasets.array_names import wanted
from vgf.datasets.containers import RawArrays, as_array, read_path
from vgf.datasets.layouts import ReadTransitions, read_layout
from vgf.support.errors import DataError
from vgf.support.given import place, shown
from vgf.support.paths import as_seen_from_here

GIVEN = "the data"


def read_own(source: Any, ignore: Collection[str] = ()) -> tuple[ReadTransitions, str]:
    """Return the transitions of a path or a mapping as arrays, and what kind of file they came from."""
    ignore = _names(ignore)
    if isinstance(source, Mapping):
        names = wanted(source, ignore, GIVEN)
        where, found = GIVEN, RawArrays({name: as_array(name, source[name], GIVEN) for name in names}, "arrays")
    elif hasattr(source, "__fspath__") or isinstance(source, str | bytes):
        path = as_seen_from_here(place("data", source))  # it is read at once
        where, found = str(path), read_path(path, ignore)
    else:
        raise DataError(f"data must be a path, a mapping of arrays or Transitions, got {_what(source)}")
    read = read_layout(found.arrays, where)
    return read._replace(notes=(*found.notes, *read.notes)), found.kind


def _names(ignore: Any) -> tuple[str, ...]:
    """Return the names of arrays that are not read; DataError where they are none."""
    if ignore is None or isinstance(ignore, str):
        return (ignore,) if ignore else ()
    if not isinstance(ignore, Collection) or not all(isinstance(name, str) for name in ignore):
        raise DataError(f"ignore must be names of arrays, got {shown(ignore)}")
    return tuple(ignore)


def _what(source: Any) -> str:
    """Return what was given instead of data, with what to do where that is known."""
    kind = f"{type(source).__module__.partition('.')[0]}.{type(source).__name__}"
    if kind.startswith("minari."):
        return f"a {kind}; give the path of its folder"
    if hasattr(source, "columns") and hasattr(source, "to_dict"):
        return f"a {kind}; give a mapping of its columns as arrays, observations [R, size] side by side"
    if isinstance(source, list | tuple):
        return f"a {kind}; put the episodes one after the other in each array"
    return f"a {kind}" if "." in kind and not kind.startswith("builtins") else shown(source)
