"""Somebody's own data as transitions: rewards come with the data, because no task's row says how to compute them.

The layout is OGBench's (park2025ogbench), the last row of a trajectory holding its final observation, with rewards in
place of the simulator's state. One layout is taken and no other is guessed at: a file whose rows mean something else
(a next observation beside each row, rewards one row later) has the same shapes, and a wrong guess would train on
nonsense without a word. Who has transitions already passes `Transitions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from vgf.datasets.files import OPTIONAL, OWN, REQUIRED, layout_fault, read_npz
from vgf.datasets.transitions import Transitions
from vgf.support.errors import DataError
from vgf.support.strict import known

REMEDY = "see the layout in data/README.md"


def own_transitions(
    source: Path | str | Mapping[str, ArrayLike] | Transitions, device: torch.device | str = "cpu"
) -> Transitions:
    """Return transitions on the device, from a file, from arrays, or as they are.

    Args:
        source: an npz file, or a mapping, of `observations` [R, o], `actions` [R, d] in [-1, 1], `rewards` [R],
            `terminals` [R] (1 in the last row of a trajectory, whose action leads nowhere and whose reward is not
            read) and, where the task itself can end, `masks` [R] (0 where it ends with that row's action, so that
            nothing is bootstrapped; 1 everywhere when left out). `rewards[t]` is for the action of row t, whichever
            of s and s' it is computed from.
        device: where they go.

    Raises:
        DataError: naming the file, the array, and for a bad number its row and column.
    """
    if isinstance(source, Transitions):
        return source.to(device)
    if isinstance(source, Mapping):
        where = "the arrays given"
        known(source, (*REQUIRED, *OPTIONAL, *OWN), "the data")
        arrays = {name: np.asarray(values) for name, values in source.items()}
        if fault := layout_fault(arrays, None):
            raise DataError(f"{where}: {fault}; {REMEDY}")
    else:
        where, arrays = str(source), read_npz(Path(source))
    if "rewards" not in arrays:
        raise DataError(f"{where}: has no array rewards, and no task says how to compute them; add one, [R]")
    first = np.flatnonzero(~arrays["terminals"].astype(bool))
    masks = arrays.get("masks", np.ones(len(arrays["terminals"])))
    columns = {
        "observations": arrays["observations"][first],
        "actions": arrays["actions"][first],
        "rewards": arrays["rewards"][first],
        "masks": masks[first],
        "next_observations": arrays["observations"][first + 1],
        "terminals": arrays["terminals"][first + 1],
    }
    tensors = {name: torch.as_tensor(values.astype(np.float32), device=device) for name, values in columns.items()}
    return Transitions(**tensors)
