"""Minari's files, as rows of D4RL's layout (younis2024minari).

A Minari dataset holds one group per episode, with one observation more than there are steps:

    episode_0/observations [L + 1, size], actions [L, size], rewards, terminations, truncations [L]
    rows here              s0 a0 r0 | ... | s_{L-1} a r (terminal) | s_L 0 0 (timeout)

The final observation becomes a row marked as a timeout, which is dropped when rows become transitions, so every step
keeps its successor. Minari's locomotion sets were collected anew, in later environments: scores on them do not stand
beside the paper's, so they are taken only when a path names them, never by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from vgf.support.errors import DataError
from vgf.support.json_text import parse_json, read_facts

Arrays = dict[str, np.ndarray]
Reader = Callable[[Any, int], np.ndarray]

EPISODE = re.compile(r"episode_[0-9]+")
MAIN_FILE = Path("data") / "main_data.hdf5"
FIELDS = ("observations", "actions", "rewards", "terminations", "truncations")


def main_file(path: Path) -> Path:
    """Return the file of numbers of a Minari dataset's folder, or the path itself where it is no such folder."""
    there = (path / file for file in (MAIN_FILE, MAIN_FILE.name) if (path / file).is_file())
    return next(there, path)


def is_minari(file: Any) -> bool:
    """Return whether an open hdf5 file is a Minari dataset's."""
    return "episode_0" in file


def metadata_notes(file: Path, steps: int) -> tuple[str, ...]:
    """Return what the description beside a file of numbers says of it that should be known, a line each.

    Args:
        file: the hdf5 file.
        steps: how many it has.

    Raises:
        DataError: if its actions are choices, which are numbers too in the file.
    """
    try:
        facts = read_facts(file.with_name("metadata.json"))
        space = parse_json(facts["action_space"])
        kind, low, high = space["type"], np.asarray(space.get("low", -1.0)), np.asarray(space.get("high", 1.0))
        count, apart = facts.get("total_steps", steps), bool((np.abs(low + 1) > 1e-5).any() or (high != 1).any())
    except (OSError, ValueError, LookupError, TypeError):  # older versions describe a set inside its file
        return ()
    if kind != "Box":
        raise DataError(f"its actions are of kind {kind}; only vectors of real numbers are supported")
    bounds = f"{file}: its action space is [{low.min():g}, {high.max():g}] and actions are read as they are"
    notes = [f"{bounds}; say rescale_actions=True only if they were divided to fit [-1, 1]"] * apart
    if count != steps:
        notes.append(f"{file}: metadata.json tells of {count} steps, and {steps} are there")
    return tuple(notes)


def rows(file: Any, file_bytes: int, read: Reader, ignore: Collection[str] = ()) -> Arrays:
    """Return an open Minari file's episodes, in their order, as rows of D4RL's layout.

    Args:
        file: the open hdf5 file.
        file_bytes: its size.
        read: returns one stored array, whole.
        ignore: names beside the episodes that are not read.

    Raises:
        DataError: naming the episode and the array that is missing or does not fit, or what is no episode.
    """
    for name in file:
        if not EPISODE.fullmatch(name) and name not in ignore:
            raise DataError(f"has {name!r}, which is no episode; take it out, or say ignore=({name!r},) to `fit`")
    numbers = sorted(int(name.removeprefix("episode_")) for name in file if EPISODE.fullmatch(name))
    if numbers != list(range(len(numbers))):
        raise DataError(f"episodes are not numbered 0 to {len(numbers) - 1}")
    episodes = [_episode(file[f"episode_{number}"], file_bytes, read) for number in numbers]
    return {name: np.concatenate([episode[name] for episode in episodes]) for name in episodes[0]}


def _episode(group: Any, file_bytes: int, read: Reader) -> Arrays:
    """Return one episode's rows."""
    name = group.name[1:]
    for field in FIELDS:
        if field not in group:
            raise DataError(f"{name} has no array {field}")
        if hasattr(group[field], "keys"):
            raise DataError(
                f"{name}/{field} is in parts, as goal-conditioned sets have it; put the parts side by side in one array"
            )
    values = {field: read(group[field], file_bytes) for field in FIELDS}
    steps = len(values["rewards"]) if values["rewards"].ndim else 0
    for field in FIELDS:
        wanted = steps + (field == "observations")
        if steps == 0 or values[field].ndim == 0 or len(values[field]) != wanted:
            raise DataError(f"{name}/{field} has shape {values[field].shape}, expected {wanted or 'some'} rows")
    padded = {field: np.concatenate([values[field], np.zeros_like(values[field][:1])]) for field in FIELDS[1:4]}
    return {
        "observations": values["observations"],
        "actions": padded["actions"],
        "rewards": padded["rewards"],
        "terminals": padded["terminations"],
        "timeouts": np.arange(steps + 1) == steps,
    }
