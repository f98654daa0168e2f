"""Which arrays a file or a mapping may have: read, extra, declared extra, or refused by name.

A misspelt `mask` that is passed over trains on another task than the one meant, without a word. So nothing is passed
over but what is listed here or named by the caller.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from vgf.support.errors import DataError

WIDE = ("observations", "actions", "next_observations")  # [R, size]
FLAGS = ("terminals", "timeouts", "masks")  # [R], 0 or 1
KNOWN = (*WIDE, "rewards", *FLAGS)
STATE = ("qpos", "qvel", "button_states")  # of the simulator: may stay, and is read for no reward here
EXTRA = ("infos", "info", "metadata")  # groups that may stay
LIKE = {  # what people call them elsewhere; the meaning may be another, so the name is a question, not an answer
    **dict.fromkeys(("obs", "observation", "states", "state"), "observations"),
    **dict.fromkeys(("next_obs", "next_observation", "next_states", "observations_next"), "next_observations"),
    **dict.fromkeys(("done", "dones", "dones_float", "terminations", "terminated"), "terminals"),
    **dict.fromkeys(("truncations", "truncated", "timeout"), "timeouts"),
    **dict.fromkeys(("action", "acts"), "actions"),
    **dict.fromkeys(("mask", "discounts"), "masks"),
}
SEE = "see the layouts in data/README.md"


def wanted(names: Iterable[str], ignore: Collection[str], where: str) -> list[str]:
    """Return the names that are read; the others are extra or were declared so.

    Raises:
        DataError: naming an array that no layout has, with the nearest name.
    """
    names = list(names)
    for name in names:
        if not isinstance(name, str):
            raise DataError(f"{where}: its names must be words, got {name!r}; {SEE}")
        if name in KNOWN or name in STATE or name in ignore or name.split("/")[0] in (*EXTRA, *ignore):
            continue
        near = [LIKE[name]] if name in LIKE else difflib.get_close_matches(name, KNOWN, n=2, cutoff=0.6)
        hint = f"nearest: {', '.join(near)}; " if near else ""
        raise DataError(
            f"{where} has {name!r}, which no layout has; {hint}rename it, or say ignore=({name!r},), or --ignore "
            f"{name} to a command, if it is not to be read"
        )
    for name in ignore:  # a misspelt one would be read after all
        if name not in names and name not in KNOWN and (near := difflib.get_close_matches(name, names, cutoff=0.8)):
            raise DataError(f"{where} has no {name!r} to ignore; nearest: {', '.join(near)}")
    return [name for name in KNOWN if name in names and name not in ignore]
