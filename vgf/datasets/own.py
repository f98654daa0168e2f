"""Somebody's own data as transitions: rewards come with the data, because no task's row says how to compute them.

One rule holds for files and for arrays given as a mapping (`vgf.datasets.layouts`): layouts that people have are told
apart by the names of their arrays, and where names leave two meanings the data are refused, as a wrong guess would
train on nonsense without a word. Who has transitions already passes `Transitions`.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from numpy.typing import ArrayLike

from vgf.datasets.own_rows import read_own
from vgf.datasets.transitions import Transitions


def own_transitions(
    source: Path | str | Mapping[str, ArrayLike] | Transitions,
    device: torch.device | str = "cpu",
    ignore: Collection[str] = (),
) -> Transitions:
    """Return transitions on the device, from a file, a folder, arrays, or as they are, in float32.

    What should be known of how they were read is told on stderr.

    Args:
        source: an npz or hdf5 file, a Minari or LeRobot folder, a robomimic or parquet file, a mapping of arrays, or
            `Transitions`. The arrays are `observations` [R, o], `actions` [R, d] in [-1, 1], `rewards` [R], where
            `rewards[t]` is for the action of row t, and `terminals` [R]; what else there is says what a row is. With
            perhaps `masks` [R], rows are trajectories: `terminals` is 1 in the last row of each, which holds its final
            observation, and whose action and reward are not read; `masks` is 0 where the task ends with that row's
            action, so that nothing is bootstrapped, and 1 everywhere when left out. With `timeouts` [R], rows are steps
            as D4RL has them, and `terminals` is 1 where the task ended. With `next_observations` [R, o] beside `masks`
            or `timeouts`, rows are transitions.
        device: where they go.
        ignore: names of arrays that are not to be read. Simulator state (`qpos`, `qvel`, `button_states`) and what lies
            below `infos` or `metadata` may stay in any case; another name is refused.

    Raises:
        DataError: naming the file, the array, and for a bad number its row and column.
    """
    if isinstance(source, Transitions):
        return source.to(device).float()
    read = read_own(source, ignore)[0]
    for line in read.notes:
        print(line, file=sys.stderr, flush=True)
    return Transitions(**{name: torch.as_tensor(values, device=device) for name, values in read.columns.items()})
