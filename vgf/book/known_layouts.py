"""Which layouts people have are read, and how: the tables of *Use VGF on your data*.

Names come from the readers themselves where they have them, and a test makes a file of each row and reads it, so that
a table cannot say what is no longer so.
"""

from __future__ import annotations

from typing import NamedTuple

from vgf.datasets import lerobot, minari, robomimic
from vgf.datasets.array_names import EXTRA, STATE

KEYS, TURN = ("prompt", "chosen", "rejected"), "Assistant:"  # as vgf.rlhf reads them, a room of the same floor


class Layout(NamedTuple):
    """A layout of trajectories or transitions.

    Attributes:
        name: what it is called.
        known_by: what it is told by.
        kind: what the reader calls the file.
        read_as: what the reader calls the rows; the beginning of its words.
        note: what should be known.
    """

    name: str
    known_by: str
    kind: str
    read_as: str
    note: str


class Rows(NamedTuple):
    """A shape of rows of preferences, or of the file they lie in."""

    name: str
    known_by: str
    note: str


def _code(*names: str) -> str:
    return ", ".join(f"`{name}`" for name in names)


LAYOUTS = (
    Layout(
        "trajectories, npz",
        f"{_code('observations', 'actions', 'rewards', 'terminals')}, perhaps `masks`",
        "npz",
        "trajectories",
        "the last row of each holds its final observation; what else it holds is not read",
    ),
    Layout(
        "OGBench, npz as its own loader returns it",
        f"the same with `next_observations` and `masks`; {_code(*STATE)} may stay",
        "npz",
        "transitions, ends by masks",
        "`terminals` ends a trajectory, `masks` is zero where the task ended",
    ),
    Layout(
        "transitions of a replay buffer",
        "`next_observations` and `timeouts`",
        "npz",
        "transitions, ends by timeouts",
        "`terminals` says that the task ended; refused with neither `masks` nor `timeouts`, as nothing says so",
    ),
    Layout(
        "D4RL, hdf5",
        f"`timeouts` beside `terminals`; {_code(*EXTRA)} may stay",
        "hdf5",
        "rows of steps",
        "a row that ends by time has no successor and is no transition, unless `next_observations` is there",
    ),
    Layout(
        "Minari, a folder or its file",
        f"`{minari.MAIN_FILE}` with {_code('episode_0', '...')}",
        "Minari",
        "trajectories",
        "every step keeps its successor; observations in parts, choices as actions and other formats are refused",
    ),
    Layout(
        "robomimic, hdf5",
        f"`data/demo_0` with `obs` and {_code(*robomimic.NEEDED)}",
        "robomimic",
        "transitions, ends by timeouts",
        "the parts of `obs` side by side in alphabetical order; no bootstrap from `dones`; `mask` is not read",
    ),
    Layout(
        "LeRobot, a folder or one parquet file",
        f"`observation.state`, `action`, `episode_index` and {_code(lerobot.NEXT[0])}",
        "LeRobot",
        "rows of steps",
        f"without {_code(lerobot.NEXT[0])} it is refused; images and films are not read",
    ),
    Layout("columns of parquet", "the names of a layout above", "parquet", "transitions, ends by masks", "as that one"),
)

ROWS = (
    Rows("standard", f"{_code(*KEYS)} are texts", ""),
    Rows(
        "conversational",
        f"{_code(*KEYS)}, or the last two, are lists of messages",
        "written by the tokenizer's chat template; refused where it has none",
    ),
    Rows(
        "implicit prompt",
        f"`chosen` and `rejected` alone, with a turn `{TURN}`",
        "split after the last turn, which both must share",
    ),
    Rows("a JSON list, or parquet", "the first bytes", "one row an object"),
    Rows("gzip", "the first bytes", "unpacked"),
    Rows("UTF-16, or UTF-8 with a mark", "the byte order mark", "any other encoding is refused with the line"),
)  # fmt: skip


def markdown(rows: tuple[Layout, ...] | tuple[Rows, ...]) -> str:
    """Return rows as a table of Markdown."""
    of_data = ("layout", "told by", "reported as", "read as", "what to know")
    names = of_data if isinstance(rows[0], Layout) else ("rows", "told by", "what to know")
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
